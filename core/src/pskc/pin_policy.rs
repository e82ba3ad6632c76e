//! How the PIN of a token is checked, and within which limits (RFC 6030, section 5).

use serde::{Deserialize, Serialize};

use super::PskcError;
use crate::token::PinType;

/// Most tries that a policy can allow.
const MAX_ATTEMPTS: u8 = 20;
/// Longest PIN that a policy can ask for or allow, in characters.
const MAX_LENGTH: u8 = 64;

/// The PIN of a token: `PINPolicy/@PINUsageMode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinPolicy {
    /// There is none.
    None,
    /// Checked by the agent (`Local`).
    Token(TokenPin),
    /// Checked by the service, which gets it beside a pushed passcode or with a typed one.
    Server(PinPlace),
    /// Part of the computation of an OCRA suite with a PIN (`Algorithmic`): a wrong PIN gives a wrong passcode.
    InPasscode,
}

impl PinPolicy {
    /// Who checks the PIN.
    #[must_use]
    pub const fn pin_type(&self) -> PinType {
        match self {
            Self::None => PinType::None,
            Self::Token(_) => PinType::Token,
            Self::Server(_) | Self::InPasscode => PinType::Server,
        }
    }
}

/// Where a server PIN stands in a typed passcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinPlace {
    /// In front (`Prepend`).
    Prepend,
    /// Behind (`Append`).
    Append,
}

/// The limits of a token PIN, which the agent must enforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct TokenPin {
    /// Wrong tries in a row after which the seed is gone: 1 to 20.
    pub max_failed_attempts: u8,
    /// Fewest characters: 1 to 64.
    pub min_length: u8,
    /// Most characters: `min_length` to 64.
    pub max_length: u8,
    /// Which characters.
    pub encoding: PinEncoding,
    /// May a finger stand for the PIN?
    pub biometric: BiometricPin,
}

impl Default for TokenPin {
    /// What holds where a package says nothing: 5 tries, 6 to 64 letters and digits, no finger.
    fn default() -> Self {
        Self {
            max_failed_attempts: 5,
            min_length: 6,
            max_length: MAX_LENGTH,
            encoding: PinEncoding::Alphanumeric,
            biometric: BiometricPin::Refused,
        }
    }
}

impl TokenPin {
    /// Are the limits within their bounds?
    ///
    /// # Errors
    /// [`PskcError::Invalid`] names the limit that is not.
    pub fn check(&self) -> Result<(), PskcError> {
        if !(1..=MAX_ATTEMPTS).contains(&self.max_failed_attempts) {
            return Err(PskcError::Invalid("MaxFailedAttempts"));
        }
        if !(1..=MAX_LENGTH).contains(&self.min_length) {
            return Err(PskcError::Invalid("MinLength"));
        }
        if !(self.min_length..=MAX_LENGTH).contains(&self.max_length) {
            return Err(PskcError::Invalid("MaxLength"));
        }
        Ok(())
    }
}

/// The characters of a PIN: `PINPolicy/@PINEncoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinEncoding {
    /// Digits.
    Decimal,
    /// Digits and the letters a to f.
    Hexadecimal,
    /// ASCII letters and digits.
    Alphanumeric,
}

impl PinEncoding {
    /// Every encoding.
    pub const ALL: [Self; 3] = [Self::Decimal, Self::Hexadecimal, Self::Alphanumeric];

    /// The word of PSKC.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Decimal => "DECIMAL",
            Self::Hexadecimal => "HEXADECIMAL",
            Self::Alphanumeric => "ALPHANUMERIC",
        }
    }

    /// May the character stand in a PIN?
    #[must_use]
    pub const fn allows(self, character: char) -> bool {
        match self {
            Self::Decimal => character.is_ascii_digit(),
            Self::Hexadecimal => character.is_ascii_hexdigit(),
            Self::Alphanumeric => character.is_ascii_alphanumeric(),
        }
    }
}

/// May a finger stand for the token PIN?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BiometricPin {
    /// The user may switch it on.
    Allowed,
    /// Only the PIN itself.
    Refused,
}
