//! What the server answers to a device.

use data_encoding::BASE64URL;
use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        ReplyError,
        parameters::is_one_time,
        reply::{value, whole},
    },
    ContainerLink, ContainerPolicies, SealedPackage,
    link::is_time,
};

/// What the next call signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerChallenge {
    /// Letters and digits.
    pub(super) nonce: String,
    /// As the server wrote it.
    pub(super) time: String,
}

/// What the server lets the device do, from the answer to a registration.
///
/// # Errors
///
/// Every variant of [`ReplyError`].
pub fn read_registration_reply(body: &[u8]) -> Result<ContainerPolicies, ReplyError> {
    let value = done(body)?;
    Ok(ContainerPolicies::read(
        value.get("policies").unwrap_or(&Value::Null),
    ))
}

/// A challenge.
///
/// # Errors
///
/// Every variant of [`ReplyError`].
pub fn read_challenge_reply(body: &[u8]) -> Result<ContainerChallenge, ReplyError> {
    #[derive(Deserialize)]
    struct Challenge {
        nonce: String,
        time_stamp: String,
    }
    let challenge: Challenge = whole(value(body)?)?;
    if is_one_time(&challenge.nonce) && is_time(&challenge.time_stamp) {
        Ok(ContainerChallenge {
            nonce: challenge.nonce,
            time: challenge.time_stamp,
        })
    } else {
        Err(ReplyError::Malformed)
    }
}

/// The sealed package of a synchronisation, and what the server lets the device do.
///
/// # Errors
///
/// Every variant of [`ReplyError`].
pub fn read_sync_reply(body: &[u8]) -> Result<(SealedPackage, ContainerPolicies), ReplyError> {
    #[derive(Deserialize)]
    struct Sync {
        public_server_key: String,
        encryption_algorithm: String,
        encryption_params: Parameters,
        container_dict_server: String,
        #[serde(default)]
        policies: Value,
    }
    #[derive(Deserialize)]
    struct Parameters {
        mode: String,
        init_vector: String,
        tag: String,
    }
    let sync: Sync = whole(value(body)?)?;
    let parameters = &sync.encryption_params;
    if sync.encryption_algorithm != "AES" || parameters.mode != "GCM" {
        return Err(ReplyError::Malformed);
    }
    let package = SealedPackage {
        server_key: array(&sync.public_server_key)?,
        nonce: array(&parameters.init_vector)?,
        tag: array(&parameters.tag)?,
        text: bytes(&sync.container_dict_server)?,
    };
    Ok((package, ContainerPolicies::read(&sync.policies)))
}

/// That a call without an answer of its own was carried out.
///
/// # Errors
///
/// Every variant of [`ReplyError`].
pub fn read_done_reply(body: &[u8]) -> Result<(), ReplyError> {
    done(body).map(drop)
}

/// The new link of a renewal.
///
/// # Errors
///
/// Every variant of [`ReplyError`]; [`ReplyError::Malformed`] also for a damaged link.
pub fn read_renewal_reply(body: &[u8]) -> Result<ContainerLink, ReplyError> {
    let value = value(body)?;
    let link = value
        .pointer("/container_url/value")
        .and_then(Value::as_str);
    ContainerLink::parse(link.unwrap_or_default()).map_err(|_damaged| ReplyError::Malformed)
}

fn done(body: &[u8]) -> Result<Value, ReplyError> {
    let value = value(body)?;
    if value.get("success") == Some(&Value::Bool(true)) {
        Ok(value)
    } else {
        Err(ReplyError::Malformed)
    }
}

fn bytes(text: &str) -> Result<Vec<u8>, ReplyError> {
    BASE64URL
        .decode(text.as_bytes())
        .map_err(|_not_base64| ReplyError::Malformed)
}

fn array<const N: usize>(text: &str) -> Result<[u8; N], ReplyError> {
    bytes(text)?
        .try_into()
        .map_err(|_length| ReplyError::Malformed)
}
