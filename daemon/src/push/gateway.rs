//! The push stream to a gateway: opened, kept open, reopened. One task a service; it sleeps in the socket.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::ids::ServiceId;
use countersign_proto::{
    limits,
    push::v1::{
        self as push, agent_frame::Frame as FromAgent, gateway_frame::Frame as FromGateway,
        push_client::PushClient,
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_rustls::client::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint, Uri},
};
use tracing::debug;
use url::Url;

use super::{
    backoff,
    tls::{self, Alpn, host_port},
};
use crate::agent::ports::{
    ChannelProfile, Delivery, HelloSigner, Input, PushChannels, PushInput, TransportError,
};

/// How often an idle connection is probed: below the idle limits of NAT and load balancers.
const KEEP_ALIVE: Duration = Duration::from_secs(45);
/// How long a probe may stay unanswered.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the gateway has for its first words.
const GREETING: Duration = Duration::from_secs(20);
/// A stream that has lived this long starts the back-off anew.
const HEALTHY: Duration = Duration::from_mins(1);
/// The longest pause that a gateway may ask for.
const LONGEST_DRAIN: Duration = Duration::from_mins(5);
/// Without a key nothing can be said; the next unlock reopens the stream.
const NO_KEY: Duration = Duration::from_hours(1);
/// Frames of ours that may wait for the socket.
const OUTGOING: usize = 32;

/// [`PushChannels`] over tonic.
pub struct GatewayChannels {
    inputs: mpsc::Sender<Input>,
    signer: Arc<dyn HelloSigner>,
    streams: Mutex<HashMap<ServiceId, Stream>>,
}

struct Stream {
    profile: ChannelProfile,
    outgoing: Arc<Mutex<Option<mpsc::Sender<push::AgentFrame>>>>,
    reconnect: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl core::fmt::Debug for GatewayChannels {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("GatewayChannels").finish_non_exhaustive()
    }
}

impl GatewayChannels {
    /// Streams that tell `inputs` what happens and let `signer` sign each hello.
    #[must_use]
    pub fn new(inputs: mpsc::Sender<Input>, signer: Arc<dyn HelloSigner>) -> Self {
        Self {
            inputs,
            signer,
            streams: Mutex::default(),
        }
    }

    fn streams(&self) -> std::sync::MutexGuard<'_, HashMap<ServiceId, Stream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PushChannels for GatewayChannels {
    async fn open(&self, profile: ChannelProfile) {
        let mut streams = self.streams();
        if let Some(stream) = streams.get(&profile.service)
            && stream.profile == profile
        {
            stream.reconnect_if_idle();
            return;
        }
        let service = profile.service;
        let outgoing = Arc::new(Mutex::new(None));
        let reconnect = Arc::new(Notify::new());
        let keeper = Keeper {
            profile: profile.clone(),
            inputs: self.inputs.clone(),
            signer: Arc::clone(&self.signer),
            outgoing: Arc::clone(&outgoing),
            reconnect: Arc::clone(&reconnect),
        };
        let task = tokio::spawn(keeper.keep());
        streams.insert(
            service,
            Stream {
                profile,
                outgoing,
                reconnect,
                task,
            },
        );
    }

    async fn close(&self, service: ServiceId) {
        self.streams().remove(&service);
    }

    async fn send(&self, service: ServiceId, frame: push::AgentFrame) -> Delivery {
        let sender = self.streams().get(&service).and_then(Stream::sender);
        let Some(sender) = sender else {
            return Delivery::NotConnected;
        };
        match sender.send(frame).await {
            Ok(()) => Delivery::Handed,
            Err(_closed) => Delivery::NotConnected,
        }
    }

    async fn reconnect(&self) {
        for stream in self.streams().values() {
            stream.reconnect.notify_one();
        }
    }
}

impl Stream {
    fn sender(&self) -> Option<mpsc::Sender<push::AgentFrame>> {
        self.outgoing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn reconnect_if_idle(&self) {
        if self.sender().is_none() {
            self.reconnect.notify_one();
        }
    }
}

/// One HTTP/2 connection over a TLS stream that is already made.
pub(super) async fn channel(
    url: &Url,
    stream: TlsStream<TcpStream>,
) -> Result<Channel, TransportError> {
    let host = host_port(url);
    let protocol = |why: &str| TransportError::Protocol {
        host: host.clone(),
        why: why.to_owned(),
    };
    let endpoint = Endpoint::from_shared(format!("http://{host}"))
        .map_err(|_malformed| protocol("the URL is malformed"))?
        .initial_stream_window_size(65_536)
        .initial_connection_window_size(65_536)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .buffer_size(OUTGOING);
    let mut once = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_uri: Uri| {
        // Reconnecting is this module's work, with a hello of its own: a second call gets nothing.
        let stream = once
            .take()
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected));
        std::future::ready(stream)
    });
    endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|_failed| protocol("HTTP/2 could not be set up"))
}

/// Keeps one stream open.
struct Keeper {
    profile: ChannelProfile,
    inputs: mpsc::Sender<Input>,
    signer: Arc<dyn HelloSigner>,
    outgoing: Arc<Mutex<Option<mpsc::Sender<push::AgentFrame>>>>,
    reconnect: Arc<Notify>,
}

/// Why a stream ended.
enum Ended {
    /// We were told to connect anew.
    Told,
    /// The gateway asked for a pause.
    Drained(Duration),
    /// No key has been opened yet.
    NoKey,
    /// Anything else; one display-safe sentence.
    Failed(String),
    /// The agent is ending.
    NobodyListens,
}

impl Keeper {
    async fn keep(self) {
        let mut failures = 0_u32;
        loop {
            let started = now();
            let ended = tokio::select! {
                ended = self.stream() => ended,
                () = self.reconnect.notified() => Ended::Told,
            };
            self.set_outgoing(None);
            if now().saturating_duration_since(started) >= HEALTHY {
                failures = 0;
            }
            let (why, pause) = match ended {
                Ended::Told => {
                    failures = 0;
                    continue;
                }
                Ended::NobodyListens => return,
                Ended::Drained(pause) => ("the service is being restarted".to_owned(), pause),
                Ended::NoKey => ("the vault has not been opened yet".to_owned(), NO_KEY),
                Ended::Failed(why) => {
                    failures = failures.saturating_add(1);
                    (why, backoff::wait(failures, draw()))
                }
            };
            if !self
                .tell(PushInput::Down {
                    why,
                    retry_in: pause,
                })
                .await
            {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(now().checked_add(pause).unwrap_or_else(now)) => {}
                () = self.reconnect.notified() => failures = 0,
            }
        }
    }

    /// From connect to the end of the stream.
    async fn stream(&self) -> Ended {
        match self.run().await {
            Ok(never) | Err(never) => never,
        }
    }

    async fn run(&self) -> Result<Ended, Ended> {
        let url = Url::parse(&self.profile.url)
            .map_err(|_malformed| Ended::Failed("the service's URL is malformed".to_owned()))?;
        let connected = tls::connect(&url, &self.profile.pins, Alpn::H2)
            .await
            .map_err(failed)?;
        let exporter = connected.exporter;
        let channel = channel(&url, connected.stream).await.map_err(failed)?;
        let mut client = PushClient::new(channel)
            .max_decoding_message_size(limits::PUSH_MESSAGE)
            .max_encoding_message_size(limits::PUSH_MESSAGE);
        let (outgoing, frames) = mpsc::channel(OUTGOING);
        let late = |_elapsed| Ended::Failed("the service does not answer".to_owned());
        let mut incoming = timeout(GREETING, client.connect(ReceiverStream::new(frames)))
            .await
            .map_err(late)?
            .map_err(|status| refused(&status))?
            .into_inner();
        timeout(GREETING, self.greet(&mut incoming, &outgoing, exporter))
            .await
            .map_err(late)??;
        self.set_outgoing(Some(outgoing));
        debug!(service = %self.profile.service, "hello sent");
        self.relay(&mut incoming).await
    }

    /// Challenge in, signed hello out. What comes next is relayed.
    async fn greet(
        &self,
        incoming: &mut Streaming<push::GatewayFrame>,
        outgoing: &mpsc::Sender<push::AgentFrame>,
        exporter: [u8; 32],
    ) -> Result<(), Ended> {
        let unexpected = || Ended::Failed("the service did not begin with a challenge".to_owned());
        let frame = incoming
            .message()
            .await
            .map_err(|status| refused(&status))?;
        let Some(FromGateway::Challenge(challenge)) = frame.and_then(|frame| frame.frame) else {
            return Err(unexpected());
        };
        if challenge.service_id.as_slice() != self.profile.service.as_bytes() {
            return Err(Ended::Failed(
                "another service answers at this address".to_owned(),
            ));
        }
        let nonce = <[u8; 32]>::try_from(challenge.server_nonce.as_slice())
            .map_err(|_length| unexpected())?;
        let hello = self
            .signer
            .hello(self.profile.service, nonce, exporter)
            .await;
        let frame = push::AgentFrame {
            frame: Some(FromAgent::Hello(hello.ok_or(Ended::NoKey)?)),
        };
        outgoing
            .send(frame)
            .await
            .map_err(|_closed| Ended::Failed("the stream was closed".to_owned()))
    }

    async fn relay(&self, incoming: &mut Streaming<push::GatewayFrame>) -> Result<Ended, Ended> {
        loop {
            let frame = incoming
                .message()
                .await
                .map_err(|status| refused(&status))?;
            let Some(frame) = frame else {
                return Ok(Ended::Failed("the service closed the stream".to_owned()));
            };
            let input = match frame.frame {
                Some(FromGateway::Welcome(welcome)) => PushInput::Welcome(welcome),
                Some(FromGateway::Request(signed)) => PushInput::Request(signed),
                Some(FromGateway::Cancel(cancel)) => PushInput::Cancel(cancel),
                Some(FromGateway::Outcome(outcome)) => PushInput::Outcome(outcome),
                Some(FromGateway::Drain(drain)) => {
                    let pause = Duration::from_millis(drain.after_ms.into()).min(LONGEST_DRAIN);
                    return Ok(Ended::Drained(pause));
                }
                // A second challenge, or a frame of a later version: not for us.
                Some(FromGateway::Challenge(_)) | None => continue,
            };
            if !self.tell(input).await {
                return Ok(Ended::NobodyListens);
            }
        }
    }

    /// False when the agent is ending.
    async fn tell(&self, input: PushInput) -> bool {
        let service = self.profile.service;
        self.inputs
            .send(Input::Push { service, input })
            .await
            .is_ok()
    }

    fn set_outgoing(&self, sender: Option<mpsc::Sender<push::AgentFrame>>) {
        *self.outgoing.lock().unwrap_or_else(PoisonError::into_inner) = sender;
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form that `map_err` calls"
)]
fn failed(error: TransportError) -> Ended {
    Ended::Failed(error.to_string())
}

fn refused(status: &tonic::Status) -> Ended {
    let message = countersign_core::text::display(status.message(), 120);
    Ended::Failed(format!(
        "the service ended the stream ({:?}: {message})",
        status.code()
    ))
}

/// For the jitter alone; a failing source only makes it less even.
fn draw() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

fn now() -> Instant {
    Instant::now()
}
