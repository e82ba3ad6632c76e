//! A login request that is answered well.

use countersign_core::{signing::Label, time::UnixMillis};
use countersign_gateway::service::{
    DenyReason, LoginError, LoginState, PasscodeVerdict, Subject, Way,
};
use countersign_proto::push::v1::{self as push, agent_frame};
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::{
    device::{request_body, sign},
    stage::{RESOURCE, Stage, USER, challenge, event, time},
};

#[tokio::test]
async fn an_approval_lets_the_user_in_once() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    assert!(matches!(
        opened.ways.as_slice(),
        [Way::Push { number: None, .. }]
    ));
    assert_eq!(opened.ttl_ms, 60_000);

    let request = channel.request().await;
    let shown = request_body(&stage, &request);
    assert_eq!(shown.resource, RESOURCE);
    assert_eq!(shown.user, USER);
    assert_eq!(shown.client_address, "192.0.2.7");
    assert_eq!(shown.transaction_id, opened.transaction_id);
    assert_eq!(shown.ttl_ms, 60_000);

    let waiting = {
        let (service, front) = (stage.service.clone(), stage.front);
        let id = opened.transaction_id.clone();
        tokio::spawn(async move { service.wait_login(front, &id, UnixMillis(i64::MAX)).await })
    };
    let decision = device.approve(&device.approval(&stage, &request));
    assert_eq!(
        channel.decide(decision.clone()).await,
        push::Result::Approved
    );
    assert_eq!(waiting.await.unwrap().unwrap().state, LoginState::Approved);
    // Its answer was lost: the same again.
    assert_eq!(
        channel.decide(decision.clone()).await,
        push::Result::Approved
    );

    let id = &opened.transaction_id;
    let consumed = stage.service.consume_login(stage.front, id).await.unwrap();
    assert_eq!(consumed.user, USER);
    assert_eq!(channel.outcome().await, push::Result::LoggedIn);
    let again = stage.service.consume_login(stage.front, id).await;
    assert!(matches!(
        again,
        Err(LoginError::State {
            state: LoginState::Consumed
        })
    ));
    assert_eq!(channel.decide(decision).await, push::Result::Approved);
    assert_eq!(channel.outcome().await, push::Result::LoggedIn);
    stage.service.verify_audit(None).await.unwrap();
}

#[tokio::test]
async fn every_mode_can_approve_and_no_passcode_counts_twice() {
    let stage = Stage::new().await;
    for mode in [time(), event(), challenge()] {
        let device = stage.device(mode.clone()).await;
        let mut channel = device.connect(&stage).await;
        let opened = stage.open().await.unwrap();
        let request = channel.request().await;
        let approval = device.approval(&stage, &request);
        assert_eq!(
            channel.decide(device.approve(&approval)).await,
            push::Result::Approved
        );
        let subject = Subject::Serial(device.serial().to_owned());
        let typed = stage
            .check(subject, approval.passcode, Some(opened.transaction_id))
            .await;
        if mode == challenge() {
            assert_eq!(typed, PasscodeVerdict::Wrong);
        } else {
            assert_eq!(typed, PasscodeVerdict::UsedBefore);
        }
        stage
            .operator()
            .delete_token(device.serial())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn two_requests_in_one_time_step_can_both_be_approved() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    for resource in ["one", "two"] {
        let mut attempt = stage.attempt();
        attempt.resource = resource.to_owned();
        stage.service.open_login(attempt).await.unwrap();
        let request = channel.request().await;
        let decision = device.approve(&device.approval(&stage, &request));
        assert_eq!(channel.decide(decision).await, push::Result::Approved);
    }
}

#[tokio::test]
async fn a_counter_that_a_later_one_overtook_is_good_for_one_approval_and_for_no_typing() {
    let stage = Stage::new().await;
    let device = stage.device(event()).await;
    let mut channel = device.connect(&stage).await;
    let mut requests = Vec::new();
    for resource in ["one", "two", "three", "four"] {
        let mut attempt = stage.attempt();
        attempt.resource = resource.to_owned();
        stage.service.open_login(attempt).await.unwrap();
        requests.push(channel.request().await);
    }
    let approval = |request: &push::Signed, counter: u64| {
        let mut approval = device.approval(&stage, request);
        approval.passcode = device.passcode(counter);
        approval.body.moving_factor = counter;
        approval.body.passcode_hash =
            Sha256::digest(approval.passcode.expose().as_bytes()).to_vec();
        device.approve(&approval)
    };
    let [first, second, third, fourth] = requests.as_slice() else {
        panic!("four requests")
    };
    for (request, counter, result) in [
        (first, 3, push::Result::Approved),
        (second, 1, push::Result::Approved),
        (third, 1, push::Result::RefusedPasscode),
    ] {
        assert_eq!(channel.decide(approval(request, counter)).await, result);
    }
    let subject = || Subject::Serial(device.serial().to_owned());
    for counter in [0, 1, 2, 3] {
        let typed = stage.check(subject(), device.passcode(counter), None).await;
        assert_eq!(typed, PasscodeVerdict::UsedBefore, "{counter}");
    }
    assert_eq!(
        channel.decide(approval(fourth, 2)).await,
        push::Result::Approved
    );
}

#[tokio::test]
async fn a_denial_is_final_and_told_at_once_and_may_be_reported() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let request = channel.request().await;
    assert_eq!(
        channel.decide(device.deny(&stage, &request)).await,
        push::Result::Denied
    );
    assert_eq!(
        stage.ended(&opened.transaction_id).await,
        LoginState::Denied(DenyReason::User)
    );
    // An approval after that changes nothing.
    let approve = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(approve).await, push::Result::Denied);

    let shown = request_body(&stage, &request);
    let report = push::ReportBody {
        service_id: shown.service_id,
        device_id: device.id.as_bytes().to_vec(),
        request_id: shown.request_id,
        request_hash: Sha256::digest(&request.body).to_vec(),
    };
    for _ in 0..2 {
        let signed = sign(&device.channel, Label::Report, report.encode_to_vec());
        channel.send(agent_frame::Frame::Report(signed)).await;
        assert_eq!(channel.outcome().await, push::Result::Reported);
    }
    assert_eq!(stage.audited("login_reported").await, 1);
    let forged = sign(&device.decision, Label::Report, report.encode_to_vec());
    channel.send(agent_frame::Frame::Report(forged)).await;
    assert_eq!(channel.outcome().await, push::Result::RefusedSignature);
}

#[tokio::test]
async fn the_first_device_decides_for_all() {
    let stage = Stage::new().await;
    let (one, two) = (stage.device(time()).await, stage.device(event()).await);
    let (mut first, mut second) = (one.connect(&stage).await, two.connect(&stage).await);
    let opened = stage.open().await.unwrap();
    let (asked, late) = (first.request().await, second.request().await);
    let approve = one.approve(&one.approval(&stage, &asked));
    assert_eq!(first.decide(approve).await, push::Result::Approved);
    assert_eq!(second.cancel().await, push::CancelReason::AnsweredElsewhere);
    assert_eq!(
        second.decide(two.deny(&stage, &late)).await,
        push::Result::Cancelled
    );
    assert_eq!(
        stage.state(&opened.transaction_id).await,
        LoginState::Approved
    );
}

#[tokio::test]
async fn a_passcode_as_old_as_its_request_is_good() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    stage.open().await.unwrap();
    let request = channel.request().await;
    // Decided at once, delivered only after the stream was back.
    let decision = device.approve(&device.approval(&stage, &request));
    stage.clock.advance_ms(59_000);
    assert_eq!(channel.decide(decision).await, push::Result::Approved);
}

#[tokio::test]
async fn an_approval_lapses_if_nobody_takes_it() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let request = channel.request().await;
    let decision = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(decision).await, push::Result::Approved);
    stage.clock.advance_ms(300_000);
    let late = stage
        .service
        .consume_login(stage.front, &opened.transaction_id)
        .await;
    assert!(matches!(
        late,
        Err(LoginError::State {
            state: LoginState::Lapsed
        })
    ));
    assert_eq!(
        stage.state(&opened.transaction_id).await,
        LoginState::Lapsed
    );
}

#[tokio::test]
async fn another_front_sees_nothing_of_a_login() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let _channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let other = stage.service.settings().sample_front;
    let id = &opened.transaction_id;
    assert!(matches!(
        stage.service.login(other, id).await,
        Err(LoginError::Unknown)
    ));
    assert!(matches!(
        stage.service.consume_login(other, id).await,
        Err(LoginError::Unknown)
    ));
    assert!(matches!(
        stage.service.cancel_login(other, id).await,
        Err(LoginError::Unknown)
    ));
}

#[tokio::test]
async fn the_resource_takes_a_request_back() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let request = channel.request().await;
    stage
        .service
        .cancel_login(stage.front, &opened.transaction_id)
        .await
        .unwrap();
    assert_eq!(channel.cancel().await, push::CancelReason::ByResource);
    let late = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(late).await, push::Result::Cancelled);
}
