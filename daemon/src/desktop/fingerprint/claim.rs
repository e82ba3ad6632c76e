//! One use of the reader: a connection of its own, the claim that hangs on it, one verification.

use core::{pin::pin, time::Duration};

use futures_util::StreamExt as _;
use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until, timeout},
};
use tracing::debug;
use zbus::{Connection, fdo::DBusProxy, proxy::CacheProperties};

use super::{
    ANSWER, answer,
    meaning::{self, Status},
    proxy::{ReaderProxy, ReadersProxy},
};
use crate::{
    agent::ports::{FingerHint, FingerprintError, Scan},
    desktop::system_bus::SystemBus,
};

/// How long the reader may take to be let go; after that the connection is closed, which does it too.
const GOODBYE: Duration = Duration::from_secs(2);

/// The default reader, seen from a connection that is closed when this is dropped.
pub(super) struct Visit {
    // Dropped in this order: the door is closed last.
    reader: ReaderProxy<'static>,
    door: Door,
}

impl Visit {
    /// Connects, wakes fprintd if need be and finds its default reader. From here on only the very process
    /// that owned the name then is talked to and believed: it ends when idle, and another may come.
    pub(super) async fn begin(bus: &SystemBus) -> Result<Self, FingerprintError> {
        let connection = match timeout(ANSWER, bus.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                debug!(%error, "no system bus");
                return Err(FingerprintError::NoService);
            }
            Err(_late) => return Err(FingerprintError::NoService),
        };
        let door = Door(Some(connection.clone()));
        let found = async {
            let readers = ReadersProxy::builder(&connection)
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            let path = readers.get_default_device().await?;
            let bus = DBusProxy::new(&connection).await?;
            let name = readers.inner().destination().to_owned();
            let owner = bus.get_name_owner(name).await?;
            ReaderProxy::builder(&connection)
                .destination(owner.into_inner())?
                .path(path)?
                .cache_properties(CacheProperties::No)
                .build()
                .await
        };
        let reader = answer(found).await?;
        Ok(Self { reader, door })
    }

    pub(super) const fn reader(&self) -> &ReaderProxy<'static> {
        &self.reader
    }

    /// Takes the reader for the user of this process.
    pub(super) async fn claim(&self) -> Result<(), FingerprintError> {
        answer(self.reader.claim("")).await
    }

    /// One verification of the claimed reader, from its start to the first whole scan.
    ///
    /// Listens from before the start is sent: a verdict may come before its reply. What comes after this has
    /// returned is not heard: to stop a verification that still waits yields a `verify-no-match`.
    pub(super) async fn scan(
        &self,
        within: Duration,
        hints: &(dyn Fn(FingerHint) + Send + Sync),
    ) -> Result<Scan, FingerprintError> {
        let mut statuses = answer(self.reader.receive_verify_status()).await?;
        let mut owners = answer(self.reader.inner().receive_owner_changed()).await?;
        let deadline = after(within);
        let late_answer = after(ANSWER).min(deadline);
        let mut starting = pin!(self.reader.verify_start("any"));
        let mut waiting = false;
        let mut patience = pin!(sleep_until(late_answer));
        loop {
            tokio::select! {
                biased;
                reply = &mut starting, if !waiting => {
                    reply.map_err(|error| meaning::error(&error))?;
                    waiting = true;
                    patience.as_mut().reset(deadline);
                    hints(FingerHint::Touch);
                }
                signal = statuses.next() => {
                    let Some(signal) = signal else {
                        return Err(FingerprintError::Failed);
                    };
                    let Ok(said) = signal.args() else {
                        continue;
                    };
                    match meaning::status(said.result, said.done) {
                        Status::Whole(scan) => return Ok(scan),
                        Status::Hint(hint) => hints(hint),
                        Status::Broken => return Err(FingerprintError::Failed),
                    }
                }
                // fprintd is gone, and says nothing when it is.
                _ = owners.next() => return Err(FingerprintError::Failed),
                () = &mut patience => {
                    return Err(if waiting {
                        FingerprintError::TimedOut
                    } else {
                        FingerprintError::Failed
                    });
                }
            }
        }
    }

    /// Stops the verification, if one runs, and gives the reader back.
    pub(super) async fn release(&self) {
        let released = async {
            // A verification that did not start, or a reader that is gone: nothing to stop.
            drop(self.reader.verify_stop().await);
            self.reader.release().await
        };
        match timeout(GOODBYE, released).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "the reader was not released in order"),
            Err(_late) => debug!("the reader was not released in time"),
        }
    }

    /// Closes the connection and waits until that is done.
    pub(super) async fn end(mut self) {
        if let Some(connection) = self.door.0.take() {
            close(connection).await;
        }
    }
}

/// Closes the connection when dropped: proxies, streams and match rules that are still being taken back hold
/// it open otherwise, and with it the claim.
struct Door(Option<Connection>);

impl Drop for Door {
    fn drop(&mut self) {
        let Some(connection) = self.0.take() else {
            return;
        };
        // Outside a runtime nothing of the connection lives on anyway.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(close(connection));
        }
    }
}

async fn close(connection: Connection) {
    if let Err(error) = connection.close().await {
        debug!(%error, "a connection to the system bus was closed already");
    }
}

fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    // Further than the clock reaches: as far as a day, which nobody waits for.
    now.checked_add(wait)
        .or_else(|| now.checked_add(Duration::from_hours(24)))
        .unwrap_or(now)
}
