//! The user's answers: what is signed, what is durable, what counts.

use core::time::Duration;

use countersign_core::{
    ids::LoginRequestId,
    otp::{self, Digits, HashAlgorithm, OtpMode, Period},
    secret::SecretBytes,
    signing::{self, Label},
};
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use countersignd::agent::{
    caller::Caller,
    explain::Explain as _,
    login_request::{AnswerError, AnswerWish, RequestSelector, RequestView, Standing},
    ports::{Delivery, Input, NoticeChoice, NoticedOutcome, PushInput},
};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use crate::{
    outside::Done,
    stage::{DEVICE, SEED, SERVICE, Stage},
};

const APPROVE: AnswerWish = AnswerWish::Approve { number: None };

async fn pending(stage: &mut Stage, id: u8) -> push::Signed {
    let signed = stage.request(id, |_| {});
    stage.push(PushInput::Request(signed.clone())).await;
    stage
        .until(|done| matches!(done, Done::Asked(_)).then_some(()))
        .await;
    signed
}

fn answering(stage: &Stage, wish: AnswerWish) -> JoinHandle<Result<RequestView, AnswerError>> {
    stage.answering(RequestSelector::Only, wish, Caller::default())
}

async fn outcome(stage: &Stage, id: u8, result: push::Result) {
    let outcome = push::Outcome {
        request_id: vec![id; 16],
        result: result.into(),
    };
    stage.push(PushInput::Outcome(outcome)).await;
}

#[tokio::test]
async fn an_approval_is_signed_over_what_was_shown() {
    let mut stage = Stage::enrolled().await;
    let request = pending(&mut stage, 1).await;
    let answer = answering(&stage, APPROVE);
    let (decision, body) = stage.decision().await;

    let signed = decision.signed.unwrap();
    let key = stage.decision_key.verifying_key();
    signing::verify(key, Label::Decision, &signed.body, &signed.signature).unwrap();
    let now = stage.outside.world.lock().unwrap().wall;
    let step = otp::time_step(now.secs(), Period::THIRTY);
    let passcode = otp::hotp(
        &SecretBytes::from(SEED),
        step,
        HashAlgorithm::Sha1,
        Digits::SIX,
    );
    assert_eq!(decision.passcode, passcode.expose());
    let expected = push::DecisionBody {
        service_id: SERVICE.0.to_vec(),
        device_id: DEVICE.0.to_vec(),
        request_id: vec![1; 16],
        request_hash: Sha256::digest(&request.body).to_vec(),
        serial: "CS1".to_owned(),
        verdict: push::Verdict::Approve.into(),
        number: String::new(),
        passcode_hash: Sha256::digest(passcode.expose().as_bytes()).to_vec(),
        moving_factor: step,
        level: push::Level::Click.into(),
    };
    assert_eq!(body, expected);

    outcome(&stage, 1, push::Result::Approved).await;
    let view = answer.await.unwrap().unwrap();
    assert_eq!(view.standing.word(), "approved");
    let told = stage
        .until(|done| match done {
            Done::Told(notice) => Some(notice.outcome),
            _ => None,
        })
        .await;
    assert_eq!(told, NoticedOutcome::Approved);
}

#[tokio::test]
async fn a_click_in_the_notification_answers_too() {
    let mut stage = Stage::enrolled().await;
    pending(&mut stage, 1).await;
    let id = LoginRequestId([1; 16]);
    stage
        .inputs
        .send(Input::Notice {
            id,
            choice: NoticeChoice::Deny,
        })
        .await
        .unwrap();
    let (decision, body) = stage.decision().await;
    assert_eq!(body.verdict(), push::Verdict::Deny);
    assert_eq!(decision.passcode, "");
    let signed = decision.signed.unwrap();
    let key = stage.channel_key.verifying_key();
    signing::verify(key, Label::Decision, &signed.body, &signed.signature).unwrap();
}

#[tokio::test]
async fn a_locked_vault_denies_and_does_not_approve() {
    let mut stage = Stage::enrolled().await;
    pending(&mut stage, 1).await;
    stage.agent.lock().await;
    let refused = stage
        .agent
        .answer(RequestSelector::Newest, APPROVE, &Caller::default())
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), Reason::VaultLocked);
    assert_eq!(
        stage.agent.pending_login_requests().len(),
        1,
        "it can still be answered"
    );
    let answer = answering(&stage, AnswerWish::Deny);
    let (_, body) = stage.decision().await;
    assert_eq!(body.verdict(), push::Verdict::Deny);
    outcome(&stage, 1, push::Result::Denied).await;
    answer.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_answer_counts_once() {
    let mut stage = Stage::enrolled().await;
    pending(&mut stage, 1).await;
    let first = answering(&stage, AnswerWish::Deny);
    stage.decision().await;
    let id = RequestSelector::Id("01010101".to_owned());
    let second = stage
        .agent
        .answer(id, APPROVE, &Caller::default())
        .await
        .unwrap_err();
    assert_eq!(second.reason(), Reason::LoginRequestAnswered);
    outcome(&stage, 1, push::Result::Denied).await;
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_expired_request_takes_no_answer() {
    let mut stage = Stage::enrolled().await;
    pending(&mut stage, 1).await;
    stage.outside.pass(Duration::from_mins(2));
    let id = RequestSelector::Id("01010101".to_owned());
    let late = stage
        .agent
        .answer(id, APPROVE, &Caller::default())
        .await
        .unwrap_err();
    assert_eq!(late.reason(), Reason::LoginRequestExpired);
}

#[tokio::test]
async fn a_decision_survives_a_restart_and_is_sent_again_byte_for_byte() {
    let mut stage = Stage::enrolled().await;
    pending(&mut stage, 1).await;
    stage.outside.world.lock().unwrap().connected = Delivery::NotConnected;
    let answer = answering(&stage, APPROVE);
    let kept = stage
        .vault
        .call(|vault| vault.outbox(SERVICE))
        .await
        .unwrap();
    let kept = if kept.is_empty() {
        wait_for_outbox(&stage).await
    } else {
        kept
    };
    answer.abort();

    stage.outside.world.lock().unwrap().connected = Delivery::Handed;
    let mut stage = stage.restarted().await;
    let opened = stage
        .until(|done| match done {
            Done::Opened(service) => Some(service),
            _ => None,
        })
        .await;
    assert_eq!(opened, SERVICE);
    stage
        .push(PushInput::Welcome(push::Welcome::default()))
        .await;
    let again = stage
        .until(|done| match done {
            Done::Sent(frame) => Some(frame),
            _ => None,
        })
        .await;
    assert_eq!(again.encode_to_vec(), kept.first().unwrap().frame.expose());

    outcome(&stage, 1, push::Result::Approved).await;
    let history = async {
        loop {
            let history = stage.agent.login_request_history().await.unwrap();
            if history.first().unwrap().standing.word() == "approved" {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), history)
        .await
        .unwrap();
    let left = stage
        .vault
        .call(|vault| vault.outbox(SERVICE))
        .await
        .unwrap();
    assert!(left.is_empty());
}

async fn wait_for_outbox(stage: &Stage) -> Vec<countersignd::vault::Waiting> {
    let filled = async {
        loop {
            let waiting = stage
                .vault
                .call(|vault| vault.outbox(SERVICE))
                .await
                .unwrap();
            if !waiting.is_empty() {
                return waiting;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), filled)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_report_denies_first_and_can_follow_later() {
    let mut stage = Stage::enrolled().await;
    pending(&mut stage, 1).await;
    let answer = answering(&stage, AnswerWish::Report);
    let (_, body) = stage.decision().await;
    assert_eq!(body.verdict(), push::Verdict::Deny);
    let report = stage
        .until(|done| match done {
            Done::Sent(push::AgentFrame {
                frame: Some(push::agent_frame::Frame::Report(signed)),
            }) => Some(signed),
            _ => None,
        })
        .await;
    let key = stage.channel_key.verifying_key();
    signing::verify(key, Label::Report, &report.body, &report.signature).unwrap();
    outcome(&stage, 1, push::Result::Denied).await;
    let view = answer.await.unwrap().unwrap();
    assert!(view.reported && matches!(view.standing, Standing::Ended(_)));
}

#[tokio::test]
async fn what_the_service_refused_is_said() {
    let mut stage = Stage::enrolled().await;
    pending(&mut stage, 1).await;
    let answer = answering(&stage, APPROVE);
    stage.decision().await;
    outcome(&stage, 1, push::Result::RefusedPasscode).await;
    let refused = answer.await.unwrap().unwrap_err();
    assert_eq!(refused.reason(), Reason::LoginRequestRefused);
    assert!(refused.to_string().contains("passcode"), "{refused}");
}

#[tokio::test]
async fn a_number_is_asked_where_the_service_matches_numbers() {
    let mut stage = Stage::enrolled().await;
    let number = |body: &mut push::RequestBody| body.match_mode = push::MatchMode::Number.into();
    stage
        .push(PushInput::Request(stage.request(1, number)))
        .await;
    stage
        .until(|done| matches!(done, Done::Asked(_)).then_some(()))
        .await;
    let without = stage
        .agent
        .answer(RequestSelector::Only, APPROVE, &Caller::default())
        .await
        .unwrap_err();
    assert_eq!(without.reason(), Reason::NumberRequired);
    let wrong = AnswerWish::Approve {
        number: Some("4x".to_owned()),
    };
    let malformed = stage
        .agent
        .answer(RequestSelector::Only, wrong, &Caller::default())
        .await
        .unwrap_err();
    assert_eq!(malformed.reason(), Reason::NumberWrong);
    let answer = answering(
        &stage,
        AnswerWish::Approve {
            number: Some("42".to_owned()),
        },
    );
    let (_, body) = stage.decision().await;
    assert_eq!(body.number, "42");
    outcome(&stage, 1, push::Result::Approved).await;
    answer.await.unwrap().unwrap();
}

#[tokio::test]
async fn event_based_approvals_use_each_counter_once() {
    let mut stage = Stage::enrolled().await;
    let event = OtpMode::Event {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
    };
    stage.add("counter", "CS2", event).await;
    for id in 1..=3 {
        let request = stage.request(id, |body| body.serial = "CS2".to_owned());
        stage.push(PushInput::Request(request)).await;
        stage
            .until(|done| matches!(done, Done::Asked(_)).then_some(()))
            .await;
        let answer = answering(&stage, APPROVE);
        let (_, body) = stage.decision().await;
        assert_eq!(body.moving_factor, u64::from(id) - 1);
        outcome(&stage, id, push::Result::Approved).await;
        answer.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_service_has_no_word_in_another_services_requests() {
    let mut stage = Stage::enrolled().await;
    pending(&mut stage, 1).await;
    let other = countersign_core::ids::ServiceId([0xAA; 16]);
    let outcome = push::Outcome {
        request_id: vec![1; 16],
        result: push::Result::Denied.into(),
    };
    let cancel = push::Cancel {
        request_id: vec![1; 16],
        reason: push::CancelReason::ByResource.into(),
    };
    for input in [PushInput::Outcome(outcome), PushInput::Cancel(cancel)] {
        let input = Input::Push {
            service: other,
            input,
        };
        stage.inputs.send(input).await.unwrap();
    }
    let before = stage.done_until_marker().await;
    assert!(
        before.iter().all(|done| !matches!(done, Done::Told(_))),
        "{before:?}"
    );
    let pending = stage.agent.pending_login_requests();
    assert!(
        pending
            .iter()
            .any(|view| view.id == LoginRequestId([1; 16]))
    );
}
