//! What of a service's stream is believed and shown.

use countersign_core::{ids::LoginRequestId, signing};
use countersign_proto::push::v1 as push;
use countersignd::agent::{
    autosend::Autosend,
    ports::{Approval, NoticedOutcome, PushInput},
};

use crate::{
    outside::Done,
    stage::{SERVICE, Stage},
};

fn asked(done: Done) -> Option<countersignd::agent::ports::LoginRequestNotice> {
    match done {
        Done::Asked(notice) => Some(notice),
        _ => None,
    }
}

#[tokio::test]
async fn a_signed_request_is_shown_and_acknowledged() {
    let mut stage = Stage::enrolled().await;
    stage
        .push(PushInput::Request(stage.request(1, |_| {})))
        .await;
    let notice = stage.until(asked).await;
    assert_eq!(notice.id, LoginRequestId([1; 16]));
    assert_eq!(
        (notice.resource.as_str(), notice.user.as_str()),
        ("Example Portal", "alice")
    );
    assert_eq!(notice.approval, Approval::Click);
    let Done::Sent(frame) = stage.next().await else {
        panic!("an acknowledgement is due")
    };
    let Some(push::agent_frame::Frame::Ack(ack)) = frame.frame else {
        panic!("{frame:?}")
    };
    assert_eq!(
        (ack.request_id, ack.kind),
        (vec![1; 16], push::AckKind::Shown.into())
    );
    let pending = stage.agent.pending_login_requests();
    assert_eq!(pending.len(), 1);
}

#[tokio::test]
async fn what_the_service_did_not_sign_is_not_shown() {
    let mut stage = Stage::enrolled().await;
    let good = stage.request(1, |_| {});
    let mut altered = good.clone();
    altered.body.push(0);
    let mut cut = good.clone();
    cut.signature.pop();
    let strange = push::Signed {
        signature: signing::sign(&stage.channel_key, signing::Label::Request, &good.body).to_vec(),
        ..good.clone()
    };
    let other_label = push::Signed {
        signature: signing::sign(&stage.service_key, signing::Label::Decision, &good.body).to_vec(),
        ..good
    };
    for signed in [altered, cut, strange, other_label] {
        stage.push(PushInput::Request(signed)).await;
    }
    let before = stage.done_until_marker().await;
    assert!(
        before.iter().all(|done| !matches!(done, Done::Asked(_))),
        "{before:?}"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_not_shown() {
    let mut stage = Stage::enrolled().await;
    let hostile: [fn(&mut push::RequestBody); 9] = [
        |body| body.service_id = vec![8; 16],
        |body| body.request_id = vec![1; 15],
        |body| body.serial = "CS2".to_owned(),
        |body| body.resource = "x".repeat(513),
        |body| body.user = "\u{202e}".repeat(200),
        |body| body.ttl_ms = 0,
        |body| body.ttl_ms = u32::MAX,
        |body| body.match_mode = push::MatchMode::Unspecified.into(),
        |body| body.match_mode = 77,
    ];
    for (id, change) in (1..).zip(hostile) {
        stage
            .push(PushInput::Request(stage.request(id, change)))
            .await;
    }
    let before = stage.done_until_marker().await;
    assert!(
        before.iter().all(|done| !matches!(done, Done::Asked(_))),
        "{before:?}"
    );
}

#[tokio::test]
async fn the_same_request_again_is_acknowledged_and_other_bytes_are_refused() {
    let mut stage = Stage::enrolled().await;
    let request = stage.request(1, |_| {});
    stage.push(PushInput::Request(request.clone())).await;
    stage.until(asked).await;
    stage.push(PushInput::Request(request)).await;
    let other = stage.request(1, |body| body.resource = "Bank".to_owned());
    stage.push(PushInput::Request(other)).await;
    let before = stage.done_until_marker().await;
    let acks = before
        .iter()
        .filter(|done| matches!(done, Done::Sent(_)))
        .count();
    assert_eq!(acks, 2, "{before:?}");
    assert!(
        before.iter().all(|done| !matches!(done, Done::Asked(_))),
        "{before:?}"
    );
    assert_eq!(
        stage
            .agent
            .pending_login_requests()
            .last()
            .unwrap()
            .resource,
        "Example Portal"
    );
}

#[tokio::test]
async fn nobody_answers_and_the_request_expires() {
    let mut stage = Stage::enrolled().await;
    stage
        .push(PushInput::Request(
            stage.request(1, |body| body.ttl_ms = 1_000),
        ))
        .await;
    stage.until(asked).await;
    stage.outside.pass(core::time::Duration::from_secs(2));
    let told = stage
        .until(|done| match done {
            Done::Told(notice) => Some(notice),
            _ => None,
        })
        .await;
    assert_eq!(told.outcome, NoticedOutcome::Expired);
    assert!(stage.agent.pending_login_requests().is_empty());
}

#[tokio::test]
async fn a_wrong_clock_of_the_computer_loses_no_request() {
    let mut stage = Stage::enrolled().await;
    let service_time = stage.outside.world.lock().unwrap().wall.0 + 7_200_000;
    let welcome = push::Welcome {
        time_ms: service_time,
        ..push::Welcome::default()
    };
    stage.push(PushInput::Welcome(welcome)).await;
    let request = stage.request(1, |body| body.created_ms = service_time - 10_000);
    stage.push(PushInput::Request(request)).await;
    let notice = stage.until(asked).await;
    assert_eq!(notice.left.as_secs(), 50);
}

#[tokio::test]
async fn autosend_off_declines_by_rule_and_shows_nothing() {
    let mut stage = Stage::enrolled().await;
    stage.agent.set_autosend(None, Autosend::Off).await.unwrap();
    stage
        .push(PushInput::Request(stage.request(1, |_| {})))
        .await;
    let (_, body) = stage.decision().await;
    assert_eq!(body.verdict(), push::Verdict::DenyByRule);
    assert!(stage.agent.pending_login_requests().is_empty());
}

#[tokio::test]
async fn a_revoked_token_is_erased_at_the_welcome() {
    let stage = Stage::enrolled().await;
    let status = push::TokenStatus {
        serial: "CS1".to_owned(),
        standing: push::TokenStanding::Revoked.into(),
        server_pin_due: false,
    };
    let welcome = push::Welcome {
        tokens: vec![status],
        ..push::Welcome::default()
    };
    stage.push(PushInput::Welcome(welcome)).await;
    stage
        .push(PushInput::Request(stage.request(1, |_| {})))
        .await;
    // An input that is answered for certain: a cancel of nothing, then the listing.
    let revoked = async {
        loop {
            let token = stage.agent.token("work").await.unwrap();
            if token.state == countersignd::vault::TokenState::Revoked {
                return token;
            }
            tokio::task::yield_now().await;
        }
    };
    let token = tokio::time::timeout(core::time::Duration::from_mins(1), revoked)
        .await
        .unwrap();
    assert!(token.secrets.is_none());
    assert_eq!(token.service, Some(SERVICE));
    let refused = stage
        .agent
        .generate_passcode(
            "work",
            countersignd::agent::passcode::PasscodeWish::Current,
            None,
            &countersignd::agent::caller::Caller::default(),
        )
        .await;
    assert!(refused.is_err());
    assert!(stage.agent.pending_login_requests().is_empty());
}
