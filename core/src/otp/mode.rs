//! What a token generates its passcodes from.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{Digits, HashAlgorithm, Period, ocra};

/// The OTP mode of a token with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum OtpMode {
    /// TOTP (RFC 6238).
    Time {
        /// Hash inside the HMAC.
        hash: HashAlgorithm,
        /// Length of a passcode.
        digits: Digits,
        /// Length of a step.
        period: Period,
    },
    /// HOTP (RFC 4226).
    Event {
        /// Hash inside the HMAC.
        hash: HashAlgorithm,
        /// Length of a passcode.
        digits: Digits,
    },
    /// OCRA (RFC 6287).
    Challenge {
        /// The suite, which says all the rest.
        suite: ocra::Suite,
    },
}

impl OtpMode {
    /// The hash inside the HMAC.
    #[must_use]
    pub const fn hash(&self) -> HashAlgorithm {
        match self {
            Self::Time { hash, .. } | Self::Event { hash, .. } => *hash,
            Self::Challenge { suite } => suite.hash(),
        }
    }

    /// The kind without its parameters.
    #[must_use]
    pub const fn kind(&self) -> OtpKind {
        match self {
            Self::Time { .. } => OtpKind::Time,
            Self::Event { .. } => OtpKind::Event,
            Self::Challenge { .. } => OtpKind::Challenge,
        }
    }

    /// Length of a passcode; none for an OCRA suite without truncation.
    #[must_use]
    pub const fn digits(&self) -> Option<Digits> {
        match self {
            Self::Time { digits, .. } | Self::Event { digits, .. } => Some(*digits),
            Self::Challenge { suite } => suite.response().digits(),
        }
    }

    /// Does the token keep a counter that moves with every passcode?
    #[must_use]
    pub const fn uses_counter(&self) -> bool {
        match self {
            Self::Time { .. } => false,
            Self::Event { .. } => true,
            Self::Challenge { suite } => suite.uses_counter(),
        }
    }
}

impl fmt::Display for OtpMode {
    /// For token information: algorithm, hash, digits and period are all named, because many
    /// authenticators fall back to SHA-1 in silence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time {
                hash,
                digits,
                period,
            } => {
                write!(
                    f,
                    "TOTP {hash}, {} digits, {} s",
                    digits.count(),
                    period.secs()
                )
            }
            Self::Event { hash, digits } => write!(f, "HOTP {hash}, {} digits", digits.count()),
            Self::Challenge { suite } => suite.fmt(f),
        }
    }
}

/// The kind of an OTP mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtpKind {
    /// Time-based.
    Time,
    /// Event-based.
    Event,
    /// Challenge-response.
    Challenge,
}

impl fmt::Display for OtpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "time",
            Self::Event => "event",
            Self::Challenge => "challenge",
        })
    }
}

/// A word that names no OTP mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an OTP mode is time, event or challenge")]
pub struct OtpKindError;

impl FromStr for OtpKind {
    type Err = OtpKindError;

    fn from_str(text: &str) -> Result<Self, OtpKindError> {
        match text {
            "time" => Ok(Self::Time),
            "event" => Ok(Self::Event),
            "challenge" => Ok(Self::Challenge),
            _ => Err(OtpKindError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: OtpMode = OtpMode::Time {
        hash: HashAlgorithm::Sha256,
        digits: Digits::EIGHT,
        period: Period::THIRTY,
    };

    fn challenge() -> OtpMode {
        OtpMode::Challenge {
            suite: "OCRA-1:HOTP-SHA512-8:C-QN08-PSHA1".parse().unwrap(),
        }
    }

    #[test]
    fn the_stored_form_is_stable() {
        assert_eq!(
            serde_json::to_string(&TIME).unwrap(),
            r#"{"kind":"time","hash":"sha256","digits":8,"period":30}"#
        );
        assert_eq!(
            serde_json::to_string(&challenge()).unwrap(),
            r#"{"kind":"challenge","suite":"OCRA-1:HOTP-SHA512-8:C-QN08-PSHA1"}"#
        );
        for mode in [TIME, challenge()] {
            let stored = serde_json::to_string(&mode).unwrap();
            assert_eq!(serde_json::from_str::<OtpMode>(&stored).unwrap(), mode);
        }
    }

    #[test]
    fn a_stored_form_out_of_bounds_is_refused() {
        for stored in [
            r#"{"kind":"time","hash":"sha256","digits":3,"period":30}"#,
            r#"{"kind":"time","hash":"sha256","digits":8,"period":0}"#,
            r#"{"kind":"time","hash":"md5","digits":8,"period":30}"#,
            r#"{"kind":"event","hash":"sha1","digits":6,"period":30}"#,
            r#"{"kind":"challenge","suite":"OCRA-2:HOTP-SHA1-6:QN08"}"#,
        ] {
            assert!(serde_json::from_str::<OtpMode>(stored).is_err(), "{stored}");
        }
    }

    #[test]
    fn token_information_names_the_hash() {
        assert_eq!(TIME.to_string(), "TOTP SHA256, 8 digits, 30 s");
        assert_eq!(challenge().to_string(), "OCRA-1:HOTP-SHA512-8:C-QN08-PSHA1");
        assert!(challenge().uses_counter());
        assert_eq!("time".parse(), Ok(TIME.kind()));
    }
}
