//! Tries of a token's PIN: counted down durably before the PIN is checked, so that no try is free.

use countersign_core::ids::TokenId;

use super::{Vault, VaultError, events::NewEvent, token_columns::Columns, tokens::TokenState};

impl Vault {
    /// Counts a try down before it is made. Returns how many are left after it.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoPin`]; [`VaultError::PinExhausted`] when none is left: the caller then calls
    /// [`Vault::exhaust`]. [`VaultError::Locked`], [`VaultError::Damaged`], storage errors.
    pub fn begin_pin_attempt(&mut self, id: TokenId) -> Result<u32, VaultError> {
        let opened = self.opened_mut()?;
        opened.decision()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?.active()?;
        let left = columns.tries_left.ok_or(VaultError::NoPin)?;
        if left <= 0 {
            return Err(VaultError::PinExhausted);
        }
        let left = left.saturating_sub(1);
        columns.tries_left = Some(left);
        columns.store(&transaction, key)?;
        transaction.commit()?;
        u32::try_from(left).map_err(|_range| VaultError::Damaged)
    }

    /// The PIN was right: all tries are back.
    ///
    /// # Errors
    ///
    /// As [`Vault::begin_pin_attempt`].
    pub fn pin_succeeded(&mut self, id: TokenId) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let decision = opened.decision()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let mut columns = Columns::load(&transaction, key, id)?.active()?;
        let allowed = columns
            .secrets(decision)?
            .tries_allowed()
            .ok_or(VaultError::NoPin)?;
        columns.tries_left = Some(i64::from(allowed));
        columns.store(&transaction, key)?;
        transaction.commit()?;
        Ok(())
    }

    /// The last try was wrong: the token's secrets are erased, the row and its history stay.
    ///
    /// # Errors
    ///
    /// [`VaultError::TokenUnknown`], [`VaultError::Damaged`], [`VaultError::Locked`] before the first
    /// unlock, storage errors.
    pub fn exhaust(&mut self, id: TokenId, event: &NewEvent) -> Result<(), VaultError> {
        self.erase(id, TokenState::PinExhausted, event)
    }
}
