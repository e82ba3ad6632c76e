//! What a signed approval comes to: number, level, server PIN, passcode.
//!
//! A right passcode is used up here, in the transaction that ends the login, also where the PIN beside it was
//! wrong: otherwise one passcode would be good for a guess at the PIN again and again.

use countersign_core::{
    login_transition::{DenyReason, Event, FailReason},
    pskc::PinPolicy,
    secret::SecretText,
    time::UnixMillis,
    token::PushPolicy,
};
use countersign_proto::push::v1 as push;
use subtle::ConstantTimeEq as _;

use super::{
    decision::level,
    passcode_check::{Check, Computation, check_pushed, use_up},
    server_pin::{self, Given, PinCheck},
};
use crate::store::{AuditEvent, LoginRow, PinStanding, RequestRow, Rows, StoreError, TokenRow};

/// An approval whose signature, request and passcode hash have been checked.
pub(super) struct Approval<'d> {
    pub(super) body: &'d push::DecisionBody,
    pub(super) passcode: &'d SecretText,
    pub(super) pin: &'d SecretText,
    /// So many wrong server PINs in a row lock them.
    pub(super) tries: u32,
}

/// What it does to the login, and what the agent is told.
type Verdict = (Event, push::Result);

const WRONG_NUMBER: Verdict = (
    Event::Deny(DenyReason::WrongNumber),
    push::Result::RefusedNumber,
);
const LEVEL_TOO_LOW: Verdict = (
    Event::Fail(FailReason::LevelTooLow),
    push::Result::RefusedLevel,
);
const WRONG_PIN: Verdict = (
    Event::Fail(FailReason::ServerPin),
    push::Result::RefusedServerPin,
);
const WRONG_PASSCODE: Verdict = (
    Event::Fail(FailReason::Passcode),
    push::Result::RefusedPasscode,
);

impl Approval<'_> {
    /// What it comes to. All that it uses up or counts is written.
    pub(super) fn judge(
        &self,
        rows: Rows<'_>,
        login: &LoginRow,
        request: &RequestRow,
        token: &TokenRow,
        now: UnixMillis,
    ) -> Result<Verdict, StoreError> {
        if let Some(number) = &login.number
            && !bool::from(number.as_bytes().ct_eq(self.body.number.as_bytes()))
        {
            return Ok(WRONG_NUMBER);
        }
        let PushPolicy::Allowed(least) = token.push else {
            return Ok(LEVEL_TOO_LOW);
        };
        if level(self.body.level()).is_none_or(|level| level < least) {
            return Ok(LEVEL_TOO_LOW);
        }
        let computation = Computation::of(rows, token)?;
        let check = check_pushed(
            token,
            &computation,
            self.passcode,
            self.body.moving_factor,
            &request.challenge,
            login.created,
            now,
        );
        if let Check::Right(factor) = check {
            use_up(rows, token, factor, now)?;
        }
        match token.pin {
            PinPolicy::None | PinPolicy::Token(_) => passcode(rows, token, check, now),
            PinPolicy::Server(_) => match server_pin::check(rows, token, self.pin, now)? {
                PinCheck::Right => passcode(rows, token, check, now),
                PinCheck::Wrong => {
                    server_pin::count_wrong(rows, token, self.tries, Given::Pushed, now)?;
                    Ok(WRONG_PIN)
                }
                PinCheck::Due => {
                    server_pin::refused(rows, token, Given::Pushed, "reset", now)?;
                    Ok(WRONG_PIN)
                }
                PinCheck::Locked { .. } => {
                    server_pin::refused(rows, token, Given::Pushed, "locked", now)?;
                    Ok(WRONG_PIN)
                }
            },
            PinPolicy::InPasscode => self.in_passcode(rows, token, check, now),
        }
    }

    /// The PIN has entered the computation: a wrong one is a wrong passcode, and nothing else is said.
    fn in_passcode(
        &self,
        rows: Rows<'_>,
        token: &TokenRow,
        check: Check,
        now: UnixMillis,
    ) -> Result<Verdict, StoreError> {
        if token.pin_standing == PinStanding::Due {
            server_pin::refused(rows, token, Given::Pushed, "reset", now)?;
            return Ok(WRONG_PIN);
        }
        if token.pin_locked(now).is_some() {
            server_pin::refused(rows, token, Given::Pushed, "locked", now)?;
            return Ok(WRONG_PASSCODE);
        }
        // The device has signed it, so it is likelier that the PIN is wrong than that the seed is.
        if check == Check::Wrong {
            server_pin::count_wrong(rows, token, self.tries, Given::Pushed, now)?;
        }
        passcode(rows, token, check, now)
    }
}

/// The PIN, if there is one, has no objection.
fn passcode(
    rows: Rows<'_>,
    token: &TokenRow,
    check: Check,
    now: UnixMillis,
) -> Result<Verdict, StoreError> {
    if check == Check::UsedBefore {
        rows.audit(now, AuditEvent::PasscodeReused, &token.serial, "pushed")?;
    }
    let refused = match check {
        Check::Right(_used_up) => {
            server_pin::forget_wrong(rows, token)?;
            rows.audit(now, AuditEvent::PasscodeAccepted, &token.serial, "pushed")?;
            return Ok((Event::Approve, push::Result::Approved));
        }
        Check::UsedBefore => "pushed: used before",
        Check::Wrong => "pushed: wrong",
    };
    rows.audit(now, AuditEvent::PasscodeRefused, &token.serial, refused)?;
    Ok(WRONG_PASSCODE)
}
