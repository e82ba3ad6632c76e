//! Keys that the service manager hands over.

use async_trait::async_trait;
use countersign_core::secret::SecretBytes;

/// systemd credentials (`LoadCredential=`, `LoadCredentialEncrypted=`; systemd.exec(5)).
#[async_trait]
pub trait Credentials: Send + Sync {
    /// 32 bytes made of the credential called `name`.
    ///
    /// # Errors
    ///
    /// Every variant of [`CredentialError`].
    async fn load(&self, name: &str) -> Result<SecretBytes, CredentialError>;
}

/// Why there is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The service was started without it.
    #[error("the agent was started without the credential {0}")]
    Absent(String),
    /// Shorter than 32 bytes, or longer than any key.
    #[error("the credential {0} has not between 32 and 4096 bytes")]
    Length(String),
    /// It cannot be read.
    #[error("the credential {0} cannot be read")]
    Unreadable(String),
}
