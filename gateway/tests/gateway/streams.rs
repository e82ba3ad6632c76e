//! Streams: who may open one, and what is told on it.

use countersign_core::signing::Label;
use countersign_gateway::service::{Change, LoginState, OpenLoginError};
use countersign_proto::push::v1::{self as push, agent_frame, gateway_frame::Frame};
use prost::Message as _;
use tonic::Code;

use crate::{
    device::{Channel, sign},
    stage::{Stage, time},
};

#[tokio::test]
async fn only_a_registered_device_on_its_own_connection_is_welcome() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let changes: [fn(&mut push::HelloBody); 5] = [
        |hello| hello.server_nonce[0] ^= 1,
        |hello| hello.tls_exporter[0] ^= 1,
        |hello| hello.tls_exporter.clear(),
        |hello| hello.device_id[0] ^= 1,
        |hello| hello.service_id[0] ^= 1,
    ];
    for change in changes {
        let refused = device.connect_as(&stage, change).await.err().unwrap();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let other_version = device
        .connect_as(&stage, |hello| hello.protocol_version = 99)
        .await
        .err()
        .unwrap();
    assert_eq!(other_version.code(), Code::Unimplemented);

    let mut forged = stage.device(time()).await;
    forged.id = device.id;
    let refused = forged.connect_as(&stage, |_hello| {}).await.err().unwrap();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(stage.service.streams().connected(), 0);
}

#[tokio::test]
async fn a_proxy_may_end_tls_where_the_gateway_says_so() {
    let stage = Stage::with(|config| config.push.behind_proxy = true).await;
    let device = stage.device(time()).await;
    assert!(
        device
            .connect_as(&stage, |hello| hello.tls_exporter.clear())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn the_first_word_must_be_a_hello() {
    let stage = Stage::new().await;
    let mut channel = Channel::open(&stage).await;
    assert!(matches!(channel.next().await.unwrap(), Frame::Challenge(_)));
    channel
        .send(agent_frame::Frame::Ack(push::Ack::default()))
        .await;
    assert_eq!(
        channel.next().await.err().unwrap().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn a_second_stream_of_a_device_replaces_the_first() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut first = device.connect(&stage).await;
    let mut second = device.connect(&stage).await;
    assert!(first.next().await.is_err());
    assert_eq!(stage.service.streams().connected(), 1);
    stage.open().await.unwrap();
    second.request().await;
}

#[tokio::test]
async fn a_pending_request_survives_restart_and_reconnect_byte_for_byte() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    let request = channel.request().await;
    let stage = stage.restarted().await;
    let mut channel = device.connect(&stage).await;
    assert_eq!(channel.request().await, request);
    let decision = device.approve(&device.approval(&stage, &request));
    assert_eq!(
        channel.decide(decision.clone()).await,
        push::Result::Approved
    );

    let stage = stage.restarted().await;
    let mut channel = device.connect(&stage).await;
    assert_eq!(channel.decide(decision).await, push::Result::Approved);
    assert_eq!(
        stage.state(&opened.transaction_id).await,
        LoginState::Approved
    );
}

#[tokio::test]
async fn a_login_expires_after_a_restart_without_any_agent() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let channel = device.connect(&stage).await;
    let opened = stage.open().await.unwrap();
    drop(channel);
    let stage = stage.restarted().await;
    stage.clock.advance_ms(60_000);
    assert_eq!(
        stage.ended(&opened.transaction_id).await,
        LoginState::Expired
    );
}

#[tokio::test]
async fn a_device_that_was_just_here_is_still_asked() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let channel = device.connect(&stage).await;
    // A second stream whose end we see: the first one's has no witness.
    drop(channel);
    let mut channel = device.connect(&stage).await;
    let change = Change {
        device: Some(device.id),
        cancelled: Vec::new(),
    };
    stage.service.take_up(change).await.unwrap();
    assert!(matches!(channel.next().await.unwrap(), Frame::Drain(_)));
    assert!(channel.next().await.is_err());
    let opened = stage.open().await.unwrap();
    let mut channel = device.connect(&stage).await;
    let request = channel.request().await;
    let decision = device.approve(&device.approval(&stage, &request));
    assert_eq!(channel.decide(decision).await, push::Result::Approved);
    assert_eq!(
        stage.state(&opened.transaction_id).await,
        LoginState::Approved
    );
}

#[tokio::test]
async fn a_newer_word_about_availability_counts_an_older_does_not() {
    let stage = Stage::new().await;
    let device = stage.device(time()).await;
    let mut channel = device.connect(&stage).await;
    let say = |availability: push::Availability, sequence| {
        let body = push::AvailabilityBody {
            service_id: stage.service.keys().service.as_bytes().to_vec(),
            device_id: device.id.as_bytes().to_vec(),
            availability: availability.into(),
            tokens: Vec::new(),
            sequence,
        };
        let signed = sign(&device.channel, Label::Availability, body.encode_to_vec());
        agent_frame::Frame::Availability(signed)
    };
    channel.send(say(push::Availability::Off, 5)).await;
    channel.send(say(push::Availability::On, 5)).await;
    channel.send(say(push::Availability::On, 4)).await;
    // Answered in order: once this decision is, the words before it have been heard.
    let nothing = push::Decision {
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
    channel.decide(nothing).await;
    assert!(matches!(
        stage.open().await,
        Err(OpenLoginError::AutosendOff)
    ));
}
