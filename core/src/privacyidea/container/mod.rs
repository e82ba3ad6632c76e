//! privacyIDEA's containers: a device registers once, and from then on takes over whatever tokens the administrator
//! puts into its container.
//!
//! Formats and rules only; HTTP and the agreement of keys (X25519) are the caller's. Invariants: an answer that is not
//! understood in whole changes nothing, because a token that it leaves out is a token to be deleted. A token is taken
//! only from the server that the user has confirmed, and not over a weaker transport than was accepted.

mod call;
mod key;
mod link;
mod package;
mod plan;
mod policies;
mod reply;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::{ServerUrl, digest};
use crate::ids::ContainerId;

pub use self::{
    call::{
        ClientToken, ContainerCall, SyncRequest, TokenType, challenge_form, registration_address,
        registration_form, signed_call_form, sync_form,
    },
    key::{ContainerKey, ContainerKeyError},
    link::{ContainerLink, Passphrase},
    package::{Addition, KnownToken, LeftOut, MAX_TOKENS, Package, PackageError, SealedPackage},
    plan::{Held, Origin, Plan},
    policies::{ContainerPolicies, Permission},
    reply::{
        ContainerChallenge, read_challenge_reply, read_done_reply, read_registration_reply,
        read_renewal_reply, read_sync_reply,
    },
};

/// The server does not know the device as registered.
pub const NOT_REGISTERED: i64 = 3001;
/// The signature, the passphrase or the challenge was not accepted.
pub const NOT_ACCEPTED: i64 = 3002;
/// Anything else about a container, for instance that it is registered already.
pub const CONTAINER_FAULT: i64 = 3000;
/// A policy forbids it.
pub const FORBIDDEN: i64 = 303;
/// There is no such container.
pub const UNKNOWN: i64 = 601;

/// The agent's name for a container.
#[must_use]
pub fn container_id(url: &ServerUrl, serial: &str) -> ContainerId {
    ContainerId(digest(&[
        b"privacyidea container",
        url.as_str().as_bytes(),
        serial.as_bytes(),
    ]))
}

/// How far the registration of a container has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The server was asked, and has not been heard since.
    Registering,
    /// The server knows this device.
    Registered,
    /// The server does not know it any more.
    Gone,
}
