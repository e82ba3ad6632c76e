//! What a browser never sends, and what somebody may send in its place.

use countersign_proto::{agent::v1::Reason, limits::NATIVE_MESSAGE};
use countersign_tests::{
    Workspace,
    agent::Session,
    native_host::{Extension, NativeHost, refusal},
};
use serde_json::{Value, json};

use super::{Desk, EVENT, PAGE, PASSCODES, started};

/// A host whose agent does not run.
fn alone(arguments: &[&str]) -> (Workspace, NativeHost) {
    let workspace = Workspace::new().unwrap();
    let session = Session::new(&workspace, None);
    let host = NativeHost::start_with(&session, &workspace.logs(), arguments).unwrap();
    (workspace, host)
}

fn ours() -> (Workspace, NativeHost) {
    alone(&[&countersign_proto::native_messaging::chromium_origin()])
}

#[test]
fn started_by_hand_or_for_another_extension_it_serves_nobody() {
    let (workspace, mut host) = alone(&[]);
    assert_eq!(host.message().unwrap(), None);
    assert_eq!(host.wait().unwrap(), Some(2));
    let log = std::fs::read_to_string(workspace.logs().join("countersign-browser.log")).unwrap();
    assert!(log.contains("a browser starts this program"), "{log}");
    for forged in [
        &["chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/"][..],
        &["chrome-extension://bjlogcdgcokdmghonoemnaepfnljjakm"],
        &["/tmp/manifest.json", "other@example.org"],
        &["install"],
        &["--help"],
    ] {
        let (_workspace, mut host) = alone(forged);
        let said = host.message().unwrap().unwrap();
        refusal(&said, Reason::PermissionDenied).unwrap();
        assert_eq!(host.message().unwrap(), None);
        assert_eq!(host.wait().unwrap(), Some(2), "{forged:?}");
    }
}

#[test]
fn what_is_no_message_is_said_once_and_ends_the_host() {
    let deep = format!(
        r#"{{"id":1,"op":"status","x":{}1{}}}"#,
        "[".repeat(2_000),
        "]".repeat(2_000)
    );
    for garbage in [
        "",
        "null",
        "[1]",
        "{\"id\":1",
        "{\"op\":\"status\"}",
        "{\"id\":0,\"op\":\"status\"}",
        &deep,
    ] {
        let (_workspace, mut host) = ours();
        host.send(garbage.as_bytes()).unwrap();
        let said = host.message().unwrap().unwrap();
        assert_eq!(said["id"], 0, "{said}");
        refusal(&said, Reason::Usage).unwrap();
        assert_eq!(host.message().unwrap(), None, "{garbage}");
        assert_eq!(host.wait().unwrap(), Some(0));
    }
}

#[test]
fn a_frame_that_is_too_long_is_not_read_and_one_that_is_cut_is_no_message() {
    for length in [
        u32::try_from(NATIVE_MESSAGE).unwrap() + 1,
        1 << 20,
        (1 << 20) + 1,
        u32::MAX,
    ] {
        let (_workspace, mut host) = ours();
        host.write(&length.to_ne_bytes()).unwrap();
        let said = host.message().unwrap().unwrap();
        refusal(&said, Reason::Usage).unwrap();
        assert_eq!(host.message().unwrap(), None, "{length}");
        host.wait().unwrap();
    }
    let (_workspace, mut host) = ours();
    host.write(&[100, 0, 0]).unwrap();
    host.close();
    refusal(&host.message().unwrap().unwrap(), Reason::Usage).unwrap();
    assert_eq!(host.wait().unwrap(), Some(0));
}

#[test]
fn a_wrong_request_is_refused_and_the_next_one_answered() {
    let (_workspace, mut host) = ours();
    for (op, fields) in [
        ("export", json!({})),
        ("status", json!({"verbose": true})),
        ("fill", json!({"origin": 7})),
        ("fill", json!({"url": PAGE})),
        ("chunk", json!({"of": 9, "data": "AQID"})),
        ("enroll", json!({"picture": true, "size": 9_000_000})),
    ] {
        host.refused(op, &fields, Reason::Usage).unwrap();
    }
    let why = host
        .refused("status", &json!({}), Reason::AgentNotRunning)
        .unwrap();
    assert!(why.contains("not running"), "{why}");
    host.close();
    assert_eq!(host.wait().unwrap(), Some(0));
}

#[test]
fn the_agent_comes_and_goes_while_the_port_stays_open() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    desk.bind(PAGE, &token);
    desk.host.ask("watch", &json!({})).unwrap();
    desk.host.event("state").unwrap();
    // A request that waits for a person when the agent goes.
    desk.dialogs
        .answer_with(countersign_tests::confirmations::Answer::Nothing)
        .unwrap();
    let asked = desk.dialogs.asked().unwrap().len();
    let bind = json!({"origin": "https://other.example.com", "token": token, "scope": "origin"});
    let open = desk.host.begin("bind", &bind).unwrap();
    desk.dialogs.wait_for(asked + 1).unwrap();
    // It ends although the host and its watch are connected.
    desk.stage.agent.process().terminate().unwrap();
    let reply = desk.host.reply(open).unwrap();
    refusal(&reply, Reason::AgentNotRunning).unwrap();
    desk.host.event("agent_gone").unwrap();

    desk.stage.agent.restart().unwrap();
    desk.stage.unlock().unwrap();
    desk.host
        .refused("fill", &json!({"origin": PAGE}), Reason::NotPaired)
        .unwrap();
    assert!(desk.extension.connect(&mut desk.host).unwrap());
    assert_eq!(desk.fill(PAGE)["passcode"], PASSCODES[0]);
}

#[test]
fn three_browsers_at_once_each_get_their_own_answers() {
    let mut desk = Desk::new();
    let forge = desk.token("Forge", EVENT);
    desk.bind(PAGE, &forge);
    let others = [2, 3].map(|number| Extension::new(number).unwrap());
    let mut hosts: Vec<_> = others
        .iter()
        .map(|extension| {
            let mut host = started(&desk.stage);
            extension.pair(&mut host, "Other").unwrap();
            host
        })
        .collect();
    hosts.push(std::mem::replace(&mut desk.host, started(&desk.stage)));
    let page = json!({"origin": PAGE});
    let mut begun = Vec::new();
    for host in &mut hosts {
        for _ in 0..3 {
            let fill = host.begin("fill", &page).unwrap();
            let status = host.begin("status", &json!({})).unwrap();
            begun.push((fill, status));
        }
    }
    let mut passcodes = std::collections::BTreeSet::new();
    for (host, begun) in hosts.iter_mut().zip(begun.chunks(3)) {
        for (fill, status) in begun {
            assert_eq!(host.reply(*status).unwrap()["ok"]["paired"], true);
            let filled = host.reply(*fill).unwrap();
            let passcode = filled["ok"]["passcode"].as_str();
            passcodes.insert(passcode.unwrap_or_else(|| panic!("{filled}")).to_owned());
        }
    }
    // Nine counters, none twice.
    assert_eq!(passcodes.len(), 9);
}

#[test]
fn who_collects_passcodes_is_slowed_down() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    desk.bind(PAGE, &token);
    let page = json!({"origin": PAGE});
    let mut answers = (0, 0);
    for _ in 0..40 {
        let id = desk.host.begin("fill", &page).unwrap();
        let reply = desk.host.reply(id).unwrap();
        if reply.get("ok").is_some() {
            answers.0 += 1;
        } else {
            refusal(&reply, Reason::RateLimited).unwrap();
            answers.1 += 1;
        }
    }
    // Thirty at once; on a slow machine a few more came in time.
    assert!(answers.0 >= 30 && answers.1 >= 1, "{answers:?}");
    let seconds = json!({"token": token});
    let id = desk.host.begin("passcode", &seconds).unwrap();
    let reply: Value = desk.host.reply(id).unwrap();
    assert!(reply.get("ok").is_some() || refusal(&reply, Reason::RateLimited).is_ok());
}

#[test]
fn a_page_that_asks_to_be_bound_again_and_again_stops_asking_the_user() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    desk.dialogs
        .answer_with(countersign_tests::confirmations::Answer::No)
        .unwrap();
    let before = desk.dialogs.asked().unwrap().len();
    let mut limited = 0;
    for number in 0..15 {
        let origin = format!("https://n{number}.example.com");
        let bind = json!({"origin": origin, "token": token, "scope": "origin"});
        let id = desk.host.begin("bind", &bind).unwrap();
        let reply = desk.host.reply(id).unwrap();
        if refusal(&reply, Reason::RateLimited).is_ok() {
            limited += 1;
        } else {
            refusal(&reply, Reason::Cancelled).unwrap();
        }
    }
    assert!(limited >= 1);
    assert_eq!(desk.dialogs.asked().unwrap().len() - before, 15 - limited);
}
