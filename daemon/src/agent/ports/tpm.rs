//! A TPM 2.0: keeps a key for this machine, and counts the tries of a PIN by itself.

use async_trait::async_trait;
use countersign_core::secret::SecretBytes;

/// The machine's TPM.
///
/// Nothing here touches the lockout that all users of the TPM share: sealed objects and indices are outside
/// the dictionary attack protection (`noDA`), and a PIN is guarded by an index of its own that counts.
#[async_trait]
pub trait Tpm: Send + Sync {
    /// Seals 32 bytes for this TPM. The blob is at most 600 bytes and useless elsewhere.
    ///
    /// # Errors
    ///
    /// [`TpmError::Absent`], [`TpmError::Failed`].
    async fn seal(&self, key: &SecretBytes) -> Result<Vec<u8>, TpmError>;
    /// Unseals what [`Tpm::seal`] made.
    ///
    /// # Errors
    ///
    /// [`TpmError::Absent`], [`TpmError::Foreign`], [`TpmError::Failed`].
    async fn unseal(&self, blob: &[u8]) -> Result<SecretBytes, TpmError>;
    /// Seals 32 bytes that open with `auth` (32 bytes) only, with at most `tries` wrong ones in a row, counted
    /// by the TPM: an NV index of the kind PIN FAIL, and an object whose policy is that index's authorization.
    ///
    /// # Errors
    ///
    /// [`TpmError::Absent`], [`TpmError::Failed`] (also: no free index).
    async fn guard(
        &self,
        secret: &SecretBytes,
        auth: &SecretBytes,
        tries: u8,
    ) -> Result<TpmGuard, TpmError>;
    /// Opens what [`Tpm::guard`] made; a right `auth` gives all tries back.
    ///
    /// # Errors
    ///
    /// Every variant of [`TpmError`].
    async fn open_guarded(
        &self,
        guard: &TpmGuard,
        auth: &SecretBytes,
    ) -> Result<SecretBytes, TpmError>;
    /// Frees the index. What it guarded is gone.
    ///
    /// # Errors
    ///
    /// [`TpmError::Absent`], [`TpmError::Failed`].
    async fn forget(&self, guard: &TpmGuard) -> Result<(), TpmError>;
    /// Can a TPM be used here? `None`, or its maker's name for `countersign status`.
    async fn maker(&self) -> Option<String>;
}

/// A secret behind a PIN that the TPM counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TpmGuard {
    /// The NV index with the counter.
    pub index: u32,
    /// The sealed object: at most 600 bytes.
    pub blob: Vec<u8>,
}

/// Why the TPM did not help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TpmError {
    /// No TPM, no permission for its device, or this build has none compiled in.
    #[error("no TPM 2.0 can be used here (is this user in the group `tss`?)")]
    Absent,
    /// The blob was made by another TPM, or the TPM was cleared.
    #[error("this was sealed by another TPM, or the TPM was cleared")]
    Foreign,
    /// The authorization was wrong; one try is gone.
    #[error("the TPM did not accept the PIN")]
    WrongAuth,
    /// Too many wrong ones: it never opens again.
    #[error("the TPM does not open this any more: too many wrong PINs")]
    Exhausted,
    /// Anything else; display-safe.
    #[error("the TPM failed ({0})")]
    Failed(String),
}
