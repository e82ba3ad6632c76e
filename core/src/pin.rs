//! PINs: which ones the rules allow, the key that is derived from one, and how often one may be tried.

use core::{fmt, time::Duration};

use crate::{
    pskc::{PinEncoding, TokenPin},
    secret::{SecretBytes, SecretText},
    server_pin,
};

/// The fewest characters of a PIN or passphrase that the agent itself checks. Without a TPM the limit of tries
/// is a rule of the agent and not of the mathematics: whoever has the vault's key can guess at leisure.
pub const SHORTEST: u8 = 6;
/// The longest agent PIN or passphrase, in bytes.
pub const LONGEST: usize = 1024;

/// What a new PIN must be like, for the person who chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinRules {
    /// A token's, by its policy.
    Token(TokenPin),
    /// A server PIN, or one that enters an OCRA computation.
    Server,
    /// The agent's own, or a passphrase: any characters.
    Agent,
}

impl PinRules {
    /// Is this PIN allowed?
    ///
    /// # Errors
    ///
    /// [`PinMalformed`]; its words are these rules.
    pub fn admit(self, pin: &SecretBytes) -> Result<(), PinMalformed> {
        let malformed = PinMalformed(self);
        let text = pin.as_text().ok_or(malformed)?;
        let length = text.chars().count();
        let fits = match self {
            Self::Token(limits) => {
                let shortest = limits.min_length.max(SHORTEST);
                (usize::from(shortest)..=usize::from(limits.max_length)).contains(&length)
                    && text
                        .chars()
                        .all(|character| limits.encoding.allows(character))
            }
            Self::Server => server_pin::check(&SecretText::from(text)).is_ok(),
            Self::Agent => {
                length >= usize::from(SHORTEST)
                    && pin.len() <= LONGEST
                    && !text.chars().any(char::is_control)
            }
        };
        if fits { Ok(()) } else { Err(malformed) }
    }
}

impl fmt::Display for PinRules {
    /// `6 to 64 letters and digits`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |f: &mut fmt::Formatter<'_>, low: usize, high: usize| {
            if low == high {
                write!(f, "{low} ")
            } else {
                write!(f, "{low} to {high} ")
            }
        };
        match self {
            Self::Token(limits) => {
                let low = limits.min_length.max(SHORTEST);
                range(f, low.into(), limits.max_length.into())?;
                f.write_str(match limits.encoding {
                    PinEncoding::Decimal => "digits",
                    PinEncoding::Hexadecimal => "digits and letters a to f",
                    PinEncoding::Alphanumeric => "letters and digits",
                })
            }
            Self::Server => {
                range(f, *server_pin::LENGTH.start(), *server_pin::LENGTH.end())?;
                f.write_str("letters and digits")
            }
            Self::Agent => write!(f, "{SHORTEST} characters or more"),
        }
    }
}

/// A new PIN that the rules do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this PIN is not allowed: it must have {0}")]
pub struct PinMalformed(pub PinRules);

/// Can the agent hold this policy? One that allows only PINs shorter than [`SHORTEST`] it cannot.
#[must_use]
pub const fn can_be_held(limits: &TokenPin) -> bool {
    limits.max_length >= SHORTEST
}

/// How long the agent waits after `failed` wrong PINs or passphrases in a row before it looks at another one.
/// Nothing for the first four, then half a minute, doubled each time up to an hour: a person who mistypes is not
/// held up, a program that guesses is.
#[must_use]
pub fn delay_after(failed: u32) -> Duration {
    const FREE: u32 = 4;
    const FIRST: Duration = Duration::from_secs(30);
    const LONGEST: Duration = Duration::from_hours(1);
    match failed.checked_sub(FREE.saturating_add(1)) {
        None => Duration::ZERO,
        Some(over) => FIRST
            .saturating_mul(2_u32.saturating_pow(over.min(16)))
            .min(LONGEST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pskc::BiometricPin;

    fn limits(min_length: u8, max_length: u8, encoding: PinEncoding) -> PinRules {
        PinRules::Token(TokenPin {
            max_failed_attempts: 5,
            min_length,
            max_length,
            encoding,
            biometric: BiometricPin::Refused,
        })
    }

    fn admitted(rules: PinRules, pin: &str) -> bool {
        rules.admit(&pin.as_bytes().into()).is_ok()
    }

    #[test]
    fn a_pin_keeps_the_policys_limits_and_six_characters_at_least() {
        let rules = limits(4, 8, PinEncoding::Decimal);
        assert!(admitted(rules, "246802"));
        assert!(admitted(rules, "24680246"));
        assert!(!admitted(rules, "24680"));
        assert!(!admitted(rules, "246802468"));
        assert!(!admitted(rules, "24680a"));
        assert!(!admitted(rules, "24680٣"));
        assert!(admitted(limits(6, 8, PinEncoding::Hexadecimal), "00ffAA"));
        assert!(!admitted(limits(6, 8, PinEncoding::Hexadecimal), "00ffAg"));
        assert!(!admitted(
            limits(6, 8, PinEncoding::Alphanumeric),
            "abc de1"
        ));
    }

    #[test]
    fn the_agents_own_takes_any_printable_text() {
        assert!(admitted(PinRules::Agent, "correct horse"));
        assert!(admitted(PinRules::Agent, "größer"));
        assert!(!admitted(PinRules::Agent, "größe"));
        assert!(!admitted(PinRules::Agent, "six\u{7}bel"));
        assert!(!admitted(PinRules::Agent, &"x".repeat(LONGEST + 1)));
        assert!(PinRules::Agent.admit(&vec![0xff; 8].into()).is_err());
    }

    #[test]
    fn a_server_pin_is_what_the_service_takes() {
        for pin in ["1234", "aB3d", "123", "12 4", "pässe", &"1".repeat(65)] {
            let taken = server_pin::check(&pin.into()).is_ok();
            assert_eq!(admitted(PinRules::Server, pin), taken, "{pin}");
        }
        assert_eq!(
            PinRules::Server.to_string(),
            "4 to 64 letters and digits",
            "what `server_pin` says in its error"
        );
    }

    #[test]
    fn the_rules_are_said_in_words() {
        assert_eq!(
            limits(4, 8, PinEncoding::Decimal).to_string(),
            "6 to 8 digits"
        );
        assert_eq!(limits(8, 8, PinEncoding::Decimal).to_string(), "8 digits");
        assert_eq!(
            PinMalformed(PinRules::Agent).to_string(),
            "this PIN is not allowed: it must have 6 characters or more"
        );
    }

    #[test]
    fn guessing_becomes_slow_and_stays_bounded() {
        assert_eq!(delay_after(0), Duration::ZERO);
        assert_eq!(delay_after(4), Duration::ZERO);
        assert_eq!(delay_after(5), Duration::from_secs(30));
        assert_eq!(delay_after(6), Duration::from_mins(1));
        assert_eq!(delay_after(12), Duration::from_hours(1));
        assert_eq!(delay_after(u32::MAX), Duration::from_hours(1));
    }

    #[test]
    fn a_policy_of_short_pins_only_cannot_be_held() {
        let policy = |max_length| TokenPin {
            min_length: 4,
            max_length,
            ..TokenPin::default()
        };
        assert!(!can_be_held(&policy(5)));
        assert!(can_be_held(&policy(6)));
    }
}
