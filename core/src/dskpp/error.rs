//! Why a run ends.

use super::Status;
use crate::{pskc::PskcError, xml::XmlError};

/// Why a client gives up a run. Names of elements only, never their content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DskppError {
    /// The answer is not XML that is read at all.
    #[error("the answer of the service cannot be read: {0}")]
    Xml(XmlError),
    /// The answer is another message than the one that belongs here.
    #[error("the service answered with a message that does not belong here")]
    UnexpectedMessage,
    /// The service refused; the status says why.
    #[error("the service refused the enrollment: {0}")]
    Refused(Status),
    /// The service speaks another version of the protocol.
    #[error("the service speaks another version of the protocol")]
    Version,
    /// A part that must be there is not.
    #[error("the answer of the service has no {0}")]
    Missing(&'static str),
    /// A part is there twice, or has a value that it cannot have.
    #[error("the answer of the service has a {0} that is not valid")]
    Invalid(&'static str),
    /// The service chose something that was not offered.
    #[error("the service chose a {0} that was not offered")]
    NotOffered(&'static str),
    /// An extension that must be understood is not.
    #[error("the service needs an extension of the protocol that is not known here")]
    CriticalExtension,
    /// The answer belongs to another run.
    #[error("the answer of the service belongs to another enrollment")]
    Session,
    /// The MAC of the service is wrong: it does not know the secret, or the messages were changed on the way.
    #[error(
        "the service could not prove that it knows the new secret, or the messages were changed on the way"
    )]
    Mac,
    /// The key package is refused.
    #[error("{0}")]
    Package(PskcError),
    /// The key package is for another algorithm than the one agreed, or for a longer key.
    #[error("the key package does not fit what was agreed")]
    PackageMismatch,
}

impl From<XmlError> for DskppError {
    fn from(error: XmlError) -> Self {
        Self::Xml(error)
    }
}

impl From<PskcError> for DskppError {
    fn from(error: PskcError) -> Self {
        Self::Package(error)
    }
}
