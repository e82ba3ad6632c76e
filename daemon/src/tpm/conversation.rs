//! One operation's conversation with the TPM: opened, used and closed at once, since other programs use it too.

use countersign_core::text;
use tss_esapi::{
    Context, Error,
    attributes::{ObjectAttributesBuilder, SessionAttributesBuilder},
    constants::{SessionType, response_code::Tss2ResponseCodeKind},
    handles::{KeyHandle, ObjectHandle},
    interface_types::{
        algorithm::{HashingAlgorithm, PublicAlgorithm},
        ecc::EccCurve,
        resource_handles::Hierarchy,
        session_handles::{AuthSession, PolicySession},
    },
    structures::{
        EccPoint, EccScheme, KeyDerivationFunctionScheme, Public, PublicBuilder,
        PublicEccParametersBuilder, SymmetricDefinition, SymmetricDefinitionObject,
    },
    tcti_ldr::TctiNameConf,
};

use crate::agent::ports::TpmError;

/// The longest text of the TSS's that is shown, in characters.
const LONGEST_WORDS: usize = 200;

/// Which parameters of the next command are encrypted on the way: only the first of each, and only where it is
/// of variable size, can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Veil {
    /// The command's.
    Sent,
    /// The answer's.
    Received,
    /// Both.
    Both,
    /// The session is for the authorization alone.
    Nothing,
}

/// An open context with the storage key, and a session whose key only the TPM can know: salted with the
/// storage key, so that who listens on the bus reads neither keys nor authorizations.
///
/// Everything in it is flushed when it is dropped.
pub(super) struct Conversation {
    pub(super) context: Context,
    pub(super) storage_key: KeyHandle,
    session: AuthSession,
}

impl Conversation {
    pub(super) fn open(tcti: &TctiNameConf) -> Result<Self, TpmError> {
        let mut context = open(tcti)?;
        let template = storage_key().map_err(failed)?;
        let storage_key = context
            .execute_with_session(Some(AuthSession::Password), |context| {
                context.create_primary(Hierarchy::Owner, template, None, None, None, None)
            })
            .map_err(failed)?
            .key_handle;
        let session = start(&mut context, storage_key, SessionType::Hmac)?;
        Ok(Self {
            context,
            storage_key,
            session,
        })
    }

    /// Runs one command that this conversation's session authorizes, by HMAC.
    pub(super) fn with_session<T>(
        &mut self,
        veil: Veil,
        command: impl FnOnce(&mut Context) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let session = self.session;
        self.with(session, veil, command)
    }

    /// Runs one command that `policy` authorizes.
    pub(super) fn with_policy<T>(
        &mut self,
        policy: PolicySession,
        veil: Veil,
        command: impl FnOnce(&mut Context) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.with(policy.into(), veil, command)
    }

    fn with<T>(
        &mut self,
        session: AuthSession,
        veil: Veil,
        command: impl FnOnce(&mut Context) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (attributes, mask) = SessionAttributesBuilder::new()
            .with_continue_session(true)
            .with_decrypt(matches!(veil, Veil::Sent | Veil::Both))
            .with_encrypt(matches!(veil, Veil::Received | Veil::Both))
            .build();
        self.context
            .tr_sess_set_attributes(session, attributes, mask)?;
        self.context.execute_with_session(Some(session), command)
    }

    /// A policy session, with a key of its own in the same way.
    pub(super) fn policy(&mut self) -> Result<PolicySession, TpmError> {
        let session = start(&mut self.context, self.storage_key, SessionType::Policy)?;
        PolicySession::try_from(session).map_err(failed)
    }

    /// Takes an object out of the TPM before the end: there is room for few.
    pub(super) fn flush(&mut self, object: ObjectHandle) -> Result<(), TpmError> {
        self.context.flush_context(object).map_err(failed)
    }
}

/// Whatever stands against a context is the absence of a TPM that this user can use.
pub(super) fn open(tcti: &TctiNameConf) -> Result<Context, TpmError> {
    Context::new(tcti.clone()).map_err(|_any| TpmError::Absent)
}

fn start(
    context: &mut Context,
    salt: KeyHandle,
    kind: SessionType,
) -> Result<AuthSession, TpmError> {
    context
        .start_auth_session(
            Some(salt),
            None,
            None,
            kind,
            SymmetricDefinition::AES_128_CFB,
            HashingAlgorithm::Sha256,
        )
        .map_err(failed)?
        .ok_or_else(|| TpmError::Failed("no session".to_owned()))
}

/// The storage key of the owner hierarchy: the same one each time, from the TPM's seed and this template.
/// Without dictionary attack protection, so that it can be used while others have locked the TPM out.
fn storage_key() -> Result<Public, Error> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_restricted(true)
        .with_decrypt(true)
        .build()?;
    let parameters = PublicEccParametersBuilder::new()
        .with_symmetric(SymmetricDefinitionObject::AES_128_CFB)
        .with_ecc_scheme(EccScheme::Null)
        .with_curve(EccCurve::NistP256)
        .with_key_derivation_function_scheme(KeyDerivationFunctionScheme::Null)
        .with_is_decryption_key(true)
        .with_restricted(true)
        .build()?;
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(parameters)
        .with_ecc_unique_identifier(EccPoint::default())
        .build()
}

pub(super) fn failed(error: Error) -> TpmError {
    TpmError::Failed(text::display(&error.to_string(), LONGEST_WORDS))
}

/// The TPM's own reason, where it gave one.
pub(super) fn reason(error: Error) -> Option<Tss2ResponseCodeKind> {
    match error {
        Error::Tss2Error(code) => code.kind(),
        Error::WrapperError(_) => None,
    }
}
