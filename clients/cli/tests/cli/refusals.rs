//! Every reason is its own exit code, and standard error says what failed and what to do next.

use countersign_proto::agent::v1::{ErrorDetail, LoginRequestState, Reason};
use serde_json::{Value, json};

use crate::stage::{Place, Stage};

fn refusing(reason: Reason, tries_left: Option<u32>) -> Stage {
    let stage = Stage::new();
    stage.agent.script().refusal = Some(ErrorDetail {
        reason: reason.into(),
        message: "It was refused.".to_owned(),
        hint: "Do something else.".to_owned(),
        tries_left,
    });
    stage
}

#[test]
fn every_reason_gives_its_number_as_exit_code() {
    let stage = Stage::new();
    for reason in Reason::all() {
        stage.agent.script().refusal = Some(ErrorDetail {
            reason: reason.into(),
            message: "It was refused.".to_owned(),
            hint: String::new(),
            tries_left: None,
        });
        let said = stage.run(&["list", "--json"]);
        assert_eq!(said.code, i32::from(reason), "{reason:?}");
        assert_eq!(said.out, "");
        let error: Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!(
            error,
            json!({"error": {
                "reason": reason.snake_case(),
                "exit_code": i32::from(reason),
                "message": "It was refused.",
                "hint": "",
            }})
        );
    }
}

#[test]
fn every_command_passes_a_refusal_on() {
    for arguments in [
        ["code", "Work"].as_slice(),
        &["next", "Work"],
        &["list"],
        &["info", "Work"],
        &["requests"],
        &["requests", "--watch"],
        &["approve"],
        &["deny", "--report"],
        &["autosend", "on"],
        &["enroll", "--yes", "-"],
        &["rename", "Work", "Office"],
        &["delete", "Work", "--yes"],
        &["status"],
        &["setup"],
        &["unlock"],
        &["lock"],
        &["log"],
        &["pin", "change"],
        &["pin", "change", "Work"],
        &["pin", "ask", "Work", "every-time"],
        &["biometric", "on"],
        &["vault", "slot", "list"],
        &["vault", "slot", "add", "tpm"],
        &["vault", "slot", "remove", "3", "--yes"],
    ] {
        let stage = refusing(Reason::VaultDamaged, None);
        let said = stage.run_with(arguments, "words\n");
        assert_eq!((said.code, said.out.as_str()), (28, ""), "{arguments:?}");
        assert_eq!(
            said.err, "countersign: It was refused.\nhint: Do something else.\n",
            "{arguments:?}"
        );
    }
}

#[test]
fn a_wrong_pin_says_how_many_tries_are_left() {
    let stage = refusing(Reason::PinWrong, Some(1));
    let said = stage.run_with(&["code", "Work", "--pin-stdin"], "1234\n");
    assert_eq!(said.code, 48);
    assert!(
        said.err
            .starts_with("countersign: It was refused (1 try left).\n"),
        "{}",
        said.err
    );
    let said = stage.run_with(&["code", "Work", "--pin-stdin", "--json"], "1234\n");
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["tries_left"], 1);
}

#[test]
fn what_the_agent_says_is_made_safe() {
    let stage = Stage::new();
    stage.agent.script().refusal = Some(ErrorDetail {
        reason: Reason::GatewayFailed.into(),
        message: "a\u{1b}[2J\nb".to_owned(),
        hint: "\u{202e}c".to_owned(),
        tries_left: None,
    });
    let said = stage.run(&["list"]);
    assert_eq!(
        said.err,
        "countersign: a\u{fffd}[2J\u{fffd}b.\nhint: \u{fffd}c.\n"
    );
}

#[test]
fn an_outcome_that_is_not_what_was_wanted_is_a_failure() {
    for (outcome, code) in [
        (LoginRequestState::Refused, 84),
        (LoginRequestState::Expired, 81),
        (LoginRequestState::Cancelled, 82),
        (LoginRequestState::Denied, 84),
        (LoginRequestState::Sending, 89),
    ] {
        let stage = Stage::new();
        stage.agent.script().outcome = outcome;
        let said = stage.run(&["approve"]);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{outcome:?}");
    }
}

#[test]
fn a_usage_error_is_2_also_as_json() {
    let place = Place::new();
    let said = place.run_with(&["code"], "");
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    let said = place.run_with(&["code", "--json"], "");
    assert_eq!(said.code, 2);
    let error: Value = serde_json::from_str(&said.err).unwrap();
    assert_eq!(error["error"]["reason"], "usage");
}

#[test]
fn the_page_about_the_command_line_lists_every_exit_code() {
    let page = include_str!("../../../../docs/cli.md");
    for reason in Reason::all() {
        let row = format!("| {} | `{}` |", i32::from(reason), reason.snake_case());
        assert!(page.contains(&row), "{row}");
    }
}
