//! The program on a real terminal: colours, questions, secrets that are not shown, Ctrl-C.

use countersign_proto::agent::v1::{LoginRequestState, Reason};

use crate::{
    samples::{login_request, token},
    stage::Stage,
    typist::{Typist, on_terminal, start, start_plain},
};

const ID: &str = "00112233445566778899aabbccddeeff";
const OTHER: &str = "ffeeddccbbaa99887766554433221100";

#[test]
fn a_passcode_comes_with_the_time_that_it_is_good_for() {
    let stage = Stage::new();
    let (code, screen) = start_plain(&stage, &["code", "Work"]).ends();
    assert_eq!(code, 0);
    assert_eq!(screen, "755224  ━━━━━━╌╌╌╌  18 s left\r\n");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let stage = Stage::new();
    let (_, screen) = start(&stage, &["list"]).ends();
    assert!(screen.contains("\u{1b}[36mWork\u{1b}[0m"), "{screen}");
    let (_, screen) = start_plain(&stage, &["list"]).ends();
    assert!(!screen.contains('\u{1b}'), "{screen}");
    assert!(screen.contains("time-based"), "{screen}");
}

#[test]
fn json_on_a_terminal_is_the_same_json() {
    let stage = Stage::new();
    let (_, screen) = start(&stage, &["code", "Work", "--json"]).ends();
    assert!(screen.starts_with("{\"passcode\":\"755224\""), "{screen}");
}

#[test]
fn a_passphrase_is_asked_for_and_never_shown() {
    let stage = Stage::new();
    stage.agent.script().passphrase = Some("some words");
    let mut typist = start(&stage, &["unlock"]);
    typist.sees("Passphrase of the vault: ");
    assert!(!typist.echo());
    typist.types("some words\n");
    let screen = typist.sees("The vault is unlocked.");
    assert!(!screen.contains("some words"), "{screen}");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(stage.calls(), ["unlock ", "status", "unlock some words"]);
}

#[test]
fn control_c_ends_a_question_and_puts_the_terminal_back() {
    let stage = Stage::new();
    stage.agent.script().passphrase = Some("some words");
    let mut typist = start(&stage, &["unlock"]);
    typist.sees("Passphrase of the vault: ");
    assert!(!typist.echo());
    typist.types("half\u{3}");
    // The terminal is put back before the program ends, so the echo is on once it has.
    let child_echo = typist.echo_after_end();
    assert_eq!(child_echo, (130, true));
    assert_eq!(stage.calls(), ["unlock ", "status"]);
}

#[test]
fn control_d_is_a_no() {
    let stage = Stage::new();
    stage.agent.script().passphrase = Some("some words");
    let mut typist = start(&stage, &["unlock"]);
    typist.sees("Passphrase of the vault: ");
    typist.types("\u{4}");
    assert_eq!(typist.ends().0, i32::from(Reason::Cancelled));
}

#[test]
fn an_enrollment_shows_host_and_user_and_asks() {
    let stage = Stage::new();
    let mut typist = start_plain(&stage, &["enroll"]);
    typist.sees("(not shown): ");
    assert!(!typist.echo());
    typist.types("the string\n");
    let shown = typist.sees("Connect to gateway.example:8443 as alice? [y/N] ");
    assert!(!shown.contains("the string"));
    assert!(typist.echo());
    typist.types("y\n");
    typist.sees("Enrollment Complete");
    typist.sees("CS01");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls(),
        [
            "inspect the string",
            "enroll the string Example gateway.example:8443"
        ]
    );
}

#[test]
fn an_enrollment_that_is_not_confirmed_contacts_nobody() {
    for keys in ["n\n", "\n", "yep\n"] {
        let stage = Stage::new();
        let mut typist = start_plain(&stage, &["enroll"]);
        typist.sees("(not shown): ");
        typist.types("the string\n");
        typist.sees("[y/N] ");
        typist.types(keys);
        typist.sees("nobody was contacted");
        assert_eq!(
            typist.ends().0,
            i32::from(Reason::EnrollmentNotConfirmed),
            "{keys:?}"
        );
        assert_eq!(stage.calls(), ["inspect the string"]);
    }
}

#[test]
fn who_asks_is_shown_before_an_approval_and_what_became_of_it_after() {
    let stage = Stage::new();
    stage.agent.script().requests = vec![login_request(ID, "Example Portal")];
    let mut typist = start_plain(&stage, &["approve"]);
    for words in ["Example Portal", "alice", "203.0.113.7 (Berlin)"] {
        typist.sees(words);
    }
    typist.sees("Approved. Logged in to Example Portal.");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls()[1],
        format!("answer {ID} Approve   newest=false"),
        "the answer is for what was shown"
    );
}

#[test]
fn one_of_several_requests_is_chosen_by_its_number() {
    for (keys, chosen) in [
        ("2\n", Some(OTHER)),
        ("\n", Some(ID)),
        ("3\n", None),
        ("x\n", None),
    ] {
        let stage = Stage::new();
        {
            let mut script = stage.agent.script();
            script.requests = vec![
                login_request(ID, "Portal A"),
                login_request(OTHER, "Portal B"),
            ];
            script.outcome = LoginRequestState::Denied;
        }
        let mut typist = start_plain(&stage, &["deny"]);
        typist.sees("Portal A");
        typist.sees("Portal B");
        typist.sees("Which one? [1, the newest] ");
        typist.types(keys);
        let (code, _) = typist.ends();
        let answered = stage.calls().get(1).cloned();
        let expected = chosen.map(|id| format!("answer {id} Deny   newest=false"));
        assert_eq!(answered, expected);
        let cancelled = i32::from(Reason::Cancelled);
        assert_eq!(code, if chosen.is_some() { 0 } else { cancelled });
    }
}

#[test]
fn the_number_that_the_resource_shows_is_asked_for() {
    let stage = Stage::new();
    let mut request = login_request(ID, "Example Portal");
    request.number_required = true;
    stage.agent.script().requests = vec![request];
    let mut typist = start_plain(&stage, &["approve"]);
    typist.sees("Number shown by Example Portal: ");
    typist.types("42\n");
    assert_eq!(typist.ends().0, 0);
    assert_eq!(
        stage.calls()[1],
        format!("answer {ID} Approve 42  newest=false")
    );
}

#[test]
fn no_pending_request_is_said_without_an_answer() {
    let stage = Stage::new();
    let (code, screen) = start_plain(&stage, &["approve"]).ends();
    assert_eq!(code, i32::from(Reason::LoginRequestUnknown));
    assert!(screen.contains("No login request is pending."), "{screen}");
}

#[test]
fn a_pin_is_asked_for_again_with_the_tries_that_are_left() {
    let stage = Stage::new();
    stage.agent.script().pin = Some("246810");
    let mut typist = start_plain(&stage, &["code", "Work"]);
    typist.sees("PIN of Work: ");
    typist.types("1\n");
    typist.sees("The PIN is wrong (2 tries left).");
    typist.sees("PIN of Work: ");
    assert!(!typist.echo());
    typist.types("246810\n");
    typist.sees("755224");
    assert_eq!(typist.ends().0, 0);
}

#[test]
fn a_deletion_is_asked_for_with_what_is_deleted() {
    for (keys, code, deleted) in [("y\n", 0, true), ("n\n", 88, false)] {
        let stage = Stage::new();
        let mut typist = start_plain(&stage, &["delete", "Work"]);
        typist.sees("Delete Work (serial CS01) and its secrets for good? [y/N] ");
        typist.types(keys);
        assert_eq!(typist.ends().0, code);
        assert_eq!(stage.calls().contains(&"delete 7".to_owned()), deleted);
    }
}

#[test]
fn a_hostile_name_does_not_reach_the_terminal() {
    let stage = Stage::new();
    stage.agent.script().tokens = vec![token("Work\u{1b}[2J\u{202e}\r\nApproved.")];
    let (_, screen) = start_plain(&stage, &["list"]).ends();
    assert!(
        !screen.contains('\u{1b}') && !screen.contains('\u{202e}'),
        "{screen:?}"
    );
    assert_eq!(screen.lines().count(), 2);
}

#[test]
fn a_long_wait_is_explained_and_control_c_still_ends_it_after_a_question() {
    let stage = Stage::new();
    stage.agent.script().pin = Some("246810");
    let mut command = on_terminal(&stage, &["code", "Work"]);
    command.env("NO_COLOR", "1").env("DISPLAY", ":77");
    let mut typist = Typist::start(command);
    typist.sees("PIN of Work: ");
    stage.agent.script().hangs = true;
    typist.types("246810\n");
    typist.sees("Waiting.");
    typist.types("\u{3}");
    assert_eq!(typist.echo_after_end(), (130, true));
}

#[test]
fn on_a_text_terminal_no_word_spoils_the_dialog_and_control_c_puts_the_terminal_back() {
    let stage = Stage::new();
    stage.agent.script().hangs = true;
    let mut typist = start_plain(&stage, &["code", "Work"]);
    stage.is_asked();
    typist.hides_what_is_typed();
    assert!(!typist.echo());
    typist.types("\u{3}");
    assert_eq!(typist.echo_after_end(), (130, true));
}

#[test]
fn a_locked_vault_shows_names_and_says_why_not_more() {
    let stage = Stage::new();
    let mut sealed = token("Work");
    sealed.mode = countersign_proto::agent::v1::OtpMode::Unspecified.into();
    stage.agent.script().tokens = vec![sealed];
    let (code, screen) = start_plain(&stage, &["list"]).ends();
    assert_eq!(code, 0);
    assert!(
        screen.contains("Work") && screen.contains("countersign unlock"),
        "{screen}"
    );
    assert!(!screen.contains("alice"), "{screen}");
}
