//! The gateway stops and starts again: nobody waits in vain, nothing that is open is lost.

use countersign_core::{signing::Label, time::UnixMillis};
use countersign_gateway::{
    push::Availability,
    service::{LoginState, LoginView},
};
use countersign_proto::push::v1::{self as push, agent_frame, gateway_frame::Frame};
use prost::Message as _;

use crate::{
    device::{Device, sign},
    stage::{DEADLINE, Stage, time},
};

/// Somebody waits for a login, for ever if need be; the wait has begun.
async fn waiting(stage: &Stage, id: &str) -> tokio::task::JoinHandle<LoginView> {
    let (service, front, id) = (stage.service.clone(), stage.front, id.to_owned());
    let begun = std::sync::Arc::new(tokio::sync::Notify::new());
    let started = std::sync::Arc::clone(&begun);
    let waiting = tokio::spawn(async move {
        started.notify_one();
        let forever = UnixMillis(i64::MAX);
        service.wait_login(front, &id, forever).await.unwrap()
    });
    begun.notified().await;
    waiting
}

#[tokio::test]
async fn who_waits_is_answered_and_every_agent_is_told_when_to_come_back() {
    let stage = Stage::with(|config| config.push.reconnects_per_second = 10).await;
    let (one, two) = (stage.device(time()).await, stage.device(time()).await);
    let (mut first, mut second) = (one.connect(&stage).await, two.connect(&stage).await);
    let opened = stage.open().await.unwrap();
    let request = first.request().await;
    second.request().await;
    let wait = waiting(&stage, &opened.transaction_id).await;
    stage.service.stop().await.unwrap();
    let answered = tokio::time::timeout(DEADLINE, wait).await.unwrap();
    assert_eq!(answered.unwrap().state, LoginState::Pending);
    let mut pauses = Vec::new();
    for channel in [&mut first, &mut second] {
        let Frame::Drain(drain) = channel.next().await.unwrap() else {
            panic!("no drain");
        };
        pauses.push(drain.after_ms);
        assert!(channel.next().await.is_err());
    }
    pauses.sort_unstable();
    assert_eq!(pauses, [500, 600]);
    // Who comes in spite of that is not kept.
    let mut late = one.connect(&stage).await;
    while late.next().await.is_ok() {}
    assert_eq!(stage.service.streams().connected(), 0);

    // The next process asks those who are on their way back, and sends again what was open.
    let stage = stage.restarted().await;
    let mut attempt = stage.attempt();
    "vpn".clone_into(&mut attempt.resource);
    stage.service.open_login(attempt).await.unwrap();
    let mut first = one.connect(&stage).await;
    let sent = [first.request().await, first.request().await];
    assert!(sent.contains(&request));
    let decision = one.approve(&one.approval(&stage, &request));
    assert_eq!(first.decide(decision).await, push::Result::Approved);
}

#[tokio::test]
async fn a_device_that_does_not_come_back_is_not_waited_for_long() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let channel = device.connect(&stage).await;
    stage.service.stop().await.unwrap();
    drop(channel);
    let stage = stage.restarted().await;
    stage.clock.advance_ms(30_001);
    assert!(stage.open().await.is_err());
}

fn say(
    stage: &Stage,
    device: &Device,
    said: push::Availability,
    sequence: u64,
) -> agent_frame::Frame {
    let body = push::AvailabilityBody {
        service_id: stage.service.keys().service.as_bytes().to_vec(),
        device_id: device.id.as_bytes().to_vec(),
        availability: said.into(),
        tokens: Vec::new(),
        sequence,
    };
    let signed = sign(&device.channel, Label::Availability, body.encode_to_vec());
    agent_frame::Frame::Availability(signed)
}

#[tokio::test]
async fn a_desktop_that_takes_no_more_requests_is_told_to_who_waits() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    channel.request().await;
    let wait = waiting(&stage, &opened.transaction_id).await;
    // The wait has read the row once it is there; a word before that is part of what it reads.
    let before = stage
        .service
        .login(stage.front, &opened.transaction_id)
        .await
        .unwrap();
    assert_eq!(before.reach, Some(Availability::On));
    let mut told = None;
    let words = [push::Availability::Off, push::Availability::SessionLocked];
    // Said in turns until the wait has noticed: it may begin after the first word.
    for sequence in 1..100 {
        let said = words[usize::try_from(sequence).unwrap() % 2];
        channel.send(say(&stage, &device, said, sequence)).await;
        let unknown = push::Decision {
            signed: Some(sign(
                &device.channel,
                Label::Decision,
                push::DecisionBody {
                    request_id: vec![1; 16],
                    ..push::DecisionBody::default()
                }
                .encode_to_vec(),
            )),
            ..push::Decision::default()
        };
        // Answered in order: what was said before it has been heard.
        channel.decide(unknown).await;
        if wait.is_finished() {
            told = Some(wait.await.unwrap());
            break;
        }
    }
    let told = told.unwrap();
    assert_eq!(told.state, LoginState::Pending);
    assert_ne!(told.reach, Some(Availability::On));
}
