//! PSKC (RFC 6030): the key package that says everything about a token but its secret, and the container of a file that
//! holds keys with their secrets.
//!
//! In a DSKPP run ([`crate::dskpp`]) the secret never travels: client and server derive it. The package carries the
//! mode, the PIN policy and, in a namespace of our own, what an administrator decides about push and export.
//! Invariant: a package is read completely or refused. What its `Policy` says and we do not understand makes the key
//! unusable (RFC 6030, section 5), and the error names it.

mod algorithm;
mod container;
#[cfg(test)]
mod container_tests;
pub(crate) mod delivery;
mod encryption;
mod error;
mod package;
mod pin_policy;
mod read;
mod read_policy;
#[cfg(test)]
mod tests;
mod user_id;
mod write;
mod write_container;

pub use algorithm::{KeyAlgorithm, KeyAlgorithmError};
pub use container::{
    ContainerError, ContainerKey, Encryption, KeyContainer, SecretKeyPackage, Unreadable,
};
pub use error::PskcError;
pub use package::{Exportable, KeyPackage, NumberMatching};
pub use pin_policy::{BiometricPin, PinEncoding, PinPlace, PinPolicy, TokenPin};
pub use write_container::NewContainer;

pub use crate::xml::XmlError;

/// The namespace of PSKC.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:keyprov:pskc";
/// The namespace of our extension element `TokenPolicy`.
pub const EXTENSION_NAMESPACE: &str = "urn:countersign:pskc:1";
