//! What both sides of two passes have in common (RFC 6063, section 4.3): how the key travels, and what proves the code.

use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;

use super::authentication::ITERATIONS;
use crate::{
    pskc::{
        ContainerKey,
        delivery::{WRAP_KEY_LEN, Wrapping},
    },
    secret::{SecretBytes, SecretText},
};

/// Rounds of the proof: exactly one, where its key is a secret that both sides have (section 3.4.1.2).
pub(super) const PROOF_ROUNDS: u32 = 1;

/// The secret that both sides have before a run of two passes.
#[derive(Clone, Debug)]
pub enum SharedSecret {
    /// The passphrase of the activation, exactly as it was issued: `passphrase-wrap`.
    Passphrase(SecretText),
    /// A key that has a name on both sides, 16 bytes: `wrap`.
    Key {
        /// Its name, 1 to 128 characters.
        name: String,
        /// The key.
        key: SecretBytes,
    },
}

/// How the client can take a key, as it says in its hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyProtection {
    /// Under a key from the passphrase of the activation.
    PassphraseWrap,
    /// Under the key of this name, as the client gives it.
    Wrap(String),
}

impl KeyProtection {
    /// The URI (RFC 6063, sections 5.2.2 and 5.2.3; "schema", not "ns").
    pub(super) const fn uri(&self) -> &'static str {
        match self {
            Self::PassphraseWrap => PASSPHRASE_WRAP,
            Self::Wrap(_) => WRAP,
        }
    }
}

pub(super) const PASSPHRASE_WRAP: &str = "urn:ietf:params:xml:schema:keyprov:dskpp:passphrase-wrap";
pub(super) const WRAP: &str = "urn:ietf:params:xml:schema:keyprov:dskpp:wrap";

impl SharedSecret {
    /// As the hello names it.
    #[must_use]
    pub fn protection(&self) -> KeyProtection {
        match self {
            Self::Passphrase(_) => KeyProtection::PassphraseWrap,
            Self::Key { name, .. } => KeyProtection::Wrap(name.clone()),
        }
    }

    /// K of the proof: the key, or what PBKDF2-HMAC-SHA-1 makes of the passphrase with `R_C` as salt. Takes 100,000 rounds there.
    pub(super) fn proof_key(&self, r_c: &[u8]) -> SecretBytes {
        match self {
            Self::Key { key, .. } => key.clone(),
            Self::Passphrase(passphrase) => {
                let mut key = [0; WRAP_KEY_LEN];
                let passphrase = passphrase.expose().as_bytes();
                pbkdf2_hmac::<Sha1>(passphrase, r_c, ITERATIONS, &mut key);
                SecretBytes::from(key)
            }
        }
    }

    /// Calls `with` with what the key package is written with.
    pub(super) fn wrapping<T>(&self, with: impl FnOnce(Wrapping<'_>) -> T) -> T {
        match self {
            Self::Key { name, key } => with(Wrapping::Shared(name, key)),
            Self::Passphrase(passphrase) => {
                let passphrase = SecretBytes::from(passphrase.expose().as_bytes());
                with(Wrapping::Passphrase(&passphrase))
            }
        }
    }

    /// What opens the key package.
    pub(super) fn container_key(&self) -> ContainerKey {
        match self {
            Self::Key { key, .. } => ContainerKey::PreShared(key.clone()),
            Self::Passphrase(passphrase) => {
                ContainerKey::Passphrase(SecretBytes::from(passphrase.expose().as_bytes()))
            }
        }
    }
}
