//! The extension's window onto the agent: login requests, enrollment, the lock.

use countersign_proto::agent::v1::Reason;
use countersign_tests::{example_portal::ExamplePortal, pictures, stage::CLICK_TOKEN};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{Desk, EVENT, TIME};

/// The next state that `fits`.
fn state(desk: &mut Desk, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        let state = desk.host.event("state").unwrap();
        if fits(&state) {
            return state;
        }
    }
}

fn pending(state: &Value) -> &Vec<Value> {
    state["pending"].as_array().unwrap()
}

#[test]
fn a_login_request_is_told_and_answered() {
    let mut desk = Desk::new();
    let gateway = desk.stage.gateway().unwrap();
    desk.stage
        .enroll(&gateway, "Example", &CLICK_TOKEN)
        .unwrap();
    desk.stage.wait_until_connected().unwrap();
    desk.host.ask("watch", &json!({})).unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let told = state(&mut desk, |state| !pending(state).is_empty());
    let request = pending(&told)[0].clone();
    assert_eq!(request["user"], "alice");
    assert_eq!(request["approval"], "click");
    assert_eq!(request["from_this_computer"], true, "{request}");
    assert!(request["ends_ms"].as_i64() > told["now_ms"].as_i64());
    let answer = json!({"request": request["id"], "verdict": "approve"});
    let done = desk.host.ask("answer", &answer).unwrap();
    assert!(
        ["approved", "logged_in"].contains(&done["outcome"].as_str().unwrap()),
        "{done}"
    );
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    window.logged_in().unwrap();
    state(&mut desk, |state| pending(state).is_empty());

    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let told = state(&mut desk, |state| !pending(state).is_empty());
    let answer = json!({"request": pending(&told)[0]["id"], "verdict": "report"});
    let done = desk.host.ask("answer", &answer).unwrap();
    assert_eq!(
        (&done["outcome"], &done["reported"]),
        (&json!("denied"), &json!(true))
    );
    let answered = desk.log();
    let answered: Vec<_> = answered
        .iter()
        .filter(|(kind, _)| kind == "browser_answered")
        .map(|(_, detail)| detail.as_str())
        .collect();
    assert_eq!(answered.len(), 2, "{answered:?}");
    assert!(answered[0].starts_with("reported: ") && answered[0].ends_with(", for Work"));
    assert!(answered[1].starts_with("approved: ") && answered[1].ends_with(", for Work"));
    // A beginning of an id is for people who type.
    desk.host
        .refused(
            "answer",
            &json!({"request": "0000", "verdict": "deny"}),
            Reason::LoginRequestUnknown,
        )
        .unwrap();
    desk.host
        .refused(
            "answer",
            &json!({"request": "00".repeat(16), "verdict": "deny"}),
            Reason::LoginRequestUnknown,
        )
        .unwrap();
}

#[test]
fn the_lock_is_seen_and_turned() {
    let mut desk = Desk::new();
    desk.host.ask("watch", &json!({})).unwrap();
    assert_eq!(desk.host.event("state").unwrap()["vault"], "unlocked");
    let locked = desk.host.ask("lock", &json!({})).unwrap();
    assert_eq!(locked, json!({"vault": "locked"}));
    state(&mut desk, |state| state["vault"] == "locked");
    desk.host
        .refused("tokens", &json!({}), Reason::VaultLocked)
        .unwrap();
    desk.stage.unlock().unwrap();
    state(&mut desk, |state| state["vault"] == "unlocked");
}

#[test]
fn a_link_or_a_code_on_the_page_is_enrolled_after_a_yes() {
    let mut desk = Desk::new();
    let added = desk.host.ask("enroll", &json!({"text": EVENT})).unwrap();
    assert_eq!(added["name"], "Forge alice");
    let asked = desk.dialogs.asked().unwrap();
    assert!(
        asked.last().unwrap().contains("wants to add a token"),
        "{asked:?}"
    );

    let picture = pictures::png(&[TIME]).unwrap();
    let size = picture.len();
    let enroll = desk
        .host
        .begin("enroll", &json!({"picture": true, "size": size}))
        .unwrap();
    for piece in picture.chunks(1_000) {
        let chunk = json!({"of": enroll, "data": BASE64.encode(piece)});
        assert_eq!(desk.host.ask("chunk", &chunk).unwrap(), json!({}));
    }
    assert_eq!(
        desk.host.reply(enroll).unwrap()["ok"]["name"],
        "Example alice"
    );

    // A page without a code, and what is no picture.
    for (bytes, reason) in [
        (
            pictures::png(&["https://example.com"]).unwrap(),
            Reason::EnrollmentInvalid,
        ),
        (b"no picture at all".to_vec(), Reason::EnrollmentInvalid),
    ] {
        let size = json!({"picture": true, "size": bytes.len()});
        let enroll = desk.host.begin("enroll", &size).unwrap();
        for piece in bytes.chunks(1_000) {
            desk.host
                .ask(
                    "chunk",
                    &json!({"of": enroll, "data": BASE64.encode(piece)}),
                )
                .unwrap();
        }
        let reply = desk.host.reply(enroll).unwrap();
        countersign_tests::native_host::refusal(&reply, reason).unwrap();
    }
    for hostile in [
        "javascript:alert(1)",
        "https://example.com",
        "countersign://",
    ] {
        let id = desk
            .host
            .begin("enroll", &json!({"text": hostile}))
            .unwrap();
        assert!(
            desk.host.reply(id).unwrap().get("error").is_some(),
            "{hostile}"
        );
    }
    let list = desk.stage.cli.json(&["list"]).unwrap();
    assert_eq!(list["tokens"].as_array().unwrap().len(), 2);
}
