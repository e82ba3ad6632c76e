//! Login requests as people need them, between the real agent and the real gateway: numbers, rules, the history,
//! restarts of either side.

use countersign_proto::agent::v1::{LoginRequestState, Reason};
use countersign_tests::{
    Workspace,
    desktop::{self, Desktop},
    example_portal::{ExamplePortal, shown_number},
    gateway::GatewayProcess,
    notices::NoticeWitness,
    parts,
    screen::{self, Screen},
    stage::{CLICK_TOKEN, PASSPHRASE_KEY, PASSWORD, Stage, USER},
};

fn gateway_with(stage: &Stage, lines: &[&str]) -> GatewayProcess {
    let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
    for line in lines {
        gateway.configure("push", line).unwrap();
    }
    gateway.add_user(USER, PASSWORD).unwrap();
    gateway.serve().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();
    gateway
}

fn enrolled() -> (Stage, GatewayProcess) {
    let stage = Stage::new().unwrap();
    let gateway = gateway_with(&stage, &[]);
    (stage, gateway)
}

#[test]
fn the_number_on_the_page_is_typed_and_a_wrong_one_is_a_denial() {
    let stage = Stage::new().unwrap();
    let gateway = gateway_with(&stage, &["number_matching = true"]);
    let mut requests = stage.requests().unwrap();

    let mut window = ExamplePortal::open(&gateway).unwrap();
    let page = window.ask_the_desktop().unwrap();
    let number = shown_number(&page).unwrap();
    let request = requests.pending().unwrap();
    assert!(request.number_required);
    let listed = stage.cli.ask(&["requests", "--json"]).unwrap();
    assert!(
        !listed.contains(&format!("\"{number}\"")),
        "the number was sent to the agent: {listed}"
    );
    stage
        .cli
        .refused(&["approve", &request.id], "", Reason::NumberRequired)
        .unwrap();
    stage
        .cli
        .ask(&["approve", &request.id, "--number", &number])
        .unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();

    let mut window = ExamplePortal::open(&gateway).unwrap();
    let number = shown_number(&window.ask_the_desktop().unwrap()).unwrap();
    let wrong = if number == "42" { "43" } else { "42" };
    let request = requests.pending().unwrap();
    let said = stage
        .cli
        .refused(
            &["approve", &request.id, "--number", wrong],
            "",
            Reason::LoginRequestRefused,
        )
        .unwrap();
    assert!(said.stderr.contains("counts as a denial"), "{said:?}");
    assert_eq!(window.wait_for_outcome().unwrap(), "denied");
    assert!(window.logged_in().is_err());
    // It was the one try.
    stage
        .cli
        .refused(
            &["approve", &request.id, "--number", &number],
            "",
            Reason::LoginRequestAnswered,
        )
        .unwrap();
}

#[test]
fn approve_in_the_notification_asks_for_the_number_in_a_dialog() {
    let programs = [
        &["pinentry-gtk-2"][..],
        &desktop::PROGRAMS,
        &screen::PROGRAMS,
    ]
    .concat();
    if !parts::are_there("push_otp::number_dialog", &programs) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let screen = Screen::start(&workspace).unwrap();
    let config = format!("{PASSPHRASE_KEY}[pinentry]\nprogram = \"/usr/bin/pinentry-gtk-2\"\n");
    let stage = Stage::in_session(workspace, &config, |session| {
        session.on_display(screen.display())
    })
    .unwrap();
    stage.set_up().unwrap();
    let gateway = gateway_with(&stage, &["number_matching = true"]);
    let desktop = Desktop::start(&stage.workspace, &stage.bus).unwrap();
    let mut notices = NoticeWitness::new(&stage.bus).unwrap();

    let mut window = ExamplePortal::open(&gateway).unwrap();
    let number = shown_number(&window.ask_the_desktop().unwrap()).unwrap();
    let notice = notices.wait_for("Log in to").unwrap();
    desktop.choose(&notice, "approve").unwrap();
    let dialog = screen.wait_for_window("pinentry-gtk-2").unwrap();
    screen.focus(&dialog).unwrap();
    screen.type_text(&number).unwrap();
    screen.press("Return").unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();
    screen.wait_until_gone("pinentry-gtk-2").unwrap();
}

#[test]
fn the_details_are_one_click_away_and_a_login_from_this_computer_is_told() {
    if !parts::are_there("push_otp::details", &desktop::PROGRAMS) {
        return;
    }
    let (stage, gateway) = enrolled();
    let desktop = Desktop::start(&stage.workspace, &stage.bus).unwrap();
    let mut notices = NoticeWitness::new(&stage.bus).unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    let short = notices.wait_for("Log in to").unwrap();
    assert!(short.body.contains("from this computer"), "{short:?}");
    assert!(!short.body.contains(&request.id), "{short:?}");
    let listed = stage.cli.json(&["requests"]).unwrap();
    assert_eq!(listed["requests"][0]["origin"], "this_computer");

    desktop.choose(&short, "details").unwrap();
    let full = notices.wait_for("Log in to").unwrap();
    for said in [
        request.id.as_str(),
        "Service: Example",
        "Token: Example",
        "Address: 127.",
    ] {
        assert!(full.body.contains(said), "{said:?} is missing in {full:?}");
    }
    desktop.choose(&full, "approve").unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
}

#[test]
fn while_muted_the_page_offers_typing_at_once_and_afterwards_the_desktop() {
    let (stage, gateway) = enrolled();
    stage.cli.ask(&["mute", "1h"]).unwrap();
    assert!(stage.cli.json(&["status"]).unwrap()["muted_until"].is_i64());
    let mut window = ExamplePortal::open(&gateway).unwrap();
    let page = window.enter_password().unwrap();
    if let Ok(page) = window.send_login_request(&page) {
        assert!(page.form_with("passcode").is_ok(), "{}", page.body);
    }
    let listed = stage.cli.json(&["requests"]).unwrap();
    assert_eq!(listed["requests"].as_array().unwrap().len(), 0);

    stage.cli.ask(&["mute", "off"]).unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    requests.pending().unwrap();
}

#[test]
fn what_is_blocked_is_declined_by_rule_at_once() {
    let (stage, gateway) = enrolled();
    let id = stage
        .cli
        .ask(&["block", "resource", "example portal"])
        .unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let ended = window.wait_for_outcome().unwrap();
    assert!(ended.starts_with("denied"), "{ended}");
    let listed = stage.cli.json(&["requests", "--history"]).unwrap();
    let detail = listed["requests"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("declined by rule"), "{listed}");

    stage.cli.ask(&["block", "remove", id.trim()]).unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
}

#[test]
fn a_denial_is_reported_later_from_the_history() {
    let (stage, gateway) = enrolled();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    stage.cli.ask(&["deny", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "denied");
    stage.cli.ask(&["deny", &request.id, "--report"]).unwrap();
    let listed = stage.cli.json(&["requests", "--history"]).unwrap();
    assert_eq!(listed["requests"][0]["reported"], true);
}

#[test]
fn a_denial_reaches_a_gateway_that_was_away_for_a_moment() {
    let (stage, mut gateway) = enrolled();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    gateway.kill().unwrap();
    let call = stage
        .cli
        .begin(&["deny", &request.id, "--report", "--timeout", "2"]);
    call.refused(Reason::Deadline).unwrap();
    gateway.serve().unwrap();
    stage.cli.ask(&["requests", "--check"]).unwrap();
    // The gateway's word.
    requests.wait(&[LoginRequestState::Denied]).unwrap();
    let listed = stage.cli.json(&["requests", "--history"]).unwrap();
    assert_eq!(listed["requests"][0]["reported"], true);
}

#[test]
fn a_pending_request_survives_restarts_of_both_sides_and_is_answered_once() {
    let (mut stage, mut gateway) = enrolled();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let before = stage.requests().unwrap().pending().unwrap();

    // The agent is killed, then the gateway, then both at once.
    for (agent, service) in [(true, false), (false, true), (true, true)] {
        if service {
            gateway.kill().unwrap();
        }
        if agent {
            stage.agent.process().kill().unwrap();
        }
        if service {
            gateway.serve().unwrap();
        }
        if agent {
            stage.agent.restart().unwrap();
            stage.unlock().unwrap();
        }
        stage.cli.ask(&["requests", "--check"]).unwrap();
        stage.wait_until_connected().unwrap();
        let again = stage.requests().unwrap().pending().unwrap();
        assert_eq!(again.id, before.id);
    }
    // The sample page forgot its visitor with its gateway; the login itself is the gateway's row.
    let answered = stage.cli.json(&["approve", &before.id]).unwrap();
    assert_eq!(answered["state"], "approved");
    stage
        .cli
        .refused(&["deny", &before.id], "", Reason::LoginRequestAnswered)
        .unwrap();
}
