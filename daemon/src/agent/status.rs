//! What the agent is doing, in one look.

use countersign_core::time::{BootTime, UnixMillis};

use super::{Agent, autosend::Autosend, state::Connection};
use crate::vault::{ServiceRow, Slot, UnlockMode, Vault, VaultState};

/// The answer to `countersign status`.
#[derive(Debug)]
pub struct Status {
    /// The vault.
    pub vault: VaultState,
    /// What can open it; empty while it is absent or unusable.
    pub slots: Vec<Slot>,
    /// What unlocking asks for.
    pub unlock: Option<UnlockMode>,
    /// The switch for all tokens.
    pub autosend: Autosend,
    /// How many tokens there are.
    pub tokens: usize,
    /// How many login requests wait.
    pub pending: usize,
    /// The services.
    pub services: Vec<ServiceStatus>,
    /// Name and version of the notification server, if one answers.
    pub notification_server: Option<String>,
    /// When the vault locks by itself, this machine's clock.
    pub locks_at: Option<UnixMillis>,
}

/// One service.
#[derive(Debug)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its address: host:port.
    pub host: String,
    /// Its stream.
    pub(crate) connection: Option<Connection>,
}

impl ServiceStatus {
    /// Connected since, if it is.
    pub const fn connected_since(&self) -> Option<UnixMillis> {
        match &self.connection {
            Some(Connection::Up { since, .. }) => Some(*since),
            Some(Connection::Down { .. }) | None => None,
        }
    }

    /// When it last said something.
    pub fn last_contact(&self) -> Option<UnixMillis> {
        self.connection.as_ref().and_then(Connection::last_contact)
    }

    /// Its clock minus ours.
    pub fn clock_offset_ms(&self) -> Option<i64> {
        self.connection.as_ref().and_then(Connection::offset_ms)
    }

    /// Why it is not connected, and when the next try is.
    pub fn trouble(&self) -> Option<(&str, Option<BootTime>)> {
        match &self.connection {
            Some(Connection::Up { .. }) => None,
            Some(Connection::Down { why, retry_at, .. }) => Some((why, Some(*retry_at))),
            None => Some((
                "the vault has not been opened since the agent started",
                None,
            )),
        }
    }
}

impl Agent {
    /// What the agent is doing.
    pub async fn status(&self) -> Status {
        let records = self
            .vault
            .call(|vault| vault.services())
            .await
            .unwrap_or_default();
        let services = {
            let facts = self.state.facts();
            let status = |record: ServiceRow| ServiceStatus {
                host: host_of(&record.url),
                connection: facts.services.get(&record.service).cloned(),
                name: record.name,
            };
            records.into_iter().map(status).collect()
        };
        Status {
            vault: self.vault.state().await,
            slots: self.vault.call(Vault::slots).await.unwrap_or_default(),
            unlock: self.vault.call(|vault| vault.unlock_mode()).await.ok(),
            autosend: self.autosend().await,
            tokens: self
                .vault
                .call(|vault| vault.tokens())
                .await
                .map_or(0, |tokens| tokens.len()),
            pending: self.pending_login_requests().len(),
            services,
            notification_server: self.ports.notifications.server().await,
            locks_at: self.locks_at(),
        }
    }

    fn locks_at(&self) -> Option<UnixMillis> {
        let opened = self.state.facts().open?;
        let due = opened.locks_at(self.settings.lock_after)?;
        let left = due.since(self.ports.clock.boot());
        Some(
            self.ports
                .clock
                .wall()
                .plus_ms(i64::try_from(left.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// Time from now until `then`, in milliseconds.
    pub(crate) fn ms_until(&self, then: BootTime) -> u64 {
        u64::try_from(then.since(self.ports.clock.boot()).as_millis()).unwrap_or(u64::MAX)
    }
}

pub(super) fn host_of(url: &str) -> String {
    url::Url::parse(url).ok().map_or_else(String::new, |url| {
        let host = url.host_str().unwrap_or_default();
        url.port_or_known_default()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    })
}
