//! The administrator issues a token: its row, its activation, the string that is handed over.

use countersign_core::{
    activation_string::{ActivationString, ActivationStringError},
    otp::OtpMode,
    pskc::{PinPolicy, PskcError},
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
};
use url::Url;

use super::{Operator, Service, ServiceError};
use crate::{
    random::SystemRandom,
    store::{Activation, AuditEvent, NewToken, Policy, Rows, StoreError, TokenRules},
};

/// An activation string is good for three days, in milliseconds.
pub(super) const ACTIVATION_MS: i64 = 72 * 3_600_000;

/// A token that was issued.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its serial.
    pub serial: String,
    /// What the user is handed.
    pub activation: ActivationString,
    /// Good until then.
    pub expires: UnixMillis,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum NewTokenError {
    /// There is no such user.
    #[error("there is no such user; `user add` makes one")]
    UnknownUser,
    /// There is no such policy.
    #[error("there is no such policy; `policy add` makes one")]
    UnknownPolicy,
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

impl Operator {
    /// Issues a token by these rules.
    ///
    /// # Errors
    ///
    /// Every variant of [`NewTokenError`] but [`NewTokenError::UnknownPolicy`].
    pub async fn issue_token(
        &self,
        user: &str,
        rules: TokenRules,
    ) -> Result<Issued, NewTokenError> {
        check_rules(&rules)?;
        self.issue(user, By::Rules(rules)).await
    }

    /// Issues a token by the policy of this name, as it says now.
    ///
    /// # Errors
    ///
    /// [`NewTokenError::UnknownPolicy`], [`NewTokenError::UnknownUser`], [`NewTokenError::Activation`], or the
    /// database failed.
    pub async fn issue_token_by_policy(
        &self,
        user: &str,
        policy: &str,
    ) -> Result<Issued, NewTokenError> {
        self.issue(user, By::Policy(policy.to_owned())).await
    }

    async fn issue(&self, user: &str, by: By) -> Result<Issued, NewTokenError> {
        let service = self.service();
        let (now, operator) = (service.now(), self.name().to_owned());
        let expires = now.plus_ms(ACTIVATION_MS);
        let (kept, activation) = service.new_activation(user)?;
        let name = user.to_owned();
        let serial = service
            .store()
            .write(move |rows| {
                let Some(user) = rows.user_id(&name)? else {
                    return Ok(Err(NewTokenError::UnknownUser));
                };
                let (rules, policy_name, policy_level) = match by {
                    By::Rules(rules) => (rules, String::new(), String::new()),
                    By::Policy(policy) => match rows.policy(&policy)? {
                        Some(Policy {
                            name, level, rules, ..
                        }) => (rules, name, level),
                        None => return Ok(Err(NewTokenError::UnknownPolicy)),
                    },
                };
                let detail = match policy_name.as_str() {
                    "" => format!("to {name}: {}", rules.mode),
                    policy => format!("to {name} by policy {policy}: {}", rules.mode),
                };
                let token = NewToken {
                    serial: free_serial(rows)?,
                    user,
                    rules,
                    policy_name,
                    policy_level,
                };
                rows.add_token(&token, now)?;
                rows.put_activation(&kept.of(&token.serial, expires))?;
                let event = AuditEvent::TokenIssued;
                rows.audit_by(&operator, now, event, &token.serial, &detail)?;
                Ok(Ok(token.serial))
            })
            .await
            .map_err(ServiceError)??;
        Ok(Issued {
            serial,
            activation,
            expires,
        })
    }
}

/// By what a token is issued.
enum By {
    Rules(TokenRules),
    Policy(String),
}

/// What of an activation string the gateway keeps.
pub(super) struct NewActivation {
    code: String,
    passphrase: SecretText,
}

impl NewActivation {
    /// As the row of a token's activation.
    pub(super) fn of(&self, serial: &str, expires: UnixMillis) -> Activation {
        Activation {
            code: self.code.clone(),
            serial: serial.to_owned(),
            passphrase: SecretBytes::from(self.passphrase.expose().as_bytes()),
            expires,
            first_run: None,
            runs: 0,
            failures: 0,
        }
    }
}

impl Service {
    /// A new activation string for a user, and what of it is kept.
    pub(super) fn new_activation(
        &self,
        user: &str,
    ) -> Result<(NewActivation, ActivationString), NewTokenError> {
        let kept = NewActivation {
            code: SystemRandom::base32(10),
            passphrase: passphrase(),
        };
        let activation = self.activation_string(user, &kept.code, kept.passphrase.clone())?;
        Ok((kept, activation))
    }

    /// The activation string of what is kept.
    pub(super) fn activation_string(
        &self,
        user: &str,
        code: &str,
        passphrase: SecretText,
    ) -> Result<ActivationString, NewTokenError> {
        let url = enrollment_url(&self.settings().config.origin(), code)?;
        let pins = vec![self.keys().pin()];
        Ok(ActivationString::new(
            &url,
            user.to_owned(),
            passphrase,
            pins,
        )?)
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
pub(super) fn check_rules(rules: &TokenRules) -> Result<(), NewTokenError> {
    let suite = match &rules.mode {
        OtpMode::Challenge { suite } => Some(suite),
        OtpMode::Time { .. } | OtpMode::Event { .. } => None,
    };
    if suite.is_some_and(|suite| suite.uses_session().is_some()) {
        return Err(NewTokenError::Suite);
    }
    let computed = suite.is_some_and(|suite| suite.uses_pin().is_some());
    match rules.pin {
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
