//! The server's JSON: `{"result":{"status":…,"value":…,"error":…},"detail":…}`.

use data_encoding::BASE64;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Disbelief, ReceivedChallenge};
use crate::text;

/// Longest answer that is read, in bytes.
pub const MAX_REPLY: usize = 256 * 1024;
/// The most challenges of one poll that are looked at.
const MAX_CHALLENGES: usize = 64;
/// Longest foreign sentence that is kept, in characters.
const MAX_MESSAGE: usize = 120;
/// Longest code for the user to read, in characters.
const MAX_DISPLAY_CODE: usize = 16;
/// Longest public key, in bytes of DER: RSA of 8192 bits and its frame.
const MAX_PUBLIC_KEY: usize = 1100;

/// A refusal in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number: 10 a signature or time stamp, 303 a policy, 601 an unknown token, 905 a parameter.
    pub code: i64,
    /// Its sentence, display-safe.
    pub message: String,
}

/// Why an answer of the server was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Not its JSON.
    #[error("the answer is not privacyIDEA's")]
    Malformed,
    /// It refused.
    #[error("{} (code {})", .0.message, .0.code)]
    Refused(Fault),
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerReply {
    /// The server took it.
    Taken {
        /// For the user to type on the login page; display-safe.
        display_code: Option<String>,
    },
    /// It did not, and does not say why.
    NotTaken,
}

#[derive(Deserialize)]
struct Reply {
    result: Outcome,
    #[serde(default)]
    detail: Value,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    status: bool,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    error: Option<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

fn read(body: &[u8]) -> Result<Reply, ReplyError> {
    if body.len() > MAX_REPLY {
        return Err(ReplyError::Malformed);
    }
    let reply: Reply = serde_json::from_slice(body).map_err(|_content| ReplyError::Malformed)?;
    if reply.result.status {
        return Ok(reply);
    }
    let failure = reply.result.error.ok_or(ReplyError::Malformed)?;
    Err(ReplyError::Refused(Fault {
        code: failure.code,
        message: text::display(&failure.message, MAX_MESSAGE),
    }))
}

/// `result.value` of an answer that is no refusal.
pub(super) fn value(body: &[u8]) -> Result<Value, ReplyError> {
    Ok(read(body)?.result.value)
}

/// A value in its form.
pub(super) fn whole<T: DeserializeOwned>(value: Value) -> Result<T, ReplyError> {
    serde_json::from_value(value).map_err(|_content| ReplyError::Malformed)
}

/// The challenges of a poll, oldest first; what is none comes as its [`Disbelief`].
///
/// # Errors
///
/// Every variant of [`ReplyError`].
pub fn read_poll_reply(
    body: &[u8],
) -> Result<Vec<Result<ReceivedChallenge, Disbelief>>, ReplyError> {
    let Value::Array(list) = value(body)? else {
        return Err(ReplyError::Malformed);
    };
    Ok(list
        .into_iter()
        .take(MAX_CHALLENGES)
        .map(ReceivedChallenge::read)
        .collect())
}

/// What became of an answer.
///
/// # Errors
///
/// Every variant of [`ReplyError`].
pub fn read_answer_reply(body: &[u8]) -> Result<AnswerReply, ReplyError> {
    let reply = read(body)?;
    match reply.result.value {
        Value::Bool(true) => {
            let code = reply.detail.get("display_code").and_then(Value::as_str);
            let display_code = code
                .map(|code| text::display(code, MAX_DISPLAY_CODE))
                .filter(|code| !code.is_empty());
            Ok(AnswerReply::Taken { display_code })
        }
        Value::Bool(false) => Ok(AnswerReply::NotTaken),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(ReplyError::Malformed)
        }
    }
}

/// The server's public key, DER, from the second step of an enrollment.
///
/// # Errors
///
/// Every variant of [`ReplyError`].
pub fn read_enrollment_reply(body: &[u8]) -> Result<Vec<u8>, ReplyError> {
    let reply = read(body)?;
    let key = reply.detail.get("public_key").and_then(Value::as_str);
    let key = key.ok_or(ReplyError::Malformed)?;
    let one_line: String = key.split_ascii_whitespace().collect();
    let key = BASE64
        .decode(one_line.as_bytes())
        .map_err(|_not_base64| ReplyError::Malformed)?;
    if key.is_empty() || key.len() > MAX_PUBLIC_KEY {
        return Err(ReplyError::Malformed);
    }
    Ok(key)
}
