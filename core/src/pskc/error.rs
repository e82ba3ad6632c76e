//! Why a key package cannot be used.

use crate::xml::XmlError;

/// Why a key package is refused. Element names only, never their content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PskcError {
    /// Not a document that is read at all.
    #[error("the key package cannot be read: {0}")]
    Xml(XmlError),
    /// A document, but no key container of version 1.0 with one package and one key.
    #[error("this is no key container with exactly one key")]
    NotAContainer,
    /// A part that must be there is not.
    #[error("the key package has no {0}")]
    Missing(&'static str),
    /// A part is there twice.
    #[error("the key package has more than one {0}")]
    Repeated(&'static str),
    /// A part has a value that it cannot have.
    #[error("the key package has a {0} that is not valid")]
    Invalid(&'static str),
    /// An algorithm that no token has.
    #[error("the key is for an algorithm other than HOTP, TOTP and OCRA")]
    Algorithm,
    /// The policy holds something that is not understood: the key must not be used (RFC 6030, section 5).
    #[error(
        "the policy of the key holds \"{item}\", which is not understood, so the key may not be used"
    )]
    PolicyItem {
        /// What it is, ASCII, at most 64 characters.
        item: String,
    },
    /// A part that is understood but not supported.
    #[error("the key package uses {0}, which is not supported")]
    Unsupported(&'static str),
    /// The policy does not allow the use that the algorithm is for.
    #[error("the policy of the key does not allow its use for passcodes")]
    Usage,
    /// The package holds a secret where none may travel.
    #[error("the key package holds a secret, which must not travel in it")]
    SecretInside,
}

impl From<XmlError> for PskcError {
    fn from(error: XmlError) -> Self {
        Self::Xml(error)
    }
}

impl PskcError {
    /// Names a policy item that is not understood, cut to what may be shown.
    pub(super) fn policy_item(name: &str) -> Self {
        let item = name
            .chars()
            .filter(char::is_ascii_graphic)
            .take(64)
            .collect();
        Self::PolicyItem { item }
    }
}
