//! The PIN that the gateway checks: what one comes to, how wrong ones are counted, when it is locked.
//!
//! Only who has shown the token can give a wrong PIN: a signed decision or change, or a right passcode beside
//! it. So no stranger can lock a PIN; who mistypes without the token locks typing (see `passcode`).

use core::fmt;

use countersign_core::{
    otp::{OtpMode, ocra::Suite},
    pskc::PinPolicy,
    secret::SecretText,
    server_pin::{self, ServerPinRulesError},
    time::UnixMillis,
};
use subtle::ConstantTimeEq as _;

use crate::store::{AuditEvent, PinStanding, Rows, StoreError, TokenRow};

/// The first lock, in milliseconds; each further one is twice as long.
const FIRST_LOCK_MS: i64 = 600_000;
/// The longest lock, in milliseconds.
const LONGEST_LOCK_MS: i64 = 24 * 3_600_000;

/// What a PIN comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PinCheck {
    /// It is the one.
    Right,
    /// It is not.
    Wrong,
    /// There is none to compare with: an administrator has reset it.
    Due,
    /// Not looked at.
    Locked {
        /// Until then.
        until: UnixMillis,
    },
}

/// A wrong PIN has been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// So many more lock it.
    Left(u32),
    /// It was one too many.
    Locked {
        /// Until then no PIN is looked at.
        until: UnixMillis,
    },
}

/// Where a PIN was given; for the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// Beside a pushed passcode.
    Pushed,
    /// With a typed passcode.
    Typed,
    /// As the current one of a change.
    Change,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pushed => "pushed",
            Self::Typed => "typed",
            Self::Change => "change",
        })
    }
}

/// Compares a PIN with the one that is kept. Counts nothing.
pub(super) fn check(
    rows: Rows<'_>,
    token: &TokenRow,
    pin: &SecretText,
    now: UnixMillis,
) -> Result<PinCheck, StoreError> {
    if token.pin_standing == PinStanding::Due {
        return Ok(PinCheck::Due);
    }
    if let Some(until) = token.pin_locked(now) {
        return Ok(PinCheck::Locked { until });
    }
    let right = match suite_with_pin(token) {
        Some(suite) => rows.pin_hash(&token.serial)?.map(|kept| {
            let given = suite.pin_hash(pin).unwrap_or_default();
            kept.expose().ct_eq(given.expose()).into()
        }),
        None => rows.is_server_pin(&token.serial, pin)?,
    };
    Ok(match right {
        Some(true) => PinCheck::Right,
        Some(false) => PinCheck::Wrong,
        None => PinCheck::Due,
    })
}

/// Keeps a new PIN, if it meets the rules and the token has one.
pub(super) fn keep(
    rows: Rows<'_>,
    token: &TokenRow,
    pin: &SecretText,
) -> Result<Result<(), ServerPinRulesError>, StoreError> {
    if let Err(refused) = server_pin::check(pin) {
        return Ok(Err(refused));
    }
    match suite_with_pin(token) {
        Some(suite) => {
            let hash = suite.pin_hash(pin).unwrap_or_default();
            rows.put_pin_hash(&token.serial, &hash)
        }
        None => rows.put_server_pin(&token.serial, pin),
    }
    .map(Ok)
}

/// The suite into whose computation the token's PIN enters.
fn suite_with_pin(token: &TokenRow) -> Option<&Suite> {
    match (&token.pin, &token.mode) {
        (PinPolicy::InPasscode, OtpMode::Challenge { suite }) if suite.uses_pin().is_some() => {
            Some(suite)
        }
        (
            PinPolicy::InPasscode | PinPolicy::Server(_) | PinPolicy::Token(_) | PinPolicy::None,
            _,
        ) => None,
    }
}

/// Counts a wrong PIN; every `tries`-th in a row locks it.
pub(super) fn count_wrong(
    rows: Rows<'_>,
    token: &TokenRow,
    tries: u32,
    given: Given,
    now: UnixMillis,
) -> Result<Counted, StoreError> {
    let failures = token.pin_failures.saturating_add(1);
    let counted = lockout(failures, tries, now);
    let locked_until = match counted {
        Counted::Left(_) => None,
        Counted::Locked { until } => Some(until),
    };
    rows.put_pin_tries(&token.serial, failures, locked_until)?;
    refused(rows, token, given, "wrong", now)?;
    if locked_until.is_some() {
        let detail = format!("{failures} wrong PINs in a row");
        rows.audit(now, AuditEvent::ServerPinLocked, &token.serial, &detail)?;
    }
    Ok(counted)
}

/// Writes down why a PIN did not count.
pub(super) fn refused(
    rows: Rows<'_>,
    token: &TokenRow,
    given: Given,
    why: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let detail = format!("{given}: {why}");
    rows.audit(now, AuditEvent::ServerPinRefused, &token.serial, &detail)
}

/// The PIN was right, and so was all that came with it: wrong ones before it are forgotten.
pub(super) fn forget_wrong(rows: Rows<'_>, token: &TokenRow) -> Result<(), StoreError> {
    if token.pin_failures == 0 && token.pin_locked_until.is_none() {
        return Ok(());
    }
    rows.put_pin_tries(&token.serial, 0, None)
}

/// What `failures` wrong PINs in a row come to. The count goes on through a lock, so that each lock is longer
/// than the one before: a short PIN does not fall to ten guesses every ten minutes.
fn lockout(failures: u32, tries: u32, now: UnixMillis) -> Counted {
    let tries = tries.max(1);
    let over = failures.checked_rem(tries).unwrap_or(0);
    if over != 0 || failures == 0 {
        return Counted::Left(tries.saturating_sub(over));
    }
    let before = failures
        .checked_div(tries)
        .unwrap_or(0)
        .saturating_sub(1)
        .min(16);
    let pause = FIRST_LOCK_MS
        .saturating_mul(1_i64 << before)
        .min(LONGEST_LOCK_MS);
    Counted::Locked {
        until: now.plus_ms(pause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn every_tenth_wrong_pin_locks_for_twice_as_long() {
        let lock = |minutes: i64| Counted::Locked {
            until: NOW.plus_ms(minutes * 60_000),
        };
        for (failures, counted) in [
            (1, Counted::Left(9)),
            (9, Counted::Left(1)),
            (10, lock(10)),
            (11, Counted::Left(9)),
            (20, lock(20)),
            (30, lock(40)),
            (80, lock(1280)),
            (90, lock(1440)),
            (4_000_000_000, lock(1440)),
        ] {
            assert_eq!(lockout(failures, 10, NOW), counted, "{failures}");
        }
        assert_eq!(lockout(1, 1, NOW), lock(10));
        assert_eq!(lockout(1, 0, NOW), lock(10));
    }
}
