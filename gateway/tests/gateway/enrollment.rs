//! From an activation string to a registered device.

use countersign_core::{
    activation_string::{ActivationString, AllowHttp},
    dskpp::{AuthenticationCode, DskppError, MEDIA_TYPE, SharedSecret, Status, client},
    secret::SecretText,
    signing,
    token::{PushPolicy, VerificationLevel},
};
use countersign_gateway::{service::TokenInfo, settings::EnrollmentProtocol};
use countersign_proto::push::v1 as push;
use http::StatusCode;
use tonic::Code;

use crate::{
    device::{Device, post, register},
    stage::{Stage, USER, challenge, event, time},
};

const PUSH: PushPolicy = PushPolicy::Allowed(VerificationLevel::Pin);

async fn token(stage: &Stage) -> TokenInfo {
    let tokens = stage.service.tokens(Some(USER)).await.unwrap().unwrap();
    tokens.into_iter().next().unwrap()
}

fn refused<T>(result: Result<T, DskppError>) -> Status {
    match result {
        Err(DskppError::Refused(status)) => status,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

#[tokio::test]
async fn an_activation_string_brings_a_token_of_every_mode() {
    let stage = Stage::new().await;
    for mode in [time(), event(), challenge()] {
        let text = stage.issue(mode.clone(), PUSH).await;
        let activation =
            ActivationString::parse(text.expose().as_bytes(), AllowHttp::Never).unwrap();
        assert_eq!(activation.user, USER);
        assert_eq!(activation.service_pins, [stage.service.keys().pin()]);
        let device = Device::enroll(&stage, &text).await.unwrap();
        assert_eq!(device.package.mode, mode);
        assert_eq!(device.package.user, USER);
        assert_eq!(device.package.issuer, "Example");
        assert_eq!(device.package.push, PUSH);
        let reply = device.register(&stage).await.unwrap();
        assert_eq!(reply.service_id, stage.service.keys().service.as_bytes());
        assert_eq!(
            signing::spki_sha256(&reply.identity_key),
            stage.service.keys().pin()
        );
        assert!(reply.push);
        assert_eq!(reply.push_level(), push::Level::Pin);
    }
    assert_eq!(stage.audited("token_registered").await, 3);
}

#[tokio::test]
async fn a_wrong_passphrase_and_an_unknown_code_are_refused_alike() {
    let stage = Stage::new().await;
    let text = stage.issue(time(), PUSH).await;
    let activation = ActivationString::parse(text.expose().as_bytes(), AllowHttp::Never).unwrap();
    let url = activation.url.as_str();
    let code = activation.short_code().unwrap();
    let wrong = AuthenticationCode::new(&code, &SecretText::from("AAAA-BBBB-CCCCC")).unwrap();
    let unknown = AuthenticationCode::new("NOSUCHCODE", &activation.passphrase).unwrap();
    let elsewhere = url.replace(&code, "NOSUCHCODE");
    for (url, code) in [
        (url, &wrong),
        (elsewhere.as_str(), &unknown),
        (url, &unknown),
    ] {
        let result = Device::enroll_with(&stage, url, code).await;
        assert_eq!(refused(result), Status::AuthenticationDataInvalid);
    }
    assert_eq!(token(&stage).await.state.as_str(), "issued");
    assert!(Device::enroll(&stage, &text).await.is_ok());
}

#[tokio::test]
async fn guessing_ends_an_activation() {
    let stage = Stage::new().await;
    let text = stage.issue(time(), PUSH).await;
    let activation = ActivationString::parse(text.expose().as_bytes(), AllowHttp::Never).unwrap();
    let code = activation.short_code().unwrap();
    let wrong = AuthenticationCode::new(&code, &SecretText::from("AAAA-BBBB-CCCCC")).unwrap();
    for _ in 0..10 {
        let result = Device::enroll_with(&stage, activation.url.as_str(), &wrong).await;
        assert_eq!(refused(result), Status::AuthenticationDataInvalid);
    }
    let right = Device::enroll(&stage, &text).await;
    assert_eq!(refused(right), Status::AuthenticationDataInvalid);
}

#[tokio::test]
async fn a_run_may_be_repeated_until_the_token_is_active() {
    let stage = Stage::new().await;
    let text = stage.issue(time(), PUSH).await;
    let lost = Device::enroll(&stage, &text).await.unwrap();
    let device = Device::enroll(&stage, &text).await.unwrap();
    assert_eq!(
        lost.register(&stage).await.unwrap_err().code(),
        Code::PermissionDenied
    );
    device.register(&stage).await.unwrap();
    // Used up: no code of this name is known any more.
    assert_eq!(
        refused(Device::enroll(&stage, &text).await),
        Status::AuthenticationDataInvalid
    );
}

#[tokio::test]
async fn an_activation_has_an_end() {
    let stage = Stage::new().await;
    let text = stage.issue(time(), PUSH).await;
    for _ in 0..4 {
        Device::enroll(&stage, &text).await.unwrap();
    }
    assert_eq!(
        refused(Device::enroll(&stage, &text).await),
        Status::ProvisioningPeriodExpired
    );

    let text = stage.issue(time(), PUSH).await;
    Device::enroll(&stage, &text).await.unwrap();
    stage.clock.advance_ms(600_001);
    assert_eq!(
        refused(Device::enroll(&stage, &text).await),
        Status::ProvisioningPeriodExpired
    );

    let text = stage.issue(time(), PUSH).await;
    stage.clock.advance_ms(72 * 3_600_000);
    assert_eq!(
        refused(Device::enroll(&stage, &text).await),
        Status::ProvisioningPeriodExpired
    );
}

#[tokio::test]
async fn a_second_message_is_good_for_one_try() {
    let stage = Stage::new().await;
    let text = stage.issue(time(), PUSH).await;
    let activation = ActivationString::parse(text.expose().as_bytes(), AllowHttp::Never).unwrap();
    let url = activation.url.as_str();
    let code =
        AuthenticationCode::new(&activation.short_code().unwrap(), &activation.passphrase).unwrap();
    let (run, body) = client::start(url);
    let answer = post(&stage, url, MEDIA_TYPE, body).await.1;
    let mut random = countersign_gateway::random::SystemRandom;
    let needs = run.on_server_hello(&answer, &mut random).unwrap();
    let (run, body) = needs.client_nonce(&[7; 384], &code);
    let undecryptable = post(&stage, url, MEDIA_TYPE, body.clone()).await;
    assert_eq!(undecryptable.0, StatusCode::OK);
    let result = run.on_server_finished(&undecryptable.1);
    assert_eq!(refused(result), Status::AuthenticationDataInvalid);
    let again = String::from_utf8(post(&stage, url, MEDIA_TYPE, body).await.1).unwrap();
    assert!(again.contains("UnknownRequest"), "{again}");
}

#[tokio::test]
async fn two_passes_bring_a_token_too() {
    let stage = Stage::new().await;
    for mode in [time(), event(), challenge()] {
        let text = stage.issue(mode, PUSH).await;
        let device = Device::enroll_in_two_passes(&stage, &text, None)
            .await
            .unwrap();
        device.register(&stage).await.unwrap();
        let mut channel = device.connect(&stage).await;
        stage.open().await.unwrap();
        let request = channel.request().await;
        let decision = device.approve(&device.approval(&stage, &request));
        assert_eq!(channel.decide(decision).await, push::Result::Approved);
        stage
            .operator()
            .delete_token(device.serial())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_guess_in_two_passes_counts_as_one_in_four() {
    let stage = Stage::new().await;
    let text = stage.issue(time(), PUSH).await;
    let guess = || SharedSecret::Passphrase("AAAA-AAAA-AAAAA".into());
    for _ in 0..10 {
        let result = Device::enroll_in_two_passes(&stage, &text, Some(guess())).await;
        assert_eq!(refused(result), Status::AuthenticationDataInvalid);
    }
    // Now the right one is too late, both ways.
    let late = Device::enroll_in_two_passes(&stage, &text, None).await;
    assert_eq!(refused(late), Status::AuthenticationDataInvalid);
    let late = Device::enroll(&stage, &text).await;
    assert_eq!(refused(late), Status::AuthenticationDataInvalid);
}

#[tokio::test]
async fn the_gateway_may_insist_on_one_variant() {
    let stage =
        Stage::with(|config| config.enrollment.protocol = EnrollmentProtocol::TwoPass).await;
    let text = stage.issue(time(), PUSH).await;
    let four = Device::enroll(&stage, &text).await;
    assert_eq!(refused(four), Status::NoProtocolVariants);
    Device::enroll_in_two_passes(&stage, &text, None)
        .await
        .unwrap();

    let stage =
        Stage::with(|config| config.enrollment.protocol = EnrollmentProtocol::FourPass).await;
    let text = stage.issue(time(), PUSH).await;
    let two = Device::enroll_in_two_passes(&stage, &text, None).await;
    assert_eq!(refused(two), Status::NoProtocolVariants);
    Device::enroll(&stage, &text).await.unwrap();
}

#[tokio::test]
async fn http_that_is_not_dskpp_is_a_bad_request() {
    let stage = Stage::new().await;
    let url = "https://127.0.0.1:8443/enroll/dskpp?sc=X";
    let hello = client::start(url).1;
    for (media_type, body) in [
        ("text/plain", hello),
        (MEDIA_TYPE, b"not XML".to_vec()),
        (MEDIA_TYPE, Vec::new()),
        (
            MEDIA_TYPE,
            b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".to_vec(),
        ),
    ] {
        assert_eq!(
            post(&stage, url, media_type, body).await.0,
            StatusCode::BAD_REQUEST
        );
    }
    let flood = post(&stage, url, MEDIA_TYPE, vec![b' '; 10_000_000]).await;
    assert_eq!(flood.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_registration_must_prove_all_three_keys_and_may_be_repeated() {
    let stage = Stage::new().await;
    let text = stage.issue(time(), PUSH).await;
    let device = Device::enroll(&stage, &text).await.unwrap();
    let good = device.registration();
    let change = |change: fn(&mut push::RegisterRequest)| {
        let mut request = good.clone();
        change(&mut request);
        request
    };
    for bad in [
        change(|request| request.mac[0] ^= 1),
        change(|request| request.channel_signature[9] ^= 1),
        change(|request| request.decision_signature = request.channel_signature.clone()),
        change(|request| request.body.push(0)),
        change(|request| request.body.clear()),
    ] {
        assert_eq!(
            register(&stage, bad).await.unwrap_err().code(),
            Code::PermissionDenied
        );
    }
    assert_eq!(token(&stage).await.state.as_str(), "provisioned");
    register(&stage, good.clone()).await.unwrap();
    register(&stage, good).await.unwrap();
    assert_eq!(stage.audited("token_registered").await, 1);
    // Other keys for an active token: refused.
    let mut other = device;
    other.decision = signing::new_key(&mut countersign_gateway::random::SystemRandom);
    assert!(other.register(&stage).await.is_err());
}

#[tokio::test]
async fn a_device_keeps_its_channel_key() {
    let stage = Stage::new().await;
    let first = stage.device(time()).await;
    let text = stage.issue(event(), PUSH).await;
    let mut second = Device::enroll(&stage, &text).await.unwrap();
    second.id = first.id;
    assert!(second.register(&stage).await.is_err());
    second.channel = first.channel.clone();
    second.register(&stage).await.unwrap();
    assert_eq!(stage.service.tokens(None).await.unwrap().unwrap().len(), 2);
}
