//! The vault is locked: by command, by time, with the screen, before sleep. While the session is locked nothing is
//! shown and nothing approved.

use core::time::Duration;

use countersign_core::{
    pin::PinMalformed,
    recovery_code::RecoveryCodeError,
    time::{BootTime, UnixMillis},
};
use countersign_proto::agent::v1::Reason;
use tracing::info;

use super::{
    Agent, Change,
    explain::Explain,
    ports::{CredentialError, KeyringError, RandomError, SessionEvent, TpmError},
    state::{EverOpen, Hold, Opened, SessionWatch},
    unlocking::waiting_time,
};
use crate::vault::{EventKind, VaultError, VaultState};

/// Why the vault was not made or opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The vault failed, or is in a state that does not allow it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The keyring gave no key.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The service manager gave no key.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The TPM gave no key.
    #[error(transparent)]
    Tpm(#[from] TpmError),
    /// Something has to be typed, and nobody could be asked.
    #[error("the PIN or passphrase is needed ({0})")]
    PassphraseRequired(String),
    /// The user was asked and gave nothing.
    #[error("{0}")]
    NotGiven(String),
    /// A PIN or passphrase was given to a vault without one.
    #[error("this vault has neither PIN nor passphrase")]
    NoPassphraseSlot,
    /// A new PIN that the rules do not allow.
    #[error(transparent)]
    PinMalformed(#[from] PinMalformed),
    /// Not a recovery code.
    #[error(transparent)]
    RecoveryCode(#[from] RecoveryCodeError),
    /// Too many wrong ones: none is looked at for a time.
    #[error(
        "too many wrong PINs: the next one is looked at in {}",
        waiting_time(*.wait)
    )]
    TooManyTries {
        /// How long still.
        wait: Duration,
    },
    /// A combination that this version does not have.
    #[error("{0}")]
    Unavailable(&'static str),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl SessionError {
    /// What was typed is not the PIN or passphrase: it may be typed again.
    pub(super) const fn is_wrong_secret(&self) -> bool {
        matches!(
            self,
            Self::Vault(VaultError::WrongPassphrase | VaultError::PassphraseInvalid)
        )
    }
}

impl Explain for SessionError {
    fn reason(&self) -> Reason {
        match self {
            Self::Vault(error) => error.reason(),
            Self::Keyring(KeyringError::Locked) => Reason::KeySourceLocked,
            Self::Keyring(
                KeyringError::Absent | KeyringError::NotFound | KeyringError::Failed(_),
            )
            | Self::Credential(_) => Reason::KeySourceAbsent,
            Self::Tpm(_) => Reason::TpmUnavailable,
            Self::PassphraseRequired(_) => Reason::PinRequired,
            Self::NotGiven(_) => Reason::Cancelled,
            Self::NoPassphraseSlot | Self::RecoveryCode(_) | Self::Unavailable(_) => Reason::Usage,
            Self::PinMalformed(_) => Reason::PinMalformed,
            Self::TooManyTries { .. } => Reason::TooManyTries,
            Self::Random(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Vault(error) => Explain::hint(error),
            Self::Keyring(KeyringError::Absent) => {
                "start a keyring, or run `countersign setup --vault-key passphrase`".to_owned()
            }
            Self::Keyring(KeyringError::Locked) => {
                "unlock your keyring, then run `countersign unlock`".to_owned()
            }
            Self::Keyring(KeyringError::NotFound | KeyringError::Failed(_)) => {
                "open the keyring that was in use when the vault was made, or run `countersign unlock --recovery` with the printed code".to_owned()
            }
            Self::Credential(_) => {
                "docs/config.md shows how systemd hands the agent its key".to_owned()
            }
            Self::Tpm(TpmError::Foreign) => {
                "run `countersign unlock --recovery` with the printed code, then add the TPM anew".to_owned()
            }
            Self::PassphraseRequired(_) => "run `countersign unlock` in a terminal".to_owned(),
            Self::NoPassphraseSlot => {
                "run it without one; `countersign pin change` sets one".to_owned()
            }
            Self::PinMalformed(_) => "choose another one".to_owned(),
            Self::RecoveryCode(_) => "copy the printed code again, in full".to_owned(),
            Self::TooManyTries { .. } => {
                "wait, or run `countersign unlock --recovery` with the printed code".to_owned()
            }
            Self::Tpm(_) | Self::NotGiven(_) | Self::Unavailable(_) | Self::Random(_) => {
                String::new()
            }
        }
    }
}

/// What locks the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockedBy {
    Command,
    Time,
    Screen,
    Sleep,
    Switch,
}

impl LockedBy {
    const fn word(self) -> &'static str {
        match self {
            Self::Command => "by command",
            Self::Time => "its time was over",
            Self::Screen => "with the screen",
            Self::Sleep => "before sleep",
            Self::Switch => "another session took the seat",
        }
    }
}

impl Agent {
    /// Wipes what can approve or make passcodes; login requests still come and can be denied.
    pub async fn lock(&self) {
        self.lock_because(LockedBy::Command).await;
    }

    async fn lock_because(&self, why: LockedBy) {
        // Passcodes "once per unlock" end here, whatever state the vault is in.
        self.state.facts().wipe_opened();
        if !self.is_unlocked().await {
            return;
        }
        // A vault whose thread has ended has no key either.
        drop(self.vault.lock().await);
        {
            let mut facts = self.state.facts();
            facts.open = None;
            facts.locked_by = Some(why);
            // Also what a wish in progress has left while the vault was being locked.
            facts.wipe_opened();
        }
        self.tell_watchers(Change::Vault);
        info!("the vault was locked");
        self.record_event(EventKind::Locked, "", why.word()).await;
        self.deadlines.notify_one();
    }

    /// Is the vault open?
    pub async fn is_unlocked(&self) -> bool {
        self.vault.state().await == VaultState::Unlocked
    }

    /// What can be done with the vault now.
    pub async fn vault_state(&self) -> VaultState {
        self.vault.state().await
    }

    /// The vault was used: it does not idle.
    pub(super) fn touch(&self) {
        self.user_is_active();
        let now = self.ports.clock.boot();
        if let Some(opened) = self.state.facts().open.as_mut() {
            opened.used = now;
        }
    }

    /// Locks when its time has come.
    pub(super) async fn lock_when_due(&self) {
        if self
            .locks_at_boot()
            .is_some_and(|due| due <= self.ports.clock.boot())
        {
            self.lock_because(LockedBy::Time).await;
        }
    }

    fn locks_at_boot(&self) -> Option<BootTime> {
        let after = self.settings().lock_after;
        let opened = self.state.facts().open?;
        opened.locks_at(after)
    }

    /// When the vault locks by itself, by the wall clock of now.
    pub(super) fn locks_at(&self) -> Option<UnixMillis> {
        let left = self.locks_at_boot()?.since(self.ports.clock.boot());
        let left = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        Some(self.ports.clock.wall().plus_ms(left))
    }

    /// Something happened to the desktop session.
    pub(super) async fn on_session_event(&self, event: SessionEvent) {
        let with = self.settings().lock_with;
        match event {
            SessionEvent::Watched => self.state.facts().session = SessionWatch::Running,
            SessionEvent::Unwatched => self.state.facts().session = SessionWatch::Absent,
            SessionEvent::ScreenLocked => {
                self.hold_login_requests(Hold::Screen).await;
                if with.screen == LockWith::Yes {
                    self.lock_because(LockedBy::Screen).await;
                }
            }
            SessionEvent::SwitchedAway => {
                self.hold_login_requests(Hold::Switch).await;
                if with.switch == LockWith::Yes {
                    self.lock_because(LockedBy::Switch).await;
                }
            }
            SessionEvent::Suspending(done) => {
                self.hold_login_requests(Hold::Sleep).await;
                if with.sleep == LockWith::Yes {
                    self.lock_because(LockedBy::Sleep).await;
                }
                // Nobody waits any more: the machine sleeps already.
                let _late = done.send(()).is_err();
            }
            SessionEvent::Resumed => {
                self.ports.push.reconnect().await;
                self.release_login_requests(Hold::Sleep).await;
                self.user_is_active();
                self.ports.polls.now();
            }
            SessionEvent::ScreenUnlocked => {
                self.release_login_requests(Hold::Screen).await;
                self.user_is_active();
            }
            SessionEvent::SwitchedBack => {
                self.release_login_requests(Hold::Switch).await;
                self.user_is_active();
            }
        }
        self.tell_watchers(Change::Session);
    }

    /// The vault has just been opened: its clocks run, its services are listened to.
    pub(super) async fn opened(&self) {
        let now = self.ports.clock.boot();
        {
            let mut facts = self.state.facts();
            facts.open = Some(Opened { at: now, used: now });
            facts.ever_open = EverOpen::Yes;
            facts.locked_by = None;
        }
        self.deadlines.notify_one();
        if let Ok(tokens) = self.rows().await {
            self.remember_names(&tokens);
        }
        self.tell_watchers(Change::Vault);
        self.user_is_active();
        self.open_services().await;
        self.containers_are_due();
        self.ask_again().await;
    }
}

/// Does the vault lock with something?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LockWith {
    /// Yes.
    #[default]
    Yes,
    /// It stays open.
    No,
}

/// What the vault locks with, beside time and command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockWithSession {
    /// The screen lock.
    pub screen: LockWith,
    /// Sleep and hibernation.
    pub sleep: LockWith,
    /// Another session on the seat.
    pub switch: LockWith,
}

#[cfg(test)]
mod tests {
    use countersign_proto::limits;

    use super::*;

    #[test]
    fn a_refusal_after_many_tries_says_how_long() {
        let refused = SessionError::TooManyTries {
            wait: Duration::from_millis(29_500),
        };
        assert!(refused.to_string().ends_with("in 30 seconds"), "{refused}");
        let refused = SessionError::TooManyTries {
            wait: Duration::from_secs(3599),
        };
        assert!(refused.to_string().ends_with("in 60 minutes"), "{refused}");
    }

    #[test]
    fn a_passphrase_is_bounded_by_the_wire() {
        assert_eq!(limits::PASSPHRASE, countersign_core::pin::LONGEST);
    }
}
