//! The vault behind one thread.
//!
//! The thread sleeps in a channel while there is nothing to do and ends with the last handle. Keys from
//! passphrases are derived elsewhere, so that nobody waits behind Argon2id.

use std::{fmt, sync::mpsc, thread};

use countersign_core::time::UnixMillis;
use tokio::sync::oneshot;

use super::{
    PreparedKey, PreparedSlot, SlotKey, SlotSource, UnlockMode, Vault, VaultError, VaultState,
    prepare_keys,
};

type Operation = Box<dyn FnOnce(&mut Vault) + Send>;

/// Runs operations on the vault, one after another, in the order in which they were asked for.
///
/// An operation that was asked for is carried out, also when its caller no longer waits.
#[derive(Clone)]
pub struct VaultHandle {
    operations: mpsc::Sender<Operation>,
}

impl fmt::Debug for VaultHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultHandle").finish_non_exhaustive()
    }
}

impl VaultHandle {
    /// Gives the vault a thread of its own. When the last handle is gone the vault is closed and the
    /// thread ends.
    ///
    /// # Errors
    ///
    /// [`VaultError::Failed`]: the system gave no thread.
    pub fn start(mut vault: Vault) -> Result<Self, VaultError> {
        let (operations, asked) = mpsc::channel::<Operation>();
        thread::Builder::new()
            .name("vault".to_owned())
            .spawn(move || {
                for operation in asked {
                    operation(&mut vault);
                }
            })
            .map_err(VaultError::from)?;
        Ok(Self { operations })
    }

    /// Runs `operation` on the vault's thread.
    ///
    /// # Errors
    ///
    /// Those of the operation; [`VaultError::Stopped`] when the thread has ended.
    pub async fn call<T, F>(&self, operation: F) -> Result<T, VaultError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Vault) -> Result<T, VaultError> + Send + 'static,
    {
        let (reply, replied) = oneshot::channel();
        self.operations
            .send(Box::new(move |vault| {
                // The caller may have gone away; the operation is done all the same.
                let _nobody_waits = reply.send(operation(vault)).is_err();
            }))
            .map_err(|_ended| VaultError::Stopped)?;
        replied.await.map_err(|_ended| VaultError::Stopped)?
    }

    /// [`Vault::state`]; a vault whose thread has ended is unusable.
    pub async fn state(&self) -> VaultState {
        self.call(|vault| Ok(vault.state()))
            .await
            .unwrap_or_else(|reason| VaultState::Unusable { reason })
    }

    /// [`Vault::create`].
    ///
    /// # Errors
    ///
    /// As [`Vault::create`].
    pub async fn create(
        &self,
        source: SlotSource,
        unlock_mode: UnlockMode,
        now: UnixMillis,
    ) -> Result<(), VaultError> {
        // Ask before the expensive step; `create_prepared` asks again.
        self.call(Vault::refuse_second).await?;
        let slot = prepare_slot(source).await?;
        self.call(move |vault| vault.create_prepared(&slot, unlock_mode, now))
            .await
    }

    /// [`Vault::unlock`].
    ///
    /// # Errors
    ///
    /// As [`Vault::unlock`].
    pub async fn unlock(&self, key: SlotKey) -> Result<(), VaultError> {
        let key = self.prepare_keys(vec![key]).await?;
        self.call(move |vault| vault.unlock_prepared(key)).await
    }

    /// Derives the keys of all that was brought, off the vault's thread.
    ///
    /// # Errors
    ///
    /// Those of [`prepare_keys`].
    pub async fn prepare_keys(&self, brought: Vec<SlotKey>) -> Result<PreparedKey, VaultError> {
        let slots = self.call(Vault::slots).await?;
        tokio::task::spawn_blocking(move || prepare_keys(brought, &slots))
            .await
            .map_err(|_panicked| VaultError::Stopped)?
    }

    /// [`Vault::lock`].
    ///
    /// # Errors
    ///
    /// [`VaultError::Stopped`]: then the keys are gone too.
    pub async fn lock(&self) -> Result<(), VaultError> {
        self.call(|vault| {
            vault.lock();
            Ok(())
        })
        .await
    }

    /// [`Vault::close`].
    ///
    /// # Errors
    ///
    /// [`VaultError::Stopped`]: then the keys are gone too.
    pub async fn close(&self) -> Result<(), VaultError> {
        self.call(|vault| {
            vault.close();
            Ok(())
        })
        .await
    }
}

/// Derives a new slot's key, off the vault's thread.
///
/// # Errors
///
/// Those of [`SlotSource::prepare`].
pub async fn prepare_slot(source: SlotSource) -> Result<PreparedSlot, VaultError> {
    tokio::task::spawn_blocking(move || source.prepare())
        .await
        .map_err(|_panicked| VaultError::Stopped)?
}
