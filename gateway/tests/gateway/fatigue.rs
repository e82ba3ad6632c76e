//! Limits against login requests that nobody asked for, and what strangers cannot do with them.

use countersign_core::signing::Label;
use countersign_gateway::service::{
    LoginState, OpenLoginError, OpenedLogin, PasscodeVerdict, Subject,
};
use countersign_proto::push::v1::{self as push, agent_frame};
use prost::Message as _;

use crate::{
    device::{Channel, Device, request_body, sign},
    stage::{ADDRESS, DEADLINE, RESOURCE, Stage, USER, time},
};

async fn open_from(stage: &Stage, address: &str) -> Result<OpenedLogin, OpenLoginError> {
    let mut attempt = stage.attempt();
    address.clone_into(&mut attempt.client_address);
    stage.service.open_login(attempt).await
}

async fn stopped(stage: &Stage, address: &str) -> bool {
    match open_from(stage, address).await {
        Err(OpenLoginError::Throttled) => true,
        Ok(opened) => {
            let id = opened.transaction_id;
            stage.service.cancel_login(stage.front, &id).await.unwrap();
            false
        }
        Err(other) => panic!("{other}"),
    }
}

/// The user logs in from there.
async fn log_in(stage: &Stage, device: &Device, channel: &mut Channel, address: &str) {
    let opened = open_from(stage, address).await.unwrap();
    let request = channel.request().await;
    let decision = device.approve(&device.approval(stage, &request));
    assert_eq!(channel.decide(decision).await, push::Result::Approved);
    stage
        .service
        .consume_login(stage.front, &opened.transaction_id)
        .await
        .unwrap();
    assert_eq!(channel.outcome().await, push::Result::LoggedIn);
    stage.clock.advance_ms(30_000);
}

async fn deny_from(stage: &Stage, device: &Device, channel: &mut Channel, address: &str) {
    open_from(stage, address).await.unwrap();
    let request = channel.request().await;
    let denied = channel.decide(device.deny(stage, &request)).await;
    assert_eq!(denied, push::Result::Denied);
}

#[tokio::test]
async fn strangers_stop_push_for_themselves_and_not_where_the_user_is_known() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    log_in(&stage, &device, &mut channel, ADDRESS).await;
    // From many addresses, three each: the fourth of each is not asked, and after ten no new address is.
    for n in 0..10 {
        let address = format!("198.51.100.{}", n / 3);
        deny_from(&stage, &device, &mut channel, &address).await;
    }
    for address in [
        "198.51.100.0",
        "198.51.100.3",
        "203.0.113.9",
        "",
        "2001:db8::1",
    ] {
        assert!(stopped(&stage, address).await, "{address}");
    }
    assert!(!stopped(&stage, ADDRESS).await);
    channel.request().await;
    channel.cancel().await;
    // Three addresses, and the user.
    assert_eq!(stage.audited("push_stopped").await, 4);
    // Typing is another matter, from wherever.
    let mut attempt = stage.typed(
        Subject::User(USER.to_owned()),
        device.passcode(device.step(&stage)),
        None,
    );
    "198.51.100.0".clone_into(&mut attempt.client_address);
    assert!(matches!(
        stage.service.check_passcode(attempt).await.unwrap(),
        PasscodeVerdict::Accepted { .. }
    ));
    stage.clock.advance_ms(600_001);
    assert!(!stopped(&stage, "203.0.113.9").await);
}

#[tokio::test]
async fn three_ignored_or_denied_stop_a_known_address_too_and_one_host_has_one() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let (one, other) = ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9");
    log_in(&stage, &device, &mut channel, one).await;
    deny_from(&stage, &device, &mut channel, other).await;
    deny_from(&stage, &device, &mut channel, "2001:db8:1:2::7").await;
    assert!(!stopped(&stage, other).await);
    channel.request().await;
    channel.cancel().await;
    let ignored = open_from(&stage, one).await.unwrap();
    stage.clock.advance_ms(60_000);
    assert_eq!(
        stage.ended(&ignored.transaction_id).await,
        LoginState::Expired
    );
    channel.request().await;
    channel.cancel().await;
    assert_eq!(stage.audited("push_stopped").await, 1);
    assert!(stopped(&stage, one).await);
    assert!(!stopped(&stage, "2001:db8:1:3::1").await);
}

#[tokio::test]
async fn what_a_rule_of_the_users_denies_is_no_refusal_of_the_users() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    for _ in 0..12 {
        let opened = open_from(&stage, ADDRESS).await.unwrap();
        let request = channel.request().await;
        let body = device.decision_body(&stage, &request, push::Verdict::DenyByRule);
        let decision = push::Decision {
            signed: Some(sign(&device.channel, Label::Decision, body.encode_to_vec())),
            ..push::Decision::default()
        };
        assert_eq!(channel.decide(decision).await, push::Result::Denied);
        assert_eq!(
            stage.state(&opened.transaction_id).await.as_str(),
            "denied_by_rule"
        );
    }
    assert!(!stopped(&stage, ADDRESS).await);
    assert_eq!(stage.audited("push_stopped").await, 0);
}

fn report(stage: &Stage, device: &Device, request: &push::Signed) -> agent_frame::Frame {
    let decision = device.decision_body(stage, request, push::Verdict::Deny);
    let body = push::ReportBody {
        service_id: decision.service_id,
        device_id: decision.device_id,
        request_id: decision.request_id,
        request_hash: decision.request_hash,
    };
    agent_frame::Frame::Report(sign(&device.channel, Label::Report, body.encode_to_vec()))
}

#[tokio::test]
async fn a_report_stops_its_address_at_once_and_tells_who_waits() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = open_from(&stage, ADDRESS).await.unwrap();
    let request = channel.request().await;
    let waiting = {
        let service = stage.service.clone();
        let (front, id) = (stage.front, opened.transaction_id.clone());
        tokio::spawn(async move {
            let forever = countersign_core::time::UnixMillis(i64::MAX);
            service.wait_login(front, &id, forever).await.unwrap()
        })
    };
    channel.send(report(&stage, &device, &request)).await;
    assert_eq!(channel.outcome().await, push::Result::Reported);
    let told = tokio::time::timeout(DEADLINE, waiting)
        .await
        .unwrap()
        .unwrap();
    assert!(told.reported);
    assert!(matches!(told.state, LoginState::Denied(_)));
    let denied = channel.decide(device.deny(&stage, &request)).await;
    assert_eq!(denied, push::Result::Denied);
    assert!(stopped(&stage, ADDRESS).await);
    assert!(!stopped(&stage, "203.0.113.9").await);
    let entries = stage.service.audit_after(0, 1000).await.unwrap();
    let reported = entries
        .iter()
        .find(|entry| entry.event == "login_reported")
        .unwrap();
    assert!(reported.detail.starts_with("ada at payroll from 192.0.2.7"));
}

#[tokio::test]
async fn a_login_that_was_reported_after_its_approval_lets_nobody_in() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = open_from(&stage, ADDRESS).await.unwrap();
    let request = channel.request().await;
    let decision = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(decision).await, push::Result::Approved);
    channel.send(report(&stage, &device, &request)).await;
    assert_eq!(channel.outcome().await, push::Result::Reported);
    let taken = stage
        .service
        .consume_login(stage.front, &opened.transaction_id)
        .await;
    assert!(taken.is_err());
}

#[tokio::test]
async fn a_stranger_who_keeps_a_login_open_does_not_keep_the_user_from_asking() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    log_in(&stage, &device, &mut channel, ADDRESS).await;
    let strange = open_from(&stage, "203.0.113.9").await.unwrap();
    channel.request().await;
    // Another stranger waits, the user does not.
    assert!(matches!(
        open_from(&stage, "203.0.113.10").await,
        Err(OpenLoginError::AlreadyOpen { .. })
    ));
    let own = open_from(&stage, ADDRESS).await.unwrap();
    assert_eq!(channel.cancel().await, push::CancelReason::ByResource);
    assert_eq!(
        stage.state(&strange.transaction_id).await,
        LoginState::Cancelled
    );
    let request = channel.request().await;
    assert_eq!(request_body(&stage, &request).client_address, ADDRESS);
    // And no stranger takes the place of the user's.
    assert!(matches!(
        open_from(&stage, "203.0.113.9").await,
        Err(OpenLoginError::AlreadyOpen { .. })
    ));
    assert_eq!(stage.state(&own.transaction_id).await, LoginState::Pending);
}

#[tokio::test]
async fn a_request_says_where_the_settings_know_its_address() {
    let stage = Stage::with(|config| {
        config.places = [
            ("192.0.2.0/24".parse().unwrap(), "Office Berlin".to_owned()),
            ("192.0.0.0/16".parse().unwrap(), "Example Corp".to_owned()),
        ]
        .into();
    })
    .await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    for (address, place) in [(ADDRESS, "Office Berlin"), ("198.51.100.1", "")] {
        let opened = open_from(&stage, address).await.unwrap();
        let request = request_body(&stage, &channel.request().await);
        assert_eq!(
            (request.place.as_str(), request.resource.as_str()),
            (place, RESOURCE)
        );
        let id = opened.transaction_id;
        stage.service.cancel_login(stage.front, &id).await.unwrap();
        channel.cancel().await;
    }
}
