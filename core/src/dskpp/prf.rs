//! The pseudorandom functions (RFC 6063, appendix D): blocks F(k, INT32BE(i) || s), i from 1, one after the other.

use core::str::FromStr;

use aes::Aes128;
use cmac::{Cmac, KeyInit as _};
use hmac::Mac as _;

use super::DskppError;
use crate::{secret::SecretBytes, signing::hmac_sha256};

/// The pseudorandom function of a run. It derives its keys and makes its MACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Prf {
    /// HMAC-SHA-256 (appendix D.3). Preferred.
    Sha256,
    /// AES-128-CMAC (appendix D.2).
    Aes128,
}

/// Length of a key of AES-128, in bytes.
const AES_KEY: usize = 16;

impl Prf {
    /// Every function, the better one first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Aes128];

    /// The URI.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Sha256 => "urn:ietf:params:xml:ns:keyprov:dskpp:prf-sha256",
            Self::Aes128 => "urn:ietf:params:xml:ns:keyprov:dskpp:prf-aes-128",
        }
    }

    /// The length of its keys that we make, in bytes: of `R_C` and of `K_MAC`.
    pub(super) const fn key_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Aes128 => AES_KEY,
        }
    }

    /// Can this be a key? HMAC takes every one of the lengths that the RFC allows, AES-128 takes one.
    pub(super) const fn takes(self, key_len: usize) -> bool {
        match self {
            Self::Sha256 => key_len >= AES_KEY,
            Self::Aes128 => key_len == AES_KEY,
        }
    }

    /// DSKPP-PRF(key, parts, len). A key that the function does not take (the callers see to it) is cut or filled with
    /// zeros for AES.
    pub(super) fn compute(self, key: &[u8], parts: &[&[u8]], len: usize) -> SecretBytes {
        let mut output = Vec::with_capacity(len.next_multiple_of(32));
        for block in 1_u32.. {
            if output.len() >= len {
                break;
            }
            match self {
                Self::Sha256 => {
                    let mut mac = hmac_sha256(key);
                    mac.update(&block.to_be_bytes());
                    for part in parts {
                        mac.update(part);
                    }
                    output.extend_from_slice(&mac.finalize().into_bytes());
                }
                Self::Aes128 => {
                    let mut bytes = zeroize::Zeroizing::new([0; AES_KEY]);
                    for (to, from) in bytes.iter_mut().zip(key) {
                        *to = *from;
                    }
                    let mut mac = Cmac::<Aes128>::new((&*bytes).into());
                    mac.update(&block.to_be_bytes());
                    for part in parts {
                        mac.update(part);
                    }
                    output.extend_from_slice(&mac.finalize().into_bytes());
                }
            }
        }
        output.truncate(len);
        SecretBytes::new(output)
    }
}

impl FromStr for Prf {
    type Err = DskppError;

    fn from_str(uri: &str) -> Result<Self, DskppError> {
        Self::ALL
            .into_iter()
            .find(|prf| prf.uri() == uri)
            .ok_or(DskppError::NotOffered("MAC algorithm"))
    }
}
