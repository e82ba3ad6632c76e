//! A scripted fault server: it stands between an agent and its gateway, knows the gateway's keys, and does to the
//! push stream all that a bad network and a bad gateway can do.
//!
//! From one seed it stalls, drops, doubles, reorders, delays and truncates frames, answers twice, closes, cuts a
//! connection in the middle of a frame, tells a wrong time, and says what no gateway would: a megabyte, garbage,
//! requests with a wrong signature, requests of before, of another token, of long ago, of a login that nobody opened.
//! It never spoils the only copy of a decision: who can do that inside TLS can refuse every login anyway.
//!
//! What it drops on a stream is followed by the end of that stream: TCP loses nothing in between.

mod door;
mod relay;
mod script;

use core::sync::atomic::{AtomicUsize, Ordering};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use countersign_core::ids::ServiceId;
use countersign_gateway::{keys::TlsIdentity, service::Service};
use countersign_proto::push::v1 as push;
use p256::ecdsa::SigningKey;
use tokio::task::JoinHandle;

use crate::{block_on, dice::Dice, gateway::GatewayProcess, push_connection};

/// The fault server. It ends when it is dropped.
#[derive(Debug)]
pub struct FaultServer {
    record: Arc<Record>,
    task: JoinHandle<()>,
}

/// What has passed.
#[derive(Debug, Default)]
pub struct Record {
    streams: AtomicUsize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    faults: HashMap<&'static str, u64>,
    /// The login of each request, and the request as it was sent.
    requests: HashMap<Vec<u8>, (String, push::Signed)>,
    /// What an agent decided about each request; all bytes of each time.
    decisions: HashMap<Vec<u8>, Vec<push::Decision>>,
}

/// The gateway as the fault server needs it.
struct Original {
    address: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
    shown: TlsIdentity,
    service: ServiceId,
    identity: SigningKey,
}

impl FaultServer {
    /// Stands at `address` before the gateway, which is not serving yet, and which `behind_proxy` must be set of.
    ///
    /// # Errors
    ///
    /// The gateway's data cannot be read, or the address is taken.
    pub fn start(gateway: &GatewayProcess, address: SocketAddr, seed: u64) -> Result<Self> {
        let pin = gateway.pin()?;
        let service = block_on(Service::open(gateway.data())).context("the gateway's keys")?;
        let original = Original {
            address: gateway.address(),
            tls: push_connection::tls(pin),
            shown: service.settings().tls.clone(),
            service: service.keys().service,
            identity: service.keys().identity.clone(),
        };
        drop(service);
        let record = Arc::new(Record::default());
        let listener = block_on(async { tokio::net::TcpListener::bind(address).await })?;
        let door = door::Door::new(original, Arc::clone(&record), Dice::new(seed))?;
        crate::runtime::enter();
        let task = tokio::spawn(door.keep(listener));
        Ok(Self { record, task })
    }

    /// What has passed so far.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        Arc::clone(&self.record)
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Record {
    /// Streams that are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }

    /// How often each fault was made, by name.
    #[must_use]
    pub fn faults(&self) -> Vec<(&'static str, u64)> {
        let mut faults: Vec<_> = self
            .seen()
            .faults
            .iter()
            .map(|(name, count)| (*name, *count))
            .collect();
        faults.sort_unstable();
        faults
    }

    /// What the agent decided about the requests of a login: each time that it said so.
    #[must_use]
    pub fn decisions(&self, transaction_id: &str) -> Vec<push::Decision> {
        let seen = self.seen();
        seen.requests
            .iter()
            .filter(|(_, (login, _))| login == transaction_id)
            .filter_map(|(request, _)| seen.decisions.get(request))
            .flatten()
            .cloned()
            .collect()
    }

    fn fault(&self, name: &'static str) {
        let mut seen = self.seen();
        let count = seen.faults.entry(name).or_default();
        *count = count.saturating_add(1);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
