//! When push rests: after so many login requests that the user denied or ignored.
//!
//! The rule is `countersign_core::fatigue`; here is what it is asked about, and what is written when a limit is reached.

use countersign_core::{
    fatigue::{Acquaintance, Limits, Refusals, Source, Stopped, may_ask},
    text,
    time::UnixMillis,
};

use super::typing::acquaintance;
use crate::{
    settings::PushSettings,
    store::{AuditEvent, LoginRow, Rows, StoreError, UserId},
};

/// Refusals count for ten minutes, in milliseconds.
const WINDOW_MS: i64 = 600_000;
/// The longest source in the audit log, in characters.
const SHOWN: usize = 64;

/// How a user and a source stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    refusals: Refusals,
    pub(super) acquaintance: Acquaintance,
}

impl Standing {
    pub(super) fn of(
        rows: Rows<'_>,
        user: UserId,
        source: &Source,
        now: UnixMillis,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            refusals: rows.refusals_since(user, source, now.plus_ms(-WINDOW_MS))?,
            acquaintance: acquaintance(&rows.source(user, source)?, now),
        })
    }

    /// May the user be asked from there?
    pub(super) fn may_ask(self, limits: Limits) -> Result<(), Stopped> {
        may_ask(self.refusals, limits, self.acquaintance)
    }
}

/// The administrator's limits.
pub(super) const fn limits(settings: &PushSettings) -> Limits {
    Limits {
        from_source: settings.refusals_per_address,
        of_user: settings.refusals_per_user,
    }
}

/// A login has just been denied or ignored: writes it down if it was the one that stops push.
pub(super) fn note_refusal(
    rows: Rows<'_>,
    login: &LoginRow,
    limits: Limits,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let refusals = rows.refusals_since(login.user, &login.source, now.plus_ms(-WINDOW_MS))?;
    let user = rows.user_name(login.user)?;
    if refusals.from_source == limits.from_source.max(1) {
        let shown = text::display(login.source.as_str(), SHOWN);
        let count = refusals.from_source;
        let detail = format!("from {shown}: {count} login requests were denied or ignored");
        rows.audit(now, AuditEvent::PushStopped, &user, &detail)?;
    }
    if refusals.of_user == limits.of_user.max(1) {
        let count = refusals.of_user;
        let detail = format!("from new sources: {count} login requests were denied or ignored");
        rows.audit(now, AuditEvent::PushStopped, &user, &detail)?;
    }
    Ok(())
}
