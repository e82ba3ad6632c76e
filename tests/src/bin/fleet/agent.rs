//! One agent of the fleet.

use core::{net::SocketAddr, time::Duration};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use countersign_gateway::random::SystemRandom;
use countersign_proto::{
    limits,
    push::v1::{self as push, agent_frame, gateway_frame::Frame},
};
use countersign_tests::{
    fleet::{ChannelKey, Member},
    push_connection::PushConnection,
};
use prost::Message as _;
use rustix::time::{ClockId, clock_gettime};
use rustls::ClientConfig;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::{CONNECT, Roll, say};

/// The longest back-off.
const CAP: Duration = Duration::from_mins(1);

/// A stream that has been welcomed. The sender keeps our half open.
type Open = (
    Streaming<push::GatewayFrame>,
    mpsc::Sender<push::AgentFrame>,
);

/// Connects, stays, and comes back, for good.
pub(crate) async fn live(
    number: u32,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    roll: Arc<Roll>,
) -> Result<()> {
    let member = Member(number);
    let key = member.channel_key()?;
    let mut failures: u32 = 0;
    let mut place = Some(roll.places.acquire().await?);
    loop {
        roll.begins();
        let opening = Box::pin(open(member, &key, address, Arc::clone(&tls)));
        let pause = match timeout(CONNECT, opening).await {
            Ok(Ok((mut incoming, ours))) => {
                place = None;
                failures = 0;
                roll.joins()?;
                let drained = stay(&mut incoming).await?;
                drop(ours);
                roll.leaves();
                drained
            }
            Ok(Err(_)) | Err(_) => None,
        };
        let pause = pause.unwrap_or_else(|| {
            failures = failures.saturating_add(1);
            jitter(failures)
        });
        let now = Instant::now();
        sleep_until(now.checked_add(pause).unwrap_or(now)).await;
        drop(place.take());
    }
}

/// Reads until the stream ends; how long to stay away, if the gateway said so.
async fn stay(incoming: &mut Streaming<push::GatewayFrame>) -> Result<Option<Duration>> {
    loop {
        let Ok(Some(message)) = incoming.message().await else {
            return Ok(None);
        };
        match message.frame {
            Some(Frame::Request(_)) => {
                let at = clock_gettime(ClockId::Monotonic);
                let nanos = at
                    .tv_sec
                    .saturating_mul(1_000_000_000)
                    .saturating_add(at.tv_nsec);
                say(&format!("request {nanos}"))?;
            }
            Some(Frame::Drain(drain)) => {
                return Ok(Some(Duration::from_millis(drain.after_ms.into())));
            }
            Some(
                Frame::Challenge(_) | Frame::Welcome(_) | Frame::Cancel(_) | Frame::Outcome(_),
            )
            | None => {}
        }
    }
}

/// Full jitter, as the agent's `push/backoff.rs`.
fn jitter(failures: u32) -> Duration {
    let bound = Duration::from_secs(1)
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)))
        .min(CAP);
    let bound = u32::try_from(bound.as_millis()).unwrap_or(u32::MAX);
    Duration::from_millis(SystemRandom::below(bound).into())
}

async fn open(
    member: Member,
    key: &ChannelKey,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
) -> Result<Open> {
    let mut connection = PushConnection::open(address, tls).await?;
    let (ours, frames) = mpsc::channel(1);
    let call = connection
        .client
        .connect(ReceiverStream::new(frames))
        .await?;
    let mut incoming = call.into_inner();
    let Some(Frame::Challenge(challenge)) = next(&mut incoming).await? else {
        bail!("no challenge");
    };
    let body = push::HelloBody {
        service_id: challenge.service_id,
        device_id: member.device().as_bytes().to_vec(),
        server_nonce: challenge.server_nonce,
        agent_nonce: SystemRandom::bytes::<32>().to_vec(),
        tls_exporter: connection.exporter.to_vec(),
        protocol_version: limits::PUSH_PROTOCOL,
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        availability: push::Availability::On.into(),
        tokens: vec![push::TokenAvailability {
            serial: member.serial(),
            availability: push::Availability::On.into(),
        }],
        counters: Vec::new(),
    }
    .encode_to_vec();
    let hello = push::Signed {
        signature: key.sign_hello(&body)?,
        body,
    };
    let hello = push::AgentFrame {
        frame: Some(agent_frame::Frame::Hello(hello)),
    };
    ours.send(hello).await.context("the stream ended")?;
    let Some(Frame::Welcome(_)) = next(&mut incoming).await? else {
        bail!("not welcome");
    };
    Ok((incoming, ours))
}

async fn next(incoming: &mut Streaming<push::GatewayFrame>) -> Result<Option<Frame>> {
    Ok(incoming.message().await?.and_then(|message| message.frame))
}
