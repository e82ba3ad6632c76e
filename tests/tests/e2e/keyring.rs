//! A vault whose key lies in the keyring: the keyring's own dialog, and what opens without one.

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    Workspace,
    agent::{AgentProcess, Session},
    bus::{Activation, PrivateBus},
    cli::Cli,
    keyring::{self, CallCount, KeyringDaemon, KeyringDoor},
    parts,
    prompter::{self, Prompter},
    screen::{self, Screen},
    stage::wait_for_status,
};

struct Home {
    agent: AgentProcess,
    cli: Cli,
    bus: PrivateBus,
    workspace: Workspace,
}

impl Home {
    /// With a vault that opens with the session; then agent and keyring are ended.
    fn new() -> Self {
        let workspace = Workspace::new().unwrap();
        let bus = PrivateBus::start(&workspace, &Activation::Nothing).unwrap();
        let keyring = KeyringDaemon::start(&workspace, &bus, KeyringDoor::Open).unwrap();
        let mut agent =
            AgentProcess::start(&workspace, Session::new(&workspace, Some(&bus))).unwrap();
        let cli = Cli::new(agent.session());
        cli.ask(&["setup"]).unwrap();
        assert_eq!(keyring.keys(&bus).unwrap(), 1);
        agent.process().terminate().unwrap();
        keyring.stop().unwrap();
        Self {
            agent,
            cli,
            bus,
            workspace,
        }
    }

    fn keyring(&self, door: KeyringDoor) -> KeyringDaemon {
        KeyringDaemon::start(&self.workspace, &self.bus, door).unwrap()
    }

    fn vault(&self) -> String {
        let status = self.cli.json(&["status"]).unwrap();
        status["vault"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_locked_keyring_asks_for_its_password_and_a_no_changes_nothing() {
    let programs = ["dbus-daemon", keyring::PROGRAM, prompter::PROGRAM];
    let programs = [&programs[..], &screen::PROGRAMS].concat();
    if !parts::are_there("keyring::dialog", &programs) {
        return;
    }
    let mut home = Home::new();
    let keyring = home.keyring(KeyringDoor::Locked);
    // Nobody can be asked at the start.
    home.agent.restart().unwrap();
    home.cli
        .refused(&["unlock"], "", Reason::KeySourceLocked)
        .unwrap();
    let screen = Screen::start(&home.workspace).unwrap();
    let _prompter = Prompter::start(&home.workspace, &home.bus, &screen).unwrap();

    let call = home.cli.begin(&["unlock"]);
    let dialog = screen.wait_for_window(prompter::WINDOW).unwrap();
    screen.focus(&dialog).unwrap();
    screen.press("Escape").unwrap();
    call.refused(Reason::KeySourceLocked).unwrap();
    screen.wait_until_gone(prompter::WINDOW).unwrap();
    assert_eq!(home.vault(), "locked");
    home.cli
        .refused(&["setup"], "", Reason::VaultExists)
        .unwrap();
    assert_eq!(keyring.keys(&home.bus).unwrap(), 1, "no second key");

    let call = home.cli.begin(&["unlock"]);
    let dialog = screen.wait_for_window(prompter::WINDOW).unwrap();
    screen.focus(&dialog).unwrap();
    screen.type_text(keyring::PASSWORD).unwrap();
    screen.press("Return").unwrap();
    call.answer().unwrap();
    assert_eq!(home.vault(), "unlocked");
    assert_eq!(keyring.keys(&home.bus).unwrap(), 1);
}

#[test]
fn the_vault_opens_by_itself_when_its_keyring_comes() {
    if !parts::are_there("keyring::comes", &["dbus-daemon", keyring::PROGRAM]) {
        return;
    }
    let mut home = Home::new();
    home.agent.restart().unwrap();
    assert_eq!(home.vault(), "locked");
    let keyring = home.keyring(KeyringDoor::Open);
    wait_for_status(&home.cli, "vault", "unlocked").unwrap();
    home.is_quiet();

    // What the user locks stays locked, whatever the keyring does.
    home.cli.ask(&["lock"]).unwrap();
    keyring.stop().unwrap();
    let _keyring = home.keyring(KeyringDoor::Open);
    home.is_quiet();
    assert_eq!(home.vault(), "locked");
}

#[test]
fn the_vault_opens_by_itself_when_another_program_has_its_keyring_opened() {
    let programs = ["dbus-daemon", keyring::PROGRAM, prompter::PROGRAM];
    let programs = [&programs[..], &screen::PROGRAMS].concat();
    if !parts::are_there("keyring::opened", &programs) {
        return;
    }
    let mut home = Home::new();
    let keyring = home.keyring(KeyringDoor::Locked);
    home.agent.restart().unwrap();
    home.is_quiet();
    assert_eq!(home.vault(), "locked");
    let screen = Screen::start(&home.workspace).unwrap();
    let _prompter = Prompter::start(&home.workspace, &home.bus, &screen).unwrap();
    let _other = keyring.ask_to_unlock(&home.bus).unwrap();
    let dialog = screen.wait_for_window(prompter::WINDOW).unwrap();
    screen.focus(&dialog).unwrap();
    screen.type_text(keyring::PASSWORD).unwrap();
    screen.press("Return").unwrap();
    wait_for_status(&home.cli, "vault", "unlocked").unwrap();
    home.is_quiet();
}

impl Home {
    /// The agent waits to be told: it does not go on asking the keyring.
    fn is_quiet(&self) {
        let calls = CallCount::begin(&self.bus).unwrap();
        // Time for thousands of calls.
        for _ in 0..10 {
            self.cli.ask(&["status"]).unwrap();
        }
        let count = calls.end().unwrap();
        assert!(count < 20, "{count} calls of the keyring");
    }
}
