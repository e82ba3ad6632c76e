//! The agent's dialogs, shown by the real pinentry: on the terminal of who asked, or on the desktop.

use std::process::Command;

use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::{
    Workspace,
    desktop::{self, Desktop},
    example_portal::ExamplePortal,
    gateway::GatewayProcess,
    notices::NoticeWitness,
    parts, process,
    prompter::{self, Prompter},
    screen::{self, Screen},
    stage::{PASSPHRASE, PASSPHRASE_KEY, PASSWORD, Stage, USER},
    terminal::Terminal,
};

const TOKEN: &str = "otpauth://hotp/Bank:alice?secret=JBSWY3DPEHPK3PXP&counter=0&pin=True";
const PIN: &str = "246802";
/// A push token that wants its own PIN for an approval.
const PIN_TOKEN: [&str; 6] = ["--push", "on", "--push-level", "pin", "--pin", "token"];

fn config(program: &str) -> String {
    format!("{PASSPHRASE_KEY}[pinentry]\nprogram = \"{program}\"\n")
}

/// A flavour that is shown on a terminal.
struct Flavour {
    program: &'static str,
    enter: &'static str,
    cancel: &'static str,
}

const FLAVOURS: [Flavour; 2] = [
    Flavour {
        program: "pinentry-tty",
        enter: "\n",
        cancel: "\u{4}",
    },
    Flavour {
        program: "pinentry-curses",
        enter: "\r",
        cancel: "\t\t\r",
    },
];

/// The agent with this flavour, a token with a PIN, and somebody at a terminal.
struct Seat {
    stage: Stage,
    terminal: Terminal,
    flavour: Flavour,
}

impl Seat {
    fn new(test: &str, flavour: Flavour) -> Option<Self> {
        if !parts::are_there(test, &["dbus-daemon", "setsid", flavour.program]) {
            return None;
        }
        let config = config(&format!("/usr/bin/{}", flavour.program));
        let stage =
            Stage::in_session(Workspace::new().unwrap(), &config, |session| session).unwrap();
        stage.set_up().unwrap();
        stage.enroll_with_pin("bank", TOKEN, PIN).unwrap();
        Some(Self {
            stage,
            terminal: Terminal::open().unwrap(),
            flavour,
        })
    }

    fn type_in(&mut self, text: &str) {
        let keys = format!("{text}{}", self.flavour.enter);
        self.terminal.press(&keys).unwrap();
    }
}

#[test]
fn a_passphrase_and_a_pin_are_typed_where_the_command_runs() {
    for flavour in FLAVOURS {
        let Some(mut seat) = Seat::new("dialogs::terminal", flavour) else {
            continue;
        };
        let cli = seat.stage.cli.clone();
        cli.ask(&["lock"]).unwrap();
        let mut call = cli.begin_on(&seat.terminal, &["unlock"]).unwrap();
        seat.terminal
            .wait_for_secret_prompt("Passphrase:", 1)
            .unwrap();
        seat.type_in("not this one");
        seat.terminal.wait_for("is wrong", 1).unwrap();
        seat.terminal
            .wait_for_secret_prompt("Passphrase:", 2)
            .unwrap();
        seat.type_in(PASSPHRASE);
        assert_eq!(call.code().unwrap(), Some(0));
        assert_eq!(cli.json(&["status"]).unwrap()["vault"], "unlocked");

        let before = seat.terminal.count("PIN:");
        let mut call = cli
            .begin_on(&seat.terminal, &["code", "bank", "--json"])
            .unwrap();
        seat.terminal
            .wait_for_secret_prompt("PIN:", before + 1)
            .unwrap();
        seat.type_in("135791");
        seat.terminal.wait_for("4 tries are left", 1).unwrap();
        seat.terminal
            .wait_for_secret_prompt("PIN:", before + 2)
            .unwrap();
        seat.type_in(PIN);
        assert_eq!(call.code().unwrap(), Some(0));
        seat.terminal.wait_for(r#""passcode":"282760""#, 1).unwrap();
        seat.terminal.wait_until_echo(true).unwrap();
        let shown = seat.terminal.shown();
        for secret in [PASSPHRASE, PIN] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[test]
fn cancel_is_a_no_and_ctrl_c_takes_the_dialog_away() {
    for flavour in FLAVOURS {
        let Some(mut seat) = Seat::new("dialogs::cancel", flavour) else {
            continue;
        };
        let cli = seat.stage.cli.clone();
        let mut call = cli.begin_on(&seat.terminal, &["code", "bank"]).unwrap();
        seat.terminal.wait_for_secret_prompt("PIN:", 1).unwrap();
        let cancel = seat.flavour.cancel;
        seat.terminal.press(cancel).unwrap();
        let cancelled = i32::from(Reason::Cancelled.exit_code());
        assert_eq!(call.code().unwrap(), Some(cancelled));

        let mut call = cli.begin_on(&seat.terminal, &["code", "bank"]).unwrap();
        seat.terminal.wait_for_secret_prompt("PIN:", 2).unwrap();
        assert_eq!(seat.stage.agent.dialogs().len(), 1);
        seat.terminal.press("\u{3}").unwrap();
        assert_eq!(call.code().unwrap(), Some(130));
        seat.stage.agent.wait_for_dialog(false).unwrap();
        seat.terminal.wait_until_echo(true).unwrap();
        // Neither was a try.
        let token = cli.json(&["info", "bank"]).unwrap();
        assert_eq!(token["tries_left"], 5);
    }
}

/// The agent on a desktop, with a push token that wants its PIN.
struct Desk {
    gateway: GatewayProcess,
    stage: Stage,
}

impl Desk {
    fn new(workspace: Workspace, program: &str, display: &str, seconds: u32) -> Self {
        let stage = Stage::in_session(workspace, &config(program), |session| {
            session.on_display(display)
        })
        .unwrap();
        stage.set_up().unwrap();
        let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
        gateway
            .configure("push", &format!("ttl_seconds = {seconds}"))
            .unwrap();
        gateway.add_user(USER, PASSWORD).unwrap();
        gateway.serve().unwrap();
        let activation = gateway.add_token(USER, &PIN_TOKEN).unwrap();
        stage.enroll_with_pin("Example", &activation, PIN).unwrap();
        stage.wait_until_connected().unwrap();
        Self { gateway, stage }
    }

    fn ask(&self) -> ExamplePortal {
        let mut window = ExamplePortal::open(&self.gateway).unwrap();
        window.ask_the_desktop().unwrap();
        window
    }
}

#[test]
fn approve_in_the_notification_asks_for_the_pin_in_a_dialog() {
    let flavours: [(_, _, &[_]); 2] = [
        ("pinentry-gtk-2", "pinentry-gtk-2", &["pinentry-gtk-2"]),
        (
            "pinentry-gnome3",
            prompter::WINDOW,
            &["pinentry-gnome3", prompter::PROGRAM],
        ),
    ];
    for (program, window_class, programs) in flavours {
        let programs = [programs, &desktop::PROGRAMS, &screen::PROGRAMS].concat();
        if !parts::are_there("dialogs::notification", &programs) {
            continue;
        }
        let workspace = Workspace::new().unwrap();
        let screen = Screen::start(&workspace).unwrap();
        let program = format!("/usr/bin/{program}");
        let desk = Desk::new(workspace, &program, screen.display(), 120);
        let stage = &desk.stage;
        let _prompter = (window_class == prompter::WINDOW)
            .then(|| Prompter::start(&stage.workspace, &stage.bus, &screen).unwrap());
        let desktop = Desktop::start(&stage.workspace, &stage.bus).unwrap();
        let mut notices = NoticeWitness::new(&stage.bus).unwrap();

        let mut window = desk.ask();
        let notice = notices.wait_for("Log in to").unwrap();
        desktop.choose(&notice, "approve").unwrap();
        let dialog = screen.wait_for_window(window_class).unwrap();
        screen.focus(&dialog).unwrap();
        screen.type_text(PIN).unwrap();
        screen.press("Return").unwrap();
        assert_eq!(window.wait_for_outcome().unwrap(), "approved");
        window.logged_in().unwrap();
        screen.wait_until_gone(window_class).unwrap();

        // Denied elsewhere: the dialog goes, and the login with it.
        let mut window = desk.ask();
        let notice = notices.wait_for("Log in to").unwrap();
        desktop.choose(&notice, "approve").unwrap();
        screen.wait_for_window(window_class).unwrap();
        stage.cli.ask(&["deny"]).unwrap();
        screen.wait_until_gone(window_class).unwrap();
        stage.agent.wait_for_dialog(false).unwrap();
        assert_eq!(window.wait_for_outcome().unwrap(), "denied");
        assert!(window.logged_in().is_err());
    }
}

/// A pinentry that shows nothing and says nothing once it is asked.
fn hanging(workspace: &Workspace) -> String {
    let path = workspace.join("pinentry-hanging");
    // Written by another process: while this one has it open, a child that another test's thread is just
    // making has it open too, and it could not be run.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"cat >"$0" && chmod 755 "$0""#])
        .arg(&path);
    let script = "#!/bin/sh\necho OK\nwhile IFS= read -r line; do\n\
        case $line in GETPIN*) exec sleep 600 ;; *) echo OK ;; esac\ndone\n";
    let written = process::output(command, script.as_bytes()).unwrap();
    assert!(written.status.success());
    path.display().to_string()
}

#[test]
fn a_dialog_that_hangs_ends_with_its_time_and_opens_nothing() {
    if !parts::are_there("dialogs::hanging", &["dbus-daemon"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let program = hanging(&workspace);
    let desk = Desk::new(workspace, &program, ":77", 3);
    let (stage, cli) = (&desk.stage, &desk.stage.cli);
    let mut requests = stage.requests().unwrap();

    // The login request's time.
    let mut window = desk.ask();
    let request = requests.pending().unwrap();
    let call = cli.begin(&["approve", &request.id]);
    stage.agent.wait_for_dialog(true).unwrap();
    call.refused(Reason::LoginRequestExpired).unwrap();
    stage.agent.wait_for_dialog(false).unwrap();
    requests.wait(&[LoginRequestState::Expired]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "expired");
    assert!(window.logged_in().is_err());

    // The caller's time.
    cli.ask(&["lock"]).unwrap();
    let call = cli.begin(&["unlock", "--timeout", "2"]);
    stage.agent.wait_for_dialog(true).unwrap();
    call.refused(Reason::Deadline).unwrap();
    stage.agent.wait_for_dialog(false).unwrap();
    assert_eq!(cli.json(&["status"]).unwrap()["vault"], "locked");
}

#[test]
fn without_a_pinentry_the_pin_is_required_and_the_reason_said() {
    if !parts::are_there("dialogs::missing", &["dbus-daemon"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let missing = workspace.join("no-pinentry").display().to_string();
    let stage = Stage::in_session(workspace, &config(&missing), |session| {
        session.on_display(":77")
    })
    .unwrap();
    stage.set_up().unwrap();
    stage.enroll_with_pin("bank", TOKEN, PIN).unwrap();
    assert_eq!(stage.cli.json(&["status"]).unwrap()["pinentry"], "");
    let said = stage
        .cli
        .refused(&["code", "bank"], "", Reason::PinRequired)
        .unwrap();
    assert!(said.stderr.contains("pinentry"), "{said:?}");
    stage.cli.ask(&["lock"]).unwrap();
    let said = stage
        .cli
        .refused(&["unlock"], "", Reason::PinRequired)
        .unwrap();
    assert!(said.stderr.contains("pinentry"), "{said:?}");
}
