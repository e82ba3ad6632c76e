//! What makes a token's passcodes: open, or sealed behind its PIN.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    TokenSecretsError,
    encoding::{base64_bytes, base64_bytes_option, base64_secret, base64_secret_option},
};
use crate::{
    ids::TokenId,
    seal::{
        NONCE_LEN, SealContext,
        slot::{Argon2Cost, PinKey, Salt},
    },
    secret::SecretBytes,
};

/// What makes passcodes and signs approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeys {
    /// The shared secret.
    #[serde(with = "base64_secret")]
    pub seed: SecretBytes,
    /// The key that signs approvals (P-256, 32 bytes); only with a service.
    #[serde(with = "base64_secret_option")]
    pub decision_key: Option<SecretBytes>,
}

/// A token's keys, as they stand in its blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyHolder {
    /// Open to whoever opens the blob.
    Open(TokenKeys),
    /// Behind the token's PIN: a wrong one is a seal that does not open.
    Locked(PinLock),
}

impl KeyHolder {
    /// The keys, where no PIN is before them.
    #[must_use]
    pub const fn open(&self) -> Option<&TokenKeys> {
        match self {
            Self::Open(keys) => Some(keys),
            Self::Locked(_) => None,
        }
    }

    /// The lock before the keys, if there is one.
    #[must_use]
    pub const fn lock(&self) -> Option<&PinLock> {
        match self {
            Self::Open(_) => None,
            Self::Locked(lock) => Some(lock),
        }
    }
}

/// Keys sealed behind a PIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinLock {
    /// Makes equal PINs different keys.
    pub salt: Salt,
    /// What one try costs.
    pub cost: Argon2Cost,
    /// [`TokenKeys`], sealed with [`PinKey::token_key`] for [`SealContext::TokenKeys`].
    #[serde(with = "base64_bytes")]
    pub sealed: Vec<u8>,
    /// The [`PinKey`], sealed for a finger; only where the user has switched that on.
    #[serde(default, with = "base64_bytes_option")]
    pub finger: Option<Vec<u8>>,
    /// The TPM's part, where a TPM counts the tries.
    #[serde(default)]
    pub tpm: Option<TpmPart>,
}

/// Where a TPM counts the tries of a PIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TpmPart {
    /// The NV index with the count.
    pub index: u32,
    /// The sealed object.
    #[serde(with = "base64_bytes")]
    pub blob: Vec<u8>,
}

impl PinLock {
    /// Seals `keys` behind `pin`. `nonce` is random and used once.
    ///
    /// # Errors
    ///
    /// [`TokenSecretsError::Damaged`]: none is expected.
    pub fn seal(
        token: TokenId,
        keys: &TokenKeys,
        pin: &NewPin,
        nonce: &[u8; NONCE_LEN],
    ) -> Result<Self, TokenSecretsError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(1024));
        serde_json::to_writer(&mut *plain, keys).map_err(|_never| TokenSecretsError::Damaged)?;
        let (part, secret) = match &pin.tpm {
            Some((part, secret)) => (Some(part.clone()), Some(secret)),
            None => (None, None),
        };
        let sealed = pin
            .key
            .token_key(secret)
            .and_then(|key| key.seal(SealContext::TokenKeys(token), nonce, &plain))
            .map_err(|_bounds| TokenSecretsError::Damaged)?;
        Ok(Self {
            salt: pin.salt,
            cost: pin.cost,
            sealed,
            finger: None,
            tpm: part,
        })
    }

    /// Opens the keys; `None` for a wrong PIN.
    ///
    /// # Errors
    ///
    /// [`TokenSecretsError::Damaged`]: the PIN was right and what it opens is no token's.
    pub fn open(
        &self,
        token: TokenId,
        pin: &PinKey,
        tpm: Option<&SecretBytes>,
    ) -> Result<Option<TokenKeys>, TokenSecretsError> {
        let key = pin
            .token_key(tpm)
            .map_err(|_never| TokenSecretsError::Damaged)?;
        let Ok(plain) = key.open(SealContext::TokenKeys(token), &self.sealed) else {
            return Ok(None);
        };
        serde_json::from_slice(plain.expose())
            .map(Some)
            .map_err(|_content| TokenSecretsError::Damaged)
    }
}

/// A PIN that was chosen: the key is derived, what a TPM adds is there.
#[derive(Clone, Debug)]
pub struct NewPin {
    /// 16 random bytes.
    pub salt: Salt,
    /// What one try costs.
    pub cost: Argon2Cost,
    /// Derived from the PIN with the two above.
    pub key: PinKey,
    /// Where a TPM counts, and the secret that it guards.
    pub tpm: Option<(TpmPart, SecretBytes)>,
}
