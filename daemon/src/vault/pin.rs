//! A token's PIN: tries counted down durably before the PIN is looked at, so that none is free; keys opened and
//! sealed behind it.

use countersign_core::{
    ids::TokenId,
    seal::{SealContext, slot::PinKey},
    secret::SecretBytes,
    token::{KeyHolder, NewPin, PinAsking, PinLock, TokenKeys, TokenSecrets},
};

use super::{
    Vault, VaultError, database,
    events::{self, NewEvent},
    random,
    tier::DecisionTier,
    token_columns::Columns,
    tokens::TokenState,
};

/// A try that has been counted already.
#[derive(Debug)]
pub struct PinAttempt {
    /// What the PIN is to open.
    pub lock: PinLock,
    /// Tries left after this one.
    pub left: u32,
}

/// What a change of a token's content does to the tries that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tries {
    /// They stay: whoever asked has shown no PIN.
    Stay,
    /// All are there again: the PIN is new.
    All,
}

/// What a try showed.
#[derive(Debug)]
pub enum PinOutcome {
    /// The PIN was right; all tries are back.
    Right(TokenKeys),
    /// It was wrong.
    Wrong {
        /// Tries left.
        left: u32,
    },
    /// It was wrong and the last: the secrets are erased.
    Exhausted,
}

impl Vault {
    /// Counts a try down before it is made, durably: a process killed anywhere later has lost the try.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoPin`]; [`VaultError::PinExhausted`] when none is left: the secrets are erased then, if a
    /// crash has left them. [`VaultError::Locked`], [`VaultError::Damaged`], storage errors: no try was counted.
    pub fn begin_pin_attempt(
        &mut self,
        id: TokenId,
        exhausted: &NewEvent,
    ) -> Result<PinAttempt, VaultError> {
        let opened = self.opened_mut()?;
        let decision = opened.decision()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?.active()?;
        let lock = match columns.secrets(decision)?.keys {
            KeyHolder::Locked(lock) => lock,
            KeyHolder::Open(_) => return Err(VaultError::NoPin),
        };
        let tries = columns.tries_left.ok_or(VaultError::NoPin)?;
        if tries <= 0 {
            // Killed between the last wrong try and the erasing.
            drop(transaction);
            self.erase(id, TokenState::PinExhausted, exhausted)?;
            return Err(VaultError::PinExhausted);
        }
        let left = tries.saturating_sub(1);
        columns.tries_left = Some(left);
        columns.store(&transaction, key)?;
        transaction.commit()?;
        Ok(PinAttempt {
            lock,
            left: u32::try_from(left).map_err(|_range| VaultError::Damaged)?,
        })
    }

    /// Ends a try: a right PIN opens the keys and gives all tries back, a wrong last one erases the secrets in the
    /// transaction that writes its event.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], [`VaultError::Damaged`], [`VaultError::TokenRevoked`],
    /// [`VaultError::PinExhausted`], storage errors: the try stays counted.
    pub fn finish_pin_attempt(
        &mut self,
        id: TokenId,
        pin: &PinKey,
        tpm: Option<&SecretBytes>,
        wrong: &NewEvent,
        exhausted: &NewEvent,
    ) -> Result<PinOutcome, VaultError> {
        let opened = self.opened_mut()?;
        let decision = opened.decision()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?.active()?;
        let secrets = columns.secrets(decision)?;
        let lock = secrets.keys.lock().ok_or(VaultError::NoPin)?;
        if let Some(keys) = lock.open(id, pin, tpm)? {
            columns.tries_left = secrets.tries_allowed().map(i64::from);
            columns.store(&transaction, key)?;
            transaction.commit()?;
            return Ok(PinOutcome::Right(keys));
        }
        let left = columns.tries_left.ok_or(VaultError::NoPin)?;
        if left <= 0 {
            drop(transaction);
            self.erase(id, TokenState::PinExhausted, exhausted)?;
            return Ok(PinOutcome::Exhausted);
        }
        events::append(&transaction, wrong)?;
        transaction.commit()?;
        Ok(PinOutcome::Wrong {
            left: u32::try_from(left).map_err(|_range| VaultError::Damaged)?,
        })
    }

    /// Takes back what [`Vault::begin_pin_attempt`] counted: the TPM, which counts by itself, did not look at the
    /// PIN. A PIN that the vault alone counts has no such tries.
    ///
    /// # Errors
    ///
    /// As [`Vault::finish_pin_attempt`]; [`VaultError::NoPin`] where no TPM counts. The try stays counted.
    pub fn put_back_pin_attempt(&mut self, id: TokenId) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let decision = opened.decision()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?.active()?;
        let secrets = columns.secrets(decision)?;
        let counted_twice = secrets.keys.lock().is_some_and(|lock| lock.tpm.is_some());
        let (true, Some(left), Some(most)) =
            (counted_twice, columns.tries_left, secrets.tries_allowed())
        else {
            return Err(VaultError::NoPin);
        };
        columns.tries_left = Some(left.saturating_add(1).min(i64::from(most)));
        columns.store(&transaction, key)?;
        transaction.commit()?;
        Ok(())
    }

    /// The TPM has counted the last try: the secrets are erased, whatever the vault's own count says.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], [`VaultError::Damaged`], storage errors.
    pub fn exhaust_pin(&mut self, id: TokenId, exhausted: &NewEvent) -> Result<(), VaultError> {
        self.erase(id, TokenState::PinExhausted, exhausted)
    }

    /// The key that the PIN gave when a finger was switched on for this token.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoPin`] when no finger stands for the PIN; else as [`Vault::token_secrets`].
    pub fn finger_key(&self, id: TokenId) -> Result<(PinKey, PinLock), VaultError> {
        let opened = self.opened()?;
        let decision = opened.decision()?;
        let columns = Columns::load(&opened.database, &opened.channel()?.columns, id)?.active()?;
        let KeyHolder::Locked(lock) = columns.secrets(decision)?.keys else {
            return Err(VaultError::NoPin);
        };
        let sealed = lock.finger.as_deref().ok_or(VaultError::NoPin)?;
        let bytes = decision.finger.open(SealContext::FingerKey(id), sealed)?;
        Ok((PinKey::from_bytes(bytes)?, lock))
    }

    /// Puts another PIN before the keys, whose present one was right a moment ago. A finger is switched off.
    ///
    /// # Errors
    ///
    /// As [`Vault::token_secrets`], [`VaultError::Random`], storage errors.
    pub fn change_pin(
        &mut self,
        id: TokenId,
        keys: &TokenKeys,
        pin: &NewPin,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        let nonce = random::array()?;
        self.change_secrets(id, event, Tries::All, |secrets, _| {
            secrets.keys = KeyHolder::Locked(PinLock::seal(id, keys, pin, &nonce)?);
            Ok(())
        })
    }

    /// Lets a finger stand for the PIN, which was right a moment ago, or takes that back (`None`).
    ///
    /// # Errors
    ///
    /// As [`Vault::change_pin`]; [`VaultError::NoPin`].
    pub fn set_finger(
        &mut self,
        id: TokenId,
        pin: Option<&PinKey>,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        let nonce = random::array()?;
        self.change_secrets(id, event, Tries::Stay, |secrets, decision| {
            let KeyHolder::Locked(lock) = &mut secrets.keys else {
                return Err(VaultError::NoPin);
            };
            let seal = |pin: &PinKey| {
                decision
                    .finger
                    .seal(SealContext::FingerKey(id), &nonce, pin.expose().expose())
            };
            lock.finger = pin.map(seal).transpose()?;
            Ok(())
        })
    }

    /// How often the PIN is asked for.
    ///
    /// # Errors
    ///
    /// As [`Vault::change_pin`].
    pub fn set_asking(
        &mut self,
        id: TokenId,
        asking: PinAsking,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        self.change_secrets(id, event, Tries::Stay, |secrets, _| {
            secrets.asking = asking;
            Ok(())
        })
    }

    /// Opens a token's blob, changes it, seals it anew and writes it with its event. What it said before is
    /// overwritten in the file.
    pub(super) fn change_secrets(
        &mut self,
        id: TokenId,
        event: &NewEvent,
        tries: Tries,
        change: impl FnOnce(&mut TokenSecrets, &DecisionTier) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let decision = opened.decision()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?.active()?;
        let mut secrets = columns.secrets(decision)?;
        change(&mut secrets, decision)?;
        let plain = secrets.to_bytes()?;
        let blob =
            decision
                .token_blob
                .seal(SealContext::Token(id), &random::array()?, plain.expose())?;
        columns.blob = Some(blob);
        if tries == Tries::All {
            columns.tries_left = secrets.tries_allowed().map(i64::from);
        }
        columns.store(&transaction, key)?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        database::checkpoint(&opened.database);
        Ok(())
    }
}
