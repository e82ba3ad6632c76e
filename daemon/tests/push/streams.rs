//! The life of a stream.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use countersign_core::ids::{DeviceId, ServiceId};
use countersign_proto::push::v1::{self as push, agent_frame, gateway_frame::Frame};
use countersignd::{
    agent::ports::{ChannelProfile, Delivery, HelloSigner, Input, PushChannels as _, PushInput},
    push::gateway::GatewayChannels,
};
use tokio::sync::mpsc;
use tonic::Status;

use crate::{
    gateway_double::{GatewayDouble, Session},
    identity::Identity,
    patiently,
};

const SERVICE: ServiceId = ServiceId([5; 16]);
const NONCE: [u8; 32] = [9; 32];

/// Signs with what it was asked: the body is nonce and exporter.
#[derive(Default)]
struct Signer {
    locked: Mutex<Option<VaultNeverOpened>>,
}

struct VaultNeverOpened;

#[async_trait]
impl HelloSigner for Signer {
    async fn hello(
        &self,
        service: ServiceId,
        server_nonce: [u8; 32],
        tls_exporter: [u8; 32],
    ) -> Option<push::Signed> {
        assert_eq!(service, SERVICE);
        self.locked.lock().unwrap().is_none().then(|| push::Signed {
            body: [server_nonce, tls_exporter].concat(),
            signature: vec![1; 64],
        })
    }
}

/// The agent's side.
struct Agent {
    channels: GatewayChannels,
    inputs: mpsc::Receiver<Input>,
    signer: Arc<Signer>,
}

impl Agent {
    async fn open(url: &str, pin: [u8; 32]) -> Self {
        Self::with(Signer::default(), url, pin).await
    }

    async fn with(signer: Signer, url: &str, pin: [u8; 32]) -> Self {
        let (sender, inputs) = mpsc::channel(8);
        let signer = Arc::new(signer);
        let channels = GatewayChannels::new(
            sender,
            Arc::<Signer>::clone(&signer),
            Duration::from_mins(1),
        );
        let profile = ChannelProfile {
            service: SERVICE,
            device: DeviceId([6; 16]),
            url: url.to_owned(),
            pins: vec![pin],
        };
        channels.open(profile).await;
        Self {
            channels,
            inputs,
            signer,
        }
    }

    async fn input(&mut self) -> PushInput {
        match patiently(self.inputs.recv()).await {
            Some(Input::Push { service, input }) => {
                assert_eq!(service, SERVICE);
                input
            }
            other => panic!("not a push: {other:?}"),
        }
    }

    /// Why the stream is down, and how long it stays so.
    async fn down(&mut self) -> (String, Duration) {
        let input = self.input().await;
        let PushInput::Down { why, retry_in } = input else {
            panic!("not down: {input:?}");
        };
        (why, retry_in)
    }
}

/// The greeting, up to and with the welcome.
async fn greet(gateway: &mut GatewayDouble, agent: &mut Agent) -> Session {
    let mut session = gateway.session().await;
    session.challenge(SERVICE.as_bytes(), NONCE).await;
    let Some(agent_frame::Frame::Hello(hello)) = session.next().await else {
        panic!("the first frame is a hello");
    };
    assert_eq!(hello.body, [NONCE, session.exporter].concat());
    let welcome = push::Welcome {
        time_ms: 1_700_000_000_000,
        ..push::Welcome::default()
    };
    session.send(Frame::Welcome(welcome.clone())).await;
    let input = agent.input().await;
    assert!(
        matches!(&input, PushInput::Welcome(seen) if *seen == welcome),
        "{input:?}"
    );
    session
}

async fn connected() -> (GatewayDouble, Agent, Session) {
    let identity = Identity::new();
    let mut gateway = GatewayDouble::start(&identity).await;
    let mut agent = Agent::open(gateway.url(), identity.pin()).await;
    let session = greet(&mut gateway, &mut agent).await;
    (gateway, agent, session)
}

fn ack() -> agent_frame::Frame {
    agent_frame::Frame::Ack(push::Ack {
        request_id: vec![3; 16],
        kind: push::AckKind::Shown.into(),
    })
}

async fn send(agent: &Agent, frame: agent_frame::Frame) -> Delivery {
    let frame = push::AgentFrame { frame: Some(frame) };
    patiently(agent.channels.send(SERVICE, frame)).await
}

#[tokio::test]
async fn the_hello_binds_this_connection_and_frames_pass_both_ways() {
    let (_gateway, mut agent, mut session) = connected().await;
    let request = push::Signed {
        body: vec![7; 300],
        signature: vec![8; 64],
    };
    session.send(Frame::Request(request.clone())).await;
    assert!(matches!(agent.input().await, PushInput::Request(seen) if seen == request));
    let cancel = push::Cancel {
        request_id: vec![3; 16],
        reason: push::CancelReason::ByResource.into(),
    };
    session.send(Frame::Cancel(cancel.clone())).await;
    assert!(matches!(agent.input().await, PushInput::Cancel(seen) if seen == cancel));
    let outcome = push::Outcome {
        request_id: vec![3; 16],
        result: push::Result::LoggedIn.into(),
    };
    session.send(Frame::Outcome(outcome.clone())).await;
    assert!(matches!(agent.input().await, PushInput::Outcome(seen) if seen == outcome));

    assert_eq!(send(&agent, ack()).await, Delivery::Handed);
    assert_eq!(session.next().await, Some(ack()));
}

#[tokio::test]
async fn nothing_is_sent_to_a_gateway_that_has_not_welcomed_us() {
    let identity = Identity::new();
    let mut gateway = GatewayDouble::start(&identity).await;
    let agent = Agent::open(gateway.url(), identity.pin()).await;
    assert_eq!(send(&agent, ack()).await, Delivery::NotConnected);
    let mut session = gateway.session().await;
    session.challenge(SERVICE.as_bytes(), NONCE).await;
    assert!(session.next().await.is_some());
    assert_eq!(send(&agent, ack()).await, Delivery::NotConnected);
}

#[tokio::test]
async fn a_gateway_with_another_key_hears_nothing() {
    let gateway = GatewayDouble::start(&Identity::new()).await;
    let mut agent = Agent::open(gateway.url(), Identity::new().pin()).await;
    let (why, retry_in) = agent.down().await;
    assert!(
        why.contains("did not show the expected certificate"),
        "{why}"
    );
    assert!(retry_in < Duration::from_secs(1), "{retry_in:?}");
}

#[tokio::test]
async fn another_service_behind_the_same_key_gets_no_hello() {
    let identity = Identity::new();
    let mut gateway = GatewayDouble::start(&identity).await;
    let mut agent = Agent::open(gateway.url(), identity.pin()).await;
    let mut session = gateway.session().await;
    session.challenge(&[1; 16], NONCE).await;
    assert_eq!(session.next().await, None);
    let (why, _) = agent.down().await;
    assert_eq!(why, "another service answers at this address");
}

#[tokio::test]
async fn a_refused_hello_is_told_in_words() {
    let identity = Identity::new();
    let mut gateway = GatewayDouble::start(&identity).await;
    let mut agent = Agent::open(gateway.url(), identity.pin()).await;
    let mut session = gateway.session().await;
    session.challenge(SERVICE.as_bytes(), NONCE).await;
    assert!(session.next().await.is_some());
    session
        .refuse(Status::unauthenticated("un\u{202e}known\ndevice"))
        .await;
    let (why, _) = agent.down().await;
    assert_eq!(
        why,
        "the service does not know this device (un\u{fffd}known device)"
    );
}

#[tokio::test]
async fn a_stream_that_closes_comes_back() {
    let (mut gateway, mut agent, session) = connected().await;
    drop(session);
    let (why, retry_in) = agent.down().await;
    assert_eq!(why, "the service closed the stream");
    assert!(retry_in < Duration::from_secs(1), "{retry_in:?}");
    assert_eq!(send(&agent, ack()).await, Delivery::NotConnected);
    let mut session = greet(&mut gateway, &mut agent).await;
    assert_eq!(send(&agent, ack()).await, Delivery::Handed);
    assert_eq!(session.next().await, Some(ack()));
}

#[tokio::test]
async fn a_drain_is_obeyed() {
    let (mut gateway, mut agent, mut session) = connected().await;
    session
        .send(Frame::Drain(push::Drain { after_ms: 1_200 }))
        .await;
    let (why, retry_in) = agent.down().await;
    assert_eq!(why, "the service is being restarted");
    assert_eq!(retry_in, Duration::from_millis(1_200));
    assert_eq!(session.next().await, None);
    greet(&mut gateway, &mut agent).await;
}

#[tokio::test]
async fn reconnect_drops_the_stream_and_opens_another_at_once() {
    let (mut gateway, mut agent, mut session) = connected().await;
    agent.channels.reconnect().await;
    assert_eq!(session.next().await, None);
    // No word of it in between: the next input is the welcome.
    greet(&mut gateway, &mut agent).await;
}

#[tokio::test]
async fn reconnect_does_not_wait_for_the_pause() {
    let (mut gateway, mut agent, session) = connected().await;
    session
        .send(Frame::Drain(push::Drain { after_ms: u32::MAX }))
        .await;
    let (_, retry_in) = agent.down().await;
    assert_eq!(retry_in, Duration::from_mins(5));
    agent.channels.reconnect().await;
    greet(&mut gateway, &mut agent).await;
}

#[tokio::test]
async fn a_frame_that_is_too_long_ends_the_stream() {
    let (_gateway, mut agent, session) = connected().await;
    let request = push::Signed {
        body: vec![7; 70_000],
        signature: vec![8; 64],
    };
    session.send(Frame::Request(request)).await;
    let (why, _) = agent.down().await;
    assert_eq!(why, "the service sent a message of more than 64 KiB");
}

#[tokio::test]
async fn without_a_key_nothing_is_tried_until_there_may_be_one() {
    let identity = Identity::new();
    let mut gateway = GatewayDouble::start(&identity).await;
    let signer = Signer {
        locked: Mutex::new(Some(VaultNeverOpened)),
    };
    let mut agent = Agent::with(signer, gateway.url(), identity.pin()).await;
    let mut session = gateway.session().await;
    session.challenge(SERVICE.as_bytes(), NONCE).await;
    assert_eq!(session.next().await, None);
    let (why, retry_in) = agent.down().await;
    assert_eq!(why, "the vault has not been unlocked yet");
    assert_eq!(retry_in, Duration::MAX);
    *agent.signer.locked.lock().unwrap() = None;
    agent.channels.reconnect().await;
    greet(&mut gateway, &mut agent).await;
}

#[tokio::test]
async fn close_ends_the_stream() {
    let (_gateway, agent, mut session) = connected().await;
    agent.channels.close(SERVICE).await;
    assert_eq!(session.next().await, None);
    assert_eq!(send(&agent, ack()).await, Delivery::NotConnected);
}

#[tokio::test]
async fn a_change_of_addresses_makes_anew_only_what_it_has_broken() {
    let (mut gateway, mut agent, mut session) = connected().await;
    let own = |address: &str| [address.parse().unwrap()].into();
    // The connection's own address is still there: it lives on.
    agent.channels.network_changed(&own("127.0.0.1")).await;
    assert_eq!(send(&agent, ack()).await, Delivery::Handed);
    assert_eq!(session.next().await, Some(ack()));
    // It is gone.
    agent.channels.network_changed(&own("192.0.2.7")).await;
    assert_eq!(session.next().await, None);
    let session = greet(&mut gateway, &mut agent).await;
    // Whoever waits for the next try tries now.
    session
        .send(Frame::Drain(push::Drain { after_ms: u32::MAX }))
        .await;
    agent.down().await;
    agent.channels.network_changed(&own("127.0.0.1")).await;
    greet(&mut gateway, &mut agent).await;
}
