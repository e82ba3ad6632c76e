//! Credentials that systemd hands over: files in one folder that only this service sees (systemd.exec(5)).

use std::{
    io::{self, Read as _},
    path::PathBuf,
};

use async_trait::async_trait;
use countersign_core::secret::SecretBytes;
use rustix::fs::{Mode, OFlags};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::agent::ports::{CredentialError, Credentials};

/// The shortest and longest credential that is taken for a key, in bytes.
const LENGTH: core::ops::RangeInclusive<usize> = 32..=4096;

/// [`Credentials`] in `$CREDENTIALS_DIRECTORY`.
#[derive(Clone, Debug)]
pub struct SystemdCredentials {
    folder: Option<PathBuf>,
}

impl SystemdCredentials {
    /// In this folder; without one there are none.
    #[must_use]
    pub const fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    fn read(&self, name: &str) -> Result<SecretBytes, CredentialError> {
        let absent = || CredentialError::Absent(name.to_owned());
        let unreadable = || CredentialError::Unreadable(name.to_owned());
        // A name out of the vault's file is a name, not a path.
        let plain = !name.is_empty()
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let folder = self.folder.as_ref().filter(|_| plain).ok_or_else(absent)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::open(folder.join(name), flags, Mode::empty()) {
            Ok(file) => std::fs::File::from(file),
            Err(error) if io::Error::from(error).kind() == io::ErrorKind::NotFound => {
                return Err(absent());
            }
            Err(_) => return Err(unreadable()),
        };
        let most = LENGTH.end().saturating_add(1);
        let mut content = Zeroizing::new(Vec::with_capacity(most));
        let bound = u64::try_from(most).unwrap_or(u64::MAX);
        file.take(bound)
            .read_to_end(&mut content)
            .map_err(|_failed| unreadable())?;
        if !LENGTH.contains(&content.len()) {
            return Err(CredentialError::Length(name.to_owned()));
        }
        let digest = Sha256::new()
            .chain_update("countersign/vault/1 credential\0")
            .chain_update(&content)
            .finalize();
        Ok(SecretBytes::new(digest.to_vec()))
    }
}

#[async_trait]
impl Credentials for SystemdCredentials {
    async fn load(&self, name: &str) -> Result<SecretBytes, CredentialError> {
        self.read(name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_credential_is_a_bounded_file_in_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("key"), [7; 32]).unwrap();
        fs::write(folder.path().join("other"), [8; 32]).unwrap();
        fs::write(folder.path().join("short"), [7; 31]).unwrap();
        fs::write(folder.path().join("long"), [7; 4097]).unwrap();
        std::os::unix::fs::symlink(folder.path().join("key"), folder.path().join("link")).unwrap();
        let credentials = SystemdCredentials::new(Some(folder.path().to_owned()));
        let key = credentials.read("key").unwrap();
        assert_eq!(key.len(), 32);
        assert_eq!(credentials.read("key"), Ok(key.clone()));
        assert_ne!(credentials.read("other"), Ok(key));
        let named = |error: fn(String) -> CredentialError, name: &str| Err(error(name.to_owned()));
        assert_eq!(
            credentials.read("short"),
            named(CredentialError::Length, "short")
        );
        assert_eq!(
            credentials.read("long"),
            named(CredentialError::Length, "long")
        );
        assert_eq!(
            credentials.read("link"),
            named(CredentialError::Unreadable, "link")
        );
        for name in ["absent", "", "..", "../key", "sub/key"] {
            assert_eq!(credentials.read(name), named(CredentialError::Absent, name));
        }
        assert_eq!(
            SystemdCredentials::new(None).read("key"),
            named(CredentialError::Absent, "key")
        );
    }
}
