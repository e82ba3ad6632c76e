//! Who types passcodes: from where, how many wrong ones, and when no more are looked at.
//!
//! Wrong ones count three times: for the source that they come from, for each token that they were tried with, and for
//! the user. A source that the user has logged in from lately is locked by its own wrong ones only; the other two
//! locks hold for all the other sources together. So a stranger who guesses locks typing for strangers. Login requests
//! are another matter (`push_limits`): none of these locks touches them, and none of their limits touches typing.

use countersign_core::{
    fatigue::{Acquaintance, Source},
    lockout::Lockout,
    text,
    time::UnixMillis,
};

use crate::store::{AuditEvent, Rows, SourceRow, StoreError, TokenRow, Typing, UserId};

/// A source is known for so long after the last login from there, in milliseconds.
pub(super) const KNOWN_MS: i64 = 90 * 86_400_000;
/// That a user was there is written down no more often than this, in milliseconds.
const KNOW_AGAIN_MS: i64 = 86_400_000;
/// Ten wrong ones in a row lock a source or a token, for ten minutes first.
const LOCK: Lockout = Lockout {
    tries: 10,
    first_ms: 600_000,
    longest_ms: 3_600_000,
};
/// Twenty in a row, for whichever of the tokens, lock the user.
const USER_LOCK: Lockout = Lockout { tries: 20, ..LOCK };
/// The longest source in the audit log, in characters.
const SHOWN: usize = 64;

/// A user at a source.
#[derive(Debug)]
pub(super) struct Typist {
    user: UserId,
    /// None: the front does not know where the user is.
    source: Option<Source>,
    there: SourceRow,
    typing: Typing,
    acquaintance: Acquaintance,
}

/// Has the user logged in from there lately?
pub(super) fn acquaintance(there: &SourceRow, now: UnixMillis) -> Acquaintance {
    match there.known {
        Some(known) if now.since_ms(known) <= KNOWN_MS => Acquaintance::Known,
        Some(_) | None => Acquaintance::Stranger,
    }
}

/// Counts a wrong passcode for a token.
pub(super) fn count_token(
    rows: Rows<'_>,
    token: &TokenRow,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let failures = token.typing_failures.saturating_add(1);
    let lock = LOCK.count(failures, now).locked_until();
    // A known source goes on typing while the others are locked: their lock stays.
    let until = lock.or_else(|| token.typing_locked_until.filter(|until| now < *until));
    rows.put_typing(&token.serial, failures, until)?;
    if lock.is_some() {
        let detail = format!("{failures} wrong passcodes in a row");
        rows.audit(now, AuditEvent::TypingLocked, &token.serial, &detail)?;
    }
    Ok(())
}

impl Typist {
    pub(super) fn of(
        rows: Rows<'_>,
        user: UserId,
        client_address: &str,
        now: UnixMillis,
    ) -> Result<Self, StoreError> {
        let source = Some(Source::of(client_address)).filter(|source| !source.as_str().is_empty());
        let there = match &source {
            Some(source) => rows.source(user, source)?,
            None => SourceRow::default(),
        };
        Ok(Self {
            user,
            source,
            there,
            typing: rows.typing(user)?,
            acquaintance: acquaintance(&there, now),
        })
    }

    /// Until when nothing that is typed here for this user is looked at.
    pub(super) fn locked(&self, now: UnixMillis) -> Option<UnixMillis> {
        let user = match self.acquaintance {
            Acquaintance::Known => None,
            Acquaintance::Stranger => self.typing.locked_until,
        };
        self.there
            .locked_until
            .max(user)
            .filter(|until| now < *until)
    }

    /// Until when nothing that is typed here for this token is looked at.
    pub(super) fn token_locked(&self, token: &TokenRow, now: UnixMillis) -> Option<UnixMillis> {
        match self.acquaintance {
            Acquaintance::Known => token.pin_locked(now),
            Acquaintance::Stranger => token.typing_locked(now),
        }
    }

    /// Counts a wrong passcode. Nobody can tell whose it was to be: every token that was tried counts it.
    pub(super) fn count_wrong(
        &self,
        rows: Rows<'_>,
        tried: &[TokenRow],
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let locked = |subject: &str, detail: &str| {
            rows.audit(now, AuditEvent::TypingLocked, subject, detail)
        };
        for token in tried {
            count_token(rows, token, now)?;
        }
        let failures = self.typing.failures.saturating_add(1);
        let lock = USER_LOCK.count(failures, now).locked_until();
        let locked_until = lock.or_else(|| self.typing.locked_until.filter(|until| now < *until));
        let typing = Typing {
            failures,
            locked_until,
        };
        rows.put_user_typing(self.user, typing)?;
        if lock.is_some() {
            let detail = format!("user: {failures} wrong passcodes in a row");
            locked(&rows.user_name(self.user)?, &detail)?;
        }
        if let Some(source) = &self.source {
            let failures = self.there.failures.saturating_add(1);
            let lock = LOCK.count(failures, now).locked_until();
            rows.put_source_typing(self.user, source, failures, lock, now)?;
            if lock.is_some() {
                let shown = text::display(source.as_str(), SHOWN);
                let detail = format!("from {shown}: {failures} wrong passcodes in a row");
                locked(&rows.user_name(self.user)?, &detail)?;
            }
        }
        Ok(())
    }

    /// A passcode of this token was right: wrong ones before are forgotten, and the source is known.
    pub(super) fn accepted(
        &self,
        rows: Rows<'_>,
        token: &TokenRow,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        if token.typing_failures != 0 || token.typing_locked_until.is_some() {
            rows.put_typing(&token.serial, 0, None)?;
        }
        if self.typing != Typing::default() {
            rows.put_user_typing(self.user, Typing::default())?;
        }
        let lately = self
            .there
            .known
            .is_some_and(|known| now.since_ms(known) < KNOW_AGAIN_MS);
        let clean = self.there.failures == 0 && self.there.locked_until.is_none();
        match &self.source {
            Some(source) if !(lately && clean) => rows.know_source(self.user, source, now),
            Some(_) | None => Ok(()),
        }
    }
}
