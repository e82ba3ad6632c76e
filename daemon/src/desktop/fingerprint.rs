//! The fingerprint reader, through fprintd on the system bus.
//!
//! fprintd's verdict is a broadcast that every user of the machine hears, and anybody can send one that looks
//! like it. Invariants: a verdict counts only from the connection that fprintd itself answers from, only while
//! this connection holds the claim, and only between our own `VerifyStart` and `VerifyStop`. Each use has a
//! connection of its own: closing it frees the claim, however the use ends. `claim.rs` is one such use,
//! `meaning.rs` what fprintd's words mean.

mod claim;
mod meaning;
mod proxy;

use core::time::Duration;
use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::text::display;
use tokio::time::timeout;

use self::claim::Visit;
use super::system_bus::SystemBus;
use crate::agent::ports::{FingerHint, Fingerprint, FingerprintError, Scan};

/// How long fprintd may take for one answer. It may have to be started, and opens the device.
const ANSWER: Duration = Duration::from_secs(10);
/// A hand has ten; what a service says beyond is not shown.
const MOST_FINGERS: usize = 10;
const LONGEST_NAME: usize = 40;

/// [`Fingerprint`] over fprintd. Says nothing on the bus while no finger is asked for.
#[derive(Clone, Debug)]
pub struct FprintReader {
    bus: SystemBus,
}

impl FprintReader {
    /// The default reader of the fprintd on `bus`.
    #[must_use]
    pub const fn new(bus: SystemBus) -> Self {
        Self { bus }
    }
}

#[async_trait]
impl Fingerprint for FprintReader {
    async fn fingers(&self) -> Result<Vec<String>, FingerprintError> {
        let visit = Visit::begin(&self.bus).await?;
        let fingers = answer(visit.reader().list_enrolled_fingers("")).await;
        visit.end().await;
        let mut fingers: Vec<String> = fingers?
            .iter()
            .take(MOST_FINGERS)
            .map(|name| display(name, LONGEST_NAME))
            .collect();
        if fingers.is_empty() {
            return Err(FingerprintError::NothingEnrolled);
        }
        fingers.sort_unstable();
        Ok(fingers)
    }

    async fn scan(
        &self,
        within: Duration,
        hints: Arc<dyn Fn(FingerHint) + Send + Sync>,
    ) -> Result<Scan, FingerprintError> {
        let visit = Visit::begin(&self.bus).await?;
        let scan = match visit.claim().await {
            Ok(()) => {
                let scan = visit.scan(within, &*hints).await;
                visit.release().await;
                scan
            }
            Err(error) => Err(error),
        };
        visit.end().await;
        scan
    }
}

/// One answer of fprintd or the bus.
async fn answer<T>(call: impl Future<Output = zbus::Result<T>>) -> Result<T, FingerprintError> {
    match timeout(ANSWER, call).await {
        Ok(answer) => answer.map_err(|error| meaning::error(&error)),
        Err(_late) => Err(FingerprintError::Failed),
    }
}
