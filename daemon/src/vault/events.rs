//! The event log: what happened, for the user.

use countersign_core::time::UnixMillis;
use countersign_proto::{agent::v1 as wire, limits};
use rusqlite::{Transaction, params};

use super::{
    Vault, VaultError,
    words::{clipped, words},
};

/// Older events are forgotten.
pub const KEPT_EVENTS: i64 = 10_000;
/// The longest detail, in characters.
pub const EVENT_DETAIL: usize = 512;

words! {
    /// What happened.
    EventKind as wire::EventKind {
        /// A token was enrolled.
        Enrolled = "enrolled",
        /// A passcode was generated.
        PasscodeGenerated = "passcode_generated",
        /// A login request came.
        RequestReceived = "request_received",
        /// The user approved one.
        RequestApproved = "request_approved",
        /// The user or a rule of the user's denied one.
        RequestDenied = "request_denied",
        /// The user reported one.
        RequestReported = "request_reported",
        /// One expired or was taken back.
        RequestClosed = "request_closed",
        /// The service did not accept the answer.
        RequestRefused = "request_refused",
        /// A token was renamed.
        Renamed = "renamed",
        /// A token was deleted.
        Deleted = "deleted",
        /// The vault was unlocked.
        Unlocked = "unlocked",
        /// The vault was locked.
        Locked = "locked",
        /// Autosend was switched.
        AutosendChanged = "autosend_changed",
        /// Somebody tried to unlock in vain.
        UnlockFailed = "unlock_failed",
        /// A service revoked a token.
        Revoked = "revoked",
        /// The vault was made.
        Setup = "setup",
        /// A PIN was changed.
        PinChanged = "pin_changed",
        /// A PIN was wrong.
        PinWrong = "pin_wrong",
        /// A token was erased after wrong PINs.
        PinExhausted = "pin_exhausted",
        /// A finger was let to stand for a PIN, or no more.
        BiometricChanged = "biometric_changed",
        /// A finger was none of the user's.
        FingerWrong = "finger_wrong",
        /// A way to unlock was added.
        SlotAdded = "slot_added",
        /// A way to unlock was removed.
        SlotRemoved = "slot_removed",
        /// Login requests were muted for a time, or no more.
        Muted = "muted",
        /// A resource or address was blocked.
        BlockAdded = "block_added",
        /// It was no more.
        BlockRemoved = "block_removed",
        /// A token got another place in the order.
        Moved = "moved",
        /// An enrollment brought no token; the detail says why.
        EnrollmentFailed = "enrollment_failed",
        /// This device was registered for a container.
        ContainerRegistered = "container_registered",
        /// A container's tokens were changed by its server.
        ContainerSynced = "container_synced",
        /// The registration for a container was ended.
        ContainerUnregistered = "container_unregistered",
        /// Tokens were written as a file.
        Exported = "exported",
        /// A browser extension was let in.
        BrowserPaired = "browser_paired",
        /// It was let in no more.
        BrowserRevoked = "browser_revoked",
        /// A browser extension asked for what it does not get.
        BrowserRefused = "browser_refused",
        /// A token is filled at an origin from now on.
        OriginBound = "origin_bound",
        /// It is filled there no more.
        OriginUnbound = "origin_unbound",
        /// A login request was answered in a browser.
        BrowserAnswered = "browser_answered",
    }
}

/// An event to be written. Its texts are display-safe and without secrets; only their length is bounded here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// When, this machine's wall clock.
    pub at: UnixMillis,
    /// What.
    pub kind: EventKind,
    /// The token's name at that time, may be empty; at most 64 characters are kept.
    pub token: String,
    /// One sentence, may be empty; at most [`EVENT_DETAIL`] characters are kept.
    pub detail: String,
}

/// An event of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Rises with every event.
    pub id: i64,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub kind: EventKind,
    /// The token's name at that time, may be empty.
    pub token: String,
    /// One sentence, may be empty.
    pub detail: String,
}

impl Vault {
    /// Writes an event. Also while locked.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn append_event(&mut self, event: &NewEvent) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        append(&transaction, event)?;
        transaction.commit()?;
        Ok(())
    }

    /// Writes several events, all or none.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn append_events(&mut self, events: &[NewEvent]) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        for event in events {
            append(&transaction, event)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The newest events, newest first; at most `limit` and at most 1,000.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn events(&self, limit: usize) -> Result<Vec<Event>, VaultError> {
        let database = &self.opened()?.database;
        let limit = i64::try_from(limit.min(1000)).unwrap_or(1000);
        let mut statement = database.prepare_cached(
            "SELECT id, at, kind, token, detail FROM events ORDER BY id DESC LIMIT ?1",
        )?;
        let events = statement
            .query_map(params![limit], |row| {
                Ok(Event {
                    id: row.get(0)?,
                    at: UnixMillis(row.get(1)?),
                    kind: row.get(2)?,
                    token: row.get(3)?,
                    detail: row.get(4)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(events)
    }
}

/// Writes the event in the transaction of what it tells of: one flush, and never one without the other.
pub(super) fn append(transaction: &Transaction<'_>, event: &NewEvent) -> Result<(), VaultError> {
    transaction.execute(
        "INSERT INTO events (at, kind, token, detail) VALUES (?1, ?2, ?3, ?4)",
        params![
            event.at.0,
            event.kind,
            clipped(&event.token, limits::TOKEN_NAME),
            clipped(&event.detail, EVENT_DETAIL)
        ],
    )?;
    let newest = transaction.last_insert_rowid();
    transaction.execute(
        "DELETE FROM events WHERE id <= ?1",
        params![newest.saturating_sub(KEPT_EVENTS)],
    )?;
    Ok(())
}
