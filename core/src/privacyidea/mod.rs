//! privacyIDEA's protocols for devices: push (links, signed strings, challenges and answers) and containers, as its
//! server speaks them.
//!
//! Formats and rules only: RSA and HTTP are the caller's. Invariant: nothing of a challenge can be read
//! before [`ReceivedChallenge::believed`] has seen the server's signature over it.

mod answer;
mod capabilities;
mod challenge;
pub mod container;
mod link;
mod parameters;
mod reply;
#[cfg(test)]
mod tests;
mod two_step;
mod url;

use ::url::form_urlencoded;
use data_encoding::BASE32;
use sha2::{Digest as _, Sha256};

pub use self::{
    answer::{Answer, DeclineReason},
    challenge::{Challenge, Disbelief, PRESENCE_CHOICES, ReceivedChallenge},
    link::{Demand, PushLink},
    parameters::{LinkError, LinkParameter},
    reply::{
        AnswerReply, Fault, MAX_REPLY, ReplyError, read_answer_reply, read_enrollment_reply,
        read_poll_reply,
    },
    two_step::{TwoStep, TwoStepError, TwoStepKey},
    url::{ServerUrl, Transport},
};
use crate::{
    ids::{DeviceId, LoginRequestId, ServiceId},
    secret::SecretText,
};

/// How far the service's clock may be from a poll's time stamp, in milliseconds.
pub const CLOCK_TOLERANCE_MS: i64 = 60_000;

/// What stands where a phone would name its push address.
const NO_PUSH_ADDRESS: &str = "no_firebase_token";

/// A signature as the protocol writes it: base32, upper case, padded.
#[must_use]
pub fn encode_signature(signature: &[u8]) -> String {
    BASE32.encode(signature)
}

/// One push token is one service to the agent: the server keeps a key of its own for each.
#[must_use]
pub fn service_id(url: &ServerUrl, serial: &str) -> ServiceId {
    ServiceId(digest(&[
        b"privacyidea service",
        url.as_str().as_bytes(),
        serial.as_bytes(),
    ]))
}

/// There are no devices in this protocol; the vault's row wants one.
#[must_use]
pub fn device_id(service: ServiceId) -> DeviceId {
    DeviceId(digest(&[b"privacyidea device", service.as_bytes()]))
}

/// The agent's name for the challenge with `nonce`.
#[must_use]
pub fn request_id(service: ServiceId, nonce: &str) -> LoginRequestId {
    LoginRequestId(digest(&[
        b"privacyidea challenge",
        service.as_bytes(),
        nonce.as_bytes(),
    ]))
}

/// The first 16 bytes of SHA-256 over the parts, each with its length.
fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(whole) {
        *to = from;
    }
    first
}

/// What a poll signs. `timestamp` is ISO 8601 in UTC.
#[must_use]
pub fn poll_string(serial: &str, timestamp: &str) -> String {
    format!("{serial}|{timestamp}")
}

/// The address of a poll, with its signature.
#[must_use]
pub fn poll_address(url: &ServerUrl, serial: &str, timestamp: &str, signature: &[u8]) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("serial", serial)
        .append_pair("timestamp", timestamp)
        .append_pair("signature", &encode_signature(signature))
        .finish();
    let separator = if url.as_str().contains('?') { '&' } else { '?' };
    format!("{}{separator}{query}", url.as_str())
}

/// The second step of an enrollment: our public key for the credential of the link. `public_key` is the
/// `SubjectPublicKeyInfo` in DER. Holds the credential.
#[must_use]
pub fn enrollment_form(link: &PushLink, public_key: &[u8]) -> SecretText {
    let form = form_urlencoded::Serializer::new(String::with_capacity(2048))
        .append_pair("enrollment_credential", link.credential.expose())
        .append_pair("serial", &link.serial)
        .append_pair("fbtoken", NO_PUSH_ADDRESS)
        .append_pair("pubkey", &data_encoding::BASE64.encode(public_key))
        .append_pair("capabilities", "[\"decline_reason\"]")
        .finish();
    SecretText::new(form)
}
