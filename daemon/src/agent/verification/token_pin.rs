//! The token's own PIN: asked for, tried, counted; or a finger in its place.

use countersign_core::{
    pskc::{BiometricPin, PinPolicy},
    seal::slot::PinKey,
    secret::SecretBytes,
    token::{FingerChoice, PinLock, TokenKeys, TokenSecrets, VerificationLevel},
    verification::{self, PinCheck},
};
use countersign_proto::limits;

use super::{VerificationError, Verified, not_given, pin_dialog, tries};
use crate::{
    agent::{
        Agent,
        asking::{FingerFor, FingerUse, Given},
        caller::{About, Caller},
        pin_draft,
        ports::{TpmError, TpmGuard},
    },
    vault::{EventKind, PinAttempt, PinOutcome, TokenRow, Vault, VaultError},
};

impl Agent {
    /// The token's own PIN, or a finger in its place.
    pub(super) async fn token_pin(
        &self,
        row: &TokenRow,
        secrets: &TokenSecrets,
        least: VerificationLevel,
        about: About,
        caller: &Caller,
    ) -> Result<Verified, VerificationError> {
        let by_pin = match secrets.pin_check() {
            PinCheck::Agent => VerificationLevel::Pin,
            PinCheck::Tpm => VerificationLevel::Tpm,
        };
        let verified = |keys, level| Verified {
            keys,
            level,
            pin: None,
        };
        let who = FingerFor::Token(row.id);
        if !verification::pin_reaches(least) {
            if Self::finger_choice(secrets) == FingerChoice::Off {
                return Err(VerificationError::FingerOff);
            }
            self.finger_alone(who, &about, caller).await?;
            let keys = self.open_with_finger_of(row).await?;
            return Ok(verified(keys, VerificationLevel::Finger));
        }
        if let Some(pin) = &caller.secret {
            let keys = self.try_token_pin(row, pin).await?;
            return Ok(verified(keys, by_pin));
        }
        // A finger is no PIN that the TPM has checked.
        let finger = match least {
            VerificationLevel::Tpm => FingerChoice::Off,
            VerificationLevel::Click | VerificationLevel::Pin | VerificationLevel::Finger => {
                Self::finger_choice(secrets)
            }
        };
        self.typed_or_touched(row, by_pin, finger, about, caller)
            .await
    }

    /// The token's PIN, or a finger in its place where `finger` says so.
    pub(super) async fn typed_or_touched(
        &self,
        row: &TokenRow,
        by_pin: VerificationLevel,
        finger: FingerChoice,
        about: About,
        caller: &Caller,
    ) -> Result<Verified, VerificationError> {
        let who = FingerFor::Token(row.id);
        let finger_may = finger == FingerChoice::On;
        let verified = |keys, level| Verified {
            keys,
            level,
            pin: None,
        };
        let mut error = None;
        loop {
            let finger = if finger_may && self.finger_ready(who).await.is_ok() {
                FingerUse::Beside(who)
            } else {
                FingerUse::No
            };
            let what = match finger {
                FingerUse::No => format!("PIN of the token {}:", row.name),
                FingerUse::Beside(_) | FingerUse::Alone(_) => format!(
                    "Touch the fingerprint reader, or type the PIN of the token {}.",
                    row.name
                ),
            };
            let dialog = pin_dialog(&about, &what, error.take());
            match self.ask(&dialog, finger, caller).await {
                Err(unasked) => return Err(not_given(&unasked, &row.name)),
                Ok(Given::Finger) => {
                    let keys = self.open_with_finger_of(row).await?;
                    return Ok(verified(keys, VerificationLevel::Finger));
                }
                Ok(Given::Typed(pin)) => match self.try_token_pin(row, &pin).await {
                    Ok(keys) => return Ok(verified(keys, by_pin)),
                    Err(VerificationError::PinWrong { left, .. }) => {
                        error = Some(format!("This PIN is wrong; {} left.", tries(left)));
                    }
                    Err(VerificationError::PinLength) => {
                        error = Some("That was no PIN.".to_owned());
                    }
                    Err(other) => return Err(other),
                },
            }
        }
    }

    /// One try of a token's PIN: counted durably before it is looked at.
    ///
    /// # Errors
    ///
    /// [`VerificationError::PinWrong`], [`VerificationError::Exhausted`] and what else can fail.
    pub(in crate::agent) async fn try_token_pin(
        &self,
        row: &TokenRow,
        pin: &SecretBytes,
    ) -> Result<TokenKeys, VerificationError> {
        self.try_token_pin_key(row, pin).await.map(|(keys, _)| keys)
    }

    /// As [`Agent::try_token_pin`], with the key that the PIN gave.
    pub(in crate::agent) async fn try_token_pin_key(
        &self,
        row: &TokenRow,
        pin: &SecretBytes,
    ) -> Result<(TokenKeys, PinKey), VerificationError> {
        if pin.is_empty() || pin.len() > limits::PASSPHRASE {
            return Err(VerificationError::PinLength);
        }
        let _one_at_a_time = self.pin_checks.lock().await;
        let id = row.id;
        let exhausted = self.event(EventKind::PinExhausted, &row.name, "too many wrong PINs");
        let wrong = self.event(EventKind::PinWrong, &row.name, "");
        let gone = exhausted.clone();
        let present = self.pin_lock(id).await;
        let begin = move |vault: &mut Vault| vault.begin_pin_attempt(id, &gone);
        let PinAttempt { lock, left } = match self.vault.call(begin).await {
            Err(VaultError::PinExhausted) => {
                if let Some(lock) = present {
                    self.forget_tpm_guard(&lock).await;
                }
                return Err(VerificationError::Exhausted(row.name.clone()));
            }
            attempt => attempt?,
        };
        let key = derive(pin.clone(), &lock).await?;
        let tpm = match self.tpm_secret(&lock, &key).await {
            Err(VerificationError::Tpm(TpmError::WrongAuth)) => None,
            // Whatever the vault's own count says, an older copy of it may be back: the keys never open again.
            Err(VerificationError::Tpm(TpmError::Exhausted)) => {
                let exhaust = move |vault: &mut Vault| vault.exhaust_pin(id, &exhausted);
                self.vault.call(exhaust).await?;
                self.disarm(FingerFor::Token(id)).await;
                self.forget_tpm_guard(&lock).await;
                return Err(VerificationError::Exhausted(row.name.clone()));
            }
            // No PIN was looked at. The TPM counts by itself whatever it did look at.
            Err(error) => {
                let put_back = move |vault: &mut Vault| vault.put_back_pin_attempt(id);
                self.vault.call(put_back).await?;
                return Err(error);
            }
            Ok(secret) => secret,
        };
        let known = key.clone();
        let finish = move |vault: &mut Vault| {
            vault.finish_pin_attempt(id, &known, tpm.as_ref(), &wrong, &exhausted)
        };
        match self.vault.call(finish).await? {
            PinOutcome::Right(keys) => {
                if lock.finger.is_some() {
                    self.arm(FingerFor::Token(id)).await;
                }
                Ok((keys, key))
            }
            PinOutcome::Wrong { left: counted } => Err(VerificationError::PinWrong {
                name: row.name.clone(),
                left: counted.min(left),
            }),
            PinOutcome::Exhausted => {
                self.disarm(FingerFor::Token(id)).await;
                self.forget_tpm_guard(&lock).await;
                Err(VerificationError::Exhausted(row.name.clone()))
            }
        }
    }

    /// What the TPM adds where it counts the tries; nothing where it does not.
    pub(in crate::agent) async fn tpm_secret(
        &self,
        lock: &PinLock,
        key: &PinKey,
    ) -> Result<Option<SecretBytes>, VerificationError> {
        let Some(part) = &lock.tpm else {
            return Ok(None);
        };
        let guard = TpmGuard {
            index: part.index,
            blob: part.blob.clone(),
        };
        let auth = key.tpm_authorization().map_err(VaultError::from)?;
        Ok(Some(self.ports.tpm.open_guarded(&guard, &auth).await?))
    }

    /// Frees the TPM's count of a PIN that is no more.
    pub(in crate::agent) async fn forget_tpm_guard(&self, lock: &PinLock) {
        let Some(part) = &lock.tpm else { return };
        let guard = TpmGuard {
            index: part.index,
            blob: part.blob.clone(),
        };
        pin_draft::forget(&*self.ports.tpm, &guard).await;
    }

    async fn open_with_finger_of(&self, row: &TokenRow) -> Result<TokenKeys, VerificationError> {
        let id = row.id;
        let (key, lock) = self.vault.call(move |vault| vault.finger_key(id)).await?;
        let tpm = self.tpm_secret(&lock, &key).await?;
        let keys = lock
            .open(id, &key, tpm.as_ref())
            .map_err(VaultError::from)?;
        Ok(keys.ok_or(VaultError::Damaged)?)
    }

    /// Has the user let a finger stand for this token's PIN, and does its policy still allow that?
    pub(super) fn finger_choice(secrets: &TokenSecrets) -> FingerChoice {
        let allowed = matches!(
            secrets.pin,
            PinPolicy::Token(limits) if limits.biometric == BiometricPin::Allowed
        );
        match secrets.keys.lock() {
            Some(lock) if allowed && lock.finger.is_some() => FingerChoice::On,
            _ => FingerChoice::Off,
        }
    }
}

/// Argon2id, on a thread of its own.
async fn derive(pin: SecretBytes, lock: &PinLock) -> Result<PinKey, VerificationError> {
    let (salt, cost) = (lock.salt, lock.cost);
    let derived = tokio::task::spawn_blocking(move || PinKey::derive(&pin, &salt, cost));
    let key = derived.await.map_err(|_panicked| VaultError::Stopped)?;
    Ok(key.map_err(VaultError::from)?)
}
