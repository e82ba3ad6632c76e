//! An extension is let in once, in the agent's dialog, and can be shut out again.

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    Workspace,
    confirmations::Answer,
    native_host::{Extension, NativeHost},
    parts,
    screen::{self, Screen},
    stage::{PASSPHRASE_KEY, Stage},
};
use serde_json::json;

use super::{Desk, EVENT, PAGE, PASSCODES, started};

const PINENTRY: &str = "pinentry-gtk-2";

/// Everything that only a paired extension may ask.
fn every_wish() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("unlock", json!({})),
        ("lock", json!({})),
        ("fill", json!({"origin": PAGE})),
        (
            "bind",
            json!({"origin": PAGE, "token": "1", "scope": "origin"}),
        ),
        ("unbind", json!({"origin": PAGE, "token": "1"})),
        ("tokens", json!({})),
        ("passcode", json!({"token": "1"})),
        ("watch", json!({})),
        (
            "answer",
            json!({"request": "00".repeat(16), "verdict": "approve"}),
        ),
        ("enroll", json!({"text": EVENT})),
    ]
}

#[test]
fn pairing_binding_and_filling_through_the_real_dialogs() {
    let programs = [&[PINENTRY, "dbus-daemon"][..], &screen::PROGRAMS].concat();
    if !parts::are_there("browser::dialogs", &programs) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let screen = Screen::start(&workspace).unwrap();
    let config = format!("{PASSPHRASE_KEY}[pinentry]\nprogram = \"/usr/bin/{PINENTRY}\"\n");
    let display = screen.display().to_owned();
    let stage =
        Stage::in_session(workspace, &config, |session| session.on_display(&display)).unwrap();
    stage.set_up().unwrap();
    stage.enroll_string("Forge", EVENT).unwrap();
    let pictures = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    std::fs::create_dir_all(&pictures).unwrap();
    let yes = |picture: &str| {
        let window = screen.wait_for_window(PINENTRY).unwrap();
        screen.focus(&window).unwrap();
        screen.settle().unwrap();
        screen.picture(&pictures.join(picture)).unwrap();
        screen.press("Tab").unwrap();
        screen.press("Return").unwrap();
        screen.wait_until_gone(PINENTRY).unwrap();
    };

    let logs = stage.workspace.logs();
    let mut host = NativeHost::start_by_firefox(stage.agent.session(), &logs).unwrap();
    let extension = Extension::new(1).unwrap();
    assert!(!extension.connect(&mut host).unwrap());
    let pairing = host.begin("pair", &json!({"name": "Work"})).unwrap();
    yes("pair.png");
    assert_eq!(host.reply(pairing).unwrap()["ok"]["name"], "Work");

    let tokens = host.ask("tokens", &json!({})).unwrap();
    let token = tokens["tokens"][0]["id"].as_str().unwrap().to_owned();
    let binding =
        json!({"origin": "https://xn--bcher-kva.example", "token": token, "scope": "origin"});
    let bound = host.begin("bind", &binding).unwrap();
    yes("bind.png");
    assert_eq!(host.reply(bound).unwrap()["ok"], json!({}));
    let page = json!({"origin": "https://xn--bcher-kva.example"});
    assert_eq!(host.ask("fill", &page).unwrap()["passcode"], PASSCODES[0]);
}

#[test]
fn the_dialog_shows_name_browser_and_the_code_that_the_extension_shows() {
    let desk = Desk::new();
    let asked = desk.dialogs.asked().unwrap();
    let [question] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    for said in ["Work", "Chromium 156", &desk.extension.fingerprint()] {
        assert!(question.contains(said), "{said}: {question}");
    }
    let list = desk.stage.cli.json(&["browser", "list"]).unwrap();
    let paired = &list["browsers"][0];
    assert_eq!(paired["name"], "Work");
    assert_eq!(paired["fingerprint"], desk.extension.fingerprint());
    let log = desk.log();
    let event = log
        .iter()
        .find(|(kind, _)| kind == "browser_paired")
        .unwrap();
    assert!(
        event.1.contains("Work") && event.1.contains("Chromium 156"),
        "{event:?}"
    );
}

#[test]
fn who_is_not_paired_gets_nothing() {
    let mut desk = Desk::unpaired();
    let reason = Reason::NotPaired;
    for (op, fields) in every_wish() {
        desk.host.refused(op, &fields, reason).unwrap();
    }
    let status = desk.host.ask("status", &json!({})).unwrap();
    assert_eq!(
        (&status["paired"], &status["vault"]),
        (&json!(false), &json!("unlocked"))
    );
    // Nor does who has shown a key that nobody let in.
    assert!(!desk.extension.connect(&mut desk.host).unwrap());
    for (op, fields) in every_wish() {
        desk.host.refused(op, &fields, reason).unwrap();
    }
    assert!(desk.dialogs.asked().unwrap().is_empty());
}

#[test]
fn a_key_is_shown_and_not_said() {
    let mut desk = Desk::new();
    let thief = Extension::new(2).unwrap();
    let mut host = started(&desk.stage);
    // Its own key is not let in, another's signature is not the one.
    assert!(!thief.connect(&mut host).unwrap());
    let nonce = desk.extension.hello(&mut host).unwrap();
    let invalid = Reason::PairingInvalid;
    let wrong = json!({"signature": thief.signature(&nonce)});
    host.refused("prove", &wrong, invalid).unwrap();
    // A number is signed once, also in vain.
    let right = json!({"signature": desk.extension.signature(&nonce)});
    host.refused("prove", &right, invalid).unwrap();
    // What was signed elsewhere is of no use here.
    let signed = {
        let nonce = desk.extension.hello(&mut desk.host).unwrap();
        json!({"signature": desk.extension.signature(&nonce)})
    };
    desk.extension.hello(&mut host).unwrap();
    host.refused("prove", &signed, invalid).unwrap();
    host.refused("pair", &json!({"name": "x"}), invalid)
        .unwrap();
    for key in ["", "AQID"] {
        let hello = json!({"version": 1, "key": key, "browser": "x", "extension": "y"});
        host.refused("hello", &hello, invalid).unwrap();
    }
    let hello = json!({"version": 2, "key": "AQID", "browser": "x", "extension": "y"});
    host.refused("hello", &hello, Reason::AgentVersion).unwrap();
}

#[test]
fn a_no_pairs_nobody_and_a_name_is_shown_as_text() {
    let mut desk = Desk::unpaired();
    desk.dialogs.answer_with(Answer::No).unwrap();
    desk.extension.connect(&mut desk.host).unwrap();
    let name = json!({"name": "Work\n\nCode: AAAA-AAAA\u{202e}"});
    desk.host.refused("pair", &name, Reason::Cancelled).unwrap();
    let asked = desk.dialogs.asked().unwrap();
    let codes = asked[0].lines().filter(|line| line.starts_with("Code:"));
    assert_eq!(codes.count(), 1, "{asked:?}");
    assert!(!asked[0].contains('\u{202e}'));
    let list = desk.stage.cli.json(&["browser", "list"]).unwrap();
    assert_eq!(list["browsers"], json!([]));
    desk.host
        .refused("fill", &json!({"origin": PAGE}), Reason::NotPaired)
        .unwrap();
}

#[test]
fn a_revoked_browser_is_told_and_gets_nothing_more() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    desk.bind(PAGE, &token);
    desk.host.ask("watch", &json!({})).unwrap();
    desk.host.event("state").unwrap();
    assert_eq!(desk.fill(PAGE)["passcode"], PASSCODES[0]);

    desk.stage.cli.ask(&["browser", "revoke", "Work"]).unwrap();
    desk.host.event("unpaired").unwrap();
    for (op, fields) in every_wish() {
        desk.host.refused(op, &fields, Reason::NotPaired).unwrap();
    }
    let mut again = started(&desk.stage);
    assert!(!desk.extension.connect(&mut again).unwrap());
    desk.stage
        .cli
        .refused(&["browser", "revoke", "Work"], "", Reason::PairingUnknown)
        .unwrap();
    assert!(desk.log().iter().any(|(kind, _)| kind == "browser_revoked"));
}

#[test]
fn a_pairing_outlives_the_agent_and_holds_before_the_first_unlock() {
    let mut desk = Desk::new();
    desk.stage.agent.process().terminate().unwrap();
    desk.host.event("agent_gone").unwrap();
    desk.host
        .refused("status", &json!({}), Reason::AgentNotRunning)
        .unwrap();
    desk.stage.agent.restart().unwrap();
    // The pairing was the stream's.
    desk.host
        .refused("tokens", &json!({}), Reason::NotPaired)
        .unwrap();
    assert!(desk.extension.connect(&mut desk.host).unwrap());
    desk.host
        .refused("tokens", &json!({}), Reason::VaultLocked)
        .unwrap();
    desk.stage.unlock().unwrap();
    assert_eq!(
        desk.host.ask("tokens", &json!({})).unwrap()["tokens"],
        json!([])
    );
}
