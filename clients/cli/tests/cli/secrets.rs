//! Secrets on standard input: one line each, bounded, and nowhere else.

use crate::stage::Stage;

const SECRET: &str = "correct horse battery staple";

#[test]
fn nothing_is_read_beyond_the_line_that_was_asked_for() {
    let stage = Stage::new();
    let mut command = stage.place.command("/bin/sh");
    command.args([
        "-c",
        "\"$0\" unlock --passphrase-stdin && read rest && echo \"$rest\"",
        crate::stage::PROGRAM,
    ]);
    let said = crate::stage::finish(command, "first\nsecond\n");
    assert_eq!(said.out, "second\n");
    assert_eq!(stage.calls(), ["unlock first"]);
}

#[test]
fn an_empty_or_endless_secret_is_refused_before_the_agent_is_asked() {
    let stage = Stage::new();
    let endless = "x".repeat(5_000);
    for input in ["", "\n", "\r\n", endless.as_str()] {
        let said = stage.run_with(&["unlock", "--passphrase-stdin"], input);
        assert_eq!((said.code, said.out.as_str()), (2, ""));
        let said = stage.run_with(&["code", "Work", "--pin-stdin"], input);
        assert_eq!(said.code, 2);
        let said = stage.run_with(&["enroll", "--yes", "-"], input);
        assert_eq!(said.code, 2);
    }
    assert_eq!(stage.calls(), Vec::<String>::new());
}

#[test]
fn no_secret_is_said_again() {
    let stage = Stage::new();
    for arguments in [
        ["unlock", "--passphrase-stdin"].as_slice(),
        &["setup", "--passphrase-stdin"],
        &["code", "Work", "--pin-stdin"],
        &["enroll", "--yes", "-"],
        &["enroll", "-"],
        &["unlock", "--passphrase-stdin", "--recovery"],
        &["setup", "--unlock", "pin", "--passphrase-stdin"],
        &["pin", "change", "--pin-stdin"],
        &["pin", "change", "Work", "--pin-stdin"],
        &["pin", "ask", "Work", "once-per-unlock", "--pin-stdin"],
        &["biometric", "on", "--pin-stdin"],
        &["enroll", "--yes", "--pin-stdin", "-"],
        &["vault", "slot", "add", "passphrase", "--passphrase-stdin"],
        &[
            "vault",
            "slot",
            "remove",
            "3",
            "--yes",
            "--passphrase-stdin",
        ],
    ] {
        for json in [false, true] {
            let mut arguments = arguments.to_vec();
            if json {
                arguments.push("--json");
            }
            let said = stage.run_with(&arguments, &format!("{SECRET}\n{SECRET}\n"));
            assert!(!said.out.contains(SECRET), "{arguments:?}");
            assert!(!said.err.contains(SECRET), "{arguments:?}");
        }
    }
}

#[test]
fn a_wrong_pin_from_standard_input_is_tried_once() {
    let stage = Stage::new();
    stage.agent.script().pin = Some("246810");
    let said = stage.run_with(&["code", "Work", "--pin-stdin"], "1\n246810\n");
    assert_eq!(said.code, 48);
    assert_eq!(stage.calls().len(), 1);
}
