//! The algorithms of keys, as PSKC and DSKPP name them.

use core::{fmt, str::FromStr};

use crate::otp::{OtpKind, OtpMode};

/// What a key is for: an `Algorithm` of PSKC, a key type of DSKPP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// Event-based (RFC 4226); URI of RFC 6030.
    Hotp,
    /// Time-based (RFC 6238); URI of the expired draft of algorithm profiles, in wide use.
    Totp,
    /// Challenge-response (RFC 6287); URI of the same draft.
    Ocra1,
}

impl KeyAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 3] = [Self::Totp, Self::Hotp, Self::Ocra1];

    /// The URI.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Hotp => "urn:ietf:params:xml:ns:keyprov:pskc:hotp",
            Self::Totp => "urn:ietf:params:xml:ns:keyprov:pskc:totp",
            Self::Ocra1 => "urn:ietf:params:xml:ns:keyprov:pskc:OCRA-1",
        }
    }

    /// The algorithm of a mode.
    #[must_use]
    pub const fn of(mode: &OtpMode) -> Self {
        match mode.kind() {
            OtpKind::Event => Self::Hotp,
            OtpKind::Time => Self::Totp,
            OtpKind::Challenge => Self::Ocra1,
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri())
    }
}

/// A URI that names no algorithm we have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the algorithm is none of HOTP, TOTP and OCRA")]
pub struct KeyAlgorithmError;

impl FromStr for KeyAlgorithm {
    type Err = KeyAlgorithmError;

    /// Upper and lower case are not told apart: the spelling of the drafts differs.
    fn from_str(uri: &str) -> Result<Self, KeyAlgorithmError> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.uri().eq_ignore_ascii_case(uri))
            .ok_or(KeyAlgorithmError)
    }
}
