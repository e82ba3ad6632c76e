//! The desktop session: a locked screen, a machine that goes to sleep, a config.toml that is read again.

use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::{
    Workspace,
    bus::PrivateBus,
    desktop::{self, Desktop},
    example_portal::ExamplePortal,
    logind::Logind,
    notices::NoticeWitness,
    parts,
    stage::{CLICK_TOKEN, PASSPHRASE_KEY, Stage, USER},
    system_bus,
};

struct Seat {
    logind: Logind,
    stage: Stage,
    _bus: PrivateBus,
}

impl Seat {
    /// The agent, with these lines more in its config.toml and an open vault, in the session `c1`.
    fn new(test: &str, config: &str) -> Option<Self> {
        if !parts::are_there(test, &["dbus-daemon"]) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let bus = system_bus::start(&workspace).unwrap();
        let logind = Logind::start(&bus, rustix::process::getuid().as_raw()).unwrap();
        logind.log_in("c1").unwrap();
        logind.appear().unwrap();
        let config = format!("{PASSPHRASE_KEY}{config}");
        let stage =
            Stage::in_session(workspace, &config, |session| session.on_system_bus(&bus)).unwrap();
        stage.set_up().unwrap();
        stage.wait_for_status("session", "open").unwrap();
        Some(Self {
            logind,
            stage,
            _bus: bus,
        })
    }
}

#[test]
fn the_agent_ends_although_somebody_watches() {
    let mut stage = Stage::new().unwrap();
    let _watch = stage.requests().unwrap();
    let ended = stage.agent.process().terminate().unwrap();
    assert!(ended.success(), "{ended}");
}

#[test]
fn a_locked_screen_locks_the_vault_and_hides_what_asks() {
    let name = "session::locked_screen";
    if !parts::are_there(name, &desktop::PROGRAMS) {
        return;
    }
    let Some(seat) = Seat::new(name, "") else {
        return;
    };
    let stage = &seat.stage;
    let gateway = stage.gateway().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();
    let desktop = Desktop::start(&stage.workspace, &stage.bus).unwrap();
    let mut notices = NoticeWitness::new(&stage.bus).unwrap();
    let mut requests = stage.requests().unwrap();

    seat.logind.hint_locked("c1", true).unwrap();
    stage.wait_for_status("vault", "locked").unwrap();
    assert_eq!(stage.cli.json(&["status"]).unwrap()["session"], "locked");

    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let held = notices.wait().unwrap();
    let request = requests.pending().unwrap();
    let text = format!("{}\n{}", held.summary, held.body);
    assert!(text.contains("A login request is waiting"), "{text:?}");
    for told in [request.resource.as_str(), USER, "127."] {
        assert!(!text.contains(told), "{told:?} is shown in {text:?}");
    }
    assert!(held.actions.is_empty(), "{held:?}");
    let approve = ["approve", request.id.as_str()];
    stage
        .cli
        .refused(&approve, "", Reason::SessionLocked)
        .unwrap();

    seat.logind.hint_locked("c1", false).unwrap();
    let shown = notices.wait_for("Log in to").unwrap();
    assert_eq!(shown.replaces, held.id);
    assert!(shown.body.contains(USER), "{shown:?}");
    // The screen is open, the vault is not.
    assert_eq!(stage.cli.json(&["status"]).unwrap()["vault"], "locked");
    stage.unlock().unwrap();
    let asked = notices.wait_for("Log in to").unwrap();
    desktop.choose(&asked, "approve").unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();
}

#[test]
fn a_vault_that_stays_open_behind_a_locked_screen_still_approves_nothing() {
    let Some(seat) = Seat::new("session::stays_open", "[lock]\nwith_screen = false\n") else {
        return;
    };
    let stage = &seat.stage;
    let gateway = stage.gateway().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();

    seat.logind.lock("c1").unwrap();
    stage.wait_for_status("session", "locked").unwrap();
    assert_eq!(stage.cli.json(&["status"]).unwrap()["vault"], "unlocked");
    let approve = ["approve", request.id.as_str()];
    stage
        .cli
        .refused(&approve, "", Reason::SessionLocked)
        .unwrap();
    // Saying no is always allowed.
    stage.cli.ask(&["deny", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "denied");
    requests.wait(&[LoginRequestState::Denied]).unwrap();
}

#[test]
fn the_machine_sleeps_only_once_the_vault_is_locked() {
    let Some(mut seat) = Seat::new("session::sleep", "") else {
        return;
    };
    for _ in 0..3 {
        let inhibitor = seat.logind.inhibitor().unwrap();
        assert!(inhibitor.is_held());
        seat.logind.prepare_for_sleep(true).unwrap();
        inhibitor.released().unwrap();
        let status = seat.stage.cli.json(&["status"]).unwrap();
        assert_eq!(status["vault"], "locked");
        assert_eq!(status["session"], "locked");
        seat.logind.prepare_for_sleep(false).unwrap();
        seat.stage.wait_for_status("session", "open").unwrap();
        assert_eq!(seat.stage.cli.json(&["status"]).unwrap()["vault"], "locked");
        seat.stage.unlock().unwrap();
    }
}

#[test]
fn config_toml_is_read_again_and_a_wrong_one_changes_nothing() {
    const TAKEN: &str = "config.toml was read again";
    const NOT_TAKEN: &str = "config.toml was not taken";
    let Some(seat) = Seat::new("session::config", "[lock]\nwith_screen = false\n") else {
        return;
    };
    let stage = &seat.stage;
    let configure = |lines: &str| {
        let text = format!("{PASSPHRASE_KEY}{lines}");
        stage.workspace.write_config(&text).unwrap();
    };
    configure("[lock]\nwith_screen = true\nidle_secnds = 1\n");
    stage.agent.reload(NOT_TAKEN).unwrap();
    let log = stage.agent.log();
    let line = log.lines().find(|line| line.contains(NOT_TAKEN)).unwrap();
    assert!(line.contains("config.toml, line 5"), "{line}");
    assert!(line.contains("idle_secnds"), "{line}");
    // Not even its good lines count.
    seat.logind.hint_locked("c1", true).unwrap();
    stage.wait_for_status("session", "locked").unwrap();
    let status = stage.cli.json(&["status"]).unwrap();
    assert_eq!(status["vault"], "unlocked");
    assert!(status["locks_at"].is_null(), "{status}");
    seat.logind.hint_locked("c1", false).unwrap();
    stage.wait_for_status("session", "open").unwrap();

    configure("[lock]\nidle_seconds = 3600\n");
    stage.agent.reload(TAKEN).unwrap();
    let status = stage.cli.json(&["status"]).unwrap();
    assert_eq!(status["vault"], "unlocked");
    assert!(status["locks_at"].is_number(), "{status}");

    configure("[lock]\nidle_seconds = 1\n");
    stage.agent.reload(TAKEN).unwrap();
    stage.wait_for_status("vault", "locked").unwrap();
    let log = stage.cli.ask(&["log"]).unwrap();
    assert!(log.contains("its time was over"), "{log}");
}
