//! One-time passwords that the real server accepts: HOTP, TOTP, two-step enrollment, OCRA.

use anyhow::Result;
use countersign_tests::{
    privacyidea::{PrivacyIdea, is_there, shared, text},
    stage::Stage,
};
use data_encoding::BASE32_NOPAD;
use serde_json::Value;

use crate::rig::enroll;

/// Is this passcode right?
fn accepted(server: &PrivacyIdea, serial: &str, passcode: &str) -> Result<bool> {
    let reply = server.check(&[("serial", serial), ("pass", passcode), ("otponly", "1")])?;
    Ok(text(&reply, "/result/authentication")? == "ACCEPT")
}

#[test]
fn passcodes_of_every_hash_and_length_are_accepted_once() {
    if !is_there("privacyidea::passcodes") {
        return;
    }
    let (server, stage) = (shared(), Stage::new().unwrap());
    for kind in ["hotp", "totp"] {
        for hash in ["sha1", "sha256", "sha512"] {
            for digits in ["6", "8"] {
                let made = server
                    .init_token(&[
                        ("type", kind),
                        ("genkey", "1"),
                        ("hashlib", hash),
                        ("otplen", digits),
                    ])
                    .unwrap();
                let serial = text(&made, "/detail/serial").unwrap();
                let link = text(&made, "/detail/googleurl/value").unwrap();
                let name = format!("{kind} {hash} {digits}");
                enroll(&stage, &name, &link).unwrap();
                let info = stage.cli.json(&["info", &name]).unwrap();
                assert_eq!(info["serial"], serial.as_str());
                let code = stage.cli.ask(&["code", &name]).unwrap();
                assert_eq!(code.len().to_string(), digits);
                assert!(accepted(server, &serial, &code).unwrap(), "{name}");
                assert!(!accepted(server, &serial, &code).unwrap(), "{name} twice");
            }
        }
    }
}

#[test]
fn both_halves_of_a_two_step_enrollment_make_the_seed() {
    if !is_there("privacyidea::two_step") {
        return;
    }
    let stage = Stage::new().unwrap();
    // Only a policy of the administrator's makes the server take it; it lists all that is still allowed.
    let rights = "totp_2step=allow, hotp_2step=allow, enrollTOTP=1, enrollHOTP=1";
    let fields = [("scope", "admin"), ("active", "true"), ("action", rights)];
    let workspace = countersign_tests::Workspace::new().unwrap();
    let own = PrivacyIdea::start(&workspace).unwrap();
    own.as_administrator(&hyper::Method::POST, "/policy/two_step", &fields)
        .unwrap();
    for (kind, hash) in [("totp", "sha1"), ("totp", "sha256"), ("hotp", "sha512")] {
        let made = own
            .init_token(&[
                ("type", kind),
                ("genkey", "1"),
                ("hashlib", hash),
                ("2stepinit", "1"),
            ])
            .unwrap();
        let serial = text(&made, "/detail/serial").unwrap();
        let link = text(&made, "/detail/googleurl/value").unwrap();
        assert!(link.contains("2step_salt"), "{link}");
        let words = ["enroll", "--yes", "--name", &serial, "--json", "-"];
        let enrolled = stage.cli.ask_with(&words, &format!("{link}\n")).unwrap();
        let enrolled: Value = serde_json::from_str(&enrolled).unwrap();
        let part = enrolled["device_part"].as_str().unwrap();
        own.init_token(&[
            ("type", kind),
            ("serial", &serial),
            ("otpkey", part),
            ("otpkeyformat", "base32check"),
            ("hashlib", hash),
        ])
        .unwrap();
        let code = stage.cli.ask(&["code", &serial]).unwrap();
        assert!(accepted(&own, &serial, &code).unwrap(), "{kind} {hash}");
    }
}

#[test]
fn challenges_of_the_server_are_answered() {
    if !is_there("privacyidea::ocra") {
        return;
    }
    let (server, stage) = (shared(), Stage::new().unwrap());
    for (suite, key) in [
        ("OCRA-1:HOTP-SHA1-6:QN08", &[0x31_u8; 20][..]),
        ("OCRA-1:HOTP-SHA256-8:QA10", &[0x32; 32]),
        ("OCRA-1:HOTP-SHA512-8:QH64", &[0x33; 64]),
        ("OCRA-1:HOTP-SHA1-8:QH40", &[0x34; 20]),
    ] {
        let user = server.new_user().unwrap();
        let hex = data_encoding::HEXLOWER.encode(key);
        let made = server
            .init_token(&[
                ("type", "ocra"),
                ("otpkey", &hex),
                ("ocrasuite", suite),
                ("user", &user),
                ("pin", "4711"),
            ])
            .unwrap();
        let serial = text(&made, "/detail/serial").unwrap();
        let secret = BASE32_NOPAD.encode(key);
        let link = format!("otpauth://ocra/{serial}?secret={secret}&suite={suite}&serial={serial}");
        enroll(&stage, &serial, &link).unwrap();
        let asked = server.check(&[("user", &user), ("pass", "4711")]).unwrap();
        let challenge = text(&asked, "/detail/attributes/challenge").unwrap();
        let transaction = text(&asked, "/detail/transaction_id").unwrap();
        let answer = stage
            .cli
            .ask(&["code", &serial, "--challenge", &challenge])
            .unwrap();
        let reply = server
            .check(&[
                ("user", &user),
                ("pass", &answer),
                ("transaction_id", &transaction),
            ])
            .unwrap();
        assert_eq!(
            text(&reply, "/result/authentication").unwrap(),
            "ACCEPT",
            "{suite}"
        );
    }
}
