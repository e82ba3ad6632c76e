//! RSA as privacyIDEA's push uses it: RSASSA-PKCS1-v1_5 with SHA-256. aws-lc-rs makes the keys from its own random
//! source, the system's.

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{
        KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
        UnparsedPublicKey,
    },
};
use countersign_core::secret::SecretBytes;

/// 3072 bits: as strong as the rest of what is signed here, at a third of the cost of 4096 for each poll.
const KEY: KeySize = KeySize::Rsa3072;

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RsaError {
    /// No key could be made.
    #[error("no RSA key could be made")]
    Generate,
    /// It is damaged.
    #[error("the token's RSA key is damaged")]
    Key,
}

/// A new key pair.
#[derive(Debug)]
pub(super) struct NewRsaKey {
    /// The private key, PKCS#8 in DER.
    pub(super) private: SecretBytes,
    /// The public one, `SubjectPublicKeyInfo` in DER.
    pub(super) public: Vec<u8>,
}

/// Makes a key pair. Takes a second or so: not for the thread that everybody waits for.
pub(super) fn new_key() -> Result<NewRsaKey, RsaError> {
    let pair = KeyPair::generate(KEY).map_err(|_failed| RsaError::Generate)?;
    let private: Pkcs8V1Der<'_> = pair.as_der().map_err(|_failed| RsaError::Generate)?;
    let public: PublicKeyX509Der<'_> = pair
        .public_key()
        .as_der()
        .map_err(|_failed| RsaError::Generate)?;
    Ok(NewRsaKey {
        private: SecretBytes::from(private.as_ref()),
        public: public.as_ref().to_vec(),
    })
}

/// Signs with a private key in PKCS#8.
pub(super) fn sign(private: &SecretBytes, message: &[u8]) -> Result<Vec<u8>, RsaError> {
    let pair = KeyPair::from_pkcs8(private.expose()).map_err(|_rejected| RsaError::Key)?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message,
        &mut signature,
    )
    .map_err(|_failed| RsaError::Key)?;
    Ok(signature)
}

/// Is the signature right? `public` is an `RSAPublicKey` in DER, of 2048 to 8192 bits.
pub(super) fn verifies(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(message, signature)
        .is_ok()
}

/// Can signatures be checked with it?
pub(super) fn is_usable(public: &[u8]) -> bool {
    ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).is_ok()
}

#[cfg(test)]
mod tests {
    use countersign_core::privacyidea::{PushLink, ReceivedChallenge};
    use data_encoding::BASE64;
    use serde_json::Value;

    use super::*;

    /// Answers of a real server: its key, and challenges that it has signed with it.
    fn vectors() -> (PushLink, Vec<u8>, Vec<Value>) {
        let vectors: Value =
            serde_json::from_str(include_str!("../../../core/tests/vectors/privacyidea.json"))
                .unwrap();
        let key = vectors["public_key"].as_str().unwrap().replace('\n', "");
        (
            PushLink::parse(vectors["link"].as_str().unwrap()).unwrap(),
            BASE64.decode(key.as_bytes()).unwrap(),
            vectors["challenges"].as_array().unwrap().clone(),
        )
    }

    #[test]
    fn challenges_of_the_real_server_are_believed_and_no_others() {
        let (link, key, challenges) = vectors();
        assert!(is_usable(&key));
        assert_eq!(challenges.len(), 2);
        for challenge in challenges {
            let believed = |value: &Value| {
                ReceivedChallenge::read(value.clone()).unwrap().believed(
                    &link.serial,
                    &link.url,
                    |message, signature| verifies(&key, message, signature),
                )
            };
            assert!(believed(&challenge).unwrap().takes_reason());
            for field in ["title", "question", "nonce"] {
                let mut forged = challenge.clone();
                let text = format!("{}x", forged[field].as_str().unwrap());
                forged[field] = Value::String(text);
                assert!(believed(&forged).is_err(), "{field}");
            }
        }
    }

    #[test]
    fn what_is_signed_verifies_with_the_public_key_only() {
        let key = new_key().unwrap();
        let signature = sign(&key.private, b"S|T").unwrap();
        assert_eq!(signature.len(), 384);
        assert!(verifies(&key.public, b"S|T", &signature));
        assert!(!verifies(&key.public, b"S|U", &signature));
        assert_eq!(sign(&key.private, b"S|T").unwrap(), signature);
        let damaged = SecretBytes::from(*b"no key");
        assert_eq!(sign(&damaged, b"S|T"), Err(RsaError::Key));
        assert!(!is_usable(b"no key"));
    }
}
