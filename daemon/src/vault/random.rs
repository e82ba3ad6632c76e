//! Random bytes from the kernel.

use countersign_core::secret::SecretBytes;

use super::VaultError;

pub(super) fn array<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_no_source| VaultError::Random)?;
    Ok(bytes)
}

/// Random bytes that are a secret: never on the stack.
pub(super) fn secret(len: usize) -> Result<SecretBytes, VaultError> {
    let mut bytes = vec![0; len];
    let filled = getrandom::fill(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    filled
        .map(|()| bytes)
        .map_err(|_no_source| VaultError::Random)
}
