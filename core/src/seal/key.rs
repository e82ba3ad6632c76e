//! The data key and the keys that are derived from it, one per purpose.

use hkdf::Hkdf;
use sha2::Sha256;

use super::SealError;
use crate::secret::SecretBytes;

/// Length of every key here, in bytes.
pub const KEY_LEN: usize = 32;

/// The one random key of a vault. Kept only as long as the keys below are being derived.
#[derive(Debug)]
pub struct DataKey(SecretBytes);

impl DataKey {
    /// Takes 32 random bytes.
    ///
    /// # Errors
    ///
    /// [`SealError::KeyLength`].
    pub fn new(bytes: SecretBytes) -> Result<Self, SealError> {
        if bytes.len() == KEY_LEN {
            Ok(Self(bytes))
        } else {
            Err(SealError::KeyLength)
        }
    }

    /// The key that seals for `purpose`.
    ///
    /// # Errors
    ///
    /// None is expected; HKDF refuses only outputs far longer than a key.
    pub fn seal_key(&self, purpose: SealPurpose) -> Result<SealKey, SealError> {
        self.derive(purpose.label()).map(SealKey)
    }

    /// The key that authenticates plain columns.
    ///
    /// # Errors
    ///
    /// As [`DataKey::seal_key`].
    pub fn mac_key(&self) -> Result<MacKey, SealError> {
        self.derive(b"countersign/vault/1 columns").map(MacKey)
    }

    /// The raw key, to be wrapped in a slot.
    pub(super) const fn secret(&self) -> &SecretBytes {
        &self.0
    }

    fn derive(&self, label: &[u8]) -> Result<SecretBytes, SealError> {
        expand(self.0.expose(), &[], label)
    }
}

/// HKDF-SHA-256, one key of [`KEY_LEN`] bytes.
pub(super) fn expand(input: &[u8], salt: &[u8], label: &[u8]) -> Result<SecretBytes, SealError> {
    // Written in place: an array that is moved would leave a copy on the stack.
    let mut key = vec![0_u8; KEY_LEN];
    let expanded = Hkdf::<Sha256>::new(Some(salt), input).expand(label, &mut key);
    let key = SecretBytes::new(key);
    expanded
        .map(|()| key)
        .map_err(|_too_long| SealError::OutOfBounds)
}

/// What a [`SealKey`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealPurpose {
    /// A token's secrets. Decision tier: wiped by a lock.
    TokenBlob,
    /// The key that signs for this device at a service. Channel tier: survives a lock.
    ChannelKey,
    /// Frames that wait for a service's word. Channel tier.
    Outbox,
    /// What a finger opens in the place of a token's PIN. Decision tier.
    Finger,
    /// The keys of a container's registration. Decision tier.
    Container,
}

impl SealPurpose {
    /// Every purpose.
    pub const ALL: [Self; 5] = [
        Self::TokenBlob,
        Self::ChannelKey,
        Self::Outbox,
        Self::Finger,
        Self::Container,
    ];

    const fn label(self) -> &'static [u8] {
        match self {
            Self::TokenBlob => b"countersign/vault/1 token blob",
            Self::ChannelKey => b"countersign/vault/1 channel key",
            Self::Outbox => b"countersign/vault/1 outbox",
            Self::Finger => b"countersign/vault/1 finger",
            Self::Container => b"countersign/vault/1 container",
        }
    }
}

/// Seals and opens for one purpose. Wiped on drop.
#[derive(Debug)]
pub struct SealKey(pub(super) SecretBytes);

/// Authenticates plain columns. Wiped on drop.
#[derive(Debug)]
pub struct MacKey(pub(super) SecretBytes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_own_key() {
        let data_key = DataKey::new(SecretBytes::from([7; KEY_LEN])).unwrap();
        let mut keys: Vec<SecretBytes> = SealPurpose::ALL
            .iter()
            .map(|purpose| data_key.seal_key(*purpose).unwrap().0)
            .collect();
        keys.push(data_key.mac_key().unwrap().0);
        keys.push(data_key.secret().clone());
        for (index, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(index + 1).all(|other| other != key));
        }
    }

    #[test]
    fn a_data_key_has_32_bytes() {
        for len in [0, 31, 33] {
            assert_eq!(
                DataKey::new(SecretBytes::new(vec![0; len])).err(),
                Some(SealError::KeyLength)
            );
        }
    }

    #[test]
    fn keys_never_print() {
        let data_key =
            DataKey::new(SecretBytes::from(*b"0123456789abcdef0123456789abcdef")).unwrap();
        let printed = format!("{data_key:?} {:?}", data_key.mac_key().unwrap());
        assert_eq!(printed, "DataKey([REDACTED]) MacKey([REDACTED])");
    }
}
