//! Thousands of clients of one server in one process: the load of the bench's rows about streams.
//!
//! `fleet enlist DATA COUNT` makes a gateway that is not serving know as many agents.
//!
//! `fleet gateway|nats|mqtt ADDRESS PIN COUNT`. PIN is the SHA-256 of the server's identity key, in hex. On stdout:
//! `up COUNT MS` each time that all are connected, MS after the first of them began; for a gateway also
//! `request NS`, a login request that came at that time of `CLOCK_MONOTONIC`.
//!
//! The agents of a gateway do what real ones do: the pinned key, a signed Hello bound to the connection, and after
//! the end of a stream the same back-off with full jitter.

mod agent;
mod broker;

use core::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};
use countersign_tests::{descriptors, standin_notifications::now, surroundings};
use data_encoding::HEXLOWER_PERMISSIVE;
use tokio::{sync::Semaphore, task::JoinSet};

/// First connections that are being made at a time. Later ones come when they come.
const CONNECTING: usize = 128;

fn main() -> ExitCode {
    let words: Vec<String> = surroundings::arguments().collect();
    let ended = match words.as_slice() {
        [enlist, data, count] if enlist == "enlist" => enlisted(data, count),
        _ => Arguments::parse(&words).and_then(sail),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr there is nobody to tell; the exit code still does.
            drop(writeln!(io::stderr(), "the fleet failed: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn enlisted(data: &str, count: &str) -> Result<()> {
    countersign_tests::fleet::enlist(Path::new(data), count.parse()?)
}

fn sail(arguments: Arguments) -> Result<()> {
    descriptors::raise_limit()?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(run(arguments))
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gateway,
    Nats,
    Mqtt,
}

struct Arguments {
    kind: Kind,
    address: SocketAddr,
    pin: [u8; 32],
    count: u32,
}

impl Arguments {
    fn parse(words: &[String]) -> Result<Self> {
        let [kind, address, pin, count] = words else {
            bail!("fleet enlist DATA COUNT, or fleet gateway|nats|mqtt ADDRESS PIN COUNT");
        };
        Ok(Self {
            kind: match kind.as_str() {
                "gateway" => Kind::Gateway,
                "nats" => Kind::Nats,
                "mqtt" => Kind::Mqtt,
                other => bail!("unknown: {other}"),
            },
            address: address.parse()?,
            pin: HEXLOWER_PERMISSIVE
                .decode(pin.as_bytes())?
                .try_into()
                .map_err(|_length| anyhow::anyhow!("a pin that is no SHA-256"))?,
            count: count.parse()?,
        })
    }
}

/// How many are connected, and when the first of them began.
pub(crate) struct Roll {
    count: u32,
    connected: AtomicU32,
    began: Mutex<Option<std::time::Instant>>,
    /// Of the first connections.
    places: Semaphore,
}

impl Roll {
    /// One begins to connect.
    pub(crate) fn begins(&self) {
        self.began().get_or_insert_with(now);
    }

    /// One is connected.
    pub(crate) fn joins(&self) -> io::Result<()> {
        let connected = self
            .connected
            .fetch_add(1, Ordering::SeqCst)
            .saturating_add(1);
        if connected < self.count {
            return Ok(());
        }
        let took = self.began().take().map(|began| began.elapsed());
        let took = took.unwrap_or_default().as_millis();
        say(&format!("up {connected} {took}"))
    }

    /// One is not connected any more.
    pub(crate) fn leaves(&self) {
        self.connected.fetch_sub(1, Ordering::SeqCst);
    }

    fn began(&self) -> std::sync::MutexGuard<'_, Option<std::time::Instant>> {
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

async fn run(arguments: Arguments) -> Result<()> {
    let roll = Arc::new(Roll {
        count: arguments.count,
        connected: AtomicU32::new(0),
        began: Mutex::default(),
        places: Semaphore::new(CONNECTING),
    });
    let mut members = JoinSet::new();
    match arguments.kind {
        Kind::Gateway => {
            let tls = countersign_tests::push_connection::tls(arguments.pin);
            for number in 0..arguments.count {
                let (roll, tls) = (Arc::clone(&roll), Arc::clone(&tls));
                members.spawn(agent::live(number, arguments.address, tls, roll));
            }
        }
        Kind::Nats | Kind::Mqtt => {
            let tls = Arc::new(countersign_tests::pinned::client(arguments.pin));
            for number in 0..arguments.count {
                let client = broker::Client {
                    number,
                    address: arguments.address,
                    tls: Arc::clone(&tls),
                };
                let roll = Arc::clone(&roll);
                let kind = arguments.kind;
                members.spawn(async move {
                    match kind {
                        Kind::Nats => client.nats(&roll).await,
                        Kind::Mqtt | Kind::Gateway => client.mqtt(&roll).await,
                    }
                });
            }
        }
    }
    while let Some(ended) = members.join_next().await {
        ended?.context("a member")?;
    }
    Ok(())
}

/// The longest that one connection may take to be made.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
