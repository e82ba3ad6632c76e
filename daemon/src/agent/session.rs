//! The vault is made, unlocked, locked: by command and by time.

use countersign_core::secret::SecretBytes;
use countersign_proto::{
    agent::v1::{Reason, VaultKey as WireKey},
    limits,
};
use tracing::{info, warn};

use super::{
    Agent, Change,
    explain::Explain,
    ports::{KeyringError, RandomError},
    state::Opened,
};
use crate::{
    config::VaultKey,
    vault::{EventKind, SlotKey, SlotSource, UnlockMode, Vault, VaultError, VaultState},
};

/// The fewest characters of a passphrase.
const PASSPHRASE_MIN: usize = 6;

/// How a vault is to be made. Whatever is `None` is chosen as config.toml and the other words say.
#[derive(Debug, Default)]
pub struct SetupWish {
    /// Where its key is kept.
    pub key: Option<VaultKey>,
    /// What unlocking asks for.
    pub unlock: Option<UnlockMode>,
    /// The passphrase, for a passphrase slot.
    pub passphrase: Option<SecretBytes>,
}

/// Was there anything to unlock?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlocking {
    /// It was locked and is open now.
    Opened,
    /// It was open already.
    WasOpen,
}

/// Why the vault was not made or opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The vault failed, or is in a state that does not allow it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The keyring gave no key.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// This vault opens with a passphrase.
    #[error("this vault opens with its passphrase")]
    PassphraseRequired,
    /// A passphrase was given to a vault without one.
    #[error("this vault has no passphrase: its key is in the keyring")]
    NoPassphraseSlot,
    /// Too short, too long, or not text.
    #[error(
        "a passphrase has at least {PASSPHRASE_MIN} characters and at most {} bytes",
        limits::PASSPHRASE
    )]
    PassphraseMalformed,
    /// A combination that this version does not have.
    #[error("{0}")]
    Unavailable(&'static str),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl Explain for SessionError {
    fn reason(&self) -> Reason {
        match self {
            Self::Vault(error) => error.reason(),
            Self::Keyring(KeyringError::Absent) => Reason::KeySourceAbsent,
            Self::Keyring(KeyringError::Locked) => Reason::KeySourceLocked,
            Self::Keyring(KeyringError::NotFound | KeyringError::Failed(_)) => {
                Reason::KeySourceAbsent
            }
            Self::PassphraseRequired => Reason::PinRequired,
            Self::NoPassphraseSlot | Self::PassphraseMalformed => Reason::Usage,
            Self::Unavailable(_) => Reason::VerificationUnavailable,
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
                "open the keyring that was in use when the vault was made".to_owned()
            }
            Self::PassphraseRequired => "run `countersign unlock` in a terminal".to_owned(),
            Self::NoPassphraseSlot => "run `countersign unlock` without a passphrase".to_owned(),
            Self::PassphraseMalformed => "choose another one".to_owned(),
            Self::Unavailable(_) | Self::Random(_) => String::new(),
        }
    }
}

impl Agent {
    /// Makes the vault; never overwrites one. It is open afterwards.
    ///
    /// # Errors
    ///
    /// Every variant of [`SessionError`]; nothing is left behind then.
    pub async fn setup(&self, wish: SetupWish) -> Result<(VaultKey, UnlockMode), SessionError> {
        let _alone = self.exclusive.lock().await;
        self.make_vault(wish).await
    }

    /// As [`Agent::setup`], for a story that holds `exclusive` already.
    pub(super) async fn make_vault(
        &self,
        wish: SetupWish,
    ) -> Result<(VaultKey, UnlockMode), SessionError> {
        if self.vault.state().await != VaultState::Absent {
            return Err(VaultError::Exists.into());
        }
        let key = match (wish.key, &wish.passphrase) {
            (Some(key), _) => key,
            (None, Some(_)) => VaultKey::Passphrase,
            (None, None) => self.settings.vault_key,
        };
        let unlock = match (key, wish.unlock, wish.passphrase) {
            (VaultKey::Passphrase, None | Some(UnlockMode::Pin), Some(passphrase)) => {
                self.make_with_passphrase(passphrase).await?
            }
            (VaultKey::Passphrase, _, None) => return Err(SessionError::PassphraseRequired),
            (VaultKey::Passphrase, Some(UnlockMode::Session), Some(_)) => {
                return Err(SessionError::Unavailable(
                    "a vault with a passphrase asks for it; `--unlock session` needs the keyring",
                ));
            }
            (VaultKey::SecretService, None | Some(UnlockMode::Session), None) => {
                self.make_with_keyring().await?
            }
            (VaultKey::SecretService, Some(UnlockMode::Pin), _) => {
                return Err(SessionError::Unavailable(
                    "an agent PIN beside the keyring does not exist in this version; use --vault-key passphrase, or --unlock session",
                ));
            }
            (VaultKey::SecretService, None | Some(UnlockMode::Session), Some(_)) => {
                return Err(SessionError::NoPassphraseSlot);
            }
        };
        info!(?key, ?unlock, "the vault was made");
        self.opened().await;
        Ok((key, unlock))
    }

    async fn make_with_passphrase(
        &self,
        passphrase: SecretBytes,
    ) -> Result<UnlockMode, SessionError> {
        let characters = passphrase.as_text().map(|text| text.chars().count());
        if characters.is_none_or(|count| count < PASSPHRASE_MIN)
            || passphrase.len() > limits::PASSPHRASE
        {
            return Err(SessionError::PassphraseMalformed);
        }
        let now = self.ports.clock.wall();
        self.vault
            .create(SlotSource::Passphrase(passphrase), UnlockMode::Pin, now)
            .await?;
        Ok(UnlockMode::Pin)
    }

    async fn make_with_keyring(&self) -> Result<UnlockMode, SessionError> {
        let (name, key) = SlotSource::new_keyring_key()?;
        self.ports.keyring.store(&name, &key).await?;
        let source = SlotSource::Keyring {
            name: name.clone(),
            key,
        };
        let now = self.ports.clock.wall();
        if let Err(error) = self.vault.create(source, UnlockMode::Session, now).await {
            if let Err(left) = self.ports.keyring.remove(&name).await {
                warn!(%left, "an unused key was left in the keyring");
            }
            return Err(error.into());
        }
        Ok(UnlockMode::Session)
    }

    /// Opens the vault: with the passphrase, or with the key that the keyring holds.
    ///
    /// # Errors
    ///
    /// Every variant of [`SessionError`].
    pub async fn unlock(&self, passphrase: Option<SecretBytes>) -> Result<Unlocking, SessionError> {
        let _alone = self.exclusive.lock().await;
        match self.vault.state().await {
            VaultState::Unlocked => return Ok(Unlocking::WasOpen),
            VaultState::Absent => return Err(VaultError::Absent.into()),
            VaultState::Locked | VaultState::Unusable { .. } => {}
        }
        let slots = self.vault.call(Vault::slots).await?;
        let key = match passphrase {
            Some(passphrase) if slots.iter().any(|slot| slot.kind() == WireKey::Passphrase) => {
                SlotKey::Passphrase(passphrase)
            }
            Some(_) => return Err(SessionError::NoPassphraseSlot),
            None => {
                let name = slots.iter().find_map(|slot| slot.keyring_name());
                let name = name.ok_or(SessionError::PassphraseRequired)?;
                SlotKey::Keyring(self.ports.keyring.load(name).await?)
            }
        };
        if let Err(error) = self.vault.unlock(key).await {
            self.record_event(EventKind::UnlockFailed, "", &error.to_string())
                .await;
            return Err(error.into());
        }
        self.record_event(EventKind::Unlocked, "", "").await;
        self.opened().await;
        Ok(Unlocking::Opened)
    }

    /// Wipes what can approve or make passcodes; login requests still come and can be denied.
    pub async fn lock(&self) {
        if !self.is_unlocked().await {
            return;
        }
        // A vault whose thread has ended has no key either.
        drop(self.vault.lock().await);
        self.state.facts().open = None;
        self.tell_watchers(Change::Vault);
        info!("the vault was locked");
        self.record_event(EventKind::Locked, "", "").await;
        self.deadlines.notify_one();
    }

    /// Is the vault open?
    pub async fn is_unlocked(&self) -> bool {
        self.vault.state().await == VaultState::Unlocked
    }

    /// The vault was used: it does not idle.
    pub(super) fn touch(&self) {
        let now = self.ports.clock.boot();
        if let Some(opened) = self.state.facts().open.as_mut() {
            opened.used = now;
        }
    }

    /// Locks when its time has come.
    pub(super) async fn lock_when_due(&self) {
        let now = self.ports.clock.boot();
        let due = self
            .state
            .facts()
            .open
            .and_then(|opened| opened.locks_at(self.settings.lock_after));
        if due.is_some_and(|due| due <= now) {
            self.lock().await;
        }
    }

    /// At the start: what the keyring can open is opened. What it cannot stays locked until asked for.
    pub(super) async fn unlock_at_start(&self) {
        if self.vault.state().await != VaultState::Locked
            || self.vault.call(|vault| vault.unlock_mode()).await.ok() != Some(UnlockMode::Session)
        {
            return;
        }
        if let Err(error) = self.unlock(None).await {
            info!(%error, "the vault stays locked");
        }
    }

    /// Something happened to the desktop session.
    pub(super) async fn on_session_event(&self, event: super::ports::SessionEvent) {
        use super::ports::SessionEvent;
        match event {
            SessionEvent::ScreenLocked | SessionEvent::SwitchedAway => self.lock().await,
            SessionEvent::Suspending(done) => {
                self.lock().await;
                // Nobody waits any more: the machine sleeps already.
                let _late = done.send(()).is_err();
            }
            SessionEvent::ScreenUnlocked | SessionEvent::SwitchedBack => {}
            SessionEvent::Resumed => self.ports.push.reconnect().await,
        }
    }

    /// The vault has just been opened: its clocks run, its services are listened to.
    async fn opened(&self) {
        let now = self.ports.clock.boot();
        self.state.facts().open = Some(Opened { at: now, used: now });
        self.deadlines.notify_one();
        if let Ok(tokens) = self.rows().await {
            self.remember_names(&tokens);
        }
        self.tell_watchers(Change::Vault);
        self.open_services().await;
    }
}
