//! The machine's TPM 2.0, through the TSS of the system (feature `tpm`). A build without it has [`NoTpm`].

#[cfg(feature = "tpm")]
mod conversation;
#[cfg(feature = "tpm")]
mod counter;
#[cfg(feature = "tpm")]
mod device;
#[cfg(feature = "tpm")]
mod sealed;

use std::sync::Arc;

use async_trait::async_trait;
use countersign_core::secret::SecretBytes;

#[cfg(feature = "tpm")]
pub use device::TpmDevice;

use crate::agent::ports::{Tpm, TpmError, TpmGuard};

/// The device of the kernel's resource manager, which all programs share.
pub const DEVICE: &str = "/dev/tpmrm0";

/// The machine's TPM, in the way that config.toml names; nothing is tried before its first use.
#[cfg(feature = "tpm")]
#[must_use]
pub fn at(tcti: Option<&str>) -> Arc<dyn Tpm> {
    match TpmDevice::new(tcti) {
        Ok(device) => Arc::new(device),
        Err(error) => {
            tracing::warn!(%error, "the TPM is not used");
            Arc::new(NoTpm)
        }
    }
}

/// This build uses no TPM.
#[cfg(not(feature = "tpm"))]
#[must_use]
pub fn at(_tcti: Option<&str>) -> Arc<dyn Tpm> {
    Arc::new(NoTpm)
}

/// The port of a build or a machine that has no TPM: everything is [`TpmError::Absent`].
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTpm;

#[async_trait]
impl Tpm for NoTpm {
    async fn seal(&self, _key: &SecretBytes) -> Result<Vec<u8>, TpmError> {
        Err(TpmError::Absent)
    }

    async fn unseal(&self, _blob: &[u8]) -> Result<SecretBytes, TpmError> {
        Err(TpmError::Absent)
    }

    async fn guard(
        &self,
        _secret: &SecretBytes,
        _auth: &SecretBytes,
        _tries: u8,
    ) -> Result<TpmGuard, TpmError> {
        Err(TpmError::Absent)
    }

    async fn open_guarded(
        &self,
        _guard: &TpmGuard,
        _auth: &SecretBytes,
    ) -> Result<SecretBytes, TpmError> {
        Err(TpmError::Absent)
    }

    async fn forget(&self, _guard: &TpmGuard) -> Result<(), TpmError> {
        Err(TpmError::Absent)
    }

    async fn maker(&self) -> Option<String> {
        None
    }
}
