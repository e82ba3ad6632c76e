//! A token whose counter or clock was lost is found again by two passcodes in a row.

use countersign_core::{
    otp::{
        OtpMode,
        validation::{
            PassedOver, TimeParameters, TimeState, TimeWindow, resynchronise_event,
            resynchronise_time,
        },
    },
    secret::SecretText,
    time::UnixMillis,
};

use super::{Operator, ServiceError, TokenError, typing::count_token};
use crate::store::{AuditEvent, Rows, StoreError, TokenState};

/// Counters ahead that are searched for two passcodes in a row.
const RESYNC_EVENTS: u32 = 1000;
/// Steps each way that are searched for two passcodes in a row: a clock that is half a day off.
const RESYNC_STEPS: TimeWindow = TimeWindow {
    past: 1440,
    future: 1440,
};

/// Why a token was not resynchronised.
#[derive(Debug, thiserror::Error)]
pub enum ResyncError {
    /// There is no such token, or it is not active.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Challenge-response tokens have nothing to resynchronise.
    #[error("only time-based and event-based tokens can be resynchronised")]
    Mode,
    /// Typing is locked for the token.
    #[error(
        "typing is locked for this token; it can be resynchronised when it is not, or after `token unlock`"
    )]
    Locked {
        /// Until then.
        until: UnixMillis,
    },
    /// The two passcodes are not found in a row.
    #[error(
        "the two passcodes do not follow each other in this token; give two that were generated one after the other, and were not used"
    )]
    NotFound,
}

impl Operator {
    /// Finds a token's counter or clock again from two passcodes in a row. Both are used up.
    ///
    /// # Errors
    ///
    /// Every variant of [`ResyncError`].
    pub async fn resynchronise_token(
        &self,
        serial: &str,
        first: SecretText,
        second: SecretText,
    ) -> Result<(), ResyncError> {
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let name = serial.to_owned();
        self.service()
            .store()
            .write(move |rows| resynchronise(rows, &name, &first, &second, &operator, now))
            .await
            .map_err(|error| TokenError::from(ServiceError(error)))?
    }
}

fn resynchronise(
    rows: Rows<'_>,
    serial: &str,
    first: &SecretText,
    second: &SecretText,
    operator: &str,
    now: UnixMillis,
) -> Result<Result<(), ResyncError>, StoreError> {
    let Some(token) = rows.token(serial)? else {
        return Ok(Err(TokenError::Unknown.into()));
    };
    if token.state != TokenState::Active {
        return Ok(Err(TokenError::State(token.state).into()));
    }
    if let Some(until) = token.typing_locked(now) {
        return Ok(Err(ResyncError::Locked { until }));
    }
    let Some(seed) = rows.seed(serial)? else {
        return Err(StoreError::Unreadable("token without a seed"));
    };
    let (first, second) = (first.expose(), second.expose());
    let found = match &token.mode {
        OtpMode::Event { hash, digits } => {
            let next = token.next_counter;
            match resynchronise_event(&seed, *hash, *digits, first, second, next, RESYNC_EVENTS) {
                Some(counter) => {
                    rows.use_counter(&token, counter, PassedOver::NONE, now)?;
                    true
                }
                None => false,
            }
        }
        OtpMode::Time {
            hash,
            digits,
            period,
        } => {
            let parameters = TimeParameters {
                hash: *hash,
                digits: *digits,
                period: *period,
            };
            let state = TimeState {
                drift: token.drift,
                last: token.last_step,
            };
            let secs = now.secs();
            match resynchronise_time(&seed, parameters, first, second, secs, RESYNC_STEPS, state) {
                Some(found) => {
                    rows.raise_step(serial, found.step, found.drift, now)?;
                    true
                }
                None => false,
            }
        }
        OtpMode::Challenge { .. } => return Ok(Err(ResyncError::Mode)),
    };
    if !found {
        // A pair is a guess as a passcode is.
        count_token(rows, &token, now)?;
        rows.audit(
            now,
            AuditEvent::PasscodeRefused,
            serial,
            "resynchronisation: wrong",
        )?;
        return Ok(Err(ResyncError::NotFound));
    }
    rows.put_typing(serial, 0, None)?;
    rows.audit_by(operator, now, AuditEvent::TokenResynchronised, serial, "")?;
    Ok(Ok(()))
}
