//! Passcodes: one for the user to type, one for a login request. A counter is durable before its passcode exists.

use core::time::Duration;

use countersign_core::{
    ids::TokenId,
    login_request::LoginRequest,
    otp::{
        self, OtpKind, OtpMode, Passcode, Period,
        ocra::{ChallengeError, Inputs, OcraError, Suite},
    },
    pskc::{PinPlace, PinPolicy},
    secret::{SecretBytes, SecretText},
    text,
    time::UnixMillis,
    token::TokenSecrets,
};
use countersign_proto::{agent::v1::Reason, limits};
use tracing::warn;

use super::{
    Agent,
    caller::{About, Caller},
    explain::Explain,
    session::SessionError,
    tokens::SelectError,
    verification::{VerificationError, Verified},
};
use crate::vault::{EventKind, NewEvent, TokenRow, VaultError};

/// Which passcode is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasscodeWish {
    /// Whatever the token's mode gives.
    Current,
    /// The next one of an event-based token; other modes are refused.
    Next,
}

/// A passcode for the user.
#[derive(Debug)]
pub struct Generated {
    /// What is typed on the login page: the passcode; with a server PIN that came along, both as the policy says.
    pub typed: SecretText,
    /// The token's name.
    pub name: String,
    /// The token's mode.
    pub kind: OtpKind,
    /// How long it stays valid, and the period; only time-based.
    pub validity: Option<(Duration, Period)>,
    /// The clock of the token's service minus ours; only time-based, where it was heard.
    pub clock_offset_ms: Option<i64>,
}

/// A passcode for a login request.
#[derive(Debug)]
pub(super) struct PushPasscode {
    pub(super) passcode: Passcode,
    /// Counter or time step; 0 for a suite with neither.
    pub(super) moving_factor: u64,
}

/// Why there is no passcode.
#[derive(Debug, thiserror::Error)]
pub enum PasscodeError {
    /// Which token?
    #[error(transparent)]
    Select(#[from] SelectError),
    /// It answers login requests, and no more.
    #[error("the token {name} has no passcodes: it answers login requests")]
    PushOnly {
        /// The token's name.
        name: String,
    },
    /// `next` is for event-based tokens.
    #[error("the token {name} is {mode}: it has no next passcode")]
    NotEventBased {
        /// The token's name.
        name: String,
        /// `time-based` or `challenge-response`.
        mode: &'static str,
    },
    /// A challenge is needed.
    #[error("the token {name} answers challenges: give the one that the login page shows")]
    ChallengeRequired {
        /// The token's name.
        name: String,
    },
    /// A challenge was given to a token that takes none.
    #[error("the token {name} takes no challenge")]
    ChallengeNotTaken {
        /// The token's name.
        name: String,
    },
    /// The challenge does not fit the token.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// Longer than any suite allows.
    #[error("a challenge has at most {} characters", limits::CHALLENGE)]
    ChallengeTooLong,
    /// The suite wants session data.
    #[error("this token's suite takes session data, which this version does not ask for")]
    Suite,
    /// The token's suite cannot be computed.
    #[error(transparent)]
    Ocra(#[from] OcraError),
    /// The user could not be verified.
    #[error(transparent)]
    Verification(#[from] VerificationError),
    /// The vault could not be opened for it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl PasscodeError {
    /// Tries left, where one was just lost.
    #[must_use]
    pub const fn tries_left(&self) -> Option<u32> {
        if let Self::Verification(error) = self {
            error.tries_left()
        } else {
            None
        }
    }
}

impl Explain for PasscodeError {
    fn reason(&self) -> Reason {
        match self {
            Self::Select(error) => error.reason(),
            Self::PushOnly { .. } | Self::NotEventBased { .. } => Reason::WrongMode,
            Self::ChallengeRequired { .. } => Reason::ChallengeRequired,
            Self::ChallengeNotTaken { .. }
            | Self::Challenge(_)
            | Self::ChallengeTooLong
            | Self::Ocra(_) => Reason::ChallengeInvalid,
            Self::Suite => Reason::VerificationUnavailable,
            Self::Verification(error) => error.reason(),
            Self::Session(error) => error.reason(),
            Self::Vault(error) => error.reason(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Select(error) => error.hint(),
            Self::PushOnly { .. } => {
                "`countersign requests --check` asks its service for login requests now".to_owned()
            }
            Self::NotEventBased { name, .. } => format!("run `countersign code {name}`"),
            Self::ChallengeRequired { name } => {
                format!("run `countersign code {name} --challenge CHALLENGE`")
            }
            Self::ChallengeNotTaken { name } => {
                format!("run `countersign code {name}` without one")
            }
            Self::Challenge(_) | Self::ChallengeTooLong => {
                "copy the challenge from the login page again".to_owned()
            }
            Self::Ocra(_) | Self::Suite => {
                "ask the service for a token of another suite".to_owned()
            }
            Self::Verification(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

impl Agent {
    /// A passcode for the user to type.
    ///
    /// # Errors
    ///
    /// Every variant of [`PasscodeError`].
    pub async fn generate_passcode(
        &self,
        selector: &str,
        wish: PasscodeWish,
        challenge: Option<&str>,
        caller: &Caller,
    ) -> Result<Generated, PasscodeError> {
        self.started().await;
        let shown = text::display(selector, limits::TOKEN_NAME);
        let about = About::new(&format!("A passcode of the token {shown}"));
        let (_, caller) = self.unlock_first(caller, about.clone()).await?;
        let token = self.select_open(selector).await?;
        self.passcode_of(token, wish, challenge, about, "", &caller)
            .await
    }

    /// A passcode of this token; the vault is open. `told` is what the history says about it.
    ///
    /// # Errors
    ///
    /// As [`Agent::generate_passcode`].
    pub(super) async fn passcode_of(
        &self,
        (row, secrets): (TokenRow, TokenSecrets),
        wish: PasscodeWish,
        challenge: Option<&str>,
        about: About,
        told: &str,
        caller: &Caller,
    ) -> Result<Generated, PasscodeError> {
        let Some(mode) = &secrets.mode else {
            return Err(PasscodeError::PushOnly { name: row.name });
        };
        if wish == PasscodeWish::Next && mode.kind() != OtpKind::Event {
            return Err(PasscodeError::NotEventBased {
                name: row.name,
                mode: match mode.kind() {
                    OtpKind::Time => "time-based",
                    OtpKind::Event => "event-based",
                    OtpKind::Challenge => "challenge-response",
                },
            });
        }
        // Nobody is asked for a PIN in vain.
        check_challenge(&row, mode, challenge)?;
        let verified = self
            .verify_for_passcode(&row, &secrets, about, caller)
            .await?;
        let now = self.ports.clock.wall();
        let event = self.event(EventKind::PasscodeGenerated, &row.name, told);
        let (passcode, _, validity) = self
            .passcode(&row, mode, &verified, challenge, now, event)
            .await?;
        self.touch();
        let clock_offset_ms = validity.and_then(|_| self.clock_offset_ms(row.service?));
        Ok(Generated {
            clock_offset_ms,
            typed: typed(&passcode, secrets.pin, caller.secret.as_ref()),
            name: row.name,
            kind: mode.kind(),
            validity,
        })
    }

    /// The passcode that goes with an approval: by the service's clock and challenge.
    ///
    /// # Errors
    ///
    /// As [`Agent::generate_passcode`].
    pub(super) async fn push_passcode(
        &self,
        request: &LoginRequest,
        secrets: &TokenSecrets,
        verified: &Verified,
    ) -> Result<PushPasscode, PasscodeError> {
        let row = self.row(request.token).await?;
        let offset = self.clock_offset_ms(request.service).unwrap_or(0);
        let now = self.ports.clock.wall().plus_ms(offset);
        let challenge = Some(request.challenge.as_str()).filter(|challenge| !challenge.is_empty());
        let event = self.event(
            EventKind::PasscodeGenerated,
            &row.name,
            "for a login request",
        );
        let Some(mode) = &secrets.mode else {
            return Err(PasscodeError::PushOnly { name: row.name });
        };
        check_challenge(&row, mode, challenge)?;
        let (passcode, moving_factor, _) = self
            .passcode(&row, mode, verified, challenge, now, event)
            .await?;
        Ok(PushPasscode {
            passcode,
            moving_factor,
        })
    }

    async fn passcode(
        &self,
        row: &TokenRow,
        mode: &OtpMode,
        verified: &Verified,
        challenge: Option<&str>,
        now: UnixMillis,
        event: NewEvent,
    ) -> Result<(Passcode, u64, Option<(Duration, Period)>), PasscodeError> {
        let seed = &verified.keys.seed;
        match mode {
            &OtpMode::Time {
                hash,
                digits,
                period,
            } => {
                let step = otp::time_step(now.secs(), period);
                let passcode = otp::hotp(seed, step, hash, digits);
                self.append_later(event);
                Ok((passcode, step, Some((left_of(now, period), period))))
            }
            &OtpMode::Event { hash, digits } => {
                let counter = self.take_counter(row.id, event).await?;
                Ok((otp::hotp(seed, counter, hash, digits), counter, None))
            }
            OtpMode::Challenge { suite } => {
                let challenge = challenge.unwrap_or_default();
                self.response(row, verified, suite, challenge, now, event)
                    .await
            }
        }
    }

    async fn response(
        &self,
        row: &TokenRow,
        verified: &Verified,
        suite: &Suite,
        challenge: &str,
        now: UnixMillis,
        event: NewEvent,
    ) -> Result<(Passcode, u64, Option<(Duration, Period)>), PasscodeError> {
        let counter = if suite.uses_counter() {
            Some(self.take_counter(row.id, event).await?)
        } else {
            self.append_later(event);
            None
        };
        let time_step = suite.time_step(now.secs());
        // A wrong PIN gives a wrong passcode: only the service can tell.
        let pin_hash = verified.pin.as_ref().and_then(|pin| suite.pin_hash(pin));
        let inputs = Inputs {
            counter,
            challenge,
            pin_hash: pin_hash.as_ref(),
            session: None,
            time_step,
        };
        let passcode = suite.compute(&verified.keys.seed, &inputs)?;
        Ok((passcode, counter.or(time_step).unwrap_or(0), None))
    }

    async fn take_counter(&self, id: TokenId, event: NewEvent) -> Result<u64, VaultError> {
        self.vault
            .call(move |vault| vault.take_counter(id, &event))
            .await
    }

    /// Where nothing is used up the passcode need not wait for the log.
    fn append_later(&self, event: NewEvent) {
        let vault = self.vault.clone();
        tokio::spawn(async move {
            if let Err(error) = vault.call(move |vault| vault.append_event(&event)).await {
                warn!(%error, "an event could not be recorded");
            }
        });
    }
}

/// Does the challenge fit the token's mode?
fn check_challenge(
    row: &TokenRow,
    mode: &OtpMode,
    challenge: Option<&str>,
) -> Result<(), PasscodeError> {
    let name = || row.name.clone();
    match (mode, challenge) {
        (OtpMode::Time { .. } | OtpMode::Event { .. }, None) => Ok(()),
        (OtpMode::Time { .. } | OtpMode::Event { .. }, Some(_)) => {
            Err(PasscodeError::ChallengeNotTaken { name: name() })
        }
        (OtpMode::Challenge { .. }, None) => Err(PasscodeError::ChallengeRequired { name: name() }),
        (OtpMode::Challenge { suite }, Some(challenge)) => {
            if challenge.len() > limits::CHALLENGE {
                return Err(PasscodeError::ChallengeTooLong);
            }
            suite.check_challenge(challenge)?;
            if suite.uses_session().is_some() {
                return Err(PasscodeError::Suite);
            }
            Ok(())
        }
    }
}

/// The passcode as the login page wants it: a server PIN that is known stands where the policy says.
fn typed(passcode: &Passcode, pin: PinPolicy, given: Option<&SecretBytes>) -> SecretText {
    let passcode = passcode.expose();
    let given = given.and_then(SecretBytes::as_text);
    match (pin, given) {
        (PinPolicy::Server(place), Some(pin)) => {
            let mut both = String::with_capacity(pin.len().saturating_add(passcode.len()));
            let (first, second) = match place {
                PinPlace::Prepend => (pin, passcode),
                PinPlace::Append => (passcode, pin),
            };
            both.push_str(first);
            both.push_str(second);
            SecretText::new(both)
        }
        (
            PinPolicy::Server(_) | PinPolicy::None | PinPolicy::Token(_) | PinPolicy::InPasscode,
            _,
        ) => SecretText::from(passcode),
    }
}

/// What is left of the time step that `now` lies in.
fn left_of(now: UnixMillis, period: Period) -> Duration {
    let period_ms = u64::from(period.secs()).saturating_mul(1000);
    let now_ms = u64::try_from(now.0).unwrap_or(0);
    let gone = now_ms.checked_rem(period_ms).unwrap_or(0);
    Duration::from_millis(period_ms.saturating_sub(gone))
}

#[cfg(test)]
mod tests {
    use countersign_core::otp::{Digits, HashAlgorithm};

    use super::*;

    #[test]
    fn a_server_pin_stands_where_the_policy_says() {
        let passcode = otp::hotp(&[1; 20].into(), 0, HashAlgorithm::Sha1, Digits::SIX);
        let code = passcode.expose();
        let pin = SecretBytes::from(*b"4711");
        let shown = |policy, given| typed(&passcode, policy, given).expose().to_owned();
        let server = PinPolicy::Server;
        assert_eq!(
            shown(server(PinPlace::Prepend), Some(&pin)),
            format!("4711{code}")
        );
        assert_eq!(
            shown(server(PinPlace::Append), Some(&pin)),
            format!("{code}4711")
        );
        assert_eq!(shown(server(PinPlace::Append), None), code);
        assert_eq!(shown(PinPolicy::InPasscode, Some(&pin)), code);
    }

    #[test]
    fn the_time_left_ends_with_the_step() {
        assert_eq!(
            left_of(UnixMillis(0), Period::THIRTY),
            Duration::from_secs(30)
        );
        assert_eq!(
            left_of(UnixMillis(59_999), Period::THIRTY),
            Duration::from_millis(1)
        );
        assert_eq!(
            left_of(UnixMillis(60_000), Period::THIRTY),
            Duration::from_secs(30)
        );
    }
}
