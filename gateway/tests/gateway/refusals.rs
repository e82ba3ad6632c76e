//! Decisions that must not let anybody in.

use countersign_core::{secret::SecretText, signing::Label};
use countersign_gateway::service::{DenyReason, FailReason, LoginState, Way};
use countersign_proto::push::v1 as push;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::{
    device::{Approval, Channel, Device, sign},
    stage::{Stage, time},
};

struct Asked {
    stage: Stage,
    device: Device,
    channel: Channel,
    request: push::Signed,
    transaction_id: String,
    number: Option<String>,
}

async fn asked(number_matching: bool) -> Asked {
    let stage = Stage::with(|config| config.push.number_matching = number_matching).await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let number = match opened.ways.first() {
        Some(Way::Push { number, .. }) => number.clone(),
        other => panic!("no push but {other:?}"),
    };
    let request = channel.request().await;
    Asked {
        stage,
        device,
        channel,
        request,
        transaction_id: opened.transaction_id,
        number,
    }
}

impl Asked {
    fn approval(&self) -> Approval {
        self.device.approval(&self.stage, &self.request)
    }

    async fn state(&self) -> LoginState {
        self.stage.state(&self.transaction_id).await
    }
}

#[tokio::test]
async fn a_decision_that_is_not_the_devices_own_changes_nothing() {
    let mut asked = asked(false).await;
    let good = asked.approval();
    let changed = |change: fn(&mut push::DecisionBody)| {
        let mut approval = asked.approval();
        change(&mut approval.body);
        asked.device.approve(&approval)
    };
    let deny = asked
        .device
        .decision_body(&asked.stage, &asked.request, push::Verdict::Deny);
    let signed_by = |key, label, body: &push::DecisionBody, passcode: &SecretText| push::Decision {
        signed: Some(sign(key, label, body.encode_to_vec())),
        passcode: passcode.expose().to_owned(),
        server_pin: String::new(),
    };
    let nobody = SecretText::default();
    let refused = vec![
        (
            "channel key approves",
            signed_by(
                &asked.device.channel,
                Label::Decision,
                &good.body,
                &good.passcode,
            ),
        ),
        (
            "decision key denies",
            signed_by(&asked.device.decision, Label::Decision, &deny, &nobody),
        ),
        (
            "another message's signature",
            signed_by(
                &asked.device.decision,
                Label::Report,
                &good.body,
                &good.passcode,
            ),
        ),
        (
            "hash of another request",
            changed(|body| body.request_hash[0] ^= 1),
        ),
        (
            "another passcode than was signed",
            changed(|body| body.passcode_hash[0] ^= 1),
        ),
        ("another service", changed(|body| body.service_id[0] ^= 1)),
        ("another device", changed(|body| body.device_id[0] ^= 1)),
        ("no verdict", changed(|body| body.verdict = 0)),
    ];
    let unknown = [
        changed(|body| body.request_id[0] ^= 1),
        changed(|body| body.serial.push('X')),
    ];
    let mut bitten = asked.device.approve(&good);
    bitten.signed.as_mut().unwrap().signature[5] ^= 1;
    for (what, decision) in refused.into_iter().chain([("a changed signature", bitten)]) {
        assert_eq!(
            asked.channel.decide(decision).await,
            push::Result::RefusedSignature,
            "{what}"
        );
        assert_eq!(asked.state().await, LoginState::Pending, "{what}");
    }
    for unknown in unknown {
        assert_eq!(
            asked.channel.decide(unknown).await,
            push::Result::UnknownRequest
        );
    }
    assert_eq!(asked.state().await, LoginState::Pending);
    let approve = asked.device.approve(&good);
    assert_eq!(asked.channel.decide(approve).await, push::Result::Approved);
}

#[tokio::test]
async fn a_wrong_passcode_ends_the_login() {
    let mut asked = asked(false).await;
    let mut approval = asked.approval();
    let step = asked.device.step(&asked.stage);
    approval.passcode = asked.device.passcode(step + 50);
    approval.body.passcode_hash = Sha256::digest(approval.passcode.expose().as_bytes()).to_vec();
    let decision = asked.device.approve(&approval);
    assert_eq!(
        asked.channel.decide(decision).await,
        push::Result::RefusedPasscode
    );
    assert_eq!(
        asked.state().await,
        LoginState::Failed(FailReason::Passcode)
    );
    assert_eq!(asked.stage.audited("passcode_refused").await, 1);
    let good = asked.device.approve(&asked.approval());
    assert_eq!(
        asked.channel.decide(good).await,
        push::Result::RefusedPasscode
    );
}

#[tokio::test]
async fn a_passcode_from_far_away_in_time_ends_the_login() {
    for offset in [-3_i64, 3] {
        let mut asked = asked(false).await;
        let step = asked
            .device
            .step(&asked.stage)
            .saturating_add_signed(offset);
        let mut approval = asked.approval();
        approval.passcode = asked.device.passcode(step);
        approval.body.passcode_hash =
            Sha256::digest(approval.passcode.expose().as_bytes()).to_vec();
        approval.body.moving_factor = step;
        let decision = asked.device.approve(&approval);
        assert_eq!(
            asked.channel.decide(decision).await,
            push::Result::RefusedPasscode
        );
    }
}

#[tokio::test]
async fn less_than_the_policys_verification_ends_the_login() {
    for level in [push::Level::Click, push::Level::Unspecified] {
        let mut asked = asked(false).await;
        let mut approval = asked.approval();
        approval.body.level = level.into();
        let decision = asked.device.approve(&approval);
        assert_eq!(
            asked.channel.decide(decision).await,
            push::Result::RefusedLevel
        );
        assert_eq!(
            asked.state().await,
            LoginState::Failed(FailReason::LevelTooLow)
        );
    }
}

#[tokio::test]
async fn the_number_must_be_the_one_that_is_shown() {
    let mut right = asked(true).await;
    let number = right.number.clone().unwrap();
    assert_eq!(number.len(), 2);
    let mut approval = right.approval();
    approval.body.number = number;
    let decision = right.device.approve(&approval);
    assert_eq!(right.channel.decide(decision).await, push::Result::Approved);

    for typed in ["", "5", "100"] {
        let mut wrong = asked(true).await;
        let mut approval = wrong.approval();
        approval.body.number = typed.to_owned();
        let decision = wrong.device.approve(&approval);
        assert_eq!(
            wrong.channel.decide(decision).await,
            push::Result::RefusedNumber
        );
        assert_eq!(
            wrong.state().await,
            LoginState::Denied(DenyReason::WrongNumber)
        );
    }
}

#[tokio::test]
async fn nobody_answers_in_time() {
    let mut asked = asked(false).await;
    let waiting = {
        let (service, front) = (asked.stage.service.clone(), asked.stage.front);
        let id = asked.transaction_id.clone();
        let forever = countersign_core::time::UnixMillis(i64::MAX);
        tokio::spawn(async move { service.wait_login(front, &id, forever).await })
    };
    let late = asked.device.approve(&asked.approval());
    asked.stage.clock.advance_ms(60_000);
    assert_eq!(asked.channel.cancel().await, push::CancelReason::Expired);
    assert_eq!(waiting.await.unwrap().unwrap().state, LoginState::Expired);
    assert_eq!(asked.channel.decide(late).await, push::Result::Expired);
    assert_eq!(asked.state().await, LoginState::Expired);
}

#[tokio::test]
async fn a_token_of_another_device_cannot_answer() {
    let asked = asked(false).await;
    let other = asked.stage.device(time()).await;
    let mut channel = other.connect(&asked.stage).await;
    let mut approval = asked.approval();
    approval.body.device_id = other.id.as_bytes().to_vec();
    assert_eq!(
        channel.decide(other.approve(&approval)).await,
        push::Result::UnknownRequest
    );
    assert_eq!(asked.state().await, LoginState::Pending);
}
