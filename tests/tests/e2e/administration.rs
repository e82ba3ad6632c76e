//! The administrator's hand, while everything runs: revoking reaches the agent at once, a restart loses nothing, the
//! audit log can be checked from outside.

use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::{
    example_portal::ExamplePortal,
    gateway::GatewayProcess,
    stage::{CLICK_TOKEN, Stage, USER, wait_for_token},
};
use serde_json::Value;

fn enrolled() -> (Stage, GatewayProcess) {
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();
    (stage, gateway)
}

fn told(gateway: &GatewayProcess, words: &[&str]) -> Value {
    serde_json::from_str(&gateway.run(words, "").unwrap()).unwrap()
}

fn serial(gateway: &GatewayProcess) -> String {
    let tokens = told(gateway, &["token", "list", "--json"]);
    tokens["tokens"][0]["serial"].as_str().unwrap().to_owned()
}

/// Waits until the agent has heard that its token is ended.
fn wait_until_erased(stage: &Stage) {
    wait_for_token(&stage.cli, "Example", "revoked").unwrap();
}

#[test]
fn a_revoked_token_is_cut_off_and_erased_while_the_agent_runs() {
    let (stage, gateway) = enrolled();
    assert_eq!(stage.cli.ask(&["code", "Example"]).unwrap().trim().len(), 6);
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    requests.pending().unwrap();

    gateway
        .run(&["token", "revoke", &serial(&gateway)], "")
        .unwrap();
    // The page hears it at once, and so does the agent: its stream is cut, and at the next hello it erases.
    assert_eq!(window.wait_for_outcome().unwrap(), "failed");
    requests.wait(&[LoginRequestState::Cancelled]).unwrap();
    wait_until_erased(&stage);
    stage
        .cli
        .refused(&["code", "Example"], "", Reason::TokenRevoked)
        .unwrap();
    assert_eq!(
        told(&gateway, &["token", "list", "--json"])["tokens"][0]["state"],
        "revoked"
    );
}

#[test]
fn a_revoked_device_loses_its_tokens_also_when_it_was_away() {
    let (mut stage, gateway) = enrolled();
    let devices = told(&gateway, &["device", "list", "--json"]);
    let device = &devices["devices"][0];
    assert_eq!(device["connected"], true);
    assert_eq!(device["users"][0], USER);
    let id = device["id"].as_str().unwrap().to_owned();
    stage.agent.process().terminate().unwrap();
    gateway.run(&["device", "revoke", &id], "").unwrap();
    stage.agent.restart().unwrap();
    stage.unlock().unwrap();
    wait_until_erased(&stage);
    let devices = told(&gateway, &["device", "list", "--json"]);
    assert_eq!(devices["devices"][0]["tokens"], serde_json::json!([]));
}

#[test]
fn a_restart_of_the_gateway_loses_no_request_and_the_agent_comes_back_by_itself() {
    let (stage, mut gateway) = enrolled();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    gateway.stop().unwrap();
    gateway.serve().unwrap();
    stage.wait_until_connected().unwrap();
    stage.cli.ask(&["approve", &request.id]).unwrap();
    requests
        .wait(&[LoginRequestState::Approved, LoginRequestState::LoggedIn])
        .unwrap();
    let events = told(&gateway, &["audit", "list", "--json"]);
    let approved = events["events"].as_array().unwrap().iter().filter(|event| {
        event["event"] == "login_changed"
            && event["detail"].as_str().unwrap().starts_with("approved")
    });
    assert_eq!(approved.count(), 1);
}

#[test]
fn an_exported_head_shows_that_the_log_was_cut_off_and_a_code_of_the_helpdesk_lets_in() {
    let (stage, gateway) = enrolled();
    let code = gateway.run(&["token", "helpdesk-code", USER], "").unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.type_passcode(code.trim()).unwrap();
    window.logged_in().unwrap();
    let events = gateway.run(&["audit", "list"], "").unwrap();
    let issued = events
        .lines()
        .find(|line| line.contains("helpdesk_code_issued"))
        .unwrap();
    assert!(issued.contains("uid "), "{issued}");
    assert!(!events.contains(code.trim()));

    let head = gateway.run(&["audit", "head"], "").unwrap();
    let file = stage.workspace.join("audit.head");
    std::fs::write(&file, head).unwrap();
    let file = file.to_str().unwrap();
    gateway
        .run(&["audit", "verify", "--head", file], "")
        .unwrap();
    let database = rusqlite::Connection::open(gateway.data().join("gateway.db")).unwrap();
    database
        .execute_batch(
            "DELETE FROM audit WHERE event = 'helpdesk_code_used';
             DELETE FROM audit WHERE seq > (SELECT max(last_seq) FROM audit_link
               WHERE last_seq < (SELECT max(last_seq) FROM audit_link));
             DELETE FROM audit_link WHERE link = (SELECT max(link) FROM audit_link)",
        )
        .unwrap();
    let refused = gateway.run(&["audit", "verify", "--head", file], "");
    assert!(refused.is_err());
}
