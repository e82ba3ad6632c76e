//! Which tokens can be issued with which PIN, and what their devices learn of it.

use std::fs;

use countersign_core::{
    otp::OtpMode,
    pskc::{BiometricPin, PinEncoding, PinPlace, PinPolicy, TokenPin},
    signing::{self, Label},
    token::{PushPolicy, VerificationLevel},
};
use countersign_gateway::service::{
    LoginState, NewTokenError, PasscodeVerdict, Subject, TokenRules, Way,
};
use countersign_proto::push::v1 as push;
use prost::Message as _;
use tonic::Code;

use crate::{
    device::{Device, register},
    stage::{Stage, USER, challenge_with_pin, event, time},
};

const PUSH: PushPolicy = PushPolicy::Allowed(VerificationLevel::Pin);
const SERVER: PinPolicy = PinPolicy::Server(PinPlace::Prepend);

#[tokio::test]
async fn every_pin_type_reaches_the_device_in_the_key_package() {
    let stage = Stage::new().await;
    let token_pin = PinPolicy::Token(TokenPin {
        max_failed_attempts: 3,
        min_length: 8,
        max_length: 12,
        encoding: PinEncoding::Hexadecimal,
        biometric: BiometricPin::Allowed,
    });
    for (mode, policy, pin, shown) in [
        (time(), PinPolicy::None, "", r#"{"type":"none"}"#),
        (
            time(),
            token_pin,
            "",
            r#"{"type":"token","tries":3,"min_length":8,"max_length":12,"characters":"hexadecimal","biometric":"allowed"}"#,
        ),
        (
            event(),
            PinPolicy::Server(PinPlace::Append),
            "4711",
            r#"{"type":"server","place":"append","min_length":4,"max_length":64,"characters":"alphanumeric","standing":"chosen","failures":0,"locked_until_ms":null}"#,
        ),
        (
            challenge_with_pin(),
            PinPolicy::InPasscode,
            "4711",
            r#"{"type":"in_passcode","min_length":4,"max_length":64,"characters":"alphanumeric","standing":"chosen","failures":0,"locked_until_ms":null}"#,
        ),
    ] {
        let device = stage.device_with_pin(mode, policy, pin).await;
        assert_eq!(device.package.pin, policy);
        let token = stage.service.token(device.serial()).await.unwrap().unwrap();
        assert_eq!(serde_json::to_string(&token.pin).unwrap(), shown);
    }
}

#[tokio::test]
async fn what_cannot_be_is_not_issued() {
    let stage = Stage::new().await;
    let grace = stage.operator();
    let issue =
        |mode: OtpMode, pin| grace.issue_token(USER, TokenRules::new(mode, pin, PushPolicy::Off));
    let limits = |max_failed_attempts, min_length, max_length| {
        PinPolicy::Token(TokenPin {
            max_failed_attempts,
            min_length,
            max_length,
            ..TokenPin::default()
        })
    };
    for tries in [0, 21] {
        let refused = issue(time(), limits(tries, 6, 64)).await.unwrap_err();
        assert!(matches!(refused, NewTokenError::PinTries), "{refused}");
    }
    for shortest in [0, 65] {
        let refused = issue(time(), limits(5, shortest, 65)).await.unwrap_err();
        assert!(matches!(refused, NewTokenError::PinMin), "{refused}");
    }
    for longest in [5, 65] {
        let refused = issue(time(), limits(5, 6, longest)).await.unwrap_err();
        assert!(matches!(refused, NewTokenError::PinMax), "{refused}");
    }
    for (mode, pin) in [
        (challenge_with_pin(), PinPolicy::None),
        (challenge_with_pin(), SERVER),
        (time(), PinPolicy::InPasscode),
    ] {
        let refused = issue(mode, pin).await.unwrap_err();
        assert!(matches!(refused, NewTokenError::PinInPasscode), "{refused}");
    }
    let session = OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA256-8:QN08-S064".parse().unwrap(),
    };
    let refused = issue(session, PinPolicy::None).await.unwrap_err();
    assert!(matches!(refused, NewTokenError::Suite), "{refused}");
}

#[tokio::test]
async fn a_server_pin_comes_with_the_registration_and_with_no_other() {
    let stage = Stage::new().await;
    let text = stage.issue_with_pin(time(), PUSH, SERVER).await;
    let mut device = Device::enroll(&stage, &text).await.unwrap();
    for bad in ["", "123", "12 34", "pässe", &"x".repeat(65)] {
        device.pin = bad.to_owned();
        let refused = device.register(&stage).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad}");
        assert!(refused.message().contains("4 to 64 letters and digits"));
    }
    // Changed on its way: the MAC and the signatures cover it.
    device.pin = "4711".to_owned();
    let mut changed = device.registration();
    let mut body = push::RegisterBody::decode(changed.body.as_slice()).unwrap();
    body.server_pin = "4712".to_owned();
    changed.body = body.encode_to_vec();
    let refused = register(&stage, changed.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    changed.channel_signature =
        signing::sign(&device.channel, Label::Register, &changed.body).to_vec();
    changed.decision_signature =
        signing::sign(&device.decision, Label::Register, &changed.body).to_vec();
    let refused = register(&stage, changed).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    device.register(&stage).await.unwrap();
    // Once more, with another PIN: taken as the repetition that it is, and the PIN stays.
    device.pin = "9999".to_owned();
    device.register(&stage).await.unwrap();
    let wrong = typed(&stage, &device, "9999").await;
    assert_eq!(wrong, PasscodeVerdict::Wrong);
    stage.clock.advance_ms(30_000);
    let right = typed(&stage, &device, "4711").await;
    assert!(matches!(right, PasscodeVerdict::Accepted { .. }));

    for policy in [PinPolicy::None, PinPolicy::Token(TokenPin::default())] {
        let text = stage.issue_with_pin(time(), PUSH, policy).await;
        let mut other = Device::enroll(&stage, &text).await.unwrap();
        other.pin = "4711".to_owned();
        let refused = other.register(&stage).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        other.pin = String::new();
        other.register(&stage).await.unwrap();
    }
}

async fn typed(stage: &Stage, device: &Device, pin: &str) -> PasscodeVerdict {
    let passcode = device.passcode(device.step(stage));
    let text = format!("{pin}{}", passcode.expose());
    let subject = Subject::Serial(device.serial().to_owned());
    stage.check(subject, text, None).await
}

#[tokio::test]
async fn a_pin_in_the_suite_makes_the_passcode_and_a_wrong_one_is_nothing_but_a_wrong_passcode() {
    let stage = Stage::new().await;
    let mut device = stage
        .device_with_pin(challenge_with_pin(), PinPolicy::InPasscode, "4711")
        .await;
    let mut channel = device.connect(&stage).await;

    stage.open().await.unwrap();
    let request = channel.request().await;
    let good = device.approve(&device.approval(&stage, &request));
    assert!(good.server_pin.is_empty());
    assert_eq!(channel.decide(good).await, push::Result::Approved);

    "4712".clone_into(&mut device.pin);
    let opened = stage.open().await.unwrap();
    let request = channel.request().await;
    let bad = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(bad).await, push::Result::RefusedPasscode);
    assert_eq!(
        stage.ended(&opened.transaction_id).await,
        LoginState::Failed(countersign_gateway::service::FailReason::Passcode)
    );

    // Typed: the answer alone, the PIN is in it.
    let opened = stage.open().await.unwrap();
    channel.request().await;
    let Some(Way::Challenge { challenge, .. }) = opened.ways.last() else {
        panic!("{:?}", opened.ways);
    };
    let answer = async |device: &Device| {
        let subject = Subject::User(USER.to_owned());
        let id = Some(opened.transaction_id.clone());
        stage.check(subject, device.answer_to(challenge), id).await
    };
    assert_eq!(answer(&device).await, PasscodeVerdict::Wrong);
    "4711".clone_into(&mut device.pin);
    assert!(matches!(
        answer(&device).await,
        PasscodeVerdict::Accepted { .. }
    ));
}

#[tokio::test]
async fn pins_that_a_device_guesses_into_the_passcode_lock_it_without_a_word() {
    let stage = Stage::with(|config| config.server_pin.tries = 2).await;
    let mut device = stage
        .device_with_pin(challenge_with_pin(), PinPolicy::InPasscode, "4711")
        .await;
    let mut channel = device.connect(&stage).await;
    for pin in ["0000", "0001", "4711"] {
        pin.clone_into(&mut device.pin);
        stage.open().await.unwrap();
        let request = channel.request().await;
        let decision = device.approve(&device.approval(&stage, &request));
        assert_eq!(
            channel.decide(decision).await,
            push::Result::RefusedPasscode,
            "{pin}"
        );
    }
    stage.clock.advance_ms(600_000);
    stage.open().await.unwrap();
    let request = channel.request().await;
    let decision = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(decision).await, push::Result::Approved);
}

#[tokio::test]
async fn no_pin_stands_in_the_files_or_the_audit_log() {
    const PIN: &str = "Zaunkoenig7";
    const NEXT: &str = "Rotkehlchen8";
    let stage = Stage::new().await;
    let server = stage.device_with_pin(time(), SERVER, PIN).await;
    let computed = stage
        .device_with_pin(challenge_with_pin(), PinPolicy::InPasscode, PIN)
        .await;
    for device in [&server, &computed] {
        assert!(!format!("{:?}", device.registration()).contains(PIN));
        for (current, sequence) in [("wrong-one", 1), (PIN, 2)] {
            let change = device.pin_change(&stage, current, NEXT, sequence);
            assert!(!format!("{change:?}").contains(NEXT));
            device.change_pin(&stage, &change).await.unwrap();
        }
    }
    let OtpMode::Challenge { suite } = challenge_with_pin() else {
        panic!("a challenge-response token");
    };
    let hashes = [PIN, NEXT].map(|pin| suite.pin_hash(&pin.into()).unwrap());
    let secrets = [
        PIN.as_bytes(),
        NEXT.as_bytes(),
        b"wrong-one",
        hashes[0].expose(),
        hashes[1].expose(),
    ];
    for entry in fs::read_dir(stage.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap_or_default();
        for secret in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!found, "{}", path.display());
        }
    }
}
