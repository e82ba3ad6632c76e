use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::secret::SecretBytes;

/// Answers of a real server.
fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/privacyidea.json")).unwrap()
}

const LINK: &str = "otpauth://pipush/PIPU0000355A?url=http%3A//127.0.0.1%3A5001/ttype/push&ttl=10\
    &issuer=Test%20Issuer&enrollment_credential=2bcc37f315b1139a35a788ee37de05f2c642cd0b&v=1\
    &serial=PIPU0000355A&sslverify=0&poll_only=True";

fn altered(from: &str, to: &str) -> Result<PushLink, LinkError> {
    let link = LINK.replace(from, to);
    assert_ne!(link, LINK, "{from}");
    PushLink::parse(&link)
}

#[test]
fn a_link_of_the_real_server_is_read() {
    let link = PushLink::parse(vectors()["link"].as_str().unwrap()).unwrap();
    assert_eq!(link.url.as_str(), "http://127.0.0.1:5071/ttype/push");
    assert_eq!(link.issuer, "Example Server");
    assert_eq!(link.label, link.serial);
    assert_eq!(link.transport, Transport::PlainHttp);
}

#[test]
fn both_schemes_say_the_same() {
    let link = PushLink::parse(LINK).unwrap();
    assert_eq!(link.serial, "PIPU0000355A");
    assert_eq!(link.url.host_port(), "127.0.0.1:5001");
    assert_eq!(link.ttl.as_secs(), 600);
    assert_eq!(link.demand, Demand::None);
    assert_eq!(link.credential.expose().len(), 40);
    assert_eq!(altered("otpauth://", "pia://"), Ok(link.clone()));
    assert_eq!(altered("otpauth://pipush", " PIA://PiPush"), Ok(link));
    assert!(PushLink::looks_like_one(LINK));
    assert!(!PushLink::looks_like_one("otpauth://totp/x?secret=AA"));
    assert!(!PushLink::looks_like_one("pia://container/SMPH1?v=1"));
    assert!(!PushLink::looks_like_one("otpauth://pipushy/x"));
}

#[test]
fn the_label_is_the_path_with_its_slashes() {
    let link = altered("pipush/PIPU0000355A", "pipush/alice%20%40/home").unwrap();
    assert_eq!(link.label, "alice @/home");
    assert_eq!(
        altered("pipush/PIPU0000355A", "pipush/").unwrap().label,
        "PIPU0000355A"
    );
}

#[test]
fn what_the_issuer_demands_is_heard() {
    let demand = |more: &str| PushLink::parse(&format!("{LINK}{more}")).map(|link| link.demand);
    for (more, expected) in [
        ("&pin=True", Demand::PinOrFinger),
        ("&pin=False", Demand::None),
        ("&app_force_unlock=any", Demand::PinOrFinger),
        ("&app_force_unlock=pin", Demand::PinOrFinger),
        ("&pin=True&app_force_unlock=biometric", Demand::Finger),
    ] {
        assert_eq!(demand(more), Ok(expected), "{more}");
    }
    for more in ["&pin=yes", "&app_force_unlock=face", "&app_force_unlock="] {
        assert!(matches!(demand(more), Err(LinkError::Value(_))), "{more}");
    }
}

#[test]
fn how_well_the_server_is_known_comes_from_the_scheme_and_the_flag() {
    let transport = |scheme: &str, flag: &str| {
        let link = LINK
            .replace("http%3A", scheme)
            .replace("&sslverify=0", flag);
        PushLink::parse(&link).map(|link| link.transport)
    };
    assert_eq!(
        transport("https%3A", "&sslverify=1"),
        Ok(Transport::Verified)
    );
    assert_eq!(transport("https%3A", ""), Ok(Transport::Verified));
    assert_eq!(
        transport("https%3A", "&sslverify=0"),
        Ok(Transport::UnverifiedTls)
    );
    assert_eq!(
        transport("http%3A", "&sslverify=1"),
        Ok(Transport::PlainHttp)
    );
    assert!(transport("https%3A", "&sslverify=2").is_err());
    assert!(transport("https%3A", "&sslverify=False").is_err());
}

#[test]
fn a_damaged_link_is_refused() {
    use LinkParameter as P;
    for (from, to, expected) in [
        ("&v=1", "", LinkError::Missing(P::Version)),
        ("&v=1", "&v=2", LinkError::Version),
        ("&v=1", "&v=1&v=1", LinkError::Repeated(P::Version)),
        ("&serial=PIPU0000355A", "", LinkError::Missing(P::Serial)),
        ("&serial=PIPU0000355A", "&serial=A%7CB", LinkError::Serial),
        ("&serial=PIPU0000355A", "&serial=", LinkError::Serial),
        (
            "&serial=PIPU0000355A",
            "&serial=A&serial=B",
            LinkError::Repeated(P::Serial),
        ),
        ("=2bcc", "=%002bcc", LinkError::Credential),
        (
            "&enrollment_credential",
            "&credential",
            LinkError::Missing(P::Credential),
        ),
        ("&ttl=10", "&ttl=0", LinkError::Value(P::Ttl)),
        ("&ttl=10", "&ttl=-1", LinkError::Value(P::Ttl)),
        (
            "&ttl=10",
            "&ttl=99999999999999999999",
            LinkError::Value(P::Ttl),
        ),
        ("url=http%3A//", "url=ftp%3A//", LinkError::Url),
        ("url=http%3A//", "url=http%3A//u%3Ap%40", LinkError::Url),
        ("/ttype/push", "/ttype/push%23x", LinkError::Url),
        ("/ttype/push", "/ttype/pu%20sh", LinkError::Url),
        ("/ttype/push", "/ttype/p%C3%BCsh", LinkError::Url),
        (
            "url=http%3A//127.0.0.1%3A5001/ttype/push",
            "url=/ttype/push",
            LinkError::Url,
        ),
        ("Test%20Issuer", "%FF", LinkError::NotText),
        ("otpauth://pipush/", "otpauth://totp/", LinkError::NotPush),
        ("otpauth://pipush/", "http://pipush/", LinkError::NotPush),
    ] {
        assert_eq!(altered(from, to), Err(expected), "{from} -> {to}");
    }
    let long = LINK.replace("Test%20Issuer", &"x".repeat(300));
    assert_eq!(PushLink::parse(&long), Err(LinkError::NameTooLong));
    assert_eq!(PushLink::parse(&"x".repeat(9000)), Err(LinkError::TooLong));
}

#[test]
fn a_link_prints_no_credential() {
    let printed = format!("{:?}", PushLink::parse(LINK).unwrap());
    assert!(!printed.contains("2bcc37"), "{printed}");
}

/// What was signed, by the one signer that the tests know: the text itself is the signature.
fn text_is_signature(message: &[u8], signature: &[u8]) -> bool {
    message == signature
}

fn sealed(text: &str) -> String {
    encode_signature(text.as_bytes())
}

const URL: &str = "https://pi.example/ttype/push";

fn enrolled() -> ServerUrl {
    ServerUrl::parse(URL).unwrap()
}

fn challenge() -> Value {
    json!({
        "nonce": "NONCE1", "url": URL, "serial": "PIPU1", "question": "Log in?", "title": "VPN", "sslverify": "1",
        "signature": sealed(&format!("NONCE1|{URL}|PIPU1|Log in?|VPN|1")),
    })
}

fn believed(value: &Value) -> Result<Challenge, Disbelief> {
    ReceivedChallenge::read(value.clone())?.believed("PIPU1", &enrolled(), text_is_signature)
}

fn with(fields: &[(&str, Value)]) -> Value {
    let mut value = challenge();
    for (name, field) in fields {
        value[name] = field.clone();
    }
    value
}

#[test]
fn the_strings_of_the_real_server_are_what_we_verify() {
    let vectors = vectors();
    let link = PushLink::parse(vectors["link"].as_str().unwrap()).unwrap();
    for value in vectors["challenges"].as_array().unwrap() {
        let asked = core::cell::RefCell::new(Vec::new());
        let challenge = ReceivedChallenge::read(value.clone())
            .unwrap()
            .believed(&link.serial, &link.url, |message, signature| {
                assert_eq!(signature.len(), 512);
                asked
                    .borrow_mut()
                    .push(String::from_utf8(message.to_vec()).unwrap());
                true
            })
            .unwrap();
        let nonce = value["nonce"].as_str().unwrap();
        let presence = value["require_presence"].as_str();
        let expected = format!(
            "{nonce}|{}|{}|Log in from 127.0.0.1 as user1?|Example VPN|0{}",
            link.url.as_str(),
            link.serial,
            presence
                .map(|choices| format!("|{choices}"))
                .unwrap_or_default()
        );
        let capabilities =
            format!("{{\"capabilities\":{{\"decline_reason\":true}},\"nonce\":\"{nonce}\"}}");
        assert_eq!(*asked.borrow(), [expected, capabilities]);
        assert_eq!(challenge.choices.join(","), presence.unwrap_or_default());
        assert!(challenge.takes_reason());
    }
}

#[test]
fn only_what_the_server_signed_for_this_token_is_believed() {
    let good = believed(&challenge()).unwrap();
    assert_eq!(
        (good.title.as_str(), good.question.as_str()),
        ("VPN", "Log in?")
    );
    assert!(!good.takes_reason());
    for (field, value, expected) in [
        ("question", json!("Pay?"), Disbelief::Signature),
        ("title", json!("Bank"), Disbelief::Signature),
        ("nonce", json!("NONCE2"), Disbelief::Signature),
        ("nonce", json!("NONCE|1"), Disbelief::Malformed),
        ("nonce", json!(""), Disbelief::Malformed),
        ("sslverify", json!("0"), Disbelief::Signature),
        ("sslverify", json!("yes"), Disbelief::Malformed),
        ("serial", json!("PIPU2"), Disbelief::OtherToken),
        (
            "url",
            json!("https://pi.example/other"),
            Disbelief::Signature,
        ),
        (
            "url",
            json!("https://evil.example/ttype/push"),
            Disbelief::OtherOrigin,
        ),
        (
            "url",
            json!("http://pi.example/ttype/push"),
            Disbelief::OtherOrigin,
        ),
        (
            "url",
            json!("https://pi.example:444/ttype/push"),
            Disbelief::OtherOrigin,
        ),
        ("signature", json!("AAAA"), Disbelief::Signature),
        ("signature", json!("aaaa====="), Disbelief::Signature),
        ("signature", json!(7), Disbelief::Malformed),
        ("question", json!("x".repeat(1_000_000)), Disbelief::TooLong),
        (
            "signature",
            json!("A".repeat(1_000_000)),
            Disbelief::TooLong,
        ),
        ("require_presence", json!("1,2"), Disbelief::Signature),
        (
            "capabilities",
            json!({"decline_reason": true}),
            Disbelief::CapabilitiesSignature,
        ),
        (
            "capabilities_signature",
            json!("AAAA"),
            Disbelief::CapabilitiesSignature,
        ),
    ] {
        assert_eq!(believed(&with(&[(field, value)])), Err(expected), "{field}");
    }
    for not_one in [json!(7), json!([]), json!({}), json!(null)] {
        assert_eq!(believed(&not_one), Err(Disbelief::Malformed));
    }
}

/// The fields are signed as one string: a border moved by a peer in the middle must not change what is asked.
#[test]
fn the_borders_between_fields_cannot_be_moved_to_add_or_drop_choices() {
    let presence = format!("NONCE1|{URL}|PIPU1|Log in?|VPN|1|31,27");
    for (title, sslverify) in [("VPN|1", "31,27"), ("VPN", "1|31,27")] {
        let moved = with(&[
            ("title", json!(title)),
            ("sslverify", json!(sslverify)),
            ("signature", json!(sealed(&presence))),
        ]);
        assert_eq!(believed(&moved), Err(Disbelief::Malformed));
    }
    let plain = with(&[
        ("question", json!("Log in?")),
        ("title", json!("VPN")),
        ("require_presence", json!("1")),
    ]);
    assert_eq!(believed(&plain), Err(Disbelief::Signature));
}

#[test]
fn choices_can_be_shown_and_told_apart() {
    let choices = |text: &str| {
        let signed = sealed(&format!("NONCE1|{URL}|PIPU1|Log in?|VPN|1|{text}"));
        let value = with(&[
            ("require_presence", json!(text)),
            ("signature", json!(signed)),
        ]);
        believed(&value).map(|challenge| challenge.choices)
    };
    assert_eq!(choices("63,13,11").unwrap(), ["63", "13", "11"]);
    assert_eq!(choices("red,green").unwrap(), ["red", "green"]);
    for bad in [
        "63",
        "",
        "63,,11",
        "63,63",
        "Red,red",
        "a,\u{202e}b",
        "1,2,3,4,5,6,7,8,9,10,11",
    ] {
        assert_eq!(choices(bad), Err(Disbelief::Choices), "{bad}");
    }
}

#[test]
fn capabilities_count_with_their_signature_only() {
    let signed = |capabilities: Value, text: &str| {
        let signature = sealed(&format!("{{\"capabilities\":{text},\"nonce\":\"NONCE1\"}}"));
        believed(&with(&[
            ("capabilities", capabilities),
            ("capabilities_signature", json!(signature)),
        ]))
    };
    let takes =
        |capabilities, text| signed(capabilities, text).map(|challenge| challenge.takes_reason());
    assert_eq!(
        takes(
            json!("{\"decline_reason\": true}"),
            "{\"decline_reason\":true}"
        ),
        Ok(true)
    );
    assert_eq!(
        takes(json!({"decline_reason": true}), "{\"decline_reason\":true}"),
        Ok(true)
    );
    assert_eq!(
        takes(json!({"decline_reason": 1}), "{\"decline_reason\":1}"),
        Ok(false)
    );
    assert_eq!(
        takes(
            json!("{\"b\": [1, null], \"a\": \"\\u00e4\\n\"}"),
            "{\"a\":\"ä\\n\",\"b\":[1,null]}"
        ),
        Ok(false)
    );
    assert_eq!(
        takes(
            json!({"decline_reason": true}),
            "{\"decline_reason\":false}"
        ),
        Err(Disbelief::CapabilitiesSignature)
    );
    assert_eq!(
        takes(json!({"x": 1.5}), "{\"x\":1.5}"),
        Err(Disbelief::Malformed)
    );
    assert_eq!(takes(json!("not json"), ""), Err(Disbelief::Malformed));
}

#[test]
fn a_reason_goes_only_to_a_server_that_takes_it() {
    let plain = believed(&challenge()).unwrap();
    assert_eq!(
        plain.decline_for(DeclineReason::UnknownTrigger),
        Answer::Decline
    );
}

#[test]
fn answers_are_signed_and_posted_as_the_server_reads_them() {
    for (answer, string, field) in [
        (Answer::Accept, "N1|PIPU1", ""),
        (
            Answer::Presence("6 3".to_owned()),
            "N1|PIPU1|6 3",
            "presence_answer=6+3&",
        ),
        (Answer::Decline, "N1|PIPU1|decline", "decline=1&"),
        (
            Answer::DeclineFor(DeclineReason::UnknownTrigger),
            "N1|PIPU1|decline|unknown_trigger",
            "decline=1&decline_reason=unknown_trigger&",
        ),
        (
            Answer::DeclineFor(DeclineReason::Cancelled),
            "N1|PIPU1|decline|cancelled",
            "decline=1&decline_reason=cancelled&",
        ),
    ] {
        assert_eq!(answer.signed_string("N1", "PIPU1"), string);
        let form = answer.form("N1", "PIPU1", b"f");
        assert_eq!(
            form,
            format!("serial=PIPU1&nonce=N1&{field}signature=MY%3D%3D%3D%3D%3D%3D")
        );
        assert_eq!(answer.accepts(), !string.contains("decline"));
    }
}

#[test]
fn a_poll_is_an_address() {
    let address = poll_address(&enrolled(), "PIPU1", "2026-11-23T17:46:26.892Z", b"f");
    assert_eq!(
        address,
        "https://pi.example/ttype/push?serial=PIPU1&timestamp=2026-11-23T17%3A46%3A26.892Z&signature=MY%3D%3D%3D%3D%3D%3D"
    );
    assert_eq!(poll_string("PIPU1", "T"), "PIPU1|T");
}

#[test]
fn replies_are_read() {
    let taken = |detail: Value| {
        let body = json!({"result": {"status": true, "value": true}, "detail": detail});
        read_answer_reply(body.to_string().as_bytes())
    };
    assert_eq!(
        taken(json!(null)),
        Ok(AnswerReply::Taken { display_code: None })
    );
    assert_eq!(
        taken(json!({"display_code": "55"})),
        Ok(AnswerReply::Taken {
            display_code: Some("55".to_owned())
        })
    );
    assert_eq!(
        read_answer_reply(br#"{"result":{"status":true,"value":false}}"#),
        Ok(AnswerReply::NotTaken)
    );
    let refused =
        br#"{"detail":null,"result":{"status":false,"error":{"code":601,"message":"no\ntoken"}}}"#;
    let fault = Fault {
        code: 601,
        message: "no token".to_owned(),
    };
    assert_eq!(
        read_answer_reply(refused),
        Err(ReplyError::Refused(fault.clone()))
    );
    assert_eq!(
        read_poll_reply(refused).unwrap_err(),
        ReplyError::Refused(fault)
    );
    for garbage in [
        &b""[..],
        b"<html>",
        b"{}",
        br#"{"result":{"status":false}}"#,
        b"[]",
    ] {
        assert_eq!(read_answer_reply(garbage), Err(ReplyError::Malformed));
    }
    let long = vec![b' '; MAX_REPLY + 1];
    assert_eq!(read_answer_reply(&long), Err(ReplyError::Malformed));
    let list = json!({"result": {"status": true, "value": [challenge(), 7]}});
    let read = read_poll_reply(list.to_string().as_bytes()).unwrap();
    assert!(matches!(
        read.as_slice(),
        [Ok(_), Err(Disbelief::Malformed)]
    ));
}

#[test]
fn the_servers_key_comes_in_lines() {
    let key = vectors()["public_key"].as_str().unwrap().to_owned();
    let body = json!({"result": {"status": true, "value": true}, "detail": {"public_key": key}});
    let der = read_enrollment_reply(body.to_string().as_bytes()).unwrap();
    assert_eq!(der.len(), 526);
    assert!(key.contains('\n'));
    let without = json!({"result": {"status": true, "value": true}, "detail": null});
    assert_eq!(
        read_enrollment_reply(without.to_string().as_bytes()),
        Err(ReplyError::Malformed)
    );
}

/// Computed with the standard library of another language, from the definition.
#[test]
fn two_steps_give_one_seed() {
    let two_step = TwoStep::new(8, 20, 10_000).unwrap();
    let secret = SecretBytes::from(*b"\x00\x01\x02\xfe\xff");
    let key = two_step.derive(&secret, b"saltsalt").unwrap();
    assert_eq!(
        data_encoding::HEXLOWER.encode(key.seed.expose()),
        "e39ea8d203cae584e45306b6cc7446fa068f2b62"
    );
    assert_eq!(key.device_part.expose(), "FQVLVTTTMFWHI43BNR2A");
    assert_eq!(two_step.derive(&secret, b"salt"), Err(TwoStepError::Salt));
    for (salt, output, rounds) in [
        (0, 20, 1),
        (8, 0, 1),
        (8, 20, 0),
        (8, 20, u64::MAX),
        (8, 4096, 1),
        (u64::MAX, 20, 1),
    ] {
        assert_eq!(
            TwoStep::new(salt, output, rounds),
            Err(TwoStepError::Parameters)
        );
    }
}

#[test]
fn identities_differ_with_each_part() {
    let url = enrolled();
    let other = ServerUrl::parse("https://pi.example/ttype/push2").unwrap();
    let service = service_id(&url, "PIPU1");
    assert_ne!(service, service_id(&url, "PIPU2"));
    assert_ne!(service, service_id(&other, "PIPU1"));
    assert_ne!(request_id(service, "N1"), request_id(service, "N2"));
    assert_eq!(request_id(service, "N1"), request_id(service, "N1"));
    assert_ne!(device_id(service).0, service.0);
}

proptest! {
    #[test]
    fn no_link_panics(text in any::<String>(), tail in "[a-z0-9%&=_:/?#.-]{0,200}") {
        drop(PushLink::parse(&text));
        drop(PushLink::parse(&format!("otpauth://pipush/{tail}")));
        drop(PushLink::parse(&format!("{LINK}{tail}")));
    }

    #[test]
    fn no_body_panics(body in any::<Vec<u8>>(), text in any::<String>()) {
        drop(read_poll_reply(&body));
        drop(read_answer_reply(&body));
        drop(read_enrollment_reply(&body));
        drop(believed(&with(&[("capabilities", json!(text)), ("capabilities_signature", json!("AA"))])));
    }

    /// Without the right signature no text of a challenge gets out, whatever it is.
    #[test]
    fn any_change_of_a_text_is_disbelieved(title in any::<String>(), question in any::<String>()) {
        prop_assume!(title != "VPN" || question != "Log in?");
        // The border between the two may move: they are signed as one text.
        prop_assume!(format!("{question}|{title}") != "Log in?|VPN");
        let changed = with(&[("title", json!(title)), ("question", json!(question))]);
        prop_assert!(believed(&changed).is_err());
    }
}
