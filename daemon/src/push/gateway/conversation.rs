//! One stream, from connecting to its end.

use core::time::Duration;

use countersign_core::text;
use countersign_proto::push::v1::{
    self as push, agent_frame::Frame as FromAgent, gateway_frame::Frame as FromGateway,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tracing::debug;
use url::Url;

use super::{Frames, Open, keeper::Ended};
use crate::{
    agent::ports::{ChannelProfile, HelloSigner, Input, PushInput, TransportError},
    push::{
        http2,
        tls::{self, Alpn},
    },
};

/// How long the gateway has for its words up to the welcome.
const GREETING: Duration = Duration::from_secs(20);
/// Frames of ours that may wait for the socket.
const WAITING: usize = 32;
/// The longest foreign text in a sentence, in characters.
const SHOWN: usize = 120;

/// What a stream needs of its service's task.
pub(super) struct Conversation<'a> {
    pub(super) profile: &'a ChannelProfile,
    pub(super) inputs: &'a mpsc::Sender<Input>,
    pub(super) signer: &'a dyn HelloSigner,
    pub(super) outgoing: &'a Frames,
    pub(super) keep_alive: Duration,
}

impl Conversation<'_> {
    /// Connects, greets, and relays until the stream ends.
    pub(super) async fn hold(&self) -> Ended {
        let (mut incoming, welcome, open) = match self.begin().await {
            Ok(begun) => begun,
            Err(ended) => return ended,
        };
        // Open before the agent hears of it: its first act is to send what was left over.
        self.outgoing.set(Some(open));
        debug!(service = %self.profile.service, "welcomed");
        let mut input = PushInput::Welcome(welcome);
        loop {
            let service = self.profile.service;
            if self
                .inputs
                .send(Input::Push { service, input })
                .await
                .is_err()
            {
                return Ended::NobodyListens;
            }
            input = match self.next(&mut incoming).await {
                Ok(input) => input,
                Err(ended) => return ended,
            };
        }
    }

    /// TLS, HTTP/2, the call, and the greeting.
    async fn begin(&self) -> Result<Begun, Ended> {
        let url = Url::parse(&self.profile.url)
            .map_err(|_malformed| Ended::Failed("the service's URL is malformed".to_owned()))?;
        let connected = tls::connect(&url, &self.profile.pins, Alpn::H2)
            .await
            .map_err(|error| failed(&error))?;
        let exporter = connected.exporter;
        let local = connected.local;
        let mut client = http2::client(&url, connected.stream, self.keep_alive)
            .await
            .map_err(|error| failed(&error))?;
        let (outgoing, frames) = mpsc::channel(WAITING);
        let greeting = async {
            let call = client.connect(ReceiverStream::new(frames)).await;
            let mut incoming = call.map_err(|status| ended_by(&status))?.into_inner();
            let hello = self.answer(&mut incoming, exporter).await?;
            // The stream that it is for may have ended: reading tells why.
            drop(outgoing.send(hello).await);
            let welcome = welcome(&mut incoming).await?;
            Ok((incoming, welcome))
        };
        let (incoming, welcome) = timeout(GREETING, greeting)
            .await
            .map_err(|_late| Ended::Failed("the service does not answer".to_owned()))??;
        let open = Open {
            frames: outgoing,
            local,
        };
        Ok((incoming, welcome, open))
    }

    /// The gateway's challenge in, the signed hello out.
    async fn answer(
        &self,
        incoming: &mut Incoming,
        exporter: [u8; 32],
    ) -> Result<push::AgentFrame, Ended> {
        let Some(FromGateway::Challenge(challenge)) = read(incoming).await? else {
            return Err(unexpected());
        };
        let service = self.profile.service;
        if challenge.service_id.as_slice() != service.as_bytes() {
            return Err(Ended::Failed(
                "another service answers at this address".to_owned(),
            ));
        }
        let nonce = <[u8; 32]>::try_from(challenge.server_nonce.as_slice())
            .map_err(|_length| unexpected())?;
        let hello = self.signer.hello(service, nonce, exporter).await;
        let frame = hello.map(FromAgent::Hello).ok_or(Ended::NoKey)?;
        Ok(push::AgentFrame { frame: Some(frame) })
    }

    /// The next frame that is for the agent.
    async fn next(&self, incoming: &mut Incoming) -> Result<PushInput, Ended> {
        loop {
            match read(incoming).await? {
                Some(FromGateway::Welcome(welcome)) => return Ok(PushInput::Welcome(welcome)),
                Some(FromGateway::Request(signed)) => return Ok(PushInput::Request(signed)),
                Some(FromGateway::Cancel(cancel)) => return Ok(PushInput::Cancel(cancel)),
                Some(FromGateway::Outcome(outcome)) => return Ok(PushInput::Outcome(outcome)),
                Some(FromGateway::Drain(drain)) => return Err(drained(drain)),
                Some(FromGateway::Challenge(_)) => return Err(unexpected()),
                // A frame of a later version: not for us.
                None => debug!(service = %self.profile.service, "an unknown frame"),
            }
        }
    }
}

type Incoming = Streaming<push::GatewayFrame>;
/// The gateway's frames, its welcome, and the way for ours.
type Begun = (Incoming, push::Welcome, Open);

/// Comes next or not at all: nothing is sent to a gateway that has not accepted the hello.
async fn welcome(incoming: &mut Incoming) -> Result<push::Welcome, Ended> {
    match read(incoming).await? {
        Some(FromGateway::Welcome(welcome)) => Ok(welcome),
        Some(FromGateway::Drain(drain)) => Err(drained(drain)),
        Some(
            FromGateway::Challenge(_)
            | FromGateway::Request(_)
            | FromGateway::Cancel(_)
            | FromGateway::Outcome(_),
        )
        | None => Err(unexpected()),
    }
}

async fn read(incoming: &mut Incoming) -> Result<Option<FromGateway>, Ended> {
    match incoming.message().await {
        Ok(Some(message)) => Ok(message.frame),
        Ok(None) => Err(Ended::Failed("the service closed the stream".to_owned())),
        Err(status) => Err(ended_by(&status)),
    }
}

fn drained(drain: push::Drain) -> Ended {
    Ended::Drained(Duration::from_millis(drain.after_ms.into()))
}

fn unexpected() -> Ended {
    Ended::Failed("the service did not keep to the protocol".to_owned())
}

fn failed(error: &TransportError) -> Ended {
    Ended::Failed(error.to_string())
}

/// A status in words. What tonic found itself (too long, cut off) comes as one too.
fn ended_by(status: &Status) -> Ended {
    let message = text::display(status.message(), SHOWN);
    Ended::Failed(match status.code() {
        Code::OutOfRange => "the service sent a message of more than 64 KiB".to_owned(),
        Code::Unauthenticated | Code::PermissionDenied => {
            format!("the service does not know this device ({message})")
        }
        Code::Unimplemented => format!("the service has no push for this version ({message})"),
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::DeadlineExceeded => {
            "the connection to the service broke".to_owned()
        }
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Internal
        | Code::DataLoss => format!("the service ended the stream ({message})"),
    })
}
