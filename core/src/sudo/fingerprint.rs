//! A public key as a person compares it, on two screens.

use core::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use p256::ecdsa::VerifyingKey;
use sha2::{Digest as _, Sha256};

use crate::signing;

/// How much of the hash is shown, in bytes: 96 bits, which nobody finds a second key for.
const SHOWN: usize = 12;
/// Letters between two dashes.
const GROUP: usize = 4;

/// SHA-256 of a public key in the uncompressed form of SEC1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text that is no fingerprint: 64 hex digits are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint has 64 hex digits")]
pub struct FingerprintError;

impl Fingerprint {
    /// Of `key`.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        Self(Sha256::digest(signing::public_to_sec1(key)).into())
    }

    /// From its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Five groups of four letters: `K7QF-...`.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = BASE32_NOPAD.encode(self.0.get(..SHOWN).unwrap_or(&self.0));
        let groups: Vec<_> = letters
            .as_bytes()
            .chunks(GROUP)
            .filter_map(|group| core::str::from_utf8(group).ok())
            .collect();
        f.write_str(&groups.join("-"))
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .map_err(|_not_hex| FingerprintError)?;
        <[u8; 32]>::try_from(bytes.as_slice())
            .map(Self)
            .map_err(|_wrong_length| FingerprintError)
    }
}
