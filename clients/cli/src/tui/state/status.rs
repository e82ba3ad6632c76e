//! What the agent is doing, as the status line has it.

use countersign_proto::agent::v1::{self as api, SessionState, VaultState};

use jiff::Timestamp;

use crate::{
    clock,
    commands::{Question, has_passphrase},
    tui::{event::Now, shown::Shown},
};

/// From how many milliseconds on a clock that differs is told: passcodes are about to fail.
const CLOCK: u64 = 10_000;

/// The status.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    pub(crate) vault: VaultState,
    pub(crate) vault_message: Shown,
    pub(crate) session: SessionState,
    pub(crate) autosend: Autosend,
    /// Until when no login requests come.
    pub(crate) muted_until: Option<Timestamp>,
    pub(crate) services: Vec<Service>,
    /// How a person is asked for what opens the vault.
    pub(crate) question: Question,
    /// A passphrase opens the vault where the machine's key does not.
    pub(crate) passphrase: Passphrase,
}

/// May login requests come at all?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Autosend {
    On,
    Off,
}

/// Is there a passphrase that opens the vault?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passphrase {
    Set,
    None,
}

/// A service that has tokens here.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) name: Shown,
    pub(crate) contact: Contact,
    /// Seconds that our clock is behind the service's, if that is many.
    pub(crate) behind: Option<i64>,
}

/// Is it there?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    Connected,
    /// Not, for this reason.
    Away(Shown),
}

impl From<api::StatusReply> for Status {
    fn from(reply: api::StatusReply) -> Self {
        Self {
            vault: reply.vault(),
            vault_message: Shown::sentence(&reply.vault_message),
            session: reply.session(),
            autosend: if reply.autosend {
                Autosend::On
            } else {
                Autosend::Off
            },
            muted_until: reply.muted_until.and_then(clock::from_seconds),
            question: Question::of_the_vault(&reply),
            passphrase: if has_passphrase(&reply) {
                Passphrase::Set
            } else {
                Passphrase::None
            },
            services: reply.services.into_iter().map(Service::from).collect(),
        }
    }
}

impl Status {
    /// Until when login requests are muted, in words; empty if they are not.
    pub(crate) fn muted(&self, now: Now) -> String {
        self.muted_until
            .map(|until| format!("Muted until {}", clock::local(until, now.wall)))
            .unwrap_or_default()
    }
}

impl From<api::ServiceStatus> for Service {
    fn from(service: api::ServiceStatus) -> Self {
        let name = if service.name.is_empty() {
            &service.host
        } else {
            &service.name
        };
        Self {
            name: Shown::name(name),
            contact: if service.connected {
                Contact::Connected
            } else {
                Contact::Away(Shown::sentence(&service.trouble))
            },
            behind: service
                .clock_offset_ms
                .filter(|offset| offset.unsigned_abs() >= CLOCK)
                .map(|offset| offset / 1_000),
        }
    }
}
