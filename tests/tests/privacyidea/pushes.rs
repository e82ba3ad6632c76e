//! Login requests: accepted, declined, with what the login page shows, with a code for it.

use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::privacyidea::{is_there, shared};

use crate::rig::{Enrolled, TOKEN};

#[test]
fn a_login_is_accepted_and_the_user_is_in() {
    if !is_there("privacyidea::accept") {
        return;
    }
    let mut enrolled = Enrolled::at(shared()).unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    assert_eq!(login.status().unwrap(), "pending");
    let request = enrolled.pending().unwrap();
    assert_eq!(request.resource, "Example VPN");
    assert_eq!(
        request.question,
        format!("Log in from 127.0.0.1 as {}?", enrolled.user)
    );
    assert_eq!(request.token, TOKEN);
    assert_eq!(request.service, "Example Server");
    let said = enrolled.stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(said, "approved");
    assert_eq!(login.status().unwrap(), "accept");
    assert_eq!(login.finish("").unwrap(), "ACCEPT");
    assert_eq!(login.finish("").unwrap(), "REJECT");
    let log = enrolled.stage.cli.ask(&["log"]).unwrap();
    assert!(log.contains("Example VPN"), "{log}");
}

#[test]
fn a_login_is_declined_and_the_page_knows() {
    if !is_there("privacyidea::decline") {
        return;
    }
    let mut enrolled = Enrolled::at(shared()).unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    let request = enrolled.pending().unwrap();
    let said = enrolled.stage.cli.ask(&["deny", &request.id]).unwrap();
    assert_eq!(said, "denied");
    assert_eq!(login.status().unwrap(), "declined");
    assert_eq!(login.finish("").unwrap(), "REJECT");
}

#[test]
fn it_was_not_me_is_told_with_the_denial() {
    if !is_there("privacyidea::report") {
        return;
    }
    let mut enrolled = Enrolled::at(shared()).unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    let request = enrolled.pending().unwrap();
    enrolled
        .stage
        .cli
        .ask(&["deny", "--report", &request.id])
        .unwrap();
    assert_eq!(login.status().unwrap(), "declined");
    let history = enrolled.stage.cli.json(&["requests", "--history"]).unwrap();
    assert_eq!(history["requests"][0]["reported"], true, "{history}");
    let log = enrolled.stage.cli.ask(&["log"]).unwrap();
    assert!(log.contains("was told with the denial"), "{log}");
}

#[test]
fn a_login_of_ones_own_is_cancelled_and_the_page_knows_that() {
    if !is_there("privacyidea::cancel") {
        return;
    }
    let mut enrolled = Enrolled::at(shared()).unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    let request = enrolled.pending().unwrap();
    let said = enrolled
        .stage
        .cli
        .ask(&["deny", "--mine", &request.id])
        .unwrap();
    assert_eq!(said, "denied");
    assert_eq!(login.status().unwrap(), "cancelled");
    assert_eq!(login.finish("").unwrap(), "REJECT");
}

#[test]
fn the_number_on_the_page_is_picked() {
    if !is_there("privacyidea::presence") {
        return;
    }
    let mut enrolled = Enrolled::after(shared(), |server, user| {
        let action =
            "push_require_presence=1, push_presence_options=NUMERIC, push_presence_num_options=4";
        server.policy("presence", "authentication", user, action)
    })
    .unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    let right = login.presence.clone().unwrap();
    let request = enrolled.pending().unwrap();
    assert!(request.number_required);
    assert_eq!(request.choices.len(), 4);
    assert!(request.choices.contains(&right));
    let cli = enrolled.stage.cli.clone();
    cli.refused(&["approve", &request.id], "", Reason::NumberRequired)
        .unwrap();
    cli.refused(
        &["approve", &request.id, "--number", "no choice"],
        "",
        Reason::NumberWrong,
    )
    .unwrap();
    // A wrong one is not taken, and the server asks still.
    let wrong = request
        .choices
        .iter()
        .find(|choice| **choice != right)
        .unwrap();
    cli.refused(
        &["approve", &request.id, "--number", wrong],
        "",
        Reason::NumberWrong,
    )
    .unwrap();
    assert_eq!(login.status().unwrap(), "pending");
    let said = cli
        .ask(&["approve", &request.id, "--number", &right])
        .unwrap();
    assert_eq!(said, "approved");
    assert_eq!(login.finish("").unwrap(), "ACCEPT");
}

#[test]
fn a_login_with_a_number_can_be_declined_without_it() {
    if !is_there("privacyidea::presence_declined") {
        return;
    }
    let mut enrolled = Enrolled::after(shared(), |server, user| {
        server.policy(
            "presence",
            "authentication",
            user,
            "push_require_presence=1",
        )
    })
    .unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    let request = enrolled.pending().unwrap();
    enrolled.stage.cli.ask(&["deny", &request.id]).unwrap();
    assert_eq!(login.status().unwrap(), "declined");
}

#[test]
fn the_code_for_the_page_is_shown_after_the_approval() {
    if !is_there("privacyidea::code_to_phone") {
        return;
    }
    let mut enrolled = Enrolled::after(shared(), |server, user| {
        server.policy("code", "authentication", user, "push_code_to_phone=1")
    })
    .unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    let request = enrolled.pending().unwrap();
    let answered = enrolled.stage.cli.json(&["approve", &request.id]).unwrap();
    let code = answered["display_code"].as_str().unwrap().to_owned();
    assert!(!code.is_empty(), "{answered}");
    assert_eq!(login.finish(&code).unwrap(), "ACCEPT");
}

#[test]
fn a_request_that_was_answered_elsewhere_goes() {
    if !is_there("privacyidea::elsewhere") {
        return;
    }
    let server = shared();
    let mut one = Enrolled::at(server).unwrap();
    // The same user has a second token, at another computer.
    let stage = countersign_tests::stage::Stage::new().unwrap();
    let second = server.push_token(&one.user).unwrap();
    crate::rig::enroll(&stage, TOKEN, &second.link).unwrap();
    let mut watch = stage.requests().unwrap();
    let login = server.begin_login(&one.user).unwrap();
    let here = one.pending().unwrap();
    stage.cli.ask(&["requests", "--check"]).unwrap();
    watch.pending().unwrap();
    one.stage.cli.ask(&["approve", &here.id]).unwrap();
    assert_eq!(login.finish("").unwrap(), "ACCEPT");
    stage.cli.ask(&["requests", "--check"]).unwrap();
    watch.wait(&[LoginRequestState::Cancelled]).unwrap();
}

#[test]
fn a_token_that_asks_for_a_pin_waits_for_the_unlock() {
    if !is_there("privacyidea::pin") {
        return;
    }
    let mut enrolled = Enrolled::after(shared(), |server, user| {
        server.policy("pin", "enrollment", user, "push_force_app_pin=1")
    })
    .unwrap();
    let cli = enrolled.stage.cli.clone();
    let info = cli.json(&["info", TOKEN]).unwrap();
    assert_eq!(info["mode"], "push", "{info}");
    assert_eq!(info["push_verification"], "pin", "{info}");
    cli.ask(&["lock"]).unwrap();
    let login = enrolled.server.begin_login(&enrolled.user).unwrap();
    let service = crate::rig::service(&enrolled.stage, |service| {
        service["trouble"]
            .as_str()
            .unwrap_or_default()
            .contains("unlock")
    })
    .unwrap();
    assert_eq!(service["insecure"], "plain_http");
    assert_eq!(
        cli.json(&["requests"]).unwrap()["requests"],
        serde_json::json!([])
    );
    enrolled.stage.unlock().unwrap();
    let request = enrolled.watch.pending().unwrap();
    // The vault's passphrase is the agent's PIN here.
    let pin = format!("{}\n", countersign_tests::stage::PASSPHRASE);
    let said = cli
        .ask_with(&["approve", &request.id, "--pin-stdin"], &pin)
        .unwrap();
    assert_eq!(said, "approved");
    assert_eq!(login.finish("").unwrap(), "ACCEPT");
}
