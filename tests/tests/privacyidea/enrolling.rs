//! A push link becomes a token, or nothing.

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    privacyidea::{is_there, shared},
    stage::Stage,
};

use crate::rig::{TOKEN, enroll, service};

const WORDS: [&str; 6] = ["enroll", "--yes", "--allow-insecure", "--name", TOKEN, "-"];

#[test]
fn a_link_of_either_scheme_becomes_a_token_without_passcodes() {
    if !is_there("privacyidea::enroll") {
        return;
    }
    let server = shared();
    let stage = Stage::new().unwrap();
    let user = server.new_user().unwrap();
    let first = server.push_token(&user).unwrap();
    enroll(&stage, "First", &first.link).unwrap();
    let pia = server.new_user().unwrap();
    server
        .policy("scheme", "enrollment", &pia, "push_use_pia_scheme=1")
        .unwrap();
    let second = server.push_token(&pia).unwrap();
    assert!(second.link.starts_with("pia://pipush/"), "{}", second.link);
    enroll(&stage, "Second", &second.link).unwrap();

    let info = stage.cli.json(&["info", "First"]).unwrap();
    assert_eq!(info["mode"], "push");
    assert_eq!(info["serial"], first.serial.as_str());
    assert_eq!(info["issuer"], "Example Server");
    assert_eq!(info["service"], server.host().as_str());
    assert_eq!(info["push"], true);
    assert_eq!(info["push_verification"], "click");
    assert_eq!(info["exportable"], false);
    let said = stage
        .cli
        .refused(&["code", "First"], "", Reason::WrongMode)
        .unwrap();
    assert!(said.stderr.contains("login requests"), "{said:?}");
    let answering = service(&stage, |service| service["connected"] == true).unwrap();
    assert_eq!(answering["insecure"], "plain_http");
    assert_eq!(answering["polled"], true);
}

#[test]
fn what_nobody_vouches_for_needs_a_word_of_its_own() {
    if !is_there("privacyidea::insecure") {
        return;
    }
    let server = shared();
    let stage = Stage::new().unwrap();
    let user = server.new_user().unwrap();
    let token = server.push_token(&user).unwrap();
    let words = ["enroll", "--yes", "--name", TOKEN, "-"];
    let said = stage
        .cli
        .refused(&words, &token.link, Reason::EnrollmentNotConfirmed)
        .unwrap();
    assert!(said.stderr.contains("without TLS"), "{said:?}");
    // Nobody was contacted: the link is still good.
    enroll(&stage, TOKEN, &token.link).unwrap();
}

#[test]
fn a_wrong_credential_is_refused_and_the_right_one_still_works() {
    if !is_there("privacyidea::credential") {
        return;
    }
    let server = shared();
    let stage = Stage::new().unwrap();
    let user = server.new_user().unwrap();
    let token = server.push_token(&user).unwrap();
    let (before, after) = token.link.split_once("enrollment_credential=").unwrap();
    let wrong = format!(
        "{before}enrollment_credential={}{}",
        "0".repeat(40),
        &after[40..]
    );
    stage
        .cli
        .refused(&WORDS, &wrong, Reason::EnrollmentRefused)
        .unwrap();
    let tokens = stage.cli.json(&["list"]).unwrap();
    assert_eq!(tokens["tokens"], serde_json::json!([]));
    enroll(&stage, TOKEN, &token.link).unwrap();
    // The link was good once, here and elsewhere.
    let again = [
        "enroll",
        "--yes",
        "--allow-insecure",
        "--name",
        "Again",
        "-",
    ];
    stage
        .cli
        .refused(&again, &token.link, Reason::TokenExists)
        .unwrap();
    let other = Stage::new().unwrap();
    other
        .cli
        .refused(&WORDS, &token.link, Reason::EnrollmentExpired)
        .unwrap();
}

#[test]
fn a_deleted_token_leaves_nothing_behind() {
    if !is_there("privacyidea::delete") {
        return;
    }
    let server = shared();
    let stage = Stage::new().unwrap();
    let user = server.new_user().unwrap();
    let token = server.push_token(&user).unwrap();
    enroll(&stage, TOKEN, &token.link).unwrap();
    stage.cli.ask(&["delete", "--yes", TOKEN]).unwrap();
    let status = stage.cli.json(&["status"]).unwrap();
    assert_eq!(status["services"], serde_json::json!([]));
}
