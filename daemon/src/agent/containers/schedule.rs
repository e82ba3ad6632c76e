//! When containers are synchronised by themselves: at the unlock, and now and then while the vault is open.

use core::{ops::RangeInclusive, time::Duration};
use std::sync::Arc;

use countersign_core::privacyidea::container::Standing;
use tracing::warn;

use super::ContainerError;
use crate::agent::Agent;

/// Between two synchronisations, in seconds. Drawn evenly: a thousand agents do not ask at the same moment.
const CALM: RangeInclusive<u32> = 3_600..=7_200;
/// After one that did not get through, in seconds.
const AGAIN: RangeInclusive<u32> = 300..=600;

impl Agent {
    /// The vault has been opened: containers are due.
    pub(in crate::agent) fn containers_are_due(&self) {
        let now = self.ports.clock.boot();
        self.state.facts().containers_due = Some(now);
        self.deadlines.notify_one();
    }

    /// There is one more: the next synchronisation is due now and then, if it is not anyway.
    pub(super) fn schedule_containers(&self) {
        self.schedule_within(&CALM);
    }

    /// Begins the synchronisation that is due, beside everything else.
    pub(in crate::agent) fn sync_due_containers(self: Arc<Self>) {
        let now = self.ports.clock.boot();
        {
            let mut facts = self.state.facts();
            let due = facts.open.is_some() && facts.containers_due.is_some_and(|due| due <= now);
            if !due {
                return;
            }
            facts.containers_due = None;
        }
        tokio::spawn(async move { self.sync_quietly().await });
    }

    /// Nobody waits and nobody is asked.
    async fn sync_quietly(&self) {
        let rows = match self.container_rows().await {
            Ok(rows) => rows,
            Err(error) => {
                warn!(%error, "the containers could not be read");
                return;
            }
        };
        let rows: Vec<_> = rows
            .into_iter()
            .filter(|row| row.facts.standing != Standing::Gone)
            .collect();
        if rows.is_empty() {
            return;
        }
        let mut pause = CALM;
        for row in rows {
            if let Err(ContainerError::Transport(_)) = self.sync_container(row.id, None).await {
                pause = AGAIN;
            }
        }
        self.schedule_within(&pause);
    }

    /// An earlier wish stands.
    fn schedule_within(&self, pause: &RangeInclusive<u32>) {
        let next = self.ports.clock.boot().plus(self.draw(pause));
        self.state.facts().containers_due.get_or_insert(next);
        self.deadlines.notify_one();
    }

    /// For the jitter alone; a failing source only makes it less even.
    fn draw(&self, seconds: &RangeInclusive<u32>) -> Duration {
        let draw = self.random().map_or(u32::MAX, u32::from_le_bytes);
        let span = u64::from(seconds.end().saturating_sub(*seconds.start()));
        let more = span
            .saturating_mul(u64::from(draw))
            .checked_shr(32)
            .unwrap_or(0);
        Duration::from_secs(u64::from(*seconds.start()).saturating_add(more))
    }
}
