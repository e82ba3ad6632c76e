//! What the agent is doing, in one look.

use core::time::Duration;

use countersign_core::{
    privacyidea::Transport,
    time::{BootTime, UnixMillis},
};

use super::{
    Agent,
    autosend::Autosend,
    state::{Connection, SessionWatch},
    verification::Biometric,
};
use crate::vault::{ServiceKind, ServiceRow, Slot, UnlockMode, Vault, VaultState};

/// How long a look at the status waits for the TPM.
const TPM_PATIENCE: Duration = Duration::from_secs(2);

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
    /// Until when login requests are muted, if they are.
    pub muted_until: Option<UnixMillis>,
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
    /// Are login requests held because the session is locked?
    pub session: SessionStanding,
    /// The dialog program.
    pub pinentry: Option<String>,
    /// May a finger unlock?
    pub biometric: Biometric,
    /// The reader and the fingers, or why none can be asked for.
    pub fingerprint: String,
    /// The maker of the TPM, if one can be used.
    pub tpm: Option<String>,
}

/// The desktop session, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStanding {
    /// Nobody tells.
    Unknown,
    /// The user is there.
    Open,
    /// Locked, away or asleep.
    Locked,
}

/// One service.
#[derive(Debug)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its address: host:port.
    pub host: String,
    /// How well it is known.
    pub transport: Transport,
    /// It is asked now and then, not connected to all the time.
    pub polled: bool,
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
                transport: record.transport(),
                polled: record.kind != ServiceKind::Gateway,
                name: record.name,
            };
            // The PAM module is no connection that could be down: `countersign sudo status` tells of it.
            let remote = records
                .into_iter()
                .filter(|row| row.kind != ServiceKind::Sudo);
            remote.map(status).collect()
        };
        Status {
            vault: self.vault.state().await,
            slots: self.vault.call(Vault::slots).await.unwrap_or_default(),
            unlock: self.vault.call(|vault| vault.unlock_mode()).await.ok(),
            autosend: self.autosend().await,
            muted_until: self.muted_until(),
            tokens: self
                .vault
                .call(|vault| vault.tokens())
                .await
                .map_or(0, |tokens| tokens.len()),
            pending: self.pending_login_requests().len(),
            services,
            notification_server: self.ports.notifications.server().await,
            locks_at: self.locks_at(),
            session: self.session_standing(),
            pinentry: self.ports.pin_entry.program(),
            biometric: self.biometric_unlock().await,
            fingerprint: self.fingerprint_words().await,
            tpm: self.tpm_maker().await,
        }
    }

    fn session_standing(&self) -> SessionStanding {
        let facts = self.state.facts();
        match (facts.holds.is_empty(), facts.session) {
            (false, _) => SessionStanding::Locked,
            (true, SessionWatch::Running) => SessionStanding::Open,
            (true, SessionWatch::Absent) => SessionStanding::Unknown,
        }
    }

    /// Asks the reader's service only where a finger is of use: a look at the status starts nothing else.
    async fn fingerprint_words(&self) -> String {
        if self.state.facts().armed.is_empty() {
            return String::new();
        }
        match self.ports.fingerprint.fingers().await {
            Ok(fingers) if fingers.len() == 1 => "1 finger is enrolled".to_owned(),
            Ok(fingers) => format!("{} fingers are enrolled", fingers.len()),
            Err(error) => error.to_string(),
        }
    }

    /// A TPM that is busy or hangs is none for a look at the status.
    async fn tpm_maker(&self) -> Option<String> {
        tokio::time::timeout(TPM_PATIENCE, self.ports.tpm.maker())
            .await
            .ok()?
    }

    /// Time from now until `then`, in milliseconds.
    pub(crate) fn ms_until(&self, then: BootTime) -> u64 {
        u64::try_from(then.since(self.ports.clock.boot()).as_millis()).unwrap_or(u64::MAX)
    }
}

pub(crate) fn host_of(url: &str) -> String {
    url::Url::parse(url).ok().map_or_else(String::new, |url| {
        let host = url.host_str().unwrap_or_default();
        url.port_or_known_default()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    })
}
