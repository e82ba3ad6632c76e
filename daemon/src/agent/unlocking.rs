//! The vault is opened: by a key of the machine, a PIN or passphrase, a finger, the recovery code.

use core::time::Duration;

use countersign_core::{pin::delay_after, recovery_code::RecoveryCode, secret::SecretBytes};
use tracing::{info, warn};

use super::{
    Agent,
    asking::{FingerFor, FingerUse, Given, Unasked},
    caller::{About, Caller},
    ports::PinDialog,
    session::SessionError,
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
        self.unlock_by_asking(&slots, caller, &about).await
    }

    /// Opens a locked vault for a wish that needs it, where somebody can be asked for its PIN. One that opens by
    /// itself stays as it is: whoever locked it meant that.
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
            return Err(VaultError::Locked.into());
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

    /// `PIN` where it stands beside a key of the machine, else `Passphrase`.
    pub(super) fn word_for(slots: &[Slot]) -> &'static str {
        if slots
            .iter()
            .any(|slot| slot.asks() && slot.place().is_some())
        {
            "PIN"
        } else {
            "Passphrase"
        }
    }

    async fn unlock_by_asking(
        &self,
        slots: &[Slot],
        caller: &Caller,
        about: &About,
    ) -> Result<Opening, SessionError> {
        let half = self.vault.call(|vault| vault.finger_half()).await?;
        let word = Self::word_for(slots);
        let mut error = None;
        loop {
            self.check_delay().await?;
            let finger = match &half {
                Some(_) if self.finger_ready(FingerFor::Agent).await.is_ok() => {
                    FingerUse::Beside(FingerFor::Agent)
                }
                _ => FingerUse::No,
            };
            let dialog = agent_dialog(about, word, finger, error.take());
            match self.ask(&dialog, finger, caller).await {
                Err(unasked) => return Err(unasked.into()),
                Ok(Given::Finger) => {
                    self.open_with_finger().await?;
                    return Ok(Opening::Finger);
                }
                Ok(Given::Typed(secret)) => {
                    match self.try_secret(&secret, slots, Then::Unlock).await {
                        Ok(()) => return Ok(Opening::Typed),
                        Err(SessionError::Vault(
                            VaultError::WrongPassphrase | VaultError::PassphraseInvalid,
                        )) => error = Some(format!("This {word} is wrong.")),
                        Err(other) => return Err(other),
                    }
                }
            }
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
        let word = Self::word_for(&slots);
        let mut error = None;
        loop {
            self.check_delay().await?;
            let finger = self.finger_for_agent().await;
            let dialog = agent_dialog(about, word, finger, error.take());
            match self.ask(&dialog, finger, caller).await {
                Err(unasked) => return Err(unasked.into()),
                Ok(Given::Finger) => return Ok(Opening::Finger),
                Ok(Given::Typed(secret)) => {
                    match self.try_secret(&secret, &slots, Then::Know).await {
                        Ok(()) => return Ok(Opening::Typed),
                        Err(SessionError::Vault(
                            VaultError::WrongPassphrase | VaultError::PassphraseInvalid,
                        )) => error = Some(format!("This {word} is wrong.")),
                        Err(other) => return Err(other),
                    }
                }
            }
        }
    }

    /// Is a finger asked for beside the agent's PIN?
    pub(super) async fn finger_for_agent(&self) -> FingerUse {
        let choice = self.vault.call(|vault| vault.finger_unlock()).await;
        if choice == Ok(FingerUnlock::On) && self.finger_ready(FingerFor::Agent).await.is_ok() {
            FingerUse::Beside(FingerFor::Agent)
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
        use super::ports::PinEntryError;
        match unasked {
            Unasked::Dialog(
                why @ (PinEntryError::Missing | PinEntryError::NoScreen | PinEntryError::Failed(_)),
            ) => Self::PassphraseRequired(why.to_string()),
            why @ Unasked::UsedUp => Self::PassphraseRequired(why.to_string()),
            other => Self::NotGiven(other.to_string()),
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
        title: "Countersign".to_owned(),
        description: about.description(what),
        prompt: format!("{word}:"),
        error,
        repeat: None,
        ok: "Unlock".to_owned(),
        within: about.within,
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
