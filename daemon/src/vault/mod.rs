//! Tokens at rest: the one owner of what must last.
//!
//! [`Vault`] is synchronous and belongs to one thread; the agent's stories reach it through
//! [`VaultHandle`]. An operation that has returned is on the disk. Operations are atomic: a process that
//! is killed anywhere leaves the state before or after one, never between.
//!
//! Invariants: a vault is made by [`Vault::create`] only. While it is locked no token secret is in memory.
//! Nothing is used that its seal or MAC does not vouch for.
//!
//! The rows live in: header.rs, slots.rs (ways to open), tokens.rs on `token_columns.rs` with counters.rs
//! and pin.rs, origins.rs, unlocking.rs, services.rs, containers.rs, pairings.rs, requests.rs with outbox.rs, events.rs. The files' place and permissions: place.rs.

mod containers;
mod counters;
mod database;
mod error;
mod events;
mod handle;
mod header;
mod origins;
mod outbox;
mod pairings;
mod pin;
mod place;
mod random;
mod requests;
mod rules;
mod service_kind;
mod services;
mod slots;
mod tier;
mod token_columns;
mod tokens;
mod unlocking;
mod words;

use std::path::PathBuf;

use countersign_core::{
    seal::{DataKey, KEY_LEN, slot::PinKey},
    time::UnixMillis,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use containers::{ContainerFacts, ContainerKeys, ContainerRow};
pub use error::VaultError;
pub use events::{EVENT_DETAIL, Event, EventKind, KEPT_EVENTS, NewEvent};
pub use handle::{VaultHandle, prepare_slot};
pub use header::UnlockMode;
pub use outbox::{OutboxKind, Waiting};
pub use pairings::{NewPairing, PairingId, PairingRow};
pub use pin::{PinAttempt, PinOutcome};
pub use requests::{KEPT_REQUESTS, Recorded, RequestRow, RequestState};
pub use rules::{BlockId, BlockKind, BlockRow};
pub use service_kind::{PushToken, ServiceKind};
pub use services::{ServiceRegistration, ServiceRow};
pub use slots::{
    KeyPlace, PreparedKey, PreparedSlot, Slot, SlotId, SlotKey, SlotSource, prepare_keys,
};
pub use tokens::{Integrity, Membership, NewToken, TokenRow, TokenState};
pub use unlocking::{FingerHalf, FingerUnlock};
pub use words::Autosend;

use self::{
    header::Header,
    place::{LockFile, Place},
    tier::{ChannelTier, DecisionTier},
};

/// What can be done with the vault now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VaultState {
    /// There is none.
    Absent,
    /// Token secrets are not in memory.
    Locked,
    /// They can be opened.
    Unlocked,
    /// There is one, and it cannot be used.
    Unusable {
        /// Why.
        reason: VaultError,
    },
}

/// The vault. One process has it, one thread in it.
#[derive(Debug)]
pub struct Vault {
    place: Place,
    host: [u8; 32],
    condition: Condition,
}

#[derive(Debug)]
enum Condition {
    Absent,
    Unusable(VaultError),
    Open(Box<Opened>),
}

/// An open database and the keys that are in memory. The lock is released last.
#[derive(Debug)]
struct Opened {
    database: Connection,
    header: Header,
    channel: Option<ChannelTier>,
    decision: Option<DecisionTier>,
    _lock: LockFile,
}

impl Vault {
    /// Opens the vault at `path` (`$XDG_DATA_HOME/countersign/vault.db`) if there is one, locked. Never
    /// makes one. What is wrong with it is its [`Vault::state`]; `unlock` and `create` look again.
    ///
    /// `host_id` is a hash that names this machine (of machine-id): a vault is used on one machine only.
    #[must_use]
    pub fn open(path: PathBuf, host_id: [u8; 32]) -> Self {
        let mut vault = Self {
            place: Place::new(path),
            host: host_id,
            condition: Condition::Absent,
        };
        vault.look_again();
        vault
    }

    /// Absent, locked, unlocked, or why it cannot be used.
    #[must_use]
    pub fn state(&self) -> VaultState {
        match &self.condition {
            Condition::Absent => VaultState::Absent,
            Condition::Unusable(reason) => VaultState::Unusable {
                reason: reason.clone(),
            },
            Condition::Open(opened) if opened.decision.is_some() => VaultState::Unlocked,
            Condition::Open(_) => VaultState::Locked,
        }
    }

    /// Makes the vault, with one slot, and leaves it unlocked. Slow for a passphrase; see
    /// [`Vault::create_prepared`].
    ///
    /// # Errors
    ///
    /// [`VaultError::Exists`]: nothing is ever overwritten. Errors of [`SlotSource::prepare`] and of the storage.
    pub fn create(
        &mut self,
        source: SlotSource,
        unlock_mode: UnlockMode,
        now: UnixMillis,
    ) -> Result<(), VaultError> {
        self.refuse_second()?;
        self.create_prepared(&source.prepare()?, unlock_mode, now)
    }

    /// [`Vault::create`] with a slot whose key was derived elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Vault::create`].
    pub fn create_prepared(
        &mut self,
        slot: &PreparedSlot,
        unlock_mode: UnlockMode,
        now: UnixMillis,
    ) -> Result<(), VaultError> {
        self.refuse_second()?;
        self.place.make_folder()?;
        self.place.check_folder()?;
        let lock = self.place.lock()?;
        if self.place.occupied()? {
            return Err(VaultError::Exists);
        }
        let data_key = DataKey::new(random::secret(KEY_LEN)?)?;
        let channel = ChannelTier::derive(&data_key)?;
        let decision = DecisionTier::derive(&data_key)?;
        let mut header = Header::new(random::array()?, self.host, unlock_mode, now.0);
        self.place.make_draft()?;
        let made = database::create(&self.place.draft(), |transaction| {
            header.write(transaction, &channel.columns)?;
            slot.insert(transaction, &data_key)?;
            let event = NewEvent {
                at: now,
                kind: EventKind::Setup,
                token: String::new(),
                detail: String::new(),
            };
            events::append(transaction, &event)
        })
        .and_then(|()| self.place.publish_draft());
        if let Err(error) = made {
            self.place.discard_draft();
            return Err(error);
        }
        let mut opened = self.open_with(lock)?;
        opened.channel = Some(channel);
        opened.decision = Some(decision);
        self.condition = Condition::Open(Box::new(opened));
        Ok(())
    }

    /// Unlocks. Slow for a passphrase; see [`Vault::unlock_prepared`].
    ///
    /// # Errors
    ///
    /// [`VaultError::WrongPassphrase`], [`VaultError::WrongKey`], [`VaultError::NoSlot`],
    /// [`VaultError::Damaged`] when the header was changed, or why the vault cannot be used.
    pub fn unlock(&mut self, key: SlotKey) -> Result<(), VaultError> {
        let prepared = key.prepare(&self.slots()?)?;
        self.unlock_prepared(prepared)
    }

    /// [`Vault::unlock`] with keys that were derived elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Vault::unlock`].
    pub fn unlock_prepared(&mut self, key: PreparedKey) -> Result<(), VaultError> {
        self.look_again();
        let opened = self.opened_mut()?;
        let by = key.open(&opened.database)?;
        let channel = ChannelTier::derive(&by.data_key)?;
        opened.header.check(&channel.columns)?;
        let before = opened.channel.take().and_then(|before| before.finger);
        opened.decision = Some(DecisionTier::derive(&by.data_key)?);
        opened.channel = Some(channel);
        match by.pin_key {
            Some(pin_key) => opened.keep_for_finger(by.slot, Some(pin_key)),
            // Opened without a PIN: what the last one gave stays.
            None => opened.restore_finger(before),
        }
        Ok(())
    }

    /// Wipes the decision tier; the channel tier stays, so that the agent can still be reached and refuse.
    pub fn lock(&mut self) {
        if let Condition::Open(opened) = &mut self.condition {
            opened.decision = None;
        }
    }

    /// Wipes both tiers: at logout and before the end.
    pub fn close(&mut self) {
        if let Condition::Open(opened) = &mut self.condition {
            opened.decision = None;
            opened.channel = None;
        }
    }

    /// The ways in which this vault opens. Also while locked.
    ///
    /// # Errors
    ///
    /// Why the vault cannot be used.
    pub fn slots(&mut self) -> Result<Vec<Slot>, VaultError> {
        self.look_again();
        slots::read(&self.opened()?.database)
    }

    /// What an unlock asks of the user. Checked against its MAC as soon as the vault is unlocked.
    ///
    /// # Errors
    ///
    /// Why the vault cannot be used.
    pub fn unlock_mode(&self) -> Result<UnlockMode, VaultError> {
        Ok(self.opened()?.header.unlock_mode)
    }

    /// Writes without changing anything: tells, before something elsewhere is used up, that a later write
    /// will find room and permission.
    ///
    /// # Errors
    ///
    /// [`VaultError::StorageFull`], [`VaultError::ReadOnly`] and other storage errors; why the vault cannot
    /// be used.
    pub fn check_writable(&mut self) -> Result<(), VaultError> {
        let transaction = self.opened_mut()?.begin()?;
        transaction.execute("UPDATE header SET created = created", ())?;
        transaction.commit()?;
        Ok(())
    }

    fn refuse_second(&mut self) -> Result<(), VaultError> {
        self.look_again();
        match &self.condition {
            Condition::Absent => Ok(()),
            Condition::Unusable(VaultError::InUse) => Err(VaultError::InUse),
            Condition::Unusable(reason) => {
                if self.place.occupied()? {
                    Err(VaultError::Exists)
                } else {
                    Err(reason.clone())
                }
            }
            Condition::Open(_) => Err(VaultError::Exists),
        }
    }

    /// Opens the database if that has not been possible so far.
    fn look_again(&mut self) {
        if matches!(self.condition, Condition::Open(_)) {
            return;
        }
        self.condition = match self.try_open() {
            Ok(Some(opened)) => Condition::Open(Box::new(opened)),
            Ok(None) => Condition::Absent,
            Err(reason) => Condition::Unusable(reason),
        };
    }

    fn try_open(&self) -> Result<Option<Opened>, VaultError> {
        if !self.place.occupied()? {
            return Ok(None);
        }
        self.place.check_folder()?;
        let lock = self.place.lock()?;
        self.open_with(lock).map(Some)
    }

    fn open_with(&self, lock: LockFile) -> Result<Opened, VaultError> {
        database::check_header(self.place.read_header()?)?;
        let database = database::open(self.place.file())?;
        let header = Header::read(&database)?;
        if header.host != self.host {
            return Err(VaultError::OtherHost);
        }
        Ok(Opened {
            database,
            header,
            channel: None,
            decision: None,
            _lock: lock,
        })
    }

    fn opened(&self) -> Result<&Opened, VaultError> {
        match &self.condition {
            Condition::Open(opened) => Ok(opened),
            Condition::Absent => Err(VaultError::Absent),
            Condition::Unusable(reason) => Err(reason.clone()),
        }
    }

    fn opened_mut(&mut self) -> Result<&mut Opened, VaultError> {
        match &mut self.condition {
            Condition::Open(opened) => Ok(opened),
            Condition::Absent => Err(VaultError::Absent),
            Condition::Unusable(reason) => Err(reason.clone()),
        }
    }
}

impl Opened {
    fn channel(&self) -> Result<&ChannelTier, VaultError> {
        self.channel.as_ref().ok_or(VaultError::Locked)
    }

    fn decision(&self) -> Result<&DecisionTier, VaultError> {
        self.decision.as_ref().ok_or(VaultError::Locked)
    }

    /// Where the user lets a finger unlock: the PIN's half of the key waits for it.
    fn keep_for_finger(&mut self, slot: SlotId, pin_key: Option<PinKey>) {
        if let (Some(channel), FingerUnlock::On, Some(pin_key)) =
            (self.channel.as_mut(), self.header.finger, pin_key)
        {
            channel.finger = Some(FingerHalf { slot, pin_key });
        }
    }

    fn restore_finger(&mut self, half: Option<FingerHalf>) {
        if let (Some(channel), FingerUnlock::On) = (self.channel.as_mut(), self.header.finger) {
            channel.finger = half;
        }
    }

    fn forget_finger(&mut self) {
        if let Some(channel) = self.channel.as_mut() {
            channel.finger = None;
        }
    }

    /// A write transaction. There is one connection and `&mut` goes around once, so none is nested.
    fn begin(&self) -> Result<Transaction<'_>, VaultError> {
        Ok(Transaction::new_unchecked(
            &self.database,
            TransactionBehavior::Immediate,
        )?)
    }
}

#[cfg(test)]
mod tests;
