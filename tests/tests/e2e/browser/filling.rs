//! Which page gets which passcode.

use countersign_proto::agent::v1::Reason;
use countersign_tests::{confirmations::Answer, native_host::Extension};
use serde_json::{Value, json};

use super::{Desk, EVENT, PAGE, PASSCODES, TIME, started};

#[test]
fn a_page_gets_the_passcode_that_is_bound_to_it_and_the_log_says_so() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    desk.bind(PAGE, &token);
    let filled = desk.fill(PAGE);
    assert_eq!(filled["passcode"], PASSCODES[0]);
    assert_eq!(filled["token"], json!({"id": token, "name": "Forge"}));
    let private = json!({"origin": PAGE, "private": true});
    let filled = desk.host.ask("fill", &private).unwrap();
    assert_eq!(filled["passcode"], PASSCODES[1]);

    let log = desk.log();
    let passcodes: Vec<_> = log
        .iter()
        .filter(|(kind, _)| kind == "passcode_generated")
        .map(|(_, detail)| detail.as_str())
        .collect();
    assert_eq!(
        passcodes,
        [
            "filled in a private window, for Work",
            "filled at https://login.example.com, for Work",
        ]
    );
    // What is kept of a private window names no page.
    assert!(!passcodes[0].contains("example"));
    let used = &desk.stage.cli.json(&["browser", "list"]).unwrap()["browsers"][0]["used"];
    assert!(used.is_null() || used.is_number());
}

#[test]
fn a_time_based_passcode_says_how_long_it_holds() {
    let mut desk = Desk::new();
    let token = desk.token("Example", TIME);
    desk.bind(PAGE, &token);
    let filled = desk.fill(PAGE);
    let number = |field: &str| filled[field].as_i64().unwrap();
    assert_eq!(number("period"), 30);
    assert!(number("now_ms") < number("valid_until_ms"));
    assert!(number("valid_until_ms") - number("now_ms") <= 30_000);
    let shown = desk.host.ask("passcode", &json!({"token": token})).unwrap();
    assert_eq!(shown["passcode"].as_str().unwrap().len(), 6);
    assert_eq!(shown["valid_until_ms"].as_i64().unwrap() % 30_000, 0);
}

#[test]
fn an_unknown_page_gets_no_word_about_any_token() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    desk.bind(PAGE, &token);
    for other in [
        "https://example.com",
        "https://login.example.com:8443",
        "https://login.example.com.evil.example",
        "https://xn--lgin-5qa.example.com",
        "http://localhost:8124",
    ] {
        for fields in [
            json!({"origin": other}),
            json!({"origin": other, "token": token}),
        ] {
            let id = desk.host.begin("fill", &fields).unwrap();
            let reply = desk.host.reply(id).unwrap();
            let said = reply.to_string();
            assert_eq!(reply["error"]["reason"], "ORIGIN_UNKNOWN", "{said}");
            assert!(
                !said.contains("Forge") && !said.contains("login.example.com\""),
                "{said}"
            );
        }
    }
    // No counter was used up.
    assert_eq!(desk.fill(PAGE)["passcode"], PASSCODES[0]);
    let refusals = desk.log();
    let refusals = refusals
        .iter()
        .filter(|(kind, _)| kind == "browser_refused");
    assert_eq!(refusals.count(), 10);
}

#[test]
fn what_is_no_origin_is_refused_before_anybody_is_asked() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    let before = desk.dialogs.asked().unwrap().len();
    for wrong in [
        "null",
        "",
        "http://login.example.com",
        "https://login.example.com/",
        "https://login.example.com:443",
        "https://alice@login.example.com",
        "https://login.example.com@evil.example",
        "https://LOGIN.example.com",
        "https://login.example.com.",
        "https://bücher.example",
        "https://127.1",
        "file:///etc/passwd",
        "chrome-extension://bjlogcdgcokdmghonoemnaepfnljjakm",
        "data:text/html,x",
        "javascript:alert(1)",
        "https://login.example.com\u{0}",
        &format!("https://{}.example", "a".repeat(400)),
    ] {
        let invalid = Reason::OriginInvalid;
        desk.host
            .refused("fill", &json!({"origin": wrong}), invalid)
            .unwrap();
        if wrong.len() < 30 && wrong.len() % 2 == 0 {
            let bind = json!({"origin": wrong, "token": token, "scope": "origin"});
            desk.host.refused("bind", &bind, invalid).unwrap();
        }
    }
    // An address whose end would not be seen.
    let long = format!("https://login.example.com.{0}.{0}.example", "a".repeat(40));
    let bind = json!({"origin": long, "token": token, "scope": "origin"});
    desk.host
        .refused("bind", &bind, Reason::OriginInvalid)
        .unwrap();
    let wide = json!({"origin": "https://192.0.2.7", "token": token, "scope": "domain"});
    desk.host
        .refused("bind", &wide, Reason::DomainUnknown)
        .unwrap();
    assert_eq!(desk.dialogs.asked().unwrap().len(), before);
}

#[test]
fn of_several_tokens_the_user_chooses_and_of_others_none_is_named() {
    let mut desk = Desk::new();
    let forge = desk.token("Forge", EVENT);
    let example = desk.token("Example", TIME);
    desk.token("Secret", "otpauth://totp/x?secret=JBSWY3DPEHPK3PXB");
    desk.bind(PAGE, &forge);
    desk.bind(PAGE, &example);
    let filled = desk.fill(PAGE);
    let ids: Vec<_> = filled["choose"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(ids, [&json!(forge), &json!(example)]);
    assert!(filled.get("passcode").is_none() && !filled.to_string().contains("Secret"));
    let chosen = json!({"origin": PAGE, "token": forge});
    assert_eq!(
        desk.host.ask("fill", &chosen).unwrap()["passcode"],
        PASSCODES[0]
    );

    let unbind = json!({"origin": PAGE, "token": example});
    desk.host.ask("unbind", &unbind).unwrap();
    assert_eq!(desk.fill(PAGE)["passcode"], PASSCODES[1]);
    desk.stage.cli.ask(&["browser", "unbind", "Forge"]).unwrap();
    desk.host
        .refused("fill", &json!({"origin": PAGE}), Reason::OriginUnknown)
        .unwrap();
}

#[test]
fn a_name_that_looks_like_an_id_chooses_nothing() {
    let mut desk = Desk::new();
    let first = desk.token("Forge", EVENT);
    // Called like the first one's id.
    desk.token(&first, TIME);
    desk.bind(PAGE, &first);
    assert_eq!(desk.fill(PAGE)["token"]["name"], "Forge");
    let shown = desk.host.ask("passcode", &json!({"token": first})).unwrap();
    assert_eq!(shown["name"], "Forge");
    desk.host
        .refused("passcode", &json!({"token": "Forge"}), Reason::TokenUnknown)
        .unwrap();
}

#[test]
fn a_binding_is_confirmed_with_the_host_in_both_its_texts() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    desk.bind("https://apple.example.com", &token);
    let last = |desk: &Desk| desk.dialogs.asked().unwrap().pop().unwrap();
    assert!(last(&desk).contains("https://apple.example.com"));

    // All Cyrillic: аррӏе.
    let twin = "https://xn--80ak6aa92e.example.com";
    desk.dialogs.answer_with(Answer::No).unwrap();
    let bind =
        |origin: &str, scope: &str| json!({"origin": origin, "token": token, "scope": scope});
    desk.host
        .refused("bind", &bind(twin, "origin"), Reason::Cancelled)
        .unwrap();
    let question = last(&desk);
    for said in [
        twin,
        "\u{430}\u{440}\u{440}\u{4cf}\u{435}.example.com",
        "Careful",
        "Forge",
        "Work",
    ] {
        assert!(question.contains(said), "{said}: {question}");
    }
    assert!(question.contains("not apple.example.com"), "{question}");
    // A dialog that is full loses its end, and no warning.
    assert!(
        question.find("Careful") < question.find("Page:"),
        "{question}"
    );
    desk.host
        .refused("fill", &json!({"origin": twin}), Reason::OriginUnknown)
        .unwrap();

    // Wider only when the user says so, and the dialog too.
    desk.dialogs.answer_with(Answer::Yes).unwrap();
    desk.host
        .ask("bind", &bind("https://a.example.co.uk", "domain"))
        .unwrap();
    assert!(last(&desk).contains("https://*.example.co.uk"));
    assert_eq!(
        desk.fill("https://b.example.co.uk")["passcode"],
        PASSCODES[0]
    );
    for other in [
        "https://example.org.uk",
        "https://notexample.co.uk",
        "https://other.co.uk",
    ] {
        desk.host
            .refused("fill", &json!({"origin": other}), Reason::OriginUnknown)
            .unwrap();
    }
    let tokens = desk
        .host
        .ask("tokens", &json!({"origin": "https://b.example.co.uk"}))
        .unwrap();
    assert_eq!(tokens["tokens"][0]["bound"], true);
    assert_eq!(
        tokens["tokens"][0]["origins"],
        json!(["https://apple.example.com", "https://*.example.co.uk"])
    );
    let origins = desk.stage.cli.json(&["browser", "origins"]).unwrap();
    assert_eq!(origins["origins"][1]["origin"], "https://*.example.co.uk");
}

#[test]
fn a_token_asks_for_its_pin_and_binding_gives_no_try_back() {
    let mut desk = Desk::new();
    let uri = "otpauth://hotp/Bank:alice?secret=JBSWY3DPEHPK3PXP&counter=0&pin=True";
    desk.stage.enroll_with_pin("Bank", uri, "246802").unwrap();
    let info = desk.stage.cli.json(&["info", "Bank"]).unwrap();
    let token = info["id"].as_str().unwrap().to_owned();
    assert_eq!(info["tries_left"], 5);
    desk.stage
        .cli
        .refused(
            &["code", "Bank", "--pin-stdin"],
            "135791\n",
            Reason::PinWrong,
        )
        .unwrap();
    desk.bind(PAGE, &token);
    assert_eq!(
        desk.stage.cli.json(&["info", "Bank"]).unwrap()["tries_left"],
        4
    );
    let tokens = desk.host.ask("tokens", &json!({})).unwrap();
    assert_eq!(tokens["tokens"][0]["verification"], "pin");
    // The dialog program gives no PIN: nothing is filled.
    desk.host
        .refused("fill", &json!({"origin": PAGE}), Reason::Cancelled)
        .unwrap();
}

#[test]
fn dialogs_go_with_the_browser_and_come_one_at_a_time() {
    let mut desk = Desk::new();
    let token = desk.token("Forge", EVENT);
    desk.dialogs.answer_with(Answer::Nothing).unwrap();
    let before = desk.dialogs.asked().unwrap().len();
    let bind = json!({"origin": PAGE, "token": token, "scope": "origin"});
    desk.host.begin("bind", &bind).unwrap();
    desk.dialogs.wait_for(before + 1).unwrap();
    desk.stage.agent.wait_for_dialog(true).unwrap();

    let mut second = started(&desk.stage);
    assert!(desk.extension.connect(&mut second).unwrap());
    second.refused("bind", &bind, Reason::AskedAlready).unwrap();
    Extension::new(2).unwrap().connect(&mut second).unwrap();
    second
        .refused("pair", &json!({"name": "x"}), Reason::AskedAlready)
        .unwrap();

    desk.host.close();
    assert_eq!(desk.host.wait().unwrap(), Some(0));
    desk.stage.agent.wait_for_dialog(false).unwrap();
    let info = desk.stage.cli.json(&["info", "Forge"]).unwrap();
    assert_eq!(info["origins"], Value::Array(Vec::new()));
}
