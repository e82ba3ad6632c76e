//! A few bytes sealed by the TPM's storage key, and their form at rest: `TPM2B_PUBLIC`, `TPM2B_PRIVATE`.

use countersign_core::secret::SecretBytes;
use tss_esapi::{
    Error,
    attributes::ObjectAttributesBuilder,
    constants::response_code::Tss2ResponseCodeKind,
    handles::ObjectHandle,
    interface_types::algorithm::{HashingAlgorithm, PublicAlgorithm},
    structures::{
        Auth, Digest, KeyedHashScheme, Private, Public, PublicBuilder, PublicKeyedHashParameters,
        SensitiveData,
    },
    traits::{Marshall as _, UnMarshall as _},
};

use super::conversation::{Conversation, Veil, failed, reason};
use crate::agent::ports::TpmError;

/// The longest form at rest, in bytes (the port's bound).
const LONGEST_BLOB: usize = 600;

/// What opens a sealed object. In neither case is it under the dictionary attack protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// This TPM, with this authorization; an empty one for none.
    Auth(Auth),
    /// This policy, and nothing else.
    Policy(Digest),
}

/// A sealed object outside of the TPM.
#[derive(Debug)]
pub(super) struct Sealed {
    public: Public,
    private: Private,
}

impl Sealed {
    /// Seals `secret` (at most 128 bytes).
    pub(super) fn new(
        conversation: &mut Conversation,
        secret: &SecretBytes,
        door: Door,
    ) -> Result<Self, TpmError> {
        let secret = SensitiveData::try_from(secret.expose()).map_err(failed)?;
        let (auth, policy) = match door {
            Door::Auth(auth) => (Some(auth), None),
            Door::Policy(policy) => (None, Some(policy)),
        };
        let template = template(policy).map_err(failed)?;
        let storage_key = conversation.storage_key;
        let made = conversation
            .with_session(Veil::Both, |context| {
                context.create(storage_key, template, auth, Some(secret), None, None)
            })
            .map_err(failed)?;
        Ok(Self {
            public: made.out_public,
            private: made.out_private,
        })
    }

    /// From its form at rest.
    pub(super) fn from_blob(blob: &[u8]) -> Result<Self, TpmError> {
        let malformed = || TpmError::Failed("what the TPM sealed is damaged".to_owned());
        if blob.len() > LONGEST_BLOB {
            return Err(malformed());
        }
        let (public, rest) = sized(blob).ok_or_else(malformed)?;
        let (private, rest) = sized(rest).ok_or_else(malformed)?;
        if !rest.is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            public: Public::unmarshall(public).map_err(|_malformed| malformed())?,
            private: Private::try_from(private).map_err(|_malformed| malformed())?,
        })
    }

    /// Its form at rest.
    pub(super) fn to_blob(&self) -> Result<Vec<u8>, TpmError> {
        let public = self.public.marshall().map_err(failed)?;
        let mut blob = Vec::new();
        for part in [&public, self.private.value()] {
            let size = u16::try_from(part.len()).map_err(|_too_long| too_long())?;
            blob.extend(size.to_be_bytes());
            blob.extend(part);
        }
        if blob.len() > LONGEST_BLOB {
            return Err(too_long());
        }
        Ok(blob)
    }

    /// The policy that opens it; empty for none. The TPM holds the rest of the object to it.
    pub(super) fn policy(&self) -> &Digest {
        self.public.auth_policy()
    }

    /// Brings it into the TPM. Only the one that made it takes it.
    pub(super) fn load(&self, conversation: &mut Conversation) -> Result<ObjectHandle, TpmError> {
        let (public, private) = (self.public.clone(), self.private.clone());
        let storage_key = conversation.storage_key;
        conversation
            .with_session(Veil::Sent, |context| {
                context.load(storage_key, private, public)
            })
            .map(ObjectHandle::from)
            .map_err(|error| match reason(error) {
                Some(Tss2ResponseCodeKind::Integrity) => TpmError::Foreign,
                _ => failed(error),
            })
    }
}

fn too_long() -> TpmError {
    TpmError::Failed("what the TPM sealed is too long".to_owned())
}

fn template(policy: Option<Digest>) -> Result<Public, Error> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_no_da(true)
        .with_user_with_auth(policy.is_none())
        .with_admin_with_policy(policy.is_some())
        .build()?;
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::KeyedHash)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_auth_policy(policy.unwrap_or_default())
        .with_keyed_hash_parameters(PublicKeyedHashParameters::new(KeyedHashScheme::Null))
        .with_keyed_hash_unique_identifier(Digest::default())
        .build()
}

/// A part with its size before it, and what follows.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*size)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_blob_is_trusted(blob in proptest::collection::vec(any::<u8>(), 0..700)) {
            let _either = Sealed::from_blob(&blob).is_ok();
        }
    }

    #[test]
    fn parts_must_fill_the_blob() {
        for blob in [&b""[..], &[0], &[0, 1], &[0, 0, 0, 0, 0], &[0xff; 600]] {
            assert!(Sealed::from_blob(blob).is_err(), "{blob:?}");
        }
    }
}
