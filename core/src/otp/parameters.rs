//! The parameters that token modes share.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The hash inside the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HashAlgorithm {
    /// SHA-1, the default of RFC 4226 and 6238.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Length of its output, in bytes: what a seed should have.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        })
    }
}

/// A hash that no token mode uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the hash must be SHA1, SHA256 or SHA512")]
pub struct HashAlgorithmError;

impl FromStr for HashAlgorithm {
    type Err = HashAlgorithmError;

    /// Liberal: `SHA-256`, `sha256`, `HMAC-SHA-256` and `HmacSHA256` are one.
    fn from_str(text: &str) -> Result<Self, HashAlgorithmError> {
        let plain: String = text
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|letter| letter.to_ascii_lowercase())
            .collect();
        match plain.strip_prefix("hmac").unwrap_or(&plain) {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(HashAlgorithmError),
        }
    }
}

/// Digits of a passcode: 4 to 10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Digits(u8);

impl Digits {
    /// Six, the usual.
    pub const SIX: Self = Self(6);
    /// Eight.
    pub const EIGHT: Self = Self(8);

    /// The number.
    #[must_use]
    pub const fn count(self) -> u8 {
        self.0
    }
}

/// Fewer than 4 or more than 10 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a passcode has 4 to 10 digits")]
pub struct DigitsError;

impl TryFrom<u8> for Digits {
    type Error = DigitsError;

    fn try_from(count: u8) -> Result<Self, DigitsError> {
        if (4..=10).contains(&count) {
            Ok(Self(count))
        } else {
            Err(DigitsError)
        }
    }
}

impl From<Digits> for u8 {
    fn from(digits: Digits) -> Self {
        digits.0
    }
}

/// The time step of a time-based token, in seconds: 1 to 86,400 (a day).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Period(u32);

impl Period {
    /// 30 seconds, the usual.
    pub const THIRTY: Self = Self(30);

    /// Seconds.
    #[must_use]
    pub const fn secs(self) -> u32 {
        self.0
    }
}

/// A period of no time or of more than a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a period is 1 to 86400 seconds")]
pub struct PeriodError;

impl TryFrom<u32> for Period {
    type Error = PeriodError;

    fn try_from(secs: u32) -> Result<Self, PeriodError> {
        if (1..=86_400).contains(&secs) {
            Ok(Self(secs))
        } else {
            Err(PeriodError)
        }
    }
}

impl From<Period> for u32 {
    fn from(period: Period) -> Self {
        period.0
    }
}
