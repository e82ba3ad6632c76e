//! The push streams to gateways: one task a service, which opens the stream, keeps it open and opens it again.
//! It sleeps in the socket; nothing wakes it but the gateway, the agent and the keep-alive.

mod conversation;
mod keeper;

use core::{fmt, time::Duration};
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use countersign_core::ids::ServiceId;
use countersign_proto::push::v1 as push;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::timeout,
};

use self::keeper::Keeper;
use crate::agent::ports::{ChannelProfile, Delivery, HelloSigner, Input, PushChannels};

/// How long a frame may wait for room: behind a dead connection it is not worth more.
const SEND: Duration = Duration::from_secs(10);

/// [`PushChannels`] over tonic.
pub struct GatewayChannels {
    inputs: mpsc::Sender<Input>,
    signer: Arc<dyn HelloSigner>,
    keep_alive: Duration,
    streams: Mutex<HashMap<ServiceId, Stream>>,
}

/// What this side holds of a stream; its task ends with it.
struct Stream {
    profile: ChannelProfile,
    outgoing: Frames,
    reconnect: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where frames of ours go while the stream is open.
#[derive(Clone, Default)]
struct Frames(Arc<Mutex<Option<Open>>>);

/// An open stream.
#[derive(Clone)]
struct Open {
    frames: mpsc::Sender<push::AgentFrame>,
    /// This computer's end of the connection.
    local: IpAddr,
}

impl Frames {
    fn set(&self, open: Option<Open>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = open;
    }

    fn open(&self) -> Option<Open> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl fmt::Debug for GatewayChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayChannels").finish_non_exhaustive()
    }
}

impl GatewayChannels {
    /// Streams that tell `inputs` what happens and let `signer` sign each hello. Idle ones are probed every `keep_alive`.
    #[must_use]
    pub fn new(
        inputs: mpsc::Sender<Input>,
        signer: Arc<dyn HelloSigner>,
        keep_alive: Duration,
    ) -> Self {
        Self {
            inputs,
            signer,
            keep_alive,
            streams: Mutex::default(),
        }
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<ServiceId, Stream>> {
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
            if stream.outgoing.open().is_none() {
                stream.reconnect.notify_one();
            }
            return;
        }
        let service = profile.service;
        let outgoing = Frames::default();
        let reconnect = Arc::new(Notify::new());
        let keeper = Keeper {
            profile: profile.clone(),
            inputs: self.inputs.clone(),
            signer: Arc::clone(&self.signer),
            outgoing: outgoing.clone(),
            reconnect: Arc::clone(&reconnect),
            keep_alive: self.keep_alive,
        };
        let task = tokio::spawn(keeper.keep());
        let stream = Stream {
            profile,
            outgoing,
            reconnect,
            task,
        };
        // A former stream with another profile ends here.
        drop(streams.insert(service, stream));
    }

    async fn close(&self, service: ServiceId) {
        drop(self.streams().remove(&service));
    }

    async fn send(&self, service: ServiceId, frame: push::AgentFrame) -> Delivery {
        let outgoing = self
            .streams()
            .get(&service)
            .and_then(|stream| stream.outgoing.open());
        let Some(Open { frames, .. }) = outgoing else {
            return Delivery::NotConnected;
        };
        match timeout(SEND, frames.send(frame)).await {
            Ok(Ok(())) => Delivery::Handed,
            Ok(Err(_)) | Err(_) => Delivery::NotConnected,
        }
    }

    async fn reconnect(&self) {
        for stream in self.streams().values() {
            stream.reconnect.notify_one();
        }
    }

    async fn network_changed(&self, own: &BTreeSet<IpAddr>) {
        for stream in self.streams().values() {
            // A connection whose address is still there lives on: the keep-alive finds out if it does not.
            let lives = stream
                .outgoing
                .open()
                .is_some_and(|open| own.contains(&open.local));
            if !lives {
                stream.reconnect.notify_one();
            }
        }
    }
}
