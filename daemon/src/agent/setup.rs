//! The vault is made: its key, what unlocking asks for, the printed recovery code.

use countersign_core::{pin::PinRules, recovery_code::RecoveryCode, secret::SecretBytes};
use tracing::{info, warn};

use super::{
    Agent,
    asking::{FingerUse, Given},
    caller::{About, Caller},
    ports::PinDialog,
    session::SessionError,
};
use crate::{
    config::VaultKey,
    vault::{
        EventKind, KeyPlace, SlotId, SlotKey, SlotSource, UnlockMode, Vault, VaultError,
        VaultState, prepare_slot,
    },
};

/// The credential that holds the vault's key, where systemd hands it over.
pub const CREDENTIAL: &str = "countersign-vault-key";

/// How a vault is to be made. Whatever is `None` is chosen as config.toml and the other words say. The PIN or
/// passphrase comes with the caller.
#[derive(Debug, Default)]
pub struct SetupWish {
    /// Where its key is kept.
    pub key: Option<VaultKey>,
    /// What unlocking asks for.
    pub unlock: Option<UnlockMode>,
    /// Is a recovery code to be made?
    pub recovery: Recovery,
}

/// Is a recovery code to be made?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// Yes, to be printed.
    Printed,
    /// No.
    #[default]
    None,
}

/// What was made.
#[derive(Debug)]
pub struct VaultMade {
    /// Where its key is kept.
    pub key: VaultKey,
    /// What unlocking asks for.
    pub unlock: UnlockMode,
    /// Shown once.
    pub recovery_code: Option<RecoveryCode>,
}

impl Agent {
    /// Makes the vault; never overwrites one. It is open afterwards.
    ///
    /// # Errors
    ///
    /// Every variant of [`SessionError`]; nothing is left behind then.
    pub async fn setup(&self, wish: SetupWish, caller: &Caller) -> Result<VaultMade, SessionError> {
        if self.vault.state().await != VaultState::Absent {
            return Err(VaultError::Exists.into());
        }
        let key = match (wish.key, &caller.secret) {
            (Some(key), _) => key,
            // A passphrase and no other word: a passphrase slot.
            (None, Some(_)) if wish.unlock.is_none() => VaultKey::Passphrase,
            (None, _) => self.settings().vault_key,
        };
        let unlock = match (key, wish.unlock) {
            (VaultKey::Passphrase, Some(UnlockMode::Session)) => {
                return Err(SessionError::Unavailable(
                    "a vault with a passphrase asks for it; `--unlock session` needs a key of the machine",
                ));
            }
            (VaultKey::Passphrase, _) => UnlockMode::Pin,
            (_, Some(unlock)) => unlock,
            (_, None) if caller.secret.is_some() => UnlockMode::Pin,
            (_, None) => UnlockMode::Session,
        };
        let pin = match unlock {
            UnlockMode::Session if caller.secret.is_some() => {
                return Err(SessionError::NoPassphraseSlot);
            }
            UnlockMode::Session => None,
            UnlockMode::Pin => Some(self.new_agent_pin(key, caller).await?),
        };
        let _alone = self.exclusive.lock().await;
        self.make_vault(key, unlock, pin.clone()).await?;
        info!(?key, ?unlock, "the vault was made");
        self.opened().await;
        let recovery_code = match wish.recovery {
            Recovery::None => None,
            Recovery::Printed => Some(self.add_first_recovery_code(pin).await?),
        };
        Ok(VaultMade {
            key,
            unlock,
            recovery_code,
        })
    }

    /// For the first enrollment: the vault that config.toml describes, if it can be made without a question.
    /// For a story that holds `exclusive` already.
    pub(super) async fn make_usual_vault(&self) -> Result<(), SessionError> {
        let key = self.settings().vault_key;
        if key == VaultKey::Passphrase {
            return Err(SessionError::PassphraseRequired(
                "run `countersign setup` first".to_owned(),
            ));
        }
        self.make_vault(key, UnlockMode::Session, None).await?;
        self.opened().await;
        Ok(())
    }

    async fn make_vault(
        &self,
        key: VaultKey,
        unlock: UnlockMode,
        pin: Option<SecretBytes>,
    ) -> Result<(), SessionError> {
        let now = self.ports.clock.wall();
        let source = match (key, pin) {
            (VaultKey::Passphrase, Some(passphrase)) => SlotSource::Passphrase(passphrase),
            (VaultKey::Passphrase, None) => return Err(VaultError::PassphraseInvalid.into()),
            (key, pin) => {
                let (place, key) = self.new_machine_key(key).await?;
                SlotSource::Machine { place, key, pin }
            }
        };
        let place = match &source {
            SlotSource::Machine { place, .. } => Some(place.clone()),
            SlotSource::Passphrase(_) | SlotSource::RecoveryCode(_) => None,
        };
        if let Err(error) = self.vault.create(source, unlock, now).await {
            self.forget_machine_key(place).await;
            return Err(error.into());
        }
        Ok(())
    }

    /// A new key, put where it is to be kept: a key without a vault is harmless, a vault without its key is lost.
    pub(super) async fn new_machine_key(
        &self,
        key: VaultKey,
    ) -> Result<(KeyPlace, SecretBytes), SessionError> {
        match key {
            VaultKey::SecretService => {
                let (name, key) = SlotSource::new_keyring_key()?;
                self.ports.keyring.store(&name, &key).await?;
                Ok((KeyPlace::Keyring(name), key))
            }
            VaultKey::Credential => {
                let key = self.ports.credentials.load(CREDENTIAL).await?;
                Ok((KeyPlace::Credential(CREDENTIAL.to_owned()), key))
            }
            VaultKey::Tpm => {
                let key = SlotSource::new_key()?;
                let blob = self.ports.tpm.seal(&key).await?;
                Ok((KeyPlace::Tpm(blob), key))
            }
            VaultKey::Passphrase => Err(SessionError::Unavailable(
                "a passphrase is no key of the machine",
            )),
        }
    }

    /// Takes away a key that nothing needs any more.
    pub(super) async fn forget_machine_key(&self, place: Option<KeyPlace>) {
        if let Some(KeyPlace::Keyring(name)) = place
            && let Err(left) = self.ports.keyring.remove(&name).await
        {
            warn!(%left, "an unused key was left in the keyring");
        }
    }

    /// The agent's PIN or passphrase as it shall be: what came along, or asked for twice with its rules.
    pub(super) async fn new_agent_pin(
        &self,
        key: VaultKey,
        caller: &Caller,
    ) -> Result<SecretBytes, SessionError> {
        let word = match key {
            VaultKey::Passphrase => "passphrase",
            VaultKey::SecretService | VaultKey::Credential | VaultKey::Tpm => "PIN",
        };
        let about = About::new(&format!("Choose a {word} that unlocks your tokens"));
        self.new_pin(PinRules::Agent, word, about, caller.secret.as_ref(), caller)
            .await
    }

    /// A new PIN within `rules`: the one that was given, or one that is asked for until it keeps them.
    ///
    /// # Errors
    ///
    /// [`SessionError::PinMalformed`] for one that was given; why nobody could be asked.
    pub(super) async fn new_pin(
        &self,
        rules: PinRules,
        word: &str,
        about: About,
        given: Option<&SecretBytes>,
        caller: &Caller,
    ) -> Result<SecretBytes, SessionError> {
        if let Some(given) = given {
            rules.admit(given)?;
            return Ok(given.clone());
        }
        let mut dialog = PinDialog {
            title: format!("Choose a {word}"),
            description: about.description(&format!("It must have {rules}.")),
            prompt: format!("New {word}:"),
            error: None,
            repeat: Some("Again:".to_owned()),
            ok: "Set".to_owned(),
            within: about.within,
        };
        loop {
            let pin = match self.ask(&dialog, FingerUse::No, caller).await {
                Ok(Given::Typed(pin)) => pin,
                Ok(Given::Finger) => continue,
                Err(unasked) => return Err(unasked.into()),
            };
            match rules.admit(&pin) {
                Ok(()) => return Ok(pin),
                Err(malformed) => {
                    dialog.error = Some(super::explain::sentence(&malformed.to_string()));
                }
            }
        }
    }

    /// The recovery code of a vault that has just been made, by its one slot.
    async fn add_first_recovery_code(
        &self,
        pin: Option<SecretBytes>,
    ) -> Result<RecoveryCode, SessionError> {
        let slots = self.vault.call(Vault::slots).await?;
        let (mut keys, trouble) = self.machine_keys(&slots, pin.as_ref()).await;
        if let (true, Some(pin)) = (keys.is_empty(), pin) {
            keys.push(SlotKey::Passphrase(pin));
        }
        if keys.is_empty() {
            return Err(trouble.unwrap_or_else(|| VaultError::NoSlot.into()));
        }
        let code = RecoveryCode::new(self.random()?);
        self.add_prepared_slot(keys, SlotSource::RecoveryCode(code.clone()))
            .await?;
        Ok(code)
    }

    pub(super) async fn add_prepared_slot(
        &self,
        keys: Vec<SlotKey>,
        source: SlotSource,
    ) -> Result<SlotId, SessionError> {
        let key = self.vault.prepare_keys(keys).await?;
        let slot = prepare_slot(source).await?;
        let event = self.event(EventKind::SlotAdded, "", slot.word());
        let add = move |vault: &mut Vault| vault.add_slot(key, &slot, &event);
        Ok(self.vault.call(add).await?)
    }
}
