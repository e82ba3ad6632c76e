//! Secrets at rest: XChaCha20-Poly1305 under a master key that is not in the database.
//!
//! The associated data names what the value is and whose, so that a sealed value moved to another row
//! or column does not open. Invariant: the master key file is 0600 in a folder that is 0700.

use core::fmt;
use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use countersign_core::secret::SecretBytes;
use zeroize::Zeroizing;

use super::StoreError;
use crate::random::SystemRandom;

const NONCE_LEN: usize = 24;
const KEY_LEN: usize = 32;
/// First byte of every sealed value; another one will mean another key or cipher.
const FORMAT: u8 = 1;

/// The key under which everything secret in the database is sealed.
pub struct MasterKey(XChaCha20Poly1305);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey([REDACTED])")
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or written.
    #[error("the master key file {path} cannot be used")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not hold 32 bytes.
    #[error("{0} does not hold a master key; restore it from a backup")]
    Malformed(PathBuf),
    /// Others can read it.
    #[error(
        "{0} can be read by others; make it 0600, and rotate the key if somebody may have read it"
    )]
    Exposed(PathBuf),
}

impl MasterKey {
    /// The key of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_LEN]) -> Self {
        Self(XChaCha20Poly1305::new(bytes.into()))
    }

    /// Makes a new key and writes it to `path`, which must not exist.
    ///
    /// # Errors
    ///
    /// [`MasterKeyError::File`].
    pub fn create(path: &Path) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(SystemRandom::bytes::<KEY_LEN>());
        let write = || {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(bytes.as_slice())?;
            file.sync_all()
        };
        write().map_err(|source| MasterKeyError::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::new(&bytes))
    }

    /// Reads the key from `path`.
    ///
    /// # Errors
    ///
    /// Every variant of [`MasterKeyError`].
    pub fn load(path: &Path) -> Result<Self, MasterKeyError> {
        let file = |source| MasterKeyError::File {
            path: path.to_owned(),
            source,
        };
        let mode = fs::metadata(path).map_err(file)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed(path.to_owned()));
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(file)?);
        let bytes: &[u8; KEY_LEN] = bytes
            .as_slice()
            .try_into()
            .map_err(|_length| MasterKeyError::Malformed(path.to_owned()))?;
        Ok(Self::new(bytes))
    }

    /// Seals `secret` as the `kind` of `owner`: format, nonce, ciphertext, tag.
    pub(super) fn seal(
        &self,
        kind: &'static str,
        owner: &str,
        secret: &SecretBytes,
    ) -> Result<Vec<u8>, StoreError> {
        let nonce = SystemRandom::bytes::<NONCE_LEN>();
        let payload = Payload {
            msg: secret.expose(),
            aad: &associated_data(kind, owner),
        };
        let ciphertext = self
            .0
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_too_long| StoreError::Unsealed(kind))?;
        Ok([&[FORMAT], nonce.as_slice(), &ciphertext].concat())
    }

    /// Opens what [`MasterKey::seal`] made for the same `kind` and `owner`.
    pub(super) fn open(
        &self,
        kind: &'static str,
        owner: &str,
        sealed: &[u8],
    ) -> Result<SecretBytes, StoreError> {
        let refused = StoreError::Unsealed(kind);
        let Some((&FORMAT, rest)) = sealed.split_first() else {
            return Err(refused);
        };
        let Some((nonce, ciphertext)) = rest.split_first_chunk::<NONCE_LEN>() else {
            return Err(refused);
        };
        let payload = Payload {
            msg: ciphertext,
            aad: &associated_data(kind, owner),
        };
        match self.0.decrypt(&XNonce::from(*nonce), payload) {
            Ok(secret) => Ok(SecretBytes::new(secret)),
            Err(_tag) => Err(refused),
        }
    }
}

fn associated_data(kind: &str, owner: &str) -> Vec<u8> {
    [
        b"countersign-gateway\0",
        kind.as_bytes(),
        b"\0",
        owner.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_file_is_private_and_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let key = MasterKey::create(&path).unwrap();
        assert!(MasterKey::create(&path).is_err());
        let sealed = key
            .seal("seed", "A", &SecretBytes::from(*b"secret"))
            .unwrap();
        let opened = MasterKey::load(&path)
            .unwrap()
            .open("seed", "A", &sealed)
            .unwrap();
        assert_eq!(opened.expose(), b"secret");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            MasterKey::load(&path),
            Err(MasterKeyError::Exposed(_))
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, b"short").unwrap();
        assert!(matches!(
            MasterKey::load(&path),
            Err(MasterKeyError::Malformed(_))
        ));
    }

    proptest! {
        #[test]
        fn only_the_same_value_in_the_same_place_opens(
            secret in prop::collection::vec(any::<u8>(), 0..100),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let key = MasterKey::new(&[7; 32]);
            let sealed = key.seal("seed", "A", &secret.clone().into()).unwrap();
            let opened = key.open("seed", "A", &sealed).unwrap();
            prop_assert_eq!(opened.expose(), secret.as_slice());
            prop_assert!(key.open("seed", "B", &sealed).is_err());
            prop_assert!(key.open("mac", "A", &sealed).is_err());
            let mut changed = sealed.clone();
            changed[at.index(sealed.len())] ^= 1 << bit;
            prop_assert!(key.open("seed", "A", &changed).is_err());
            prop_assert!(key.open("seed", "A", &sealed[..at.index(sealed.len())]).is_err());
        }
    }
}
