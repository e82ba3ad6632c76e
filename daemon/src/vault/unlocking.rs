//! What guards the unlocking: wrong PINs in a row, ways to open that come and go, a finger in the PIN's place.

use countersign_core::seal::slot::PinKey;
use rusqlite::params;

use super::{
    PreparedKey, PreparedSlot, SlotId, UnlockMode, Vault, VaultError, database,
    events::{self, NewEvent},
    slots,
};

/// May a finger stand for the agent's PIN?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FingerUnlock {
    /// Yes.
    On,
    /// No.
    Off,
}

/// What a finger stands for: kept from the last right PIN on, until the agent ends.
#[derive(Clone, Debug)]
pub struct FingerHalf {
    /// The slot that the PIN opened.
    pub slot: SlotId,
    /// What Argon2id made of the PIN.
    pub pin_key: PinKey,
}

impl Vault {
    /// Counts a try of the agent's PIN or passphrase before it is made, durably. Returns how many were wrong in a
    /// row before this one. Also while locked.
    ///
    /// # Errors
    ///
    /// Why the vault cannot be used; storage errors: a try that cannot be counted is not made.
    pub fn begin_unlock_attempt(&mut self) -> Result<u32, VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        let failed: i64 =
            transaction.query_row("SELECT failed FROM unlock_tries", (), |row| row.get(0))?;
        transaction.execute(
            "UPDATE unlock_tries SET failed = ?1",
            params![failed.saturating_add(1)],
        )?;
        transaction.commit()?;
        Ok(u32::try_from(failed).unwrap_or(u32::MAX))
    }

    /// How many were wrong in a row.
    ///
    /// # Errors
    ///
    /// Why the vault cannot be used; storage errors.
    pub fn failed_unlocks(&self) -> Result<u32, VaultError> {
        let opened = self.opened()?;
        let failed: i64 =
            opened
                .database
                .query_row("SELECT failed FROM unlock_tries", (), |row| row.get(0))?;
        Ok(u32::try_from(failed).unwrap_or(u32::MAX))
    }

    /// The PIN was right: the count begins anew.
    ///
    /// # Errors
    ///
    /// As [`Vault::begin_unlock_attempt`].
    pub fn unlock_succeeded(&mut self) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        transaction.execute("UPDATE unlock_tries SET failed = 0", ())?;
        transaction.commit()?;
        Ok(())
    }

    /// Does this open the vault? Nothing is unlocked by it: it says that the user is there.
    ///
    /// # Errors
    ///
    /// As [`Vault::unlock_prepared`].
    pub fn check_prepared(&mut self, key: PreparedKey) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let by = key.open(&opened.database)?;
        opened.keep_for_finger(by.slot, by.pin_key);
        Ok(())
    }

    /// Adds a way to open, proved by one that opens already.
    ///
    /// # Errors
    ///
    /// As [`Vault::unlock_prepared`].
    pub fn add_slot(
        &mut self,
        key: PreparedKey,
        slot: &PreparedSlot,
        event: &NewEvent,
    ) -> Result<SlotId, VaultError> {
        let opened = self.opened_mut()?;
        let by = key.open(&opened.database)?;
        let transaction = opened.begin()?;
        let id = slot.insert(&transaction, &by.data_key)?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        Ok(id)
    }

    /// Removes a way to open, proved by one that opens. The last one stays.
    ///
    /// # Errors
    ///
    /// As [`Vault::unlock_prepared`]; [`VaultError::NoSuchSlot`], [`VaultError::LastSlot`].
    pub fn remove_slot(
        &mut self,
        key: PreparedKey,
        id: SlotId,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        key.open(&opened.database)?;
        let transaction = opened.begin()?;
        slots::remove(&transaction, id)?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        database::checkpoint(&opened.database);
        Ok(())
    }

    /// Puts new slots in the place of old ones and says what unlocking asks from now on: another PIN, a first one.
    /// A finger is switched off: it stood for the PIN before.
    ///
    /// # Errors
    ///
    /// As [`Vault::add_slot`]; [`VaultError::Locked`] before the first unlock; nothing was changed then.
    pub fn replace_slots(
        &mut self,
        key: PreparedKey,
        replaced: &[(SlotId, PreparedSlot)],
        unlock_mode: UnlockMode,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let by = key.open(&opened.database)?;
        let columns = &opened.channel()?.columns;
        let mut header = opened.header.clone();
        header.unlock_mode = unlock_mode;
        header.finger = FingerUnlock::Off;
        let transaction = opened.begin()?;
        for (old, new) in replaced {
            new.insert(&transaction, &by.data_key)?;
            slots::remove(&transaction, *old)?;
        }
        header.write(&transaction, columns)?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        database::checkpoint(&opened.database);
        opened.header = header;
        opened.forget_finger();
        Ok(())
    }

    /// May a finger stand for the agent's PIN?
    ///
    /// # Errors
    ///
    /// Why the vault cannot be used.
    pub fn finger_unlock(&self) -> Result<FingerUnlock, VaultError> {
        Ok(self.opened()?.header.finger)
    }

    /// Lets a finger stand for the agent's PIN, or takes that back.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], storage errors.
    pub fn set_finger_unlock(
        &mut self,
        finger: FingerUnlock,
        event: &NewEvent,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        opened.decision()?;
        let mut header = opened.header.clone();
        header.finger = finger;
        let transaction = opened.begin()?;
        header.write(&transaction, &opened.channel()?.columns)?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        opened.header = header;
        if finger == FingerUnlock::Off {
            opened.forget_finger();
        }
        Ok(())
    }

    /// What a finger opens the vault with, if one may now.
    ///
    /// # Errors
    ///
    /// Why the vault cannot be used.
    pub fn finger_half(&self) -> Result<Option<FingerHalf>, VaultError> {
        let opened = self.opened()?;
        Ok(opened
            .channel
            .as_ref()
            .and_then(|channel| channel.finger.clone()))
    }

    /// The PIN is due: what a finger stood for is wiped.
    pub fn forget_finger(&mut self) {
        if let Ok(opened) = self.opened_mut() {
            opened.forget_finger();
        }
    }
}
