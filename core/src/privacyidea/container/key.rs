//! The key of a registered device: ECDSA on P-384 with SHA-256, as the links ask for it.

use data_encoding::{BASE64, BASE64URL};
use p384::{
    PublicKey,
    ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _},
    elliptic_curve::Generate as _,
    pkcs8::EncodePublicKey as _,
};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::SecretBytes;

/// Length of a private key, in bytes.
const PRIVATE_KEY_LEN: usize = 48;
/// Characters of a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// A device's private key. Wiped on drop.
#[derive(Clone, Debug)]
pub struct ContainerKey(SigningKey);

/// No key, or one that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a P-384 key of the expected form")]
pub struct ContainerKeyError;

impl ContainerKey {
    /// A fresh key.
    #[must_use]
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self(SigningKey::generate_from_rng(rng))
    }

    /// The private key as 48 bytes, for sealing.
    #[must_use]
    pub fn to_bytes(&self) -> SecretBytes {
        let bytes = Zeroizing::new(<[u8; PRIVATE_KEY_LEN]>::from(self.0.to_bytes()));
        SecretBytes::from(bytes.as_slice())
    }

    /// The key of [`ContainerKey::to_bytes`].
    ///
    /// # Errors
    ///
    /// [`ContainerKeyError`] unless the bytes are 48 and a number between 1 and the order of the curve.
    pub fn from_bytes(bytes: &SecretBytes) -> Result<Self, ContainerKeyError> {
        // The library would take some shorter numbers as well.
        if bytes.len() != PRIVATE_KEY_LEN {
            return Err(ContainerKeyError);
        }
        SigningKey::from_slice(bytes.expose())
            .map(Self)
            .map_err(|_out_of_range| ContainerKeyError)
    }

    /// The public key, `SubjectPublicKeyInfo` in PEM.
    ///
    /// # Errors
    ///
    /// [`ContainerKeyError`] if the key has no such form; P-384 keys have one.
    pub fn public_pem(&self) -> Result<String, ContainerKeyError> {
        let der = PublicKey::from(self.0.verifying_key())
            .to_public_key_der()
            .map_err(|_unencodable| ContainerKeyError)?;
        let base64 = BASE64.encode(der.as_bytes());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at_checked(PEM_LINE).unwrap_or((rest, ""));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        Ok(pem)
    }

    /// The signature over `text` as the protocol writes it: DER in base64url. Deterministic (RFC 6979).
    ///
    /// # Errors
    ///
    /// None is expected: SHA-256 is long enough for this curve.
    pub fn sign(&self, text: &str) -> Result<String, ContainerKeyError> {
        let signature: Signature = self
            .0
            .sign_prehash(&Sha256::digest(text.as_bytes()))
            .map_err(|_too_short| ContainerKeyError)?;
        Ok(BASE64URL.encode(signature.to_der().as_bytes()))
    }
}
