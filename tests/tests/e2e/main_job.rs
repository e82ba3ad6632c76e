//! The main job: a login request arrives, is answered on the desktop, and the page follows.

use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::{
    desktop::{self, Desktop},
    example_portal::ExamplePortal,
    gateway::GatewayProcess,
    notices::NoticeWitness,
    parts,
    stage::{CLICK_TOKEN, PASSWORD, Stage, USER},
};

/// The agent with one push token that is approved by a click, and its gateway.
fn enrolled() -> (Stage, GatewayProcess) {
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();
    (stage, gateway)
}

#[test]
fn approve_in_the_notification_and_the_user_is_in() {
    if !parts::are_there("main_job::approve_in_the_notification", &desktop::PROGRAMS) {
        return;
    }
    let (stage, gateway) = enrolled();
    let desktop = Desktop::start(&stage.workspace, &stage.bus).unwrap();
    let mut notices = NoticeWitness::new(&stage.bus).unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();

    let notice = notices.wait().unwrap();
    let text = format!("{}\n{}", notice.summary, notice.body);
    let request = requests.pending().unwrap();
    for said in [request.resource.as_str(), USER, "from this computer"] {
        assert!(text.contains(said), "{said:?} is missing in {text:?}");
    }
    let keys: Vec<_> = notice.actions.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(
        keys,
        ["deny", "approve", "details"],
        "Deny first, Approve never the default"
    );

    desktop.choose(&notice, "approve").unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();
    requests
        .wait(&[LoginRequestState::Approved, LoginRequestState::LoggedIn])
        .unwrap();
    let outcome = notices.wait().unwrap();
    assert!(
        outcome.actions.iter().all(|(key, _)| key != "approve"),
        "{outcome:?}"
    );
}

#[test]
fn deny_in_the_notification_and_the_page_says_so() {
    if !parts::are_there("main_job::deny_in_the_notification", &desktop::PROGRAMS) {
        return;
    }
    let (stage, gateway) = enrolled();
    let desktop = Desktop::start(&stage.workspace, &stage.bus).unwrap();
    let mut notices = NoticeWitness::new(&stage.bus).unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();

    desktop.choose(&notices.wait().unwrap(), "deny").unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "denied");
    assert!(window.logged_in().is_err());
    requests.wait(&[LoginRequestState::Denied]).unwrap();
}

#[test]
fn approve_and_deny_from_the_command_line() {
    let (stage, gateway) = enrolled();
    let mut requests = stage.requests().unwrap();

    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    let listed = stage.cli.json(&["requests"]).unwrap();
    assert_eq!(listed["requests"][0]["id"], request.id.as_str());
    stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();

    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    requests.pending().unwrap();
    // Without an id: the only one.
    stage.cli.ask(&["deny"]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "denied");
    assert!(window.logged_in().is_err());
}

#[test]
fn an_answered_request_is_not_answered_again() {
    let (stage, gateway) = enrolled();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    stage.cli.ask(&["deny", &request.id]).unwrap();
    window.wait_for_outcome().unwrap();
    let said = stage
        .cli
        .refused(&["approve", &request.id], "", Reason::LoginRequestAnswered)
        .unwrap();
    assert!(said.stderr.contains("answered"), "{said:?}");
    assert_eq!(window.status().unwrap(), "denied");
}

#[test]
fn it_was_not_me_reaches_the_gateway_after_a_deny() {
    let (stage, gateway) = enrolled();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    stage.cli.ask(&["deny", &request.id, "--report"]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "denied");
    let listed = stage.cli.json(&["requests", "--history"]).unwrap();
    assert_eq!(listed["requests"][0]["reported"], true);
}

#[test]
fn an_unanswered_request_expires_on_both_sides() {
    let stage = Stage::new().unwrap();
    let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
    gateway.configure("push", "ttl_seconds = 1").unwrap();
    gateway.add_user(USER, PASSWORD).unwrap();
    gateway.serve().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();

    let request = requests.wait(&[LoginRequestState::Expired]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "expired");
    stage
        .cli
        .refused(&["approve", &request.id], "", Reason::LoginRequestExpired)
        .unwrap();
    assert!(window.logged_in().is_err());
}

#[test]
fn a_typed_passcode_logs_in_once() {
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    stage
        .enroll(&gateway, "Typed", &["--mode", "event"])
        .unwrap();
    let passcode = stage.cli.ask(&["next", "Typed"]).unwrap();

    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.type_passcode(&passcode).unwrap();
    window.logged_in().unwrap();

    let mut second = ExamplePortal::open(&gateway).unwrap();
    second.type_passcode(&passcode).unwrap();
    assert!(second.logged_in().is_err(), "a passcode was accepted twice");
}

#[test]
fn autosend_is_switched_off_and_on_again() {
    let (stage, gateway) = enrolled();
    stage.cli.ask(&["autosend", "off"]).unwrap();
    assert_eq!(stage.cli.json(&["status"]).unwrap()["autosend"], false);
    stage.cli.ask(&["autosend", "on"]).unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    requests.pending().unwrap();
}

#[test]
fn the_stream_comes_back_after_the_gateway_was_gone() {
    let (stage, mut gateway) = enrolled();
    gateway.kill().unwrap();
    gateway.serve().unwrap();
    let mut requests = stage.requests().unwrap();
    stage.cli.ask(&["requests", "--check"]).unwrap();
    stage.wait_until_connected().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
}

#[test]
fn a_restarted_agent_serves_its_tokens_and_requests() {
    let (mut stage, gateway) = enrolled();
    assert!(stage.agent.process().terminate().unwrap().success());
    stage.agent.restart().unwrap();
    stage.unlock().unwrap();
    assert_eq!(stage.cli.ask(&["code", "Example"]).unwrap().len(), 6);
    stage.wait_until_connected().unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
}
