//! The sealed form: `version byte || nonce (24) || XChaCha20-Poly1305 ciphertext and tag (16)`.

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{AeadInOut as _, KeyInit as _},
};

use super::{FORMAT, SealError, SealKey};
use crate::{
    ids::{ContainerId, LoginRequestId, ServiceId, TokenId},
    secret::SecretBytes,
};

/// Length of a nonce, in bytes.
pub const NONCE_LEN: usize = 24;
/// The longest sealed form, in bytes.
pub const MAX_SEALED_LEN: usize = 256 * 1024;

const VERSION: u8 = 1;
const TAG_LEN: usize = 16;

/// The one thing that a seal belongs to. All of it is associated data: the same bytes do not open anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealContext {
    /// A token's secrets.
    Token(TokenId),
    /// The channel key of a service.
    ChannelKey(ServiceId),
    /// A decision on its way.
    Decision(ServiceId, LoginRequestId),
    /// A report on its way.
    Report(ServiceId, LoginRequestId),
    /// A token's keys behind its PIN.
    TokenKeys(TokenId),
    /// The key that a token's PIN gives, for a finger in its place.
    FingerKey(TokenId),
    /// The keys of a container's registration.
    Container(ContainerId),
}

impl SealContext {
    fn associated_data(self) -> Vec<u8> {
        let mut data = Vec::with_capacity(80);
        let (label, ids): (&[u8], [&[u8]; 2]) = match &self {
            Self::Token(id) => (b"token", [&id.0.to_be_bytes(), &[]]),
            Self::ChannelKey(service) => (b"channel key", [service.as_bytes(), &[]]),
            Self::Decision(service, request) => {
                (b"decision", [service.as_bytes(), request.as_bytes()])
            }
            Self::Report(service, request) => (b"report", [service.as_bytes(), request.as_bytes()]),
            Self::TokenKeys(id) => (b"token keys", [&id.0.to_be_bytes(), &[]]),
            Self::FingerKey(id) => (b"finger key", [&id.0.to_be_bytes(), &[]]),
            Self::Container(id) => (b"container", [id.as_bytes(), &[]]),
        };
        data.extend_from_slice(b"countersign/vault sealed\0");
        data.extend_from_slice(&FORMAT.to_be_bytes());
        data.push(VERSION);
        data.extend_from_slice(label);
        data.push(0);
        for id in ids {
            data.extend_from_slice(id);
        }
        data
    }
}

impl SealKey {
    /// Seals `plain` for `context`. `nonce` is random and used once.
    ///
    /// # Errors
    ///
    /// [`SealError::OutOfBounds`] when the result would be longer than [`MAX_SEALED_LEN`].
    pub fn seal(
        &self,
        context: SealContext,
        nonce: &[u8; NONCE_LEN],
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        seal(&self.0, &context.associated_data(), nonce, plain)
    }

    /// Opens what [`SealKey::seal`] made for the same context.
    ///
    /// # Errors
    ///
    /// [`SealError::Refused`] for another key or context and for changed bytes,
    /// [`SealError::UnknownForm`] for another version, [`SealError::OutOfBounds`] for what is too long.
    pub fn open(&self, context: SealContext, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        open(&self.0, &context.associated_data(), sealed)
    }
}

/// The sealed form under any key and associated data. Slots use it too.
pub(super) fn seal(
    key: &SecretBytes,
    associated_data: &[u8],
    nonce: &[u8; NONCE_LEN],
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    if plain.len() > MAX_SEALED_LEN.saturating_sub(1 + NONCE_LEN + TAG_LEN) {
        return Err(SealError::OutOfBounds);
    }
    let cipher = cipher(key)?;
    // Full capacity at once: a buffer that grows leaves a copy of the plain text behind.
    let mut buffer = Vec::with_capacity(plain.len().saturating_add(TAG_LEN));
    buffer.extend_from_slice(plain);
    cipher
        .encrypt_in_place(&XNonce::from(*nonce), associated_data, &mut buffer)
        .map_err(|_too_long| SealError::OutOfBounds)?;
    let mut sealed = Vec::with_capacity(buffer.len().saturating_add(1 + NONCE_LEN));
    sealed.push(VERSION);
    sealed.extend_from_slice(nonce);
    sealed.extend_from_slice(&buffer);
    Ok(sealed)
}

pub(super) fn open(
    key: &SecretBytes,
    associated_data: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, SealError> {
    if sealed.len() > MAX_SEALED_LEN {
        return Err(SealError::OutOfBounds);
    }
    let (version, rest) = sealed.split_first().ok_or(SealError::UnknownForm)?;
    if *version != VERSION {
        return Err(SealError::UnknownForm);
    }
    let (nonce, ciphertext) = rest
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(SealError::UnknownForm)?;
    let mut buffer = ciphertext.to_vec();
    cipher(key)?
        .decrypt_in_place(&XNonce::from(*nonce), associated_data, &mut buffer)
        .map_err(|_refused| SealError::Refused)?;
    Ok(SecretBytes::new(buffer))
}

fn cipher(key: &SecretBytes) -> Result<XChaCha20Poly1305, SealError> {
    XChaCha20Poly1305::new_from_slice(key.expose()).map_err(|_wrong_length| SealError::KeyLength)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seal::{DataKey, KEY_LEN, SealPurpose};

    fn key(byte: u8, purpose: SealPurpose) -> SealKey {
        DataKey::new(SecretBytes::from([byte; KEY_LEN]))
            .unwrap()
            .seal_key(purpose)
            .unwrap()
    }

    fn contexts() -> Vec<SealContext> {
        let (a, b) = ([1; 16], [2; 16]);
        vec![
            SealContext::Token(TokenId(1)),
            SealContext::Token(TokenId(2)),
            SealContext::ChannelKey(ServiceId(a)),
            SealContext::ChannelKey(ServiceId(b)),
            SealContext::Decision(ServiceId(a), LoginRequestId(b)),
            SealContext::Decision(ServiceId(b), LoginRequestId(a)),
            SealContext::Report(ServiceId(a), LoginRequestId(b)),
            SealContext::TokenKeys(TokenId(1)),
            SealContext::FingerKey(TokenId(1)),
            SealContext::Container(ContainerId(a)),
            SealContext::Container(ContainerId(b)),
        ]
    }

    /// Made once by this code and kept: a vault written by an older build must still open.
    #[test]
    fn the_form_is_stable() {
        let sealed = key(7, SealPurpose::TokenBlob)
            .seal(SealContext::Token(TokenId(1)), &[9; NONCE_LEN], b"seed")
            .unwrap();
        assert_eq!(
            data_encoding::HEXLOWER.encode(&sealed),
            "010909090909090909090909090909090909090909090909092946fd22cc23afe76a1cb9fc7dc1879df9b4a710"
        );
    }

    #[test]
    fn a_seal_opens_only_where_it_belongs() {
        let key = key(7, SealPurpose::TokenBlob);
        for (index, context) in contexts().into_iter().enumerate() {
            let sealed = key.seal(context, &[9; NONCE_LEN], b"seed").unwrap();
            for (other_index, other) in contexts().into_iter().enumerate() {
                let opened = key.open(other, &sealed);
                if index == other_index {
                    assert_eq!(opened, Ok(SecretBytes::from(*b"seed")));
                } else {
                    assert_eq!(opened, Err(SealError::Refused));
                }
            }
        }
    }

    #[test]
    fn another_key_or_purpose_is_refused() {
        let context = SealContext::Token(TokenId(1));
        let sealed = key(7, SealPurpose::TokenBlob)
            .seal(context, &[9; NONCE_LEN], b"seed")
            .unwrap();
        for other in [key(8, SealPurpose::TokenBlob), key(7, SealPurpose::Outbox)] {
            assert_eq!(other.open(context, &sealed), Err(SealError::Refused));
        }
    }

    #[test]
    fn too_long_is_refused_before_any_work() {
        let key = key(7, SealPurpose::TokenBlob);
        let context = SealContext::Token(TokenId(1));
        let plain = vec![0; MAX_SEALED_LEN];
        assert_eq!(
            key.seal(context, &[9; NONCE_LEN], &plain),
            Err(SealError::OutOfBounds)
        );
        assert_eq!(
            key.open(context, &vec![1; MAX_SEALED_LEN + 1]),
            Err(SealError::OutOfBounds)
        );
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain in prop::collection::vec(any::<u8>(), 0..600), nonce: [u8; NONCE_LEN], id: i64) {
            let key = key(3, SealPurpose::TokenBlob);
            let context = SealContext::Token(TokenId(id));
            let sealed = key.seal(context, &nonce, &plain).unwrap();
            prop_assert_eq!(key.open(context, &sealed), Ok(SecretBytes::new(plain)));
        }

        #[test]
        fn any_flipped_bit_is_refused(plain in prop::collection::vec(any::<u8>(), 0..100), nonce: [u8; NONCE_LEN], at: prop::sample::Index, bit in 0_u8..8) {
            let key = key(3, SealPurpose::TokenBlob);
            let context = SealContext::Token(TokenId(1));
            let mut sealed = key.seal(context, &nonce, &plain).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(key.open(context, &sealed).is_err());
        }

        #[test]
        fn any_truncation_is_refused(plain in prop::collection::vec(any::<u8>(), 0..100), cut: prop::sample::Index) {
            let key = key(3, SealPurpose::TokenBlob);
            let context = SealContext::Token(TokenId(1));
            let sealed = key.seal(context, &[5; NONCE_LEN], &plain).unwrap();
            let cut = cut.index(sealed.len());
            prop_assert!(key.open(context, &sealed[..cut]).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_open(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let key = key(3, SealPurpose::TokenBlob);
            prop_assert!(key.open(SealContext::Token(TokenId(1)), &bytes).is_err());
        }
    }
}
