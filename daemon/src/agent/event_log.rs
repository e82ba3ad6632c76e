//! The event log: what happened, without secrets.

use tracing::warn;

use super::Agent;
use crate::vault::{Event, EventKind, VaultError};

impl Agent {
    /// The newest `limit` events, newest first.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn events(&self, limit: usize) -> Result<Vec<Event>, VaultError> {
        const USUAL: usize = 100;
        const MOST: usize = 1_000;
        let limit = if limit == 0 { USUAL } else { limit.min(MOST) };
        self.vault.call(move |vault| vault.events(limit)).await
    }

    /// Adds a line. What happened has happened: a log that cannot be written does not undo it.
    pub(super) async fn record_event(&self, kind: EventKind, token: &str, detail: &str) {
        let event = self.event(kind, token, detail);
        if let Err(error) = self
            .vault
            .call(move |vault| vault.append_event(&event))
            .await
        {
            warn!(%error, "an event could not be recorded");
        }
    }
}
