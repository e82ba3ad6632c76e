//! The screen on a real terminal: keys are typed, and the screen is looked at as a terminal shows it.

use countersign_proto::agent::v1::{LoginRequest, LoginRequestState, OtpMode, Reason, VaultState};
use rustix::process::Signal;

use crate::{
    samples::{login_request, token},
    script::Watch,
    stage::{PROGRAM, Place, Stage},
    typist::on_terminal,
    viewer::{RESTORED, Viewer, opens, opens_at, opens_beside_windows},
};

const ID: &str = "00112233445566778899aabbccddeeff";
const OTHER: &str = "ffeeddccbbaa99887766554433221100";

/// An agent whose watch stays, with these requests pending.
fn stage(requests: Vec<LoginRequest>) -> Stage {
    let stage = Stage::new();
    {
        let mut script = stage.agent.script();
        script.watch = Watch::Stays;
        script.requests = requests;
    }
    stage
}

fn answers(stage: &Stage) -> Vec<String> {
    let calls = stage.calls().into_iter();
    calls.filter(|call| call.starts_with("answer")).collect()
}

/// Looks at the newest request until it may be answered: a second has gone by since it came.
fn looks(viewer: &mut Viewer) {
    viewer.sees(" 54 s");
}

#[test]
fn a_login_request_comes_is_approved_with_a_key_and_goes() {
    let stage = stage(Vec::new());
    let mut viewer = opens(&stage);
    viewer.sees("No login requests.");
    viewer.sees("vault unlocked");
    stage.agent.tells(&login_request(ID, "Example Portal"));
    for words in [
        "Requests 1",
        "Example Portal",
        "alice",
        "203.0.113.7 (Berlin)",
    ] {
        viewer.sees(words);
    }
    looks(&mut viewer);
    viewer.types("a");
    viewer.sees("Approved. Logged in to Example Portal.");
    viewer.sees("No login requests.");
    assert_eq!(
        answers(&stage),
        [format!("answer {ID} Approve   newest=false")]
    );
    viewer.types("q");
    assert_eq!(viewer.ends(), (0, RESTORED));
}

#[test]
fn a_denial_asks_whether_it_was_you_and_one_key_reports_it() {
    let stage = stage(vec![login_request(ID, "Example Portal")]);
    stage.agent.script().outcome = LoginRequestState::Denied;
    let mut viewer = opens(&stage);
    looks(&mut viewer);
    viewer.types("d");
    viewer.sees("Denied. Example Portal lets nobody in.");
    viewer.sees("Was it you? r: It wasn't me!");
    viewer.types("r");
    viewer.sees("The administrators of Example know that it was not you.");
    assert_eq!(
        answers(&stage),
        [
            format!("answer {ID} Deny   newest=false"),
            format!("answer {ID} Report   newest=false")
        ]
    );
}

#[test]
fn the_number_that_the_login_shows_is_typed() {
    let asks = LoginRequest {
        number_required: true,
        ..login_request(ID, "Example Portal")
    };
    let stage = stage(vec![asks]);
    let mut viewer = opens(&stage);
    looks(&mut viewer);
    viewer.types("a");
    viewer.sees("Type the number that Example Portal shows.");
    viewer.types("4x2");
    viewer.sees("› 42");
    viewer.types("\r");
    viewer.sees("Approved.");
    assert_eq!(
        answers(&stage),
        [format!("answer {ID} Approve 42  newest=false")]
    );
}

#[test]
fn an_answer_counts_only_for_what_could_be_seen_and_a_paste_is_none() {
    let stage = stage(vec![login_request(ID, "Example Portal")]);
    let mut viewer = opens(&stage);
    viewer.sees("Example Portal");
    viewer.types("a");
    viewer.sees("Look first: this is Example Portal.");
    looks(&mut viewer);
    viewer.types("\u{1b}[200~aaa\u{1b}[201~");
    // One that comes does not take the place of the one that is looked at.
    stage.agent.tells(&login_request(OTHER, "Attacker"));
    viewer.sees("Attacker");
    viewer.types("a");
    viewer.sees("Approved.");
    assert_eq!(
        answers(&stage),
        [format!("answer {ID} Approve   newest=false")]
    );
}

#[test]
fn where_the_agent_can_ask_nobody_the_pin_is_asked_for_unseen_until_it_is_right() {
    let stage = stage(vec![login_request(ID, "Example Portal")]);
    stage.agent.script().pin = Some("246810");
    let mut viewer = opens_beside_windows(&stage);
    looks(&mut viewer);
    viewer.types("a");
    viewer.sees("The token needs its PIN.");
    viewer.sees("PIN of Work:");
    viewer.waits_until(|screen| !screen.hide_cursor());
    viewer.typist.waits_until_unseen();
    viewer.types("1\n");
    viewer.sees("The PIN is wrong (2 tries left).");
    viewer.typist.waits_until_unseen();
    viewer.types("246810\n");
    viewer.sees("Approved.");
    assert!(!String::from_utf8_lossy(&viewer.written).contains("246810"));
    assert_eq!(
        answers(&stage),
        [
            format!("answer {ID} Approve   newest=false"),
            format!("answer {ID} Approve  1 newest=false"),
            format!("answer {ID} Approve  246810 newest=false"),
        ]
    );
    viewer.types("q");
    assert_eq!(viewer.ends(), (0, RESTORED));
}

#[test]
fn escape_and_control_c_go_back_from_a_question_and_send_nothing() {
    for keys in ["\u{1b}", "24\u{1b}", "24\u{3}", "\u{4}", "\n"] {
        let stage = stage(vec![login_request(ID, "Example Portal")]);
        stage.agent.script().pin = Some("246810");
        let mut viewer = opens_beside_windows(&stage);
        looks(&mut viewer);
        viewer.types("a");
        viewer.sees("PIN of Work:");
        viewer.typist.waits_until_unseen();
        viewer.types(keys);
        viewer.sees("Nothing was sent.");
        assert_eq!(answers(&stage).len(), 1, "{keys:?}");
        viewer.types("q");
        assert_eq!(viewer.ends(), (0, RESTORED));
    }
}

#[test]
fn the_terminal_is_told_only_where_a_dialog_can_be_drawn_nowhere_else() {
    for windows in [true, false] {
        let asks = LoginRequest {
            token: "unknown to the list".to_owned(),
            ..login_request(ID, "Example Portal")
        };
        let stage = stage(vec![asks]);
        let mut viewer = if windows {
            opens_beside_windows(&stage)
        } else {
            opens(&stage)
        };
        looks(&mut viewer);
        viewer.types("a");
        viewer.sees("Approved.");
        let screens = stage.agent.script().screens.clone();
        let told = screens.iter().filter(|screen| !screen.tty.is_empty());
        assert_eq!(told.count(), usize::from(!windows));
        let dialogs = screens.iter().filter(|screen| !screen.display.is_empty());
        assert_eq!(dialogs.count(), usize::from(windows));
    }
}

#[test]
fn a_terminal_that_was_lent_is_taken_back_whatever_was_done_to_it() {
    let asks = LoginRequest {
        token: "unknown to the list".to_owned(),
        ..login_request(ID, "Example Portal")
    };
    let stage = stage(vec![asks]);
    let mut viewer = opens(&stage);
    looks(&mut viewer);
    stage.agent.script().hangs = true;
    viewer.types("a");
    viewer.sees("Approving Example Portal.");
    viewer.waits_until(|screen| !screen.hide_cursor());
    // As a dialog that was ended leaves it.
    viewer.typist.hides_what_is_typed();
    viewer.signals(Signal::TERM);
    assert_eq!(viewer.ends(), (143, RESTORED));
}

#[test]
fn a_passcode_is_shown_when_it_is_asked_for_copied_and_hidden() {
    let stage = stage(Vec::new());
    let mut viewer = opens(&stage);
    viewer.sees("vault unlocked");
    viewer.types("2");
    viewer.sees("time-based");
    assert!(!viewer.screen().contains("755"));
    viewer.types("c");
    viewer.sees("755 224");
    viewer.types("y");
    viewer.sees("Given to the terminal's clipboard.");
    let written = String::from_utf8_lossy(&viewer.written).into_owned();
    assert!(written.contains("\u{1b}]52;c;NzU1MjI0"), "{written:?}");
    viewer.types("c");
    viewer.sees_no("755 224");
}

#[test]
fn an_event_based_token_generates_only_after_a_yes_and_a_challenge_is_typed() {
    let stage = stage(Vec::new());
    {
        let mut script = stage.agent.script();
        script.mode = OtpMode::Event;
        let mut door = token("Door");
        door.mode = OtpMode::Event.into();
        let mut bank = token("Bank");
        bank.id = "8".to_owned();
        bank.mode = OtpMode::Challenge.into();
        script.tokens = vec![door, bank];
    }
    let mut viewer = opens(&stage);
    viewer.sees("vault unlocked");
    viewer.types("2");
    viewer.sees("Door");
    viewer.types("\r");
    viewer.sees("Generate the next passcode of Door?");
    viewer.types("y");
    viewer.sees("755 224");
    viewer.sees("good for one login");
    viewer.types("/bank\r");
    viewer.sees_no("Door");
    viewer.types("\r");
    viewer.sees("Type the challenge");
    viewer.types("0011\r");
    viewer.sees("755 224");
    let calls = stage.calls();
    let passcodes: Vec<_> = calls
        .iter()
        .filter(|call| call.starts_with("passcode"))
        .collect();
    assert_eq!(
        passcodes,
        ["passcode 7 Unspecified  ", "passcode 8 Unspecified 0011 "]
    );
}

#[test]
fn history_log_autosend_and_lock() {
    let over = LoginRequest {
        state: LoginRequestState::Expired.into(),
        ..login_request(ID, "Example Portal")
    };
    let stage = stage(Vec::new());
    let mut viewer = opens(&stage);
    viewer.sees("autosend on");
    stage.agent.script().requests = vec![over];
    viewer.types("3");
    viewer.sees("expired");
    viewer.types("4");
    viewer.sees("passcode generated");
    viewer.types("o");
    viewer.sees("Autosend is off.");
    viewer.types("L");
    viewer.sees("The vault is locked.");
    stage.agent.script().status.vault = VaultState::Locked.into();
    // A look at the terminal asks anew.
    viewer.types("\u{1b}[O\u{1b}[I");
    viewer.sees("vault locked");
    viewer.types("L");
    viewer.sees("The vault is unlocked.");
    let calls = stage.calls();
    for call in ["autosend false ", "lock", "unlock ", "events 200"] {
        assert!(calls.iter().any(|made| made == call), "{call}: {calls:?}");
    }
}

#[test]
fn the_screen_outlives_the_agent_and_says_what_helps() {
    let place = Place::new();
    let mut viewer = opens_at(&place);
    viewer.sees("The Countersign agent is not running.");
    viewer.sees("systemctl --user start countersignd.socket");
    let stage = Stage::at(place);
    stage.agent.script().watch = Watch::Stays;
    viewer.sees("No login requests.");
    let place = stage.ends();
    viewer.sees("The Countersign agent is not running.");
    let stage = Stage::at(place);
    {
        let mut script = stage.agent.script();
        script.watch = Watch::Stays;
        script.requests = vec![login_request(ID, "Example Portal")];
    }
    viewer.sees("Example Portal");
    viewer.types("q");
    assert_eq!(viewer.ends(), (0, RESTORED));
}

#[test]
fn the_terminal_is_put_back_on_every_way_out() {
    for (keys, signal, code) in [
        ("q", None, 0),
        ("\u{3}", None, 0),
        ("?\u{3}", None, 0),
        ("", Some(Signal::TERM), 143),
        ("", Some(Signal::INT), 130),
        ("", Some(Signal::HUP), 129),
    ] {
        let stage = stage(Vec::new());
        let mut viewer = opens(&stage);
        viewer.sees("No login requests.");
        assert!(viewer.terminal().alternate_screen());
        assert!(viewer.terminal().hide_cursor());
        viewer.types(keys);
        if let Some(signal) = signal {
            viewer.signals(signal);
        }
        assert_eq!(viewer.ends(), (code, RESTORED), "{keys:?} {signal:?}");
    }
}

#[test]
fn control_z_gives_the_shell_its_terminal_and_fg_brings_the_screen_back() {
    let stage = stage(vec![login_request(ID, "Example Portal")]);
    let mut command = stage.place.command("/usr/bin/setsid");
    command
        .args(["--ctty", "--wait", "/bin/sh", "-i"])
        .env("PS1", "shell> ");
    let mut viewer = Viewer::of(command);
    viewer.sees("shell>");
    viewer.types(&format!("{PROGRAM} tui\n"));
    viewer.sees("Example Portal");
    viewer.types("\u{1a}");
    viewer.waits_until(|screen| !screen.alternate_screen());
    viewer.sees("Stopped");
    // What is typed before the prompt would be echoed in its place.
    viewer.waits_until(|screen| screen.contents().trim_end().ends_with("shell>"));
    viewer.types("echo typed\n");
    viewer.sees("\ntyped");
    viewer.types("fg\n");
    viewer.waits_until(vt100::Screen::alternate_screen);
    viewer.sees("Example Portal");
    viewer.types("q");
    viewer.waits_until(|screen| !screen.alternate_screen());
    viewer.types("exit\n");
    assert_eq!(viewer.ends().0, 0);
}

#[test]
fn another_size_is_another_layout() {
    let stage = stage(vec![login_request(ID, "Example Portal")]);
    let mut viewer = opens(&stage);
    viewer.sees("Countersign   Requests 1");
    viewer.resizes(40, 10);
    viewer.waits_until(|screen| screen.contents().starts_with(" Requests 1"));
    viewer.sees("Example Portal");
    viewer.resizes(1, 1);
    viewer.resizes(100, 30);
    viewer.sees("r It wasn't me!");
    viewer.types("q");
    assert_eq!(viewer.ends(), (0, RESTORED));
}

#[test]
fn without_colours_there_are_none_and_with_them_no_background() {
    for plain in [true, false] {
        let stage = stage(vec![login_request(ID, "Example Portal")]);
        let mut command = on_terminal(&stage, &["tui"]);
        if plain {
            command.env("NO_COLOR", "1");
        }
        let mut viewer = Viewer::of(command);
        viewer.sees("Example Portal");
        viewer.sees("vault unlocked");
        let cells: Vec<_> = (0..24)
            .flat_map(|row| (0..80).map(move |column| (row, column)))
            .filter_map(|(row, column)| viewer.terminal().cell(row, column))
            .collect();
        let is_painted = |colour| colour != vt100::Color::Default;
        assert!(!cells.iter().any(|cell| is_painted(cell.bgcolor())));
        assert_eq!(cells.iter().any(|cell| is_painted(cell.fgcolor())), !plain);
        assert!(cells.iter().any(|cell| cell.bold()));
    }
}

#[test]
fn hostile_texts_reach_no_terminal() {
    let text = "Evil\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\n\rPortal";
    let hostile = LoginRequest {
        user: text.to_owned(),
        place: text.to_owned(),
        program: text.to_owned(),
        ..login_request(ID, text)
    };
    let stage = stage(vec![hostile]);
    stage.agent.script().tokens = vec![token(text)];
    let mut viewer = opens(&stage);
    // This terminal leaves the marks out that stand for what was taken away.
    viewer.sees("Evil]0;owned[2J31mPortal");
    viewer.types("\r2");
    viewer.sees("time-based");
    let written = String::from_utf8_lossy(&viewer.written).into_owned();
    assert!(written.contains("Evil\u{fffd}]0;owned\u{fffd}\u{fffd}[2J\u{fffd}31m"));
    for never in ["\u{1b}]0;", "\u{7}", "\u{9b}", "\u{202e}", "\u{200b}"] {
        assert!(!written.contains(never), "{never:?} in {written:?}");
    }
}

#[test]
fn where_no_screen_can_be_painted_it_says_what_can() {
    let stage = Stage::new();
    let said = stage.run(&["tui"]);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("requests --watch"), "{}", said.err);
    let said = stage.run(&["tui", "--json"]);
    assert_eq!(said.code, 2);
    let mut command = on_terminal(&stage, &["tui"]);
    command.env("TERM", "dumb");
    let (code, screen) = crate::typist::Typist::start(command).ends();
    assert_eq!(code, i32::from(Reason::Usage));
    assert!(screen.contains("requests --watch"), "{screen}");
    assert!(!screen.contains('\u{1b}'), "{screen:?}");
}

#[test]
fn plain_is_a_watch_in_lines() {
    let stage = Stage::new();
    stage.agent.script().requests = vec![login_request(ID, "Example Portal")];
    let plain = stage.run(&["tui", "--plain"]);
    assert!(plain.out.contains("Example Portal"), "{}", plain.out);
    assert_eq!(plain.out, stage.run(&["requests", "--watch"]).out);
}
