//! Event counters: durable before use, never back.

use countersign_core::ids::TokenId;

use super::{
    Vault, VaultError,
    events::{self, NewEvent},
    token_columns::Columns,
};

impl Vault {
    /// Takes the token's next counter for one passcode. When this has returned, the counter is used up on
    /// the disk: a process killed anywhere skips a counter at worst, and never gives one twice.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], [`VaultError::NoCounter`], [`VaultError::CounterExhausted`],
    /// [`VaultError::TokenUnknown`], [`VaultError::TokenRevoked`], [`VaultError::PinExhausted`],
    /// [`VaultError::Damaged`], storage errors. On every error no counter was used.
    pub fn take_counter(&mut self, id: TokenId, event: &NewEvent) -> Result<u64, VaultError> {
        let opened = self.opened_mut()?;
        opened.decision()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?.active()?;
        let used = columns.counter.ok_or(VaultError::NoCounter)?;
        let next = used.checked_add(1).ok_or(VaultError::CounterExhausted)?;
        columns.counter = Some(next);
        if columns.store(&transaction, key)? != Some(next) {
            return Err(VaultError::Damaged);
        }
        events::append(&transaction, event)?;
        transaction.commit()?;
        u64::try_from(used).map_err(|_negative| VaultError::Damaged)
    }

    /// Raises the counter to `at_least`, the service's highest accepted counter plus one; never lowers it.
    /// Returns the counter that the next passcode will use. Also while locked.
    ///
    /// # Errors
    ///
    /// As [`Vault::take_counter`], but [`VaultError::Locked`] only before the first unlock.
    pub fn raise_counter(&mut self, id: TokenId, at_least: u64) -> Result<u64, VaultError> {
        let opened = self.opened_mut()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?.active()?;
        let current = columns.counter.ok_or(VaultError::NoCounter)?;
        let wanted = i64::try_from(at_least).map_err(|_over| VaultError::CounterExhausted)?;
        if wanted > current {
            columns.counter = Some(wanted);
            columns.store(&transaction, key)?;
            transaction.commit()?;
        }
        u64::try_from(current.max(wanted)).map_err(|_negative| VaultError::Damaged)
    }
}
