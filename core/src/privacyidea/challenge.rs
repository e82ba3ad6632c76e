//! A challenge: what the server asks, believed only with its signature.

use core::ops::RangeInclusive;

use data_encoding::{BASE32, BASE32_NOPAD};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Answer, DeclineReason, ServerUrl,
    capabilities::{self, Capabilities},
};
use crate::text;

/// Longest text of a challenge, in bytes.
const MAX_TEXT: usize = 1024;
/// Longest nonce, in characters; today's have 32.
const MAX_NONCE: usize = 128;
/// Longest signature, in characters: RSA of 8192 bits.
const MAX_SIGNATURE: usize = 1640;
/// How many choices number matching may give.
pub const PRESENCE_CHOICES: RangeInclusive<usize> = 2..=10;
/// Longest choice, in characters.
const MAX_CHOICE: usize = 32;

/// A challenge as it came. Nothing of it may be shown: it has no way to look inside but [`ReceivedChallenge::believed`].
#[derive(Clone, Debug, Deserialize)]
pub struct ReceivedChallenge {
    nonce: String,
    url: String,
    serial: String,
    question: String,
    title: String,
    sslverify: Flag,
    signature: String,
    #[serde(default)]
    require_presence: Option<String>,
    #[serde(default)]
    capabilities: Option<Value>,
    #[serde(default)]
    capabilities_signature: Option<String>,
}

/// `sslverify` as text; some servers may write a number.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Flag {
    Text(String),
    Number(u8),
}

impl Flag {
    const fn as_signed(&self) -> Option<&'static str> {
        match self {
            Self::Text(text) => match text.as_bytes() {
                b"0" => Some("0"),
                b"1" => Some("1"),
                _ => None,
            },
            Self::Number(0) => Some("0"),
            Self::Number(1) => Some("1"),
            Self::Number(_) => None,
        }
    }
}

/// A challenge that the server has signed, for the token and from the address that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Names it.
    pub nonce: String,
    /// Where the answer goes: of the origin of the enrollment.
    pub url: ServerUrl,
    /// The token's serial.
    pub serial: String,
    /// The server's question. Its text: show it through [`crate::text::display`].
    pub question: String,
    /// The server's title, likewise.
    pub title: String,
    /// What the login page may show; empty: nothing is asked.
    pub choices: Vec<String>,
    /// May a decline say why?
    takes_reason: bool,
}

/// Why a challenge is dropped. Nothing of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    /// A field is missing or of another type.
    #[error("it is not a challenge")]
    Malformed,
    /// A field is longer than is sensible.
    #[error("a field is longer than is allowed")]
    TooLong,
    /// It is another token's.
    #[error("it is for another token")]
    OtherToken,
    /// The answer would go elsewhere.
    #[error("its answer would go to another server")]
    OtherOrigin,
    /// The signature is not the server's.
    #[error("the signature is not the server's")]
    Signature,
    /// The signature over the capabilities is not the server's.
    #[error("the signature of its capabilities is not the server's")]
    CapabilitiesSignature,
    /// What the user would choose from cannot be shown.
    #[error("its choices cannot be shown")]
    Choices,
}

impl ReceivedChallenge {
    /// Reads one entry of a poll's list.
    ///
    /// # Errors
    ///
    /// [`Disbelief::Malformed`], [`Disbelief::TooLong`].
    pub fn read(value: Value) -> Result<Self, Disbelief> {
        let read: Self = serde_json::from_value(value).map_err(|_fields| Disbelief::Malformed)?;
        let long = [&read.url, &read.question, &read.title, &read.serial]
            .into_iter()
            .chain(&read.require_presence)
            .any(|text| text.len() > MAX_TEXT);
        let long = long
            || read.nonce.len() > MAX_NONCE
            || [&read.signature]
                .into_iter()
                .chain(&read.capabilities_signature)
                .any(|text| text.len() > MAX_SIGNATURE);
        if long {
            return Err(Disbelief::TooLong);
        }
        let letters = |letter: u8| letter.is_ascii_alphanumeric();
        if read.nonce.is_empty() || !read.nonce.bytes().all(letters) {
            return Err(Disbelief::Malformed);
        }
        Ok(read)
    }

    /// The challenge, if it is for the token `serial`, leads back to where `enrolled` is, and `verifies` says that the
    /// server has signed it (RSASSA-PKCS1-v1_5 with SHA-256, over the bytes of the text).
    ///
    /// # Errors
    ///
    /// Every variant of [`Disbelief`].
    pub fn believed(
        self,
        serial: &str,
        enrolled: &ServerUrl,
        verifies: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<Challenge, Disbelief> {
        if self.serial != serial {
            return Err(Disbelief::OtherToken);
        }
        let url = ServerUrl::parse(&self.url).map_err(|_malformed| Disbelief::OtherOrigin)?;
        if !url.same_origin(enrolled) {
            return Err(Disbelief::OtherOrigin);
        }
        // Nothing else: a longer text could shift the borders between the fields that are signed as one.
        let sslverify = self.sslverify.as_signed().ok_or(Disbelief::Malformed)?;
        let mut signed = format!(
            "{}|{}|{}|{}|{}|{sslverify}",
            self.nonce, self.url, self.serial, self.question, self.title
        );
        if let Some(choices) = &self.require_presence {
            signed.push('|');
            signed.push_str(choices);
        }
        let signature = decode(&self.signature).ok_or(Disbelief::Signature)?;
        if !verifies(signed.as_bytes(), &signature) {
            return Err(Disbelief::Signature);
        }
        let capabilities = self.capabilities(verifies)?;
        let choices = self
            .require_presence
            .as_deref()
            .map_or(Ok(Vec::new()), choices)?;
        Ok(Challenge {
            nonce: self.nonce,
            url,
            serial: self.serial,
            question: self.question,
            title: self.title,
            choices,
            takes_reason: capabilities.decline_reason,
        })
    }

    fn capabilities(
        &self,
        verifies: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<Capabilities, Disbelief> {
        let (value, signature) = match (&self.capabilities, &self.capabilities_signature) {
            (None | Some(Value::Null), None) => return Ok(Capabilities::default()),
            (Some(value), Some(signature)) => (value, signature),
            (None, Some(_)) | (Some(_), None) => return Err(Disbelief::CapabilitiesSignature),
        };
        // Today a JSON text inside the JSON.
        let inner = match value {
            Value::String(text) if text.len() > MAX_TEXT => return Err(Disbelief::TooLong),
            Value::String(text) => {
                serde_json::from_str(text).map_err(|_not_json| Disbelief::Malformed)?
            }
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => other.clone(),
        };
        let signed =
            capabilities::signed_string(&inner, &self.nonce).ok_or(Disbelief::Malformed)?;
        let signature = decode(signature).ok_or(Disbelief::CapabilitiesSignature)?;
        if verifies(signed.as_bytes(), &signature) {
            Ok(Capabilities::of(&inner))
        } else {
            Err(Disbelief::CapabilitiesSignature)
        }
    }
}

impl Challenge {
    /// A decline that says why, if the server takes that, else a plain one.
    #[must_use]
    pub const fn decline_for(&self, reason: DeclineReason) -> Answer {
        if self.takes_reason {
            Answer::DeclineFor(reason)
        } else {
            Answer::Decline
        }
    }

    /// May a decline say why?
    #[must_use]
    pub const fn takes_reason(&self) -> bool {
        self.takes_reason
    }
}

/// The choices, each one that can be shown and told from the others.
fn choices(text: &str) -> Result<Vec<String>, Disbelief> {
    let choices: Vec<String> = text.split(',').map(str::to_owned).collect();
    let shown =
        |choice: &String| !choice.is_empty() && text::display(choice, MAX_CHOICE) == *choice;
    let mut different: Vec<_> = choices.iter().map(|choice| choice.to_lowercase()).collect();
    different.sort_unstable();
    different.dedup();
    if !PRESENCE_CHOICES.contains(&choices.len())
        || different.len() != choices.len()
        || !choices.iter().all(shown)
    {
        return Err(Disbelief::Choices);
    }
    Ok(choices)
}

/// Upper-case base32, with or without padding.
fn decode(signature: &str) -> Option<Vec<u8>> {
    BASE32
        .decode(signature.as_bytes())
        .or_else(|_unpadded| BASE32_NOPAD.decode(signature.as_bytes()))
        .ok()
}
