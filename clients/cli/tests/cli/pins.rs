//! PINs and fingers without a terminal: which lines are read, what the agent is asked, what is answered.

use countersign_proto::agent::v1::{Reason, UnlockMode};
use serde_json::{Value, json};

use crate::stage::{PROGRAM, Stage, finish};

fn session_mode(stage: &Stage) {
    stage.agent.script().status.unlock = UnlockMode::Session.into();
}

#[test]
fn each_line_is_one_secret_in_the_order_asked() {
    for (arguments, input, calls) in [
        (
            ["pin", "change", "Work", "--pin-stdin"].as_slice(),
            "1 old\n new 2 \r\nnot read\n",
            ["describe Work", "change Work [1 old] [ new 2 ]"].as_slice(),
        ),
        (
            &["pin", "change", "--pin-stdin"],
            "old words\nnew words",
            &["status", "change  [old words] [new words]"],
        ),
        (
            &["pin", "ask", "Work", "once-per-unlock", "--pin-stdin"],
            "246810\n",
            &["asking Work OncePerUnlock [246810]"],
        ),
        (
            &["pin", "ask", "Work", "every-time"],
            "",
            &["asking Work EveryTime []"],
        ),
        (
            &["biometric", "on", "Work", "--pin-stdin"],
            "246810\n",
            &["biometric true Work [246810]"],
        ),
        (&["biometric", "on"], "", &["biometric true  []"]),
        (
            &["biometric", "off", "Work"],
            "",
            &["biometric false Work []"],
        ),
    ] {
        let stage = Stage::new();
        let said = stage.run_with(arguments, input);
        assert_eq!(
            (said.code, said.out.as_str(), said.err.as_str()),
            (0, "", ""),
            "{arguments:?}"
        );
        assert_eq!(stage.calls(), calls, "{arguments:?}");
    }
}

#[test]
fn where_there_is_no_current_pin_only_the_new_one_is_read() {
    let stage = Stage::new();
    session_mode(&stage);
    let mut command = stage.place.command("/bin/sh");
    command.args([
        "-c",
        "\"$0\" pin change --pin-stdin && read rest && echo \"$rest\"",
        PROGRAM,
    ]);
    let said = finish(command, "246810\nsecond\n");
    assert_eq!(said.out, "second\n", "{}", said.err);
    assert_eq!(stage.calls(), ["status", "change  [] [246810]"]);
}

#[test]
fn after_a_reset_only_the_new_one_is_read() {
    let stage = Stage::new();
    stage.agent.script().tokens[0].server_pin_due = true;
    let said = stage.run_with(&["pin", "change", "Work", "--pin-stdin"], "Amsel99\n");
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert_eq!(stage.calls(), ["describe Work", "change Work [] [Amsel99]"]);
}

#[test]
fn a_secret_that_is_missing_is_said_by_its_name() {
    let stage = Stage::new();
    let said = stage.run_with(&["pin", "change", "Work", "--pin-stdin"], "246810\n");
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("No new PIN was given."), "{}", said.err);
    assert_eq!(stage.calls(), ["describe Work"]);
}

#[test]
fn json_is_one_object_with_the_documented_fields() {
    for (session, arguments, input, object) in [
        (
            false,
            ["pin", "change", "Work", "--pin-stdin", "--json"].as_slice(),
            "1\n2\n",
            json!({"pin": "changed", "token": "Work"}),
        ),
        (
            false,
            &["pin", "change", "--json"],
            "",
            json!({"pin": "changed", "token": null}),
        ),
        (
            true,
            &["pin", "change", "--json"],
            "",
            json!({"pin": "set", "token": null}),
        ),
        (
            false,
            &["pin", "ask", "Work", "every-time", "--json"],
            "",
            json!({"pin_asking": "every_time", "token": "Work"}),
        ),
        (
            false,
            &["biometric", "on", "Work", "--json"],
            "",
            json!({"biometric": true, "token": "Work"}),
        ),
        (
            false,
            &["biometric", "off", "--json"],
            "",
            json!({"biometric": false, "token": null}),
        ),
    ] {
        let stage = Stage::new();
        if session {
            session_mode(&stage);
        }
        let said = stage.run_with(arguments, input);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
        let shown: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(shown, object, "{arguments:?}");
    }
}

#[test]
fn without_a_terminal_the_refusal_is_the_answer() {
    for arguments in [
        ["pin", "change", "Work"].as_slice(),
        &["pin", "change"],
        &["pin", "ask", "Work", "once-per-unlock"],
        &["biometric", "on", "Work"],
        &["vault", "slot", "add", "passphrase"],
        &["vault", "slot", "remove", "3", "--yes"],
        &["unlock"],
    ] {
        let stage = Stage::new();
        stage.without_dialog(1);
        let said = stage.run(arguments);
        assert_eq!((said.code, said.out.as_str()), (51, ""), "{arguments:?}");
        assert!(said.err.contains("no pinentry program"), "{}", said.err);
    }
}

#[test]
fn what_standard_input_gave_is_tried_once() {
    for (arguments, input) in [
        (
            ["pin", "change", "Work", "--pin-stdin"].as_slice(),
            "1\n2\n3\n4\n",
        ),
        (&["biometric", "on", "--pin-stdin"], "1\n2\n"),
        (
            &["vault", "slot", "add", "tpm", "--passphrase-stdin"],
            "1\n2\n",
        ),
        (&["unlock", "--passphrase-stdin"], "1\n2\n"),
        (&["unlock", "--passphrase-stdin", "--recovery"], "1\n2\n"),
    ] {
        let stage = Stage::new();
        stage.refuses(Reason::PinWrong, "The PIN is wrong.", Some(2));
        let said = stage.run_with(arguments, input);
        assert_eq!((said.code, said.out.as_str()), (48, ""), "{arguments:?}");
        assert!(said.err.contains("The PIN is wrong (2 tries left)."));
        let asked = stage.calls();
        let asked = asked
            .iter()
            .filter(|call| !["status", "describe Work"].contains(&call.as_str()))
            .count();
        assert_eq!(asked, 1, "{arguments:?}");
    }
}

#[test]
fn the_new_reasons_have_their_exit_codes_and_the_agents_words() {
    for (reason, code) in [
        (Reason::TooManyTries, 33),
        (Reason::PinExhausted, 49),
        (Reason::PinMalformed, 52),
        (Reason::BiometricRefused, 53),
        (Reason::FingerprintUnavailable, 54),
    ] {
        for arguments in [
            ["biometric", "on", "Work", "--pin-stdin"].as_slice(),
            &["code", "Work", "--pin-stdin"],
            &["approve", "--pin-stdin"],
        ] {
            let stage = Stage::new();
            stage.refuses(reason, "wait 4 minutes, then try again", None);
            let said = stage.run_with(arguments, "246810\n");
            assert_eq!((said.code, said.out.as_str()), (code, ""), "{reason:?}");
            assert_eq!(said.err, "countersign: Wait 4 minutes, then try again.\n");
        }
    }
}
