//! Passing facts: pending login requests, connections, the lock's deadlines. One owner, short
//! synchronous steps, never held across an await.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use core::{net::IpAddr, time::Duration};

use countersign_core::{
    allowance::Used,
    biometric::Armed,
    ids::{ContainerId, LoginRequestId, ServiceId, TokenId},
    login_origin::LoginOrigin,
    login_request::{Closing, LoginRequest, Phase},
    privacyidea::{Challenge, Disbelief},
    sudo::{Asking, Least},
    time::{BootTime, UnixMillis},
    token::TokenKeys,
};

use tokio::sync::oneshot;

use super::{
    asking::FingerFor, containers::Aftermath, enrollment::unfinished::UnfinishedRun,
    import::WaitingImport, login_rules::Mute, ports::SudoWord, session::LockedBy,
};
use crate::vault::PairingId;

/// The owner.
#[derive(Debug, Default)]
pub(crate) struct State(Mutex<Facts>);

/// What is known until the agent ends.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// Login requests since the start that are pending or ended a short while ago.
    pub(crate) requests: BTreeMap<LoginRequestId, Tracked>,
    /// The login requests that have a notification of their own.
    pub(crate) on_screen: BTreeSet<LoginRequestId>,
    /// Push streams.
    pub(crate) services: BTreeMap<ServiceId, Connection>,
    /// Services that have answered or failed since the last check began.
    pub(crate) checked: BTreeSet<ServiceId>,
    /// When the vault was opened and last used; `None` while it is locked.
    pub(crate) open: Option<Opened>,
    /// Names of tokens and services as they were last read from the vault, for views.
    pub(crate) names: Names,
    /// The number of the last availability message.
    pub(crate) availability_sequence: u64,
    /// What privacyIDEA servers list now.
    pub(crate) challenges: BTreeMap<LoginRequestId, OpenChallenge>,
    /// Answers that such a server did not take: the next list tells why.
    pub(crate) not_taken: BTreeMap<LoginRequestId, NotTaken>,
    /// Why entries of the last list were dropped.
    pub(crate) dropped: BTreeMap<ServiceId, Vec<Disbelief>>,
    /// When the user last did something here.
    pub(crate) active_at: Option<BootTime>,
    /// Does anybody tell about the session?
    pub(crate) session: SessionWatch,
    /// Why login requests are held; empty: they are shown.
    pub(crate) holds: BTreeSet<Hold>,
    /// Where a finger may stand for a PIN, since the last right one.
    pub(crate) armed: BTreeMap<FingerFor, Armed>,
    /// Keys of tokens whose PIN is asked for once per unlock. Wiped with the lock.
    pub(crate) open_tokens: BTreeMap<TokenId, TokenKeys>,
    /// Tokens whose server PIN was reset by an administrator.
    pub(crate) server_pin_due: BTreeSet<TokenId>,
    /// The number of the last change of a server PIN.
    pub(crate) server_pin_sequence: u64,
    /// An enrollment that waits for its token's PIN. Wiped with the lock.
    pub(crate) unfinished_run: Option<UnfinishedRun>,
    /// What was read from files and waits for the user's choice. Wiped with the lock, and after some minutes.
    pub(crate) waiting_import: Option<WaitingImport>,
    /// When the agent's PIN was last wrong.
    pub(crate) last_failed_unlock: Option<BootTime>,
    /// Has the vault been open since the start?
    pub(crate) ever_open: EverOpen,
    /// Until when login requests are muted.
    pub(crate) mute: Option<Mute>,
    /// How the last synchronisation of each container ended.
    pub(crate) containers: BTreeMap<ContainerId, Aftermath>,
    /// When containers are synchronised next; `None`: not before the next unlock.
    pub(crate) containers_due: Option<BootTime>,
    /// Questions of the PAM module that wait for an answer.
    pub(crate) sudo: BTreeMap<LoginRequestId, SudoQuestion>,
    /// How often it has asked lately.
    pub(crate) sudo_asking: Asking,
    /// Questions of browsers that were asked lately.
    pub(crate) questions: Option<Used>,
    /// Passcodes that each paired browser has asked for lately.
    pub(crate) browser_passcodes: BTreeMap<PairingId, Used>,
    /// What locked it; `None` while it is open, and before it was.
    pub(crate) locked_by: Option<LockedBy>,
}

impl Facts {
    /// Wipes the keys that are open for the time of one unlock.
    pub(crate) fn wipe_opened(&mut self) {
        self.open_tokens.clear();
        self.unfinished_run = None;
        self.waiting_import = None;
    }
}

/// A question of the PAM module under way.
#[derive(Debug)]
pub(crate) struct SudoQuestion {
    /// The module's way to hear the answer; taken by the first one.
    pub(crate) waits: Option<oneshot::Sender<SudoWord>>,
    /// How sure the agent must be.
    pub(crate) least: Least,
    /// The terminal, or the process where there is none: one question each.
    pub(crate) place: String,
}

/// A challenge that its server lists.
#[derive(Clone, Debug)]
pub(crate) struct OpenChallenge {
    pub(crate) service: ServiceId,
    pub(crate) challenge: Challenge,
}

/// An answer that its server did not take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotTaken {
    pub(crate) service: ServiceId,
    /// What it means if the server does not list the challenge any more.
    pub(crate) closing: Closing,
    pub(crate) detail: &'static str,
}

/// Has the vault been open since the start?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum EverOpen {
    #[default]
    No,
    Yes,
}

/// Does logind tell about the session?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SessionWatch {
    #[default]
    Absent,
    Running,
}

/// Why login requests are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hold {
    /// The screen is locked.
    Screen,
    /// Another session has the seat.
    Switch,
    /// The machine sleeps.
    Sleep,
}

/// Names for views; the vault has the last word.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) tokens: BTreeMap<TokenId, String>,
    pub(crate) services: BTreeMap<ServiceId, String>,
}

impl Names {
    pub(crate) fn token(&self, id: TokenId) -> String {
        self.tokens.get(&id).cloned().unwrap_or_default()
    }

    pub(crate) fn service(&self, id: ServiceId) -> String {
        self.services.get(&id).cloned().unwrap_or_default()
    }
}

/// A login request under way.
#[derive(Clone, Debug)]
pub(crate) struct Tracked {
    pub(crate) request: LoginRequest,
    pub(crate) phase: Phase,
    /// As it was when the request came.
    pub(crate) origin: LoginOrigin,
    pub(crate) received: UnixMillis,
    pub(crate) deadline: BootTime,
    /// Why it was refused or taken back; display-safe.
    pub(crate) detail: String,
    /// What the user types on the login page after the approval; display-safe, may be empty.
    pub(crate) display_code: String,
    pub(crate) reported: Reported,
    pub(crate) asked: Asked,
}

/// Was the user asked?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Yes,
    /// A rule of the user's has declined it.
    DeclinedByRule,
}

/// Has "It wasn't me!" been said?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    Yes,
    /// The service has no place for it: it stays in the history.
    OnlyHere,
    No,
}

/// One service's stream.
#[derive(Clone, Debug)]
pub(crate) enum Connection {
    Up {
        since: UnixMillis,
        last_contact: UnixMillis,
        offset_ms: i64,
        /// Where the service sees this connection come from.
        seen: Option<IpAddr>,
    },
    Down {
        why: String,
        retry_at: BootTime,
        last_contact: Option<UnixMillis>,
        offset_ms: Option<i64>,
    },
}

impl Connection {
    /// The service's clock minus ours, as far as it is known.
    pub(crate) const fn offset_ms(&self) -> Option<i64> {
        match self {
            Self::Up { offset_ms, .. } => Some(*offset_ms),
            Self::Down { offset_ms, .. } => *offset_ms,
        }
    }

    /// Where the service sees this computer's connection come from.
    pub(crate) const fn seen(&self) -> Option<IpAddr> {
        match self {
            Self::Up { seen, .. } => *seen,
            Self::Down { .. } => None,
        }
    }

    /// When the service last said something.
    pub(crate) const fn last_contact(&self) -> Option<UnixMillis> {
        match self {
            Self::Up { last_contact, .. } => Some(*last_contact),
            Self::Down { last_contact, .. } => *last_contact,
        }
    }
}

/// The clocks of an open vault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    pub(crate) at: BootTime,
    pub(crate) used: BootTime,
}

/// When an open vault locks by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockAfter {
    /// Without use; `None`: never.
    pub idle: Option<Duration>,
    /// In all; `None`: never.
    pub age: Option<Duration>,
}

impl Opened {
    /// The earlier of the two deadlines, if there is one.
    pub(crate) fn locks_at(self, after: LockAfter) -> Option<BootTime> {
        let idle = after.idle.map(|span| self.used.plus(span));
        let age = after.age.map(|span| self.at.plus(span));
        [idle, age].into_iter().flatten().min()
    }
}

impl State {
    /// The facts, for one short step. A panic elsewhere does not make them unreadable: every step
    /// leaves them whole.
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    /// Pending requests, newest first.
    pub(crate) fn pending(&self) -> Vec<&Tracked> {
        let mut pending: Vec<_> = self
            .requests
            .values()
            .filter(|tracked| tracked.phase.is_pending())
            .collect();
        pending.sort_by_key(|tracked| core::cmp::Reverse((tracked.received, tracked.request.id)));
        pending
    }

    /// Can it still be answered?
    pub(crate) fn is_pending(&self, id: LoginRequestId) -> bool {
        let tracked = self.requests.get(&id);
        tracked.is_some_and(|tracked| tracked.phase.is_pending())
    }

    /// A copy of the names.
    pub(crate) fn names(&self) -> Names {
        self.names.clone()
    }

    /// The next time at which something ends by itself.
    pub(crate) fn next_deadline(&self, lock: LockAfter) -> Option<BootTime> {
        let requests = self
            .requests
            .values()
            .filter(|tracked| tracked.phase.is_pending())
            .map(|tracked| tracked.deadline)
            .min();
        let vault = self.open.and_then(|opened| opened.locks_at(lock));
        let fingers = self.armed.values().map(Armed::ends).min();
        let mute = self.mute.map(|mute| mute.ends);
        let containers = self.open.and(self.containers_due);
        let import = self.waiting_import.as_ref().map(WaitingImport::ends);
        let deadlines = [requests, vault, fingers, mute, containers, import];
        deadlines.into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vault_locks_at_the_earlier_of_idle_and_age() {
        let at = |secs| BootTime(Duration::from_secs(secs));
        let opened = Opened {
            at: at(100),
            used: at(150),
        };
        let after = |idle: Option<u64>, age: Option<u64>| LockAfter {
            idle: idle.map(Duration::from_secs),
            age: age.map(Duration::from_secs),
        };
        assert_eq!(opened.locks_at(after(None, None)), None);
        assert_eq!(opened.locks_at(after(Some(10), None)), Some(at(160)));
        assert_eq!(opened.locks_at(after(Some(10), Some(55))), Some(at(155)));
    }
}
