//! A PIN that was chosen and does not stand before a token's keys yet.
//!
//! Invariant: an index of the TPM that was made for it is freed unless the vault has written the PIN, also when
//! whoever asked has gone away in between.

use std::sync::Arc;

use countersign_core::{
    pskc::PinPolicy,
    seal::slot::{Argon2Cost, PinKey, Salt},
    secret::SecretBytes,
    token::{NewPin, TpmPart},
};
use tokio::runtime::Handle;
use tracing::warn;

use super::{
    Agent,
    pin::PinError,
    ports::{Tpm, TpmError, TpmGuard},
    session::SessionError,
};
use crate::vault::{KeyPlace, SlotSource, Vault, VaultError};

/// A PIN that was chosen: what it takes to write it, and what has to be undone if it is not written.
pub(super) struct PinDraft {
    pin: NewPin,
    count: Option<UnusedCount>,
}

impl PinDraft {
    /// Writes it by `write`, on the thread that does: there it shows whether the TPM's count is in use, whoever
    /// still waits for the answer.
    ///
    /// # Errors
    ///
    /// Those of `write`; the count is freed then.
    pub(super) fn write<T>(
        self,
        write: impl FnOnce(&NewPin) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let written = write(&self.pin)?;
        if let Some(count) = self.count {
            count.keep();
        }
        Ok(written)
    }

    /// As [`PinDraft::write`] for several tokens at once: all are written, or none.
    ///
    /// # Errors
    ///
    /// Those of `write`; every count is freed then.
    pub(super) fn write_all<T>(
        drafts: Vec<Option<Self>>,
        write: impl FnOnce(&[Option<&NewPin>]) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let pins: Vec<_> = drafts
            .iter()
            .map(|draft| draft.as_ref().map(|draft| &draft.pin))
            .collect();
        let written = write(&pins)?;
        for count in drafts.into_iter().flatten().filter_map(|draft| draft.count) {
            count.keep();
        }
        Ok(written)
    }
}

/// A count of the TPM that nothing names yet. Freed on drop.
struct UnusedCount {
    tpm: Arc<dyn Tpm>,
    guard: Option<TpmGuard>,
    runtime: Handle,
}

impl UnusedCount {
    /// Made on a task of its own: one that was begun is known here when it is there.
    async fn new(
        tpm: Arc<dyn Tpm>,
        secret: SecretBytes,
        auth: SecretBytes,
        tries: u8,
    ) -> Result<Self, TpmError> {
        let runtime = Handle::current();
        let made = tokio::spawn(async move {
            let guard = tpm.guard(&secret, &auth, tries).await?;
            Ok(Self {
                tpm,
                guard: Some(guard),
                runtime,
            })
        });
        made.await
            .unwrap_or_else(|_ended| Err(TpmError::Failed("interrupted".to_owned())))
    }

    fn part(&self) -> Option<TpmPart> {
        let guard = self.guard.as_ref()?;
        Some(TpmPart {
            index: guard.index,
            blob: guard.blob.clone(),
        })
    }

    /// It is in use from now on.
    fn keep(mut self) {
        self.guard = None;
    }
}

impl Drop for UnusedCount {
    fn drop(&mut self) {
        if let Some(guard) = self.guard.take() {
            let tpm = Arc::clone(&self.tpm);
            self.runtime
                .spawn(async move { forget(&*tpm, &guard).await });
        }
    }
}

/// Frees what the TPM keeps for a PIN that is no more. Nothing depends on it but room in the TPM.
pub(super) async fn forget(tpm: &dyn Tpm, guard: &TpmGuard) {
    if let Err(error) = tpm.forget(guard).await {
        warn!(%error, "an index of the TPM stays in use");
    }
}

impl Agent {
    /// What it takes to put a chosen PIN before a token's keys; with the TPM's count where the vault's key is the
    /// TPM's.
    pub(super) async fn draft_token_pin(
        &self,
        pin: &SecretBytes,
        policy: PinPolicy,
    ) -> Result<PinDraft, PinError> {
        let salt = Salt(self.random()?);
        let cost = Argon2Cost::RECOMMENDED;
        let typed = pin.clone();
        let derived = tokio::task::spawn_blocking(move || PinKey::derive(&typed, &salt, cost));
        let key = derived.await.map_err(|_panicked| VaultError::Stopped)?;
        let key = key.map_err(VaultError::from)?;
        let (count, tpm) = match policy {
            PinPolicy::Token(limits) if self.has_tpm_slot().await? => {
                let secret = SlotSource::new_key()?;
                let auth = key.tpm_authorization().map_err(VaultError::from)?;
                let tpm = Arc::clone(&self.ports.tpm);
                let tries = limits.max_failed_attempts;
                let count = UnusedCount::new(tpm, secret.clone(), auth, tries)
                    .await
                    .map_err(SessionError::from)?;
                let part = count.part().map(|part| (part, secret));
                (Some(count), part)
            }
            PinPolicy::Token(_)
            | PinPolicy::None
            | PinPolicy::Server(_)
            | PinPolicy::InPasscode => (None, None),
        };
        let pin = NewPin {
            salt,
            cost,
            key,
            tpm,
        };
        Ok(PinDraft { pin, count })
    }

    async fn has_tpm_slot(&self) -> Result<bool, VaultError> {
        let slots = self.vault.call(Vault::slots).await?;
        Ok(slots
            .iter()
            .any(|slot| matches!(slot.place(), Some(KeyPlace::Tpm(_)))))
    }
}
