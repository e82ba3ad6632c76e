//! X25519 (RFC 7748) as privacyIDEA's containers use it: the raw secret is the key. aws-lc-rs makes the key from its own
//! random source, the system's, and refuses a peer's key that gives nothing.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use countersign_core::secret::SecretBytes;

/// No key could be made, or nothing could be agreed on with the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key could be agreed on with the service")]
pub struct AgreementError;

/// Our half, for one exchange.
#[derive(Debug)]
pub(super) struct Agreement {
    private: PrivateKey,
    /// To be sent.
    pub(super) public: [u8; 32],
}

impl Agreement {
    pub(super) fn new() -> Result<Self, AgreementError> {
        let private = PrivateKey::generate(&X25519).map_err(|_failed| AgreementError)?;
        let public = private
            .compute_public_key()
            .map_err(|_failed| AgreementError)?;
        let public = public
            .as_ref()
            .try_into()
            .map_err(|_length| AgreementError)?;
        Ok(Self { private, public })
    }

    /// The secret that both sides get.
    pub(super) fn with(&self, peer: &[u8; 32]) -> Result<SecretBytes, AgreementError> {
        let peer = UnparsedPublicKey::new(&X25519, peer);
        agree(&self.private, peer, AgreementError, |secret| {
            Ok(SecretBytes::from(secret))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_get_the_same_and_a_hostile_key_gives_nothing() {
        let (ours, theirs) = (Agreement::new().unwrap(), Agreement::new().unwrap());
        assert_eq!(
            ours.with(&theirs.public).unwrap(),
            theirs.with(&ours.public).unwrap()
        );
        // RFC 7748, section 6.1: points of small order give zero.
        assert_eq!(ours.with(&[0; 32]), Err(AgreementError));
    }
}
