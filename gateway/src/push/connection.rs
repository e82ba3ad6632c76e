//! One agent's stream, from its Hello to its end.

use core::{net::IpAddr, time::Duration};

use countersign_core::ids::DeviceId;
use countersign_proto::push::v1::{self as push, agent_frame, gateway_frame::Frame};
use tokio::sync::oneshot;
use tonic::{Status, Streaming};

use super::{
    TlsExporter,
    streams::{Frames, Joined, Said, Utterance},
};
use crate::{
    random::SystemRandom,
    service::{HelloError, Service},
    store::StoreError,
};

/// An agent that does not say who it is within this time is not one.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) exporter: Option<TlsExporter>,
    /// Its address, unless a proxy is in between.
    pub(super) seen: Option<IpAddr>,
}

/// Runs a stream to its end.
pub(super) async fn run(
    service: Service,
    mut incoming: Streaming<push::AgentFrame>,
    frames: Frames,
    peer: Peer,
) {
    if let Err(why) = converse(&service, &mut incoming, &frames, peer).await {
        tracing::info!(%why, "an agent's stream ends");
        // Nobody may be there any more to hear why.
        drop(frames.try_send(Utterance::end(why)));
    }
}

async fn converse(
    service: &Service,
    incoming: &mut Streaming<push::AgentFrame>,
    frames: &Frames,
    peer: Peer,
) -> Result<(), Status> {
    // Boxed, as all that is done seldom: most of its life the task of a stream waits for the next frame.
    let (device, said) = Box::pin(greet(service, incoming, frames, peer)).await?;
    // On the map first, then the pending ones: a request that is opened in between is sent twice rather
    // than not at all, and the agent knows it by its id.
    let mut joined = service.streams().join(device, frames.clone(), said);
    tracing::info!(%device, "an agent is connected");
    let result = attend(service, device, incoming, frames, &mut joined).await;
    if service.streams().leave(device, &joined, service.now()) {
        Box::pin(service.left(device)).await;
    }
    result
}

/// Up to and with the Welcome: which device it is, and what it says about itself.
async fn greet(
    service: &Service,
    incoming: &mut Streaming<push::AgentFrame>,
    frames: &Frames,
    peer: Peer,
) -> Result<(DeviceId, Said), Status> {
    let nonce = SystemRandom::bytes::<32>();
    let challenge = push::Challenge {
        server_nonce: nonce.to_vec(),
        service_id: service.keys().service.as_bytes().to_vec(),
    };
    let gone = |_closed| Status::cancelled("the agent has gone");
    frames
        .send(Utterance::frame(Frame::Challenge(challenge)))
        .await
        .map_err(gone)?;
    let first = tokio::time::timeout(HELLO_WITHIN, incoming.message())
        .await
        .map_err(|_late| Status::deadline_exceeded("no Hello came in time"))??;
    let Some(agent_frame::Frame::Hello(signed)) = first.and_then(|first| first.frame) else {
        return Err(Status::failed_precondition(
            "the first message must be a Hello",
        ));
    };
    let hello = service
        .hello(signed, nonce, peer.exporter)
        .await
        .map_err(|error| match error {
            HelloError::Refused => Status::unauthenticated(error.to_string()),
            HelloError::Version => Status::unimplemented(error.to_string()),
            HelloError::Storage(error) => storage(&error),
        })?;
    let welcome = push::Welcome {
        seen_address: peer.seen.map(|seen| seen.to_string()).unwrap_or_default(),
        ..hello.welcome
    };
    frames
        .send(Utterance::frame(Frame::Welcome(welcome)))
        .await
        .map_err(gone)?;
    Ok((hello.device, hello.said))
}

/// The stream after the Welcome, until one end closes it.
async fn attend(
    service: &Service,
    device: DeviceId,
    incoming: &mut Streaming<push::AgentFrame>,
    frames: &Frames,
    joined: &mut Joined,
) -> Result<(), Status> {
    for request in Box::pin(service.pending_requests(device))
        .await
        .map_err(|error| storage(&error))?
    {
        if tell(frames, &mut joined.ended, Frame::Request(request))
            .await
            .is_err()
        {
            return Ok(());
        }
    }
    // It may take other requests than before, or be back.
    Box::pin(service.reach_changed(device))
        .await
        .map_err(|error| storage(&error))?;
    let mut sequence = 0;
    loop {
        let message = tokio::select! {
            _replaced = &mut joined.ended => return Ok(()),
            message = incoming.message() => message?,
        };
        let Some(message) = message else {
            return Ok(());
        };
        let heard = Box::pin(hear(service, device, joined, &mut sequence, message.frame));
        let answers = heard.await?;
        for outcome in answers {
            if tell(frames, &mut joined.ended, Frame::Outcome(outcome))
                .await
                .is_err()
            {
                return Ok(());
            }
        }
    }
}

/// What an agent says, and what it is answered.
async fn hear(
    service: &Service,
    device: DeviceId,
    joined: &Joined,
    sequence: &mut u64,
    frame: Option<agent_frame::Frame>,
) -> Result<Vec<push::Outcome>, Status> {
    Ok(match frame {
        Some(agent_frame::Frame::Decision(decision)) => service
            .decide(device, decision)
            .await
            .map_err(|error| storage(&error))?,
        Some(agent_frame::Frame::Report(report)) => service
            .report(device, report)
            .await
            .map_err(|error| storage(&error))?
            .into_iter()
            .collect(),
        Some(agent_frame::Frame::Availability(signed)) => {
            let heard = service
                .availability(device, signed, *sequence)
                .await
                .map_err(|error| storage(&error))?;
            if let Some((said, newer)) = heard {
                *sequence = newer;
                service.streams().hear(device, joined, said);
                service
                    .reach_changed(device)
                    .await
                    .map_err(|error| storage(&error))?;
            }
            Vec::new()
        }
        Some(agent_frame::Frame::Ack(ack)) => {
            tracing::debug!(%device, kind = ack.kind().as_str_name(), "acknowledged");
            Vec::new()
        }
        Some(agent_frame::Frame::Hello(_)) => {
            return Err(Status::failed_precondition("a stream has one Hello"));
        }
        // A frame of a newer agent: not for us.
        None => Vec::new(),
    })
}

/// The stream is to end.
struct Over;

/// Sends, and waits for room as long as the stream is to live.
async fn tell(
    frames: &Frames,
    ended: &mut oneshot::Receiver<()>,
    content: Frame,
) -> Result<(), Over> {
    tokio::select! {
        _replaced = ended => Err(Over),
        sent = frames.send(Utterance::frame(content)) => sent.map_err(|_closed| Over),
    }
}

/// The agent keeps what it sent, comes again and sends it again.
fn storage(error: &StoreError) -> Status {
    tracing::error!(%error, "an agent's message could not be handled");
    Status::unavailable("the gateway's database failed; try again")
}
