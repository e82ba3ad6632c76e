//! The key of a browser extension's installation, which the user lets in once.

use core::fmt;

use data_encoding::BASE32_NOPAD;
use p256::ecdsa::VerifyingKey;

use crate::signing::{self, KeyError, Label, SignatureError, public_from_spki_der, spki_sha256};

/// Length of the number that the extension signs, in bytes.
pub const NONCE_LEN: usize = 32;
/// Bytes of the hash that people compare: as many as fill eight letters.
const COMPARED: usize = 5;
/// Letters in a group.
const GROUP: usize = 4;

/// The public key of one installation of the extension.
#[derive(Clone, PartialEq, Eq)]
pub struct ExtensionKey {
    key: VerifyingKey,
    spki: Vec<u8>,
}

impl ExtensionKey {
    /// Reads a `SubjectPublicKeyInfo` in DER: P-256, the one encoding of it.
    ///
    /// # Errors
    ///
    /// [`KeyError`].
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let key = public_from_spki_der(der)?;
        // The same key in other bytes would be another pairing.
        if signing::public_to_spki_der(&key)? != der {
            return Err(KeyError);
        }
        Ok(Self {
            key,
            spki: der.to_vec(),
        })
    }

    /// The `SubjectPublicKeyInfo`, DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What the agent's dialog and the extension both show: `ABCD-EFGH`, of the key's SHA-256.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let hash = spki_sha256(&self.spki);
        let letters = BASE32_NOPAD.encode(hash.get(..COMPARED).unwrap_or_default());
        let (one, other) = letters.split_at_checked(GROUP).unwrap_or((&letters, ""));
        format!("{one}-{other}")
    }

    /// Has whoever signed `nonce` the private key?
    ///
    /// # Errors
    ///
    /// [`SignatureError`].
    pub fn check(&self, nonce: &[u8; NONCE_LEN], signature: &[u8]) -> Result<(), SignatureError> {
        let body = [nonce.as_slice(), &self.spki].concat();
        signing::verify(&self.key, Label::BrowserHello, &body, signature)
    }
}

impl fmt::Debug for ExtensionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::signing::{key_from_bytes, public_to_spki_der, sign};

    fn key(byte: u8) -> (SigningKey, ExtensionKey) {
        let private = key_from_bytes(&[byte; 32].into()).unwrap();
        let spki = public_to_spki_der(private.verifying_key()).unwrap();
        (private, ExtensionKey::from_spki(&spki).unwrap())
    }

    #[test]
    fn only_the_private_key_answers_and_only_this_nonce() {
        let (private, public) = key(7);
        let nonce = [3; NONCE_LEN];
        let body = [nonce.as_slice(), public.spki()].concat();
        let signature = sign(&private, Label::BrowserHello, &body);
        assert_eq!(public.check(&nonce, &signature), Ok(()));
        assert!(public.check(&[4; NONCE_LEN], &signature).is_err());
        assert!(key(8).1.check(&nonce, &signature).is_err());
        let other_label = sign(&private, Label::Hello, &body);
        assert!(public.check(&nonce, &other_label).is_err());
        assert!(public.check(&nonce, &signature[..63]).is_err());
    }

    #[test]
    fn a_fingerprint_is_eight_letters_of_the_hash() {
        let (_, public) = key(7);
        let shown = public.fingerprint();
        assert_eq!(shown.len(), 9);
        assert_eq!(shown.chars().nth(4), Some('-'));
        assert_ne!(shown, key(8).1.fingerprint());
    }

    proptest! {
        #[test]
        fn what_is_no_key_is_refused(der in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(ExtensionKey::from_spki(&der).is_err());
        }

        #[test]
        fn a_changed_key_is_none_or_another(at in 0_usize..91, bit in 0_u8..8) {
            let (_, public) = key(7);
            let mut der = public.spki().to_vec();
            der[at] ^= 1 << bit;
            if let Ok(other) = ExtensionKey::from_spki(&der) {
                prop_assert_ne!(other, public);
            }
        }
    }
}
