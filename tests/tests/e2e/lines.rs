//! Bad lines between the agent and its gateway, and more requests than anybody answers.

use core::time::Duration;
use std::{collections::HashSet, fs, sync::Arc};

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    block_on,
    example_portal::ExamplePortal,
    gateway::GatewayProcess,
    http_connection::HttpConnection,
    parts, pinned,
    slow_line::SlowLine,
    stage::{CLICK_TOKEN, PASSPHRASE_KEY, PASSWORD, Stage, USER},
};
use rustix::process::Signal;
use serde_json::Value;

/// As many as the agent holds.
const MANY: usize = 1000;

#[test]
fn a_slow_line_loses_no_login() {
    let stage = Stage::new().unwrap();
    let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
    // A modem's. TLS alone takes about two seconds.
    let line = SlowLine::lead_to(gateway.address(), 2048).unwrap();
    gateway.known_at(line.address()).unwrap();
    gateway.add_user(USER, PASSWORD).unwrap();
    gateway.serve().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();

    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    assert_eq!(
        stage.cli.ask(&["approve", &request.id]).unwrap(),
        "approved"
    );
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();
}

#[test]
fn a_service_that_stalls_is_noticed_and_comes_back() {
    let config = format!("{PASSPHRASE_KEY}[push]\nkeep_alive_seconds = 5\n");
    let workspace = countersign_tests::Workspace::new().unwrap();
    let stage = Stage::in_session(workspace, &config, |session| session).unwrap();
    stage.set_up().unwrap();
    let gateway = stage.gateway().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();

    // The kernel still takes what is sent to it: only the keep-alive can tell.
    gateway.signal(Signal::STOP).unwrap();
    stage.wait_until_disconnected().unwrap();
    let status = stage.cli.json(&["status"]).unwrap();
    assert_eq!(status["services"][0]["connected"], false, "{status}");
    gateway.signal(Signal::CONT).unwrap();
    stage
        .cli
        .ask(&["requests", "--check"])
        .map(drop)
        .or_else(|refused| {
            // It may come too early; the agent tries again by itself.
            let early = refused.to_string();
            early.contains("reached").then_some(()).ok_or(early)
        })
        .unwrap();
    stage.wait_until_connected().unwrap();

    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
}

/// The service's clock is the one that counts.
#[test]
fn a_clock_that_spoils_passcodes_is_told_and_loses_no_login() {
    if !parts::are_there("lines::clock", &["faketime"]) {
        return;
    }
    let stage = Stage::new().unwrap();
    let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
    gateway.add_user(USER, PASSWORD).unwrap();
    gateway.set_ahead(Duration::from_secs(90));
    gateway.serve().unwrap();
    let token = ["--mode", "time", "--push", "on", "--push-level", "click"];
    stage.enroll(&gateway, "Example", &token).unwrap();
    stage.wait_until_connected().unwrap();

    let said = stage.cli.say(&["code", "Example"]).unwrap();
    assert_eq!(
        (said.code, said.stdout.trim().len()),
        (Some(0), 6),
        "{said:?}"
    );
    assert!(said.stderr.contains("This computer's clock is"), "{said:?}");
    assert!(said.stderr.contains("behind"), "{said:?}");
    let list = stage.cli.json(&["list"]).unwrap();
    let status = stage.cli.json(&["status"]).unwrap();
    for told in [&list["tokens"][0], &status["services"][0]] {
        let offset = told["clock_offset_ms"].as_i64().unwrap();
        assert!((85_000..95_000).contains(&offset), "{told}");
    }

    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    stage.cli.ask(&["approve", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
}

/// Resident memory, in KiB.
fn resident(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.unwrap().parse().unwrap()
}

/// Opens a login at each resource; so many there are then.
fn open(gateway: &GatewayProcess, front: &str, resources: core::ops::Range<usize>) -> usize {
    let tls = Arc::new(pinned::client(gateway.pin().unwrap()));
    let connection = HttpConnection::new(gateway.address(), Some(tls));
    block_on(open_all(connection, front, resources))
}

async fn open_all(
    mut connection: HttpConnection,
    front: &str,
    resources: core::ops::Range<usize>,
) -> usize {
    let mut opened = HashSet::new();
    for number in resources {
        let resource = format!("resource {number}");
        let fields = [("user", USER), ("resource", &*resource)];
        let answer = connection
            .post("/validate/triggerchallenge", Some(front), &fields)
            .await
            .unwrap()
            .json()
            .unwrap();
        let id = answer
            .pointer("/detail/transaction_id")
            .and_then(Value::as_str);
        opened.insert(id.ok_or(&answer).unwrap().to_owned());
    }
    opened.len()
}

#[test]
fn a_thousand_requests_are_held_in_bounded_memory_and_answered() {
    let stage = Stage::new().unwrap();
    let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
    gateway.configure("push", "ttl_seconds = 300").unwrap();
    gateway.add_user(USER, PASSWORD).unwrap();
    let front = gateway.add_front("many").unwrap();
    gateway.serve().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();
    let agent = stage.agent.id().unwrap();
    let before = resident(agent);

    let opened = open(&gateway, &front, 0..MANY);
    assert_eq!(opened, MANY);
    stage.wait_for_pending(MANY).unwrap();
    let grown = resident(agent).saturating_sub(before);
    parts::note(&format!(
        "lines: {MANY} pending requests take {grown} KiB of the agent"
    ));
    assert!(grown < 32 * 1024, "{grown} KiB");

    // One more is one too many, and changes nothing.
    open(&gateway, &front, MANY..MANY + 1);
    let listed = stage.cli.json(&["requests"]).unwrap();
    let listed = listed["requests"].as_array().unwrap();
    let resource = |at: usize| listed[at]["resource"].as_str().unwrap();
    assert_eq!(
        resource(0),
        format!("resource {}", MANY - 1),
        "newest first"
    );

    let id = |at: usize| listed[at]["id"].as_str().unwrap();
    let oldest = listed.len() - 1;
    assert_eq!(stage.cli.ask(&["approve", id(oldest)]).unwrap(), "approved");
    assert_eq!(stage.cli.ask(&["deny", id(0)]).unwrap(), "denied");
    stage
        .cli
        .refused(&["approve", id(0)], "", Reason::LoginRequestAnswered)
        .unwrap();
}
