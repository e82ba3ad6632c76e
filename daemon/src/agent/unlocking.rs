//! The vault is opened: by a key of the machine, a PIN or passphrase, a finger, the recovery code.

use core::time::Duration;

use countersign_core::{pin::delay_after, recovery_code::RecoveryCode, secret::SecretBytes};
use tracing::{info, warn};

use super::{
    Agent,
    asking::{FingerFor, FingerUse, Given, Unasked},
    caller::{About, Caller},
    ports::PinDialog,
    session::{LockedBy, SessionError},
    state::EverOpen,
};
use crate::vault::{
    EventKind, FingerUnlock, KeyPlace, PreparedKey, Slot, SlotKey, UnlockMode, Vault, VaultError,
    VaultState,
};

/// How the vault is to be opened.
#[derive(Debug, Default)]
pub struct UnlockWish {
    /// The printed code.
    pub recovery_code: Option<SecretBytes>,
}

/// How it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It was open already.
    WasOpen,
    /// By the machine's key alone.
    Machine,
    /// By what was typed.
    Typed,
    /// By a finger.
    Finger,
    /// By the recovery code.
    RecoveryCode,
}

/// What is done with a key that opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The vault is unlocked.
    Unlock,
    /// Only the user is known.
    Know,
}

impl Agent {
    /// Opens the vault.
    ///
    /// # Errors
    ///
    /// Every variant of [`SessionError`].
    pub async fn unlock(&self, wish: UnlockWish, caller: &Caller) -> Result<Opening, SessionError> {
        self.unlock_about(wish, caller, About::new("Unlock your tokens"))
            .await
    }

    pub(super) async fn unlock_about(
        &self,
        wish: UnlockWish,
        caller: &Caller,
        about: About,
    ) -> Result<Opening, SessionError> {
        match self.vault.state().await {
            VaultState::Unlocked => return Ok(Opening::WasOpen),
            VaultState::Absent => return Err(VaultError::Absent.into()),
            VaultState::Locked | VaultState::Unusable { .. } => {}
        }
        let slots = self.vault.call(Vault::slots).await?;
        if let Some(code) = wish.recovery_code {
            let key = SlotKey::RecoveryCode(RecoveryCode::parse(&code)?);
            self.open_with(vec![key], Then::Unlock).await?;
            return Ok(Opening::RecoveryCode);
        }
        if let Some(secret) = &caller.secret {
            self.try_secret(secret, &slots, Then::Unlock).await?;
            return Ok(Opening::Typed);
        }
        let asks = slots.iter().any(Slot::asks);
        if slots.iter().any(Slot::opens_alone) {
            match self.open_alone(&slots).await {
                Ok(()) => return Ok(Opening::Machine),
                // A passphrase may help where the machine's key does not.
                Err(error) if asks => info!(%error, "the vault's key is not to be had"),
                Err(error) => return Err(error),
            }
        }
        if !asks {
            return Err(VaultError::NoSlot.into());
        }
        self.by_asking(&slots, caller, &about, Then::Unlock).await
    }

    /// Opens a locked vault for a wish that needs it: with its PIN, where somebody can be asked. One that opens with
    /// the session is opened again where time, the screen or sleep had locked it; where the user did, it stays.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`]; every variant of [`SessionError`].
    pub(super) async fn unlock_for(
        &self,
        caller: &Caller,
        about: About,
    ) -> Result<Opening, SessionError> {
        if self.is_unlocked().await {
            return Ok(Opening::WasOpen);
        }
        if self.vault.state().await != VaultState::Locked {
            // Absent or unusable: the operation itself says it best.
            return Ok(Opening::WasOpen);
        }
        let mode = self.vault.call(|vault| vault.unlock_mode()).await?;
        if mode == UnlockMode::Session {
            return if self.reopens_with_session() {
                let slots = self.vault.call(Vault::slots).await?;
                self.open_alone(&slots).await?;
                Ok(Opening::Machine)
            } else {
                Err(VaultError::Locked.into())
            };
        }
        // What came along is for the token, not for the vault.
        let caller = Caller {
            secret: None,
            ..caller.clone()
        };
        match self
            .unlock_about(UnlockWish::default(), &caller, about)
            .await
        {
            // Nobody could be asked: "locked" is what the caller has to know.
            Err(SessionError::PassphraseRequired(_)) => Err(VaultError::Locked.into()),
            opening => opening,
        }
    }

    /// Was a vault that opens with the session locked by itself, and is the user there?
    fn reopens_with_session(&self) -> bool {
        let facts = self.state.facts();
        let by_itself = match facts.locked_by {
            Some(LockedBy::Time | LockedBy::Screen | LockedBy::Sleep | LockedBy::Switch) => true,
            Some(LockedBy::Command) | None => false,
        };
        by_itself && facts.holds.is_empty()
    }

    /// The user is back: a vault that opens with the session, and went with it, comes back with it.
    pub(super) async fn reopen_with_session(&self) {
        if self.reopens_with_session() {
            self.unlock_at_start().await;
        }
    }

    /// As [`Agent::unlock_for`], for a wish with one PIN that belongs to whatever is asked for first: to the vault if
    /// it is locked, else to the token. Returns what is left for the token.
    ///
    /// # Errors
    ///
    /// As [`Agent::unlock_for`].
    pub(super) async fn unlock_first(
        &self,
        caller: &Caller,
        about: About,
    ) -> Result<(Opening, Caller), SessionError> {
        let locked = self.vault.state().await == VaultState::Locked;
        if caller.secret.is_none()
            || !locked
            || self.vault.call(|vault| vault.unlock_mode()).await? == UnlockMode::Session
        {
            let opening = self.unlock_for(caller, about).await?;
            return Ok((opening, caller.clone()));
        }
        let opening = self
            .unlock_about(UnlockWish::default(), caller, about)
            .await?;
        // Somebody else was faster: the PIN was not looked at.
        let left = if opening == Opening::WasOpen {
            caller.clone()
        } else {
            caller.used_by_the_vault()
        };
        Ok((opening, left))
    }

    /// Opens with the machine's key alone. Nobody is asked, but the keyring may ask to be unlocked.
    pub(super) async fn open_alone(&self, slots: &[Slot]) -> Result<(), SessionError> {
        let (keys, trouble) = self.machine_keys(slots, None).await;
        if keys.is_empty() {
            return Err(trouble.unwrap_or_else(|| VaultError::NoSlot.into()));
        }
        self.open_with(keys, Then::Unlock).await
    }

    /// Is this the agent's PIN or passphrase? Counted like an unlock.
    ///
    /// # Errors
    ///
    /// Every variant of [`SessionError`].
    pub(super) async fn check_agent_pin(&self, pin: &SecretBytes) -> Result<(), SessionError> {
        let slots = self.vault.call(Vault::slots).await?;
        self.try_secret(pin, &slots, Then::Know).await
    }

    /// Does this vault ask for something typed at all?
    pub(super) async fn has_agent_pin(&self) -> bool {
        let slots = self.vault.call(Vault::slots).await.unwrap_or_default();
        slots.iter().any(Slot::asks)
    }

    /// `PIN` where it stands beside a key of the machine, else `passphrase`.
    pub(super) fn word_for(slots: &[Slot]) -> &'static str {
        if slots
            .iter()
            .any(|slot| slot.asks() && slot.place().is_some())
        {
            "PIN"
        } else {
            "passphrase"
        }
    }

    /// Asks for the agent's PIN, or a finger, while the vault is open: is it the user?
    ///
    /// # Errors
    ///
    /// Every variant of [`SessionError`].
    pub(super) async fn know_by_asking(
        &self,
        caller: &Caller,
        about: &About,
    ) -> Result<Opening, SessionError> {
        let slots = self.vault.call(Vault::slots).await?;
        self.by_asking(&slots, caller, about, Then::Know).await
    }

    async fn by_asking(
        &self,
        slots: &[Slot],
        caller: &Caller,
        about: &About,
        then: Then,
    ) -> Result<Opening, SessionError> {
        let word = Self::word_for(slots);
        let mut error = None;
        loop {
            self.check_delay().await?;
            let finger = self.finger_for_agent(then).await;
            let dialog = agent_dialog(about, word, finger, error.take());
            let typed = match self.ask(&dialog, finger, caller).await {
                Ok(Given::Typed(typed)) => typed,
                Ok(Given::Finger) => {
                    if then == Then::Unlock {
                        self.open_with_finger().await?;
                    }
                    return Ok(Opening::Finger);
                }
                Err(unasked) => return Err(unasked.into()),
            };
            match self.try_secret(&typed, slots, then).await {
                Ok(()) => return Ok(Opening::Typed),
                Err(wrong) if wrong.is_wrong_secret() => {
                    error = Some(format!("This {word} is wrong."));
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Is a finger asked for beside the agent's PIN?
    async fn finger_for_agent(&self, then: Then) -> FingerUse {
        let choice = self.vault.call(|vault| vault.finger_unlock()).await;
        // A locked vault opens by a finger only with what the last PIN gave.
        let has_half = match then {
            Then::Know => true,
            Then::Unlock => {
                let half = self.vault.call(|vault| vault.finger_half()).await;
                matches!(half, Ok(Some(_)))
            }
        };
        let who = FingerFor::Agent;
        if choice == Ok(FingerUnlock::On) && has_half && self.finger_ready(who).await.is_ok() {
            FingerUse::Beside(who)
        } else {
            FingerUse::No
        }
    }

    async fn open_with_finger(&self) -> Result<(), SessionError> {
        let half = self.vault.call(|vault| vault.finger_half()).await?;
        let half = half.ok_or(VaultError::Locked)?;
        let slots = self.vault.call(Vault::slots).await?;
        let slot = slots.iter().find(|slot| slot.id == half.slot);
        let slot = slot.ok_or(VaultError::NoSlot)?;
        let key = match slot.place() {
            Some(place) => Some(self.machine_key(place).await?),
            None => None,
        };
        let key = SlotKey::Finger {
            slot: half.slot,
            key,
            pin_key: half.pin_key,
        };
        self.open_with(vec![key], Then::Unlock).await
    }

    /// One try of a PIN or passphrase: counted durably first, slowed down after too many.
    async fn try_secret(
        &self,
        secret: &SecretBytes,
        slots: &[Slot],
        then: Then,
    ) -> Result<(), SessionError> {
        if !slots.iter().any(Slot::asks) {
            return Err(SessionError::NoPassphraseSlot);
        }
        let _one_at_a_time = self.pin_checks.lock().await;
        self.check_delay().await?;
        let asking: Vec<_> = slots.iter().filter(|slot| slot.asks()).cloned().collect();
        let (mut keys, trouble) = self.machine_keys(&asking, Some(secret)).await;
        if asking.iter().any(|slot| slot.place().is_none()) {
            keys.push(SlotKey::Passphrase(secret.clone()));
        }
        if keys.is_empty() {
            return Err(trouble.unwrap_or_else(|| VaultError::NoSlot.into()));
        }
        let before = self.state.facts().last_failed_unlock;
        self.state.facts().last_failed_unlock = Some(self.ports.clock.boot());
        self.vault.call(Vault::begin_unlock_attempt).await?;
        let opened = self.open_with(keys, then).await;
        match &opened {
            Ok(()) => {
                self.state.facts().last_failed_unlock = before;
                self.vault.call(Vault::unlock_succeeded).await?;
                if self.vault.call(|vault| vault.finger_unlock()).await == Ok(FingerUnlock::On) {
                    self.arm(FingerFor::Agent).await;
                }
            }
            Err(error) => {
                let kind = match then {
                    Then::Unlock => EventKind::UnlockFailed,
                    Then::Know => EventKind::PinWrong,
                };
                self.record_event(kind, "", &error.to_string()).await;
            }
        }
        opened
    }

    /// # Errors
    ///
    /// [`SessionError::TooManyTries`] while nobody's PIN is looked at.
    async fn check_delay(&self) -> Result<(), SessionError> {
        let failed = self.vault.call(|vault| vault.failed_unlocks()).await?;
        let delay = delay_after(failed);
        // After a start the whole delay counts from there: ending the agent shortens nothing.
        let last = self
            .state
            .facts()
            .last_failed_unlock
            .unwrap_or(self.started_at);
        let wait = last.plus(delay).since(self.ports.clock.boot());
        if wait.is_zero() {
            Ok(())
        } else {
            Err(SessionError::TooManyTries { wait })
        }
    }

    async fn open_with(&self, keys: Vec<SlotKey>, then: Then) -> Result<(), SessionError> {
        let key = self.vault.prepare_keys(keys).await?;
        match then {
            Then::Know => {
                let check = move |vault: &mut Vault| vault.check_prepared(key);
                self.vault.call(check).await?;
            }
            Then::Unlock => {
                let _alone = self.exclusive.lock().await;
                self.open_prepared(key).await?;
            }
        }
        Ok(())
    }

    /// For a story that holds `exclusive` already.
    async fn open_prepared(&self, key: PreparedKey) -> Result<(), SessionError> {
        let unlock = move |vault: &mut Vault| vault.unlock_prepared(key);
        if let Err(error) = self.vault.call(unlock).await {
            warn!(%error, "the vault was not unlocked");
            return Err(error.into());
        }
        self.record_event(EventKind::Unlocked, "", "").await;
        self.opened().await;
        Ok(())
    }

    /// The machine's keys of those slots that have one: with `typed`, of those that ask; without, of those that
    /// open alone. What went wrong is told if no key was found.
    pub(super) async fn machine_keys(
        &self,
        slots: &[Slot],
        typed: Option<&SecretBytes>,
    ) -> (Vec<SlotKey>, Option<SessionError>) {
        let mut keys = Vec::new();
        let mut trouble = None;
        for slot in slots.iter().filter(|slot| slot.asks() == typed.is_some()) {
            let Some(place) = slot.place() else { continue };
            match self.machine_key(place).await {
                Ok(key) => keys.push(SlotKey::Machine {
                    slot: slot.id,
                    key,
                    pin: typed.cloned(),
                }),
                Err(error) => {
                    info!(%error, "one of the vault's keys is not to be had");
                    trouble = trouble.or(Some(error));
                }
            }
        }
        (keys, trouble)
    }

    /// What the place of a machine's key holds.
    pub(super) async fn machine_key(&self, place: KeyPlace) -> Result<SecretBytes, SessionError> {
        match place {
            KeyPlace::Keyring(name) => Ok(self.ports.keyring.load(&name).await?),
            KeyPlace::Credential(name) => Ok(self.ports.credentials.load(&name).await?),
            KeyPlace::Tpm(blob) => Ok(self.ports.tpm.unseal(&blob).await?),
        }
    }

    /// At the start: what the machine's key opens is opened. What it cannot stays locked until asked for.
    pub(super) async fn unlock_at_start(&self) {
        if self.vault.state().await != VaultState::Locked
            || self.vault.call(|vault| vault.unlock_mode()).await.ok() != Some(UnlockMode::Session)
        {
            return;
        }
        let Ok(slots) = self.vault.call(Vault::slots).await else {
            return;
        };
        if let Err(error) = self.open_alone(&slots).await {
            info!(%error, "the vault stays locked");
        }
    }

    /// The keyring was opened or has come: a vault that waits for it since the start is opened now. One that the
    /// user or the time has locked stays locked.
    pub(super) async fn on_keyring_opened(&self) {
        let ever_open = self.state.facts().ever_open;
        if ever_open == EverOpen::No && !self.is_unlocked().await {
            self.unlock_at_start().await;
        }
    }
}

impl From<Unasked> for SessionError {
    fn from(unasked: Unasked) -> Self {
        match unasked.nobody_asked() {
            Some(why) => Self::PassphraseRequired(why),
            None => Self::NotGiven(unasked.to_string()),
        }
    }
}

/// The dialog for the agent's own PIN.
fn agent_dialog(
    about: &About,
    word: &'static str,
    finger: FingerUse,
    error: Option<String>,
) -> PinDialog {
    let what = match (finger, word) {
        (FingerUse::No, "PIN") => "Your Countersign PIN:",
        (FingerUse::No, _) => "Your Countersign passphrase:",
        (FingerUse::Beside(_) | FingerUse::Alone(_), "PIN") => {
            "Touch the fingerprint reader, or type your Countersign PIN."
        }
        (FingerUse::Beside(_) | FingerUse::Alone(_), _) => {
            "Touch the fingerprint reader, or type your Countersign passphrase."
        }
    };
    PinDialog {
        title: format!("Your Countersign {word}"),
        description: about.description(what),
        prompt: prompt_for(word),
        error,
        repeat: None,
        ok: "Unlock".to_owned(),
        within: about.within,
    }
}

/// The label of the field for it.
pub(super) fn prompt_for(word: &str) -> String {
    if word == "PIN" {
        "PIN:".to_owned()
    } else {
        "Passphrase:".to_owned()
    }
}

/// Half a minute, a quarter of an hour: how long the agent does not look at PINs.
pub(super) fn waiting_time(wait: Duration) -> String {
    let seconds = wait.as_secs().saturating_add(1);
    if seconds < 120 {
        format!("{seconds} seconds")
    } else {
        format!("{} minutes", seconds.div_ceil(60))
    }
}
