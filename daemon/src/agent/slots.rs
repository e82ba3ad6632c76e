//! The ways in which the vault opens: listed, added, removed. Each change is proved by a way that opens already.

use countersign_core::{pin::PinRules, recovery_code::RecoveryCode, secret::SecretBytes};
use countersign_proto::agent::v1::VaultKey as WireKey;

use super::{
    Agent,
    asking::{FingerUse, Given},
    caller::{About, Caller},
    ports::PinDialog,
    session::SessionError,
    unlocking::prompt_for,
};
use crate::{
    config::VaultKey,
    vault::{EventKind, Slot, SlotId, SlotKey, SlotSource, Vault, VaultError},
};

/// Which way is to be added.
#[derive(Debug)]
pub enum NewSlot {
    /// A key of the machine; the PIN that the vault asks for stands beside it.
    Machine(VaultKey),
    /// A passphrase; asked for where it did not come along.
    Passphrase(Option<SecretBytes>),
    /// A printed code.
    RecoveryCode,
}

/// What was added.
#[derive(Debug)]
pub struct AddedSlot {
    /// The slot.
    pub slot: Slot,
    /// Shown once.
    pub recovery_code: Option<RecoveryCode>,
}

impl Agent {
    /// The ways in which the vault opens.
    ///
    /// # Errors
    ///
    /// Why the vault cannot be used.
    pub async fn slots(&self) -> Result<Vec<Slot>, SessionError> {
        Ok(self.vault.call(Vault::slots).await?)
    }

    /// Adds a way.
    ///
    /// # Errors
    ///
    /// Every variant of [`SessionError`]; nothing is left behind then.
    pub async fn add_slot(
        &self,
        new: NewSlot,
        recovery: Option<SecretBytes>,
        caller: &Caller,
    ) -> Result<AddedSlot, SessionError> {
        let slots = self.slots().await?;
        let about = About::new("Add a way to unlock your tokens");
        let (keys, typed) = match recovery {
            Some(code) => (vec![recovery_key(&code)?], None),
            None => self.proof(&slots, about, caller).await?,
        };
        // The proof is looked at before anything is made.
        let proof = self.vault.prepare_keys(keys.clone()).await?;
        self.vault
            .call(move |vault| vault.check_prepared(proof))
            .await?;
        let asks = slots.iter().any(Slot::asks);
        let mut code = None;
        let mut place = None;
        let source = match new {
            NewSlot::Passphrase(given) => {
                let about = About::new("Choose a passphrase that unlocks your tokens");
                let rules = PinRules::Agent;
                let passphrase = self
                    .new_pin(rules, "passphrase", about, given.as_ref(), caller)
                    .await?;
                SlotSource::Passphrase(passphrase)
            }
            NewSlot::RecoveryCode => {
                let made = RecoveryCode::new(self.random()?);
                code = Some(made.clone());
                SlotSource::RecoveryCode(made)
            }
            NewSlot::Machine(kind) => {
                let pin = match (asks, typed) {
                    (false, _) => None,
                    (true, Some(typed)) => Some(typed),
                    // Proved by the recovery code: the PIN may be forgotten, so it is chosen anew.
                    (true, None) => Some(self.new_agent_pin(kind, caller).await?),
                };
                let (kept, key) = self.new_machine_key(kind).await?;
                place = Some(kept.clone());
                SlotSource::Machine {
                    place: kept,
                    key,
                    pin,
                }
            }
        };
        let _alone = self.exclusive.lock().await;
        let id = match self.add_prepared_slot(keys, source).await {
            Ok(id) => id,
            Err(error) => {
                self.forget_machine_key(place).await;
                return Err(error);
            }
        };
        let slots = self.slots().await?;
        let slot = slots.into_iter().find(|slot| slot.id == id);
        Ok(AddedSlot {
            slot: slot.ok_or(VaultError::NoSuchSlot)?,
            recovery_code: code,
        })
    }

    /// Removes a way; the last one that needs no paper stays.
    ///
    /// # Errors
    ///
    /// Every variant of [`SessionError`].
    pub async fn remove_slot(
        &self,
        id: SlotId,
        recovery: Option<SecretBytes>,
        caller: &Caller,
    ) -> Result<(), SessionError> {
        let slots = self.slots().await?;
        let slot = slots.iter().find(|slot| slot.id == id);
        let slot = slot.ok_or(VaultError::NoSuchSlot)?.clone();
        // Nobody is asked in vain; the vault itself has the last word.
        if slot.needs_no_paper() && slots.iter().filter(|slot| slot.needs_no_paper()).count() == 1 {
            return Err(VaultError::LastSlot.into());
        }
        let about = About::new("Remove a way to unlock your tokens");
        let keys = match recovery {
            Some(code) => vec![recovery_key(&code)?],
            None => self.proof(&slots, about, caller).await?.0,
        };
        let _alone = self.exclusive.lock().await;
        let key = self.vault.prepare_keys(keys).await?;
        let event = self.event(EventKind::SlotRemoved, "", slot_word(slot.kind()));
        let remove = move |vault: &mut Vault| vault.remove_slot(key, id, &event);
        self.vault.call(remove).await?;
        self.forget_machine_key(slot.place()).await;
        Ok(())
    }

    /// What proves that the user may change how the vault opens: its PIN or passphrase, given or asked for; in a
    /// vault without one the machine's key. Returns what was typed as well.
    pub(super) async fn proof(
        &self,
        slots: &[Slot],
        about: About,
        caller: &Caller,
    ) -> Result<(Vec<SlotKey>, Option<SecretBytes>), SessionError> {
        if !slots.iter().any(Slot::asks) {
            let (keys, trouble) = self.machine_keys(slots, None).await;
            if keys.is_empty() {
                return Err(trouble.unwrap_or_else(|| VaultError::NoSlot.into()));
            }
            return Ok((keys, None));
        }
        let typed = match &caller.secret {
            Some(secret) => {
                self.check_agent_pin(secret).await?;
                secret.clone()
            }
            None => self.typed_proof(slots, &about, caller).await?,
        };
        let asking: Vec<_> = slots.iter().filter(|slot| slot.asks()).cloned().collect();
        let (mut keys, _trouble) = self.machine_keys(&asking, Some(&typed)).await;
        if asking.iter().any(|slot| slot.place().is_none()) {
            keys.push(SlotKey::Passphrase(typed.clone()));
        }
        Ok((keys, Some(typed)))
    }

    async fn typed_proof(
        &self,
        slots: &[Slot],
        about: &About,
        caller: &Caller,
    ) -> Result<SecretBytes, SessionError> {
        let word = Self::word_for(slots);
        let mut dialog = PinDialog {
            title: format!("Your present {word}"),
            description: about.description(&format!("Your present {word}:")),
            prompt: prompt_for(word),
            error: None,
            repeat: None,
            ok: "OK".to_owned(),
            within: about.within,
        };
        loop {
            // A finger proves nothing here: who changes the locks shows the PIN.
            let typed = match self.ask(&dialog, FingerUse::No, caller).await {
                Ok(Given::Typed(typed)) => typed,
                Ok(Given::Finger) => continue,
                Err(unasked) => return Err(unasked.into()),
            };
            match self.check_agent_pin(&typed).await {
                Ok(()) => return Ok(typed),
                Err(wrong) if wrong.is_wrong_secret() => {
                    dialog.error = Some(format!("This {word} is wrong."));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn recovery_key(code: &SecretBytes) -> Result<SlotKey, SessionError> {
    Ok(SlotKey::RecoveryCode(RecoveryCode::parse(code)?))
}

/// For the event log.
pub(crate) const fn slot_word(kind: WireKey) -> &'static str {
    match kind {
        WireKey::SecretService => "keyring",
        WireKey::Passphrase => "passphrase",
        WireKey::Credential => "systemd credential",
        WireKey::Tpm => "TPM",
        WireKey::RecoveryCode => "recovery code",
        WireKey::Unspecified => "",
    }
}
