//! DSKPP (RFC 6063): how a token and its service come to one secret.
//!
//! Four passes, the default, without sending it: `KeyProvClientHello`, `KeyProvServerHello` (public key and nonce of the server),
//! `KeyProvClientNonce` (encrypted nonce of the client, proof of the activation code), `KeyProvServerFinished` (key
//! package and MAC). Two passes, for a secret that the server has already or makes: the client's hello with the proof, and
//! the key package with the key, wrapped under a passphrase or key that both sides have. [`client`] and [`server`] hold the two sides as types, each step of which consumes the one
//! before; RSA itself and HTTP are the caller's. The choices that the RFC leaves open stand in docs/protocol.md.
//!
//! Invariant: every failure ends the run and drops (wipes) its secrets; nothing of a key package is used before the
//! server's MAC has been checked; a server refuses a wrong code, an unknown client and an undecryptable nonce in one way.

mod authentication;
mod body_mac;
pub mod client;
mod error;
mod keys;
mod message;
mod nonce_encryption;
mod prf;
mod public_key;
pub mod server;
mod status;
mod two_pass;

pub use authentication::{AuthenticationCode, AuthenticationCodeError};
pub use error::DskppError;
pub use nonce_encryption::NonceEncryption;
pub use prf::Prf;
pub use status::{Status, StatusError};
pub use two_pass::{KeyProtection, SharedSecret};

/// The namespace of DSKPP.
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:keyprov:dskpp";
/// The namespace of our extension of DSKPP.
pub const EXTENSION_NAMESPACE: &str = "urn:countersign:dskpp:1";
/// The media type of all messages (RFC 6063, section 7.2).
pub const MEDIA_TYPE: &str = "application/dskpp+xml";
/// Longest message that is read, in bytes.
pub const MAX_MESSAGE_LEN: usize = crate::xml::MAX_LEN;
