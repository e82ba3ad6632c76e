//! The PIN that the gateway checks: what one comes to, how wrong ones are counted, when it is locked.
//!
//! Only who has shown the token can give a wrong PIN: a signed decision or change, or a right passcode beside
//! it. So no stranger can lock a PIN; who mistypes without the token locks typing (see `passcode`).

use core::fmt;

use countersign_core::{
    lockout::{Counted, Lockout},
    otp::{OtpMode, ocra::Suite},
    pskc::PinPolicy,
    secret::SecretText,
    server_pin::{self, ServerPinRulesError},
    time::UnixMillis,
};
use subtle::ConstantTimeEq as _;

use crate::store::{AuditEvent, PinStanding, Rows, StoreError, TokenRow};

/// The locks of a PIN: ten minutes first, a day at last.
const fn lockout(tries: u32) -> Lockout {
    Lockout {
        tries,
        first_ms: 600_000,
        longest_ms: 24 * 3_600_000,
    }
}

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
    let counted = lockout(tries).count(failures, now);
    let locked_until = counted.locked_until();
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
