//! The administrator issues a token: its row, its activation, the string that is handed over.

use countersign_core::{
    activation_string::{ActivationString, ActivationStringError},
    otp::OtpMode,
    pskc::{PinPolicy, PskcError},
    secret::{SecretBytes, SecretText},
    token::PushPolicy,
};
use url::Url;

use super::{Service, ServiceError};
use crate::{
    random::SystemRandom,
    store::{Activation, AuditEvent, NewToken, Rows, StoreError},
};

/// An activation string is good for three days, in milliseconds.
const ACTIVATION_MS: i64 = 72 * 3_600_000;

/// A token to be issued.
#[derive(Clone, Debug)]
pub struct NewTokenSpec {
    /// What it generates.
    pub mode: OtpMode,
    /// How its PIN is checked.
    pub pin: PinPolicy,
    /// Does it answer login requests, and how sure must the agent be?
    pub push: PushPolicy,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum NewTokenError {
    /// There is no such user.
    #[error("there is no such user; `user add` makes one")]
    UnknownUser,
    /// A token PIN may be tried too seldom or too often.
    #[error("a token PIN may be tried 1 to 20 times")]
    PinTries,
    /// The shortest token PIN is too short or too long.
    #[error("the shortest token PIN may have 1 to 64 characters")]
    PinMin,
    /// The longest token PIN is too short or too long.
    #[error("the longest token PIN may have as many characters as the shortest, up to 64")]
    PinMax,
    /// The suite takes the PIN into the passcode, and another PIN type was asked for, or the other way round.
    #[error(
        "a PIN enters the passcode where the OCRA suite says so (P), and only there; such a token has no other PIN"
    )]
    PinInPasscode,
    /// The suite takes something that this gateway does not have.
    #[error("OCRA suites with session information (S) are not supported; leave it out")]
    Suite,
    /// The activation string cannot be made of these values.
    #[error("the activation string cannot be made")]
    Activation(#[from] ActivationStringError),
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Service {
    /// Issues a token and returns its activation string.
    ///
    /// # Errors
    ///
    /// Every variant of [`NewTokenError`].
    pub async fn issue_token(
        &self,
        user: &str,
        spec: NewTokenSpec,
    ) -> Result<ActivationString, NewTokenError> {
        check_policy(&spec)?;
        let now = self.now();
        let code = SystemRandom::base32(10);
        let passphrase = passphrase();
        let url = enrollment_url(&self.settings().config.origin(), &code)?;
        let activation = ActivationString::new(
            &url,
            user.to_owned(),
            passphrase.clone(),
            vec![self.keys().pin()],
        )?;
        let name = user.to_owned();
        let issued = self
            .store()
            .write(move |rows| {
                let Some(user) = rows.user_id(&name)? else {
                    return Ok(false);
                };
                let token = NewToken {
                    serial: free_serial(rows)?,
                    user,
                    mode: spec.mode,
                    pin: spec.pin,
                    push: spec.push,
                };
                rows.add_token(&token, now)?;
                rows.put_activation(&Activation {
                    code,
                    serial: token.serial.clone(),
                    passphrase: SecretBytes::from(passphrase.expose().as_bytes()),
                    expires: now.plus_ms(ACTIVATION_MS),
                    first_run: None,
                    runs: 0,
                    failures: 0,
                })?;
                rows.audit(
                    now,
                    AuditEvent::TokenIssued,
                    &token.serial,
                    &format!("to {name}: {}", token.mode),
                )?;
                Ok(true)
            })
            .await
            .map_err(ServiceError)?;
        if issued {
            Ok(activation)
        } else {
            Err(NewTokenError::UnknownUser)
        }
    }
}

/// A serial that no token has: `CS` and eight symbols that are not mistaken for each other.
fn free_serial(rows: Rows<'_>) -> Result<String, StoreError> {
    loop {
        let serial = format!("CS{}", SystemRandom::base32(8));
        if rows.token(&serial)?.is_none() {
            return Ok(serial);
        }
    }
}

/// Thirteen symbols in groups of 4-4-5: 65 random bits.
fn passphrase() -> SecretText {
    let symbols = SystemRandom::base32(13);
    let (first, rest) = symbols.split_at_checked(4).unwrap_or_default();
    let (second, third) = rest.split_at_checked(4).unwrap_or_default();
    SecretText::new(format!("{first}-{second}-{third}"))
}

/// Can there be such a token?
fn check_policy(spec: &NewTokenSpec) -> Result<(), NewTokenError> {
    let suite = match &spec.mode {
        OtpMode::Challenge { suite } => Some(suite),
        OtpMode::Time { .. } | OtpMode::Event { .. } => None,
    };
    if suite.is_some_and(|suite| suite.uses_session().is_some()) {
        return Err(NewTokenError::Suite);
    }
    let computed = suite.is_some_and(|suite| suite.uses_pin().is_some());
    match spec.pin {
        PinPolicy::InPasscode if computed => Ok(()),
        PinPolicy::InPasscode => Err(NewTokenError::PinInPasscode),
        PinPolicy::None | PinPolicy::Token(_) | PinPolicy::Server(_) if computed => {
            Err(NewTokenError::PinInPasscode)
        }
        PinPolicy::Token(limits) => match limits.check() {
            Ok(()) => Ok(()),
            Err(PskcError::Invalid("MaxFailedAttempts")) => Err(NewTokenError::PinTries),
            Err(PskcError::Invalid("MinLength")) => Err(NewTokenError::PinMin),
            Err(_too_long) => Err(NewTokenError::PinMax),
        },
        PinPolicy::None | PinPolicy::Server(_) => Ok(()),
    }
}

/// The enrollment URL of an activation code.
///
/// # Errors
///
/// The origin makes no URL.
pub(crate) fn enrollment_url(origin: &str, code: &str) -> Result<Url, ServiceError> {
    Url::parse(&format!("{origin}/enroll/dskpp?sc={code}"))
        .map_err(|_malformed| ServiceError(StoreError::Unreadable("gateway URL")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_has_thirteen_symbols_in_three_groups() {
        let text = passphrase();
        let groups: Vec<usize> = text.expose().split('-').map(str::len).collect();
        assert_eq!(groups, [4, 4, 5]);
    }
}
