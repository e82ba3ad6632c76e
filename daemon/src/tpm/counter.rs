//! The tries of one PIN, counted by the TPM: an NV index of the kind PIN FAIL. Its authorization fails for good
//! when its count of wrong ones has reached its limit; a right one sets the count to zero (TPM 2.0 Library,
//! part 1, "PIN Fail Index").
//!
//! Whoever may use the TPM can usually act as its owner, with an empty password. So the owner's authorization must
//! not be enough for more tries:
//! - The count can be written once only. The index is writable by a policy alone, and that policy wants the
//!   authorization of an object that was made for this write and whose parts are forgotten with it.
//! - Nor can the owner define the index anew with a PIN of his own: what it guards asks for the index by its
//!   name, the name tells that it was written and by which policy it was writable, and that policy cannot be
//!   met again.
//!
//! What the owner can do is to undefine it. Then what it guards is gone.

use countersign_core::secret::SecretBytes;
use sha2::{Digest as _, Sha256};
use tss_esapi::{
    Error,
    attributes::NvIndexAttributes,
    constants::{NvIndexType, response_code::Tss2ResponseCodeKind, tss::TPM2_CC_PolicySecret},
    handles::{AuthHandle, NvIndexHandle, NvIndexTpmHandle, ObjectHandle, TpmHandle},
    interface_types::{
        algorithm::HashingAlgorithm,
        resource_handles::{NvAuth, Provision},
        session_handles::PolicySession,
    },
    structures::{Auth, Digest, MaxNvBuffer, Name, Nonce, NvPublic},
};

use super::{
    conversation::{Conversation, Veil, failed, reason},
    sealed::{Door, Sealed},
};
use crate::agent::ports::TpmError;

/// The indices that are the owner's to use (TCG Registry of Reserved TPM 2.0 Handles).
const FIRST: u32 = 0x0180_0000;
/// How many of them there are: up to `0x01BF_FFFF`.
const COUNT: u32 = 0x0040_0000;
/// How many are looked at. They are taken at random, so a second one is hardly ever needed.
const LOOKS: u32 = 32;
/// Two numbers: the count and its limit.
const SIZE: u16 = 8;

/// A counter in the TPM.
#[derive(Debug)]
pub(super) struct Counter {
    index: u32,
    handle: NvIndexHandle,
    name: Name,
}

impl Counter {
    /// Makes one that opens with `auth`, with `tries` wrong ones at most.
    pub(super) fn new(
        conversation: &mut Conversation,
        auth: &Auth,
        tries: u8,
    ) -> Result<Self, TpmError> {
        let writer = Writer::new(conversation)?;
        let (index, handle) = define(conversation, auth, &writer.policy())?;
        let written = writer
            .write(conversation, handle, tries)
            .and_then(|()| name(conversation, handle));
        match written {
            Ok(name) => Ok(Self {
                index,
                handle,
                name,
            }),
            Err(error) => {
                // The first error is the one to tell.
                let _left_unwritten = undefine(conversation, handle).is_err();
                Err(error)
            }
        }
    }

    /// The one at `index`. [`TpmError::Foreign`] if there is none.
    pub(super) fn find(conversation: &mut Conversation, index: u32) -> Result<Self, TpmError> {
        let number = NvIndexTpmHandle::new(index).map_err(failed)?;
        let found = conversation
            .context
            .execute_without_session(|context| {
                context.tr_from_tpm_public(TpmHandle::NvIndex(number))
            })
            .map_err(|error| match reason(error) {
                Some(Tss2ResponseCodeKind::Handle) => TpmError::Foreign,
                _ => failed(error),
            })?;
        let handle = NvIndexHandle::from(found);
        let name = name(conversation, handle)?;
        Ok(Self {
            index,
            handle,
            name,
        })
    }

    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// The policy of what it guards: its authorization, of this index as it is written and no other.
    pub(super) fn policy(&self) -> Digest {
        policy_secret(self.name.value())
    }

    /// Tries `auth`. The TPM has counted a wrong one before it answers.
    pub(super) fn open(
        &self,
        conversation: &mut Conversation,
        auth: Auth,
    ) -> Result<PolicySession, TpmError> {
        let object = ObjectHandle::from(self.handle);
        conversation
            .context
            .tr_set_auth(object, auth)
            .map_err(failed)?;
        let policy = conversation.policy()?;
        match satisfy(conversation, policy, self.handle.into()) {
            Ok(()) => Ok(policy),
            Err(error) => Err(match reason(error) {
                Some(Tss2ResponseCodeKind::BadAuth | Tss2ResponseCodeKind::AuthFail) => {
                    self.after_a_wrong_one(conversation)
                }
                Some(Tss2ResponseCodeKind::AuthUnavailable) => TpmError::Exhausted,
                _ => failed(error),
            }),
        }
    }

    /// Was that the last try? If the owner's password is not empty, the next one tells.
    fn after_a_wrong_one(&self, conversation: &mut Conversation) -> TpmError {
        let read = conversation.with_session(Veil::Nothing, |context| {
            context.nv_read(NvAuth::Owner, self.handle, SIZE, 0)
        });
        match read
            .as_ref()
            .ok()
            .and_then(|numbers| numbers.split_first_chunk::<4>())
        {
            Some((count, limit)) if count.as_slice() >= limit => TpmError::Exhausted,
            Some(_) | None => TpmError::WrongAuth,
        }
    }

    /// Gives its place back.
    pub(super) fn undefine(self, conversation: &mut Conversation) -> Result<(), TpmError> {
        undefine(conversation, self.handle)
    }
}

/// An object that exists to authorize one write. Nobody can load it again: its private part is dropped here, and
/// its authorization is random.
struct Writer {
    handle: ObjectHandle,
    name: Name,
}

impl Writer {
    fn new(conversation: &mut Conversation) -> Result<Self, TpmError> {
        let auth = Auth::try_from(random()?.expose()).map_err(failed)?;
        let sealed = Sealed::new(conversation, &random()?, Door::Auth(auth.clone()))?;
        let handle = sealed.load(conversation)?;
        let name = conversation.context.tr_get_name(handle).map_err(failed)?;
        conversation
            .context
            .tr_set_auth(handle, auth)
            .map_err(failed)?;
        Ok(Self { handle, name })
    }

    fn policy(&self) -> Digest {
        policy_secret(self.name.value())
    }

    fn write(
        self,
        conversation: &mut Conversation,
        index: NvIndexHandle,
        tries: u8,
    ) -> Result<(), TpmError> {
        let mut numbers = [0_u8; 8];
        if let Some(last) = numbers.last_mut() {
            *last = tries;
        }
        let numbers = MaxNvBuffer::try_from(numbers.as_slice()).map_err(failed)?;
        let policy = conversation.policy()?;
        satisfy(conversation, policy, self.handle.into()).map_err(failed)?;
        conversation
            .with_policy(policy, Veil::Nothing, |context| {
                context.nv_write(NvAuth::NvIndex(index), index, numbers, 0)
            })
            .map_err(failed)?;
        conversation.flush(self.handle)
    }
}

/// Puts the authorization of `entity` into `policy`: proven by an HMAC, never sent.
fn satisfy(
    conversation: &mut Conversation,
    policy: PolicySession,
    entity: AuthHandle,
) -> Result<(), Error> {
    conversation
        .with_session(Veil::Nothing, |context| {
            context.policy_secret(
                policy,
                entity,
                Nonce::default(),
                Digest::default(),
                Nonce::default(),
                None,
            )
        })
        .map(|_timeout_and_ticket| ())
}

/// The digest of a policy that is `TPM2_PolicySecret` of the entity with this name and an empty reference.
fn policy_secret(name: &[u8]) -> Digest {
    let first = Sha256::new()
        .chain_update([0_u8; 32])
        .chain_update(TPM2_CC_PolicySecret.to_be_bytes())
        .chain_update(name)
        .finalize();
    let digest = Sha256::digest(first);
    Digest::try_from(digest.as_slice()).unwrap_or_default()
}

fn define(
    conversation: &mut Conversation,
    auth: &Auth,
    written_by: &Digest,
) -> Result<(u32, NvIndexHandle), TpmError> {
    let attributes = NvIndexAttributes::builder()
        .with_nv_index_type(NvIndexType::PinFail)
        .with_policy_write(true)
        .with_owner_read(true)
        .with_no_da(true)
        .build()
        .map_err(failed)?;
    for _ in 0..LOOKS {
        let index = FIRST.saturating_add(random_number()?.checked_rem(COUNT).unwrap_or_default());
        let public = NvPublic::builder()
            .with_nv_index(NvIndexTpmHandle::new(index).map_err(failed)?)
            .with_index_name_algorithm(HashingAlgorithm::Sha256)
            .with_index_attributes(attributes)
            .with_index_auth_policy(written_by.clone())
            .with_data_area_size(usize::from(SIZE))
            .build()
            .map_err(failed)?;
        let defined = conversation.with_session(Veil::Sent, |context| {
            context.nv_define_space(Provision::Owner, Some(auth.clone()), public)
        });
        match defined {
            Ok(handle) => return Ok((index, handle)),
            Err(error) if reason(error) == Some(Tss2ResponseCodeKind::NvDefined) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Err(TpmError::Failed("no free index was found".to_owned()))
}

fn undefine(conversation: &mut Conversation, handle: NvIndexHandle) -> Result<(), TpmError> {
    conversation
        .with_session(Veil::Nothing, |context| {
            context.nv_undefine_space(Provision::Owner, handle)
        })
        .map_err(failed)
}

fn name(conversation: &mut Conversation, handle: NvIndexHandle) -> Result<Name, TpmError> {
    conversation
        .context
        .tr_get_name(handle.into())
        .map_err(failed)
}

fn random() -> Result<SecretBytes, TpmError> {
    let mut bytes = vec![0; 32];
    let filled = getrandom::fill(&mut bytes);
    let bytes = SecretBytes::new(bytes);
    filled.map(|()| bytes).map_err(|_no_source| no_random())
}

fn random_number() -> Result<u32, TpmError> {
    getrandom::u32().map_err(|_no_source| no_random())
}

fn no_random() -> TpmError {
    TpmError::Failed("the system gave no random bytes".to_owned())
}
