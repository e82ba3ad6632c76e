//! What is decided when `sudo` asks the agent: which keys are accepted, how sure the agent must be, how often it may
//! ask, what a good answer is, and what becomes of the question.
//!
//! The module and the agent both stand on this: the module believes nothing but a signature over its own challenge by a
//! key that root has accepted.

mod accepted_keys;
mod asking;
mod ended;
mod fingerprint;
mod number;

use sha2::{Digest as _, Sha256};

pub use self::{
    accepted_keys::{
        AcceptedKey, AcceptedKeys, Finger, KeyFileError, MAX_KEY_FILE_LEN, MAX_LABEL_LEN,
    },
    asking::{Asking, MAX_OPEN, TooOften},
    ended::{Ended, Judgement},
    fingerprint::{Fingerprint, FingerprintError},
    number::MatchNumber,
};
use crate::{
    signing::{self, Label, SignatureError},
    token::VerificationLevel,
};

/// How sure the agent must be that it is the user; an administrator's choice, beside each key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Least {
    /// A click is enough, after a PIN since the vault was unlocked.
    Presence,
    /// A PIN, or a finger that the agent asked for.
    #[default]
    User,
    /// A PIN or passphrase that opens the key for this very signature.
    Pin,
}

impl Least {
    /// The word of the key file and of the module's options.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::User => "user",
            Self::Pin => "pin",
        }
    }

    /// The other way round.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Presence, Self::User, Self::Pin]
            .into_iter()
            .find(|least| least.word() == word)
    }

    /// Is that sure enough? A finger that the agent asked for is the agent's word, and stands below a PIN that opened the
    /// key.
    #[must_use]
    pub const fn is_reached_by(self, level: VerificationLevel) -> bool {
        match self {
            Self::Presence => true,
            Self::User => !matches!(level, VerificationLevel::Click),
            Self::Pin => matches!(level, VerificationLevel::Pin | VerificationLevel::Tpm),
        }
    }
}

/// What the agent's answer says, as the module has read it.
#[derive(Clone, Copy, Debug)]
pub struct Approval<'a> {
    /// The bytes that were signed.
    pub signed: &'a [u8],
    /// 64 bytes, r||s.
    pub signature: &'a [u8],
    /// SHA-256 of the challenge that it answers.
    pub challenge: &'a [u8],
    /// Which key it says that it was signed with.
    pub key: &'a [u8],
    /// What the user has typed.
    pub number: &'a str,
    /// How sure the agent says that it was.
    pub level: VerificationLevel,
}

/// Why an answer is no approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// The key that it names is not among the accepted ones.
    #[error("the answer is signed with a key that is not accepted for this user")]
    Key,
    /// The signature does not belong to these bytes and that key.
    #[error("the signature of the answer is not valid")]
    Signature,
    /// It answers another challenge: replayed, or altered on the way.
    #[error("the answer is not to this question")]
    OtherChallenge,
    /// The agent was not as sure as it has to be.
    #[error("the answer was not verified as the administrator asks")]
    Level,
    /// The number is not the one on the terminal.
    #[error("the number is not the one that was shown")]
    Number,
}

/// Is this an approval of `challenge`? Returns the key that has signed it.
///
/// # Errors
///
/// Every variant of [`NotApproved`], in their order: nothing that is not signed is looked at.
pub fn check_approval<'a>(
    approval: &Approval<'_>,
    challenge: &[u8],
    keys: &'a AcceptedKeys,
    least: Least,
    number: Option<&MatchNumber>,
) -> Result<&'a AcceptedKey, NotApproved> {
    let key = keys
        .iter()
        .find(|key| key.fingerprint().as_bytes().as_slice() == approval.key)
        .ok_or(NotApproved::Key)?;
    signing::verify(
        key.public(),
        Label::SudoChallenge,
        approval.signed,
        approval.signature,
    )
    .map_err(|SignatureError| NotApproved::Signature)?;
    if challenge_hash(challenge).as_slice() != approval.challenge {
        return Err(NotApproved::OtherChallenge);
    }
    if !least.max(key.least()).is_reached_by(approval.level) {
        return Err(NotApproved::Level);
    }
    if number.is_some_and(|number| !number.is(approval.number)) {
        return Err(NotApproved::Number);
    }
    Ok(key)
}

/// SHA-256 of a challenge as it was sent.
#[must_use]
pub fn challenge_hash(challenge: &[u8]) -> [u8; 32] {
    Sha256::digest(challenge).into()
}

/// The name of a machine in a challenge: the agent refuses those of another one. Made from the content of
/// machine-id(5), which itself is not given away.
#[must_use]
pub fn machine_name(machine_id: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update("countersign/sudo/1 machine\0")
        .chain_update(machine_id.trim_ascii())
        .finalize()
        .into()
}

/// A command line for a person to read: its words, those with a blank or without a letter in quotes.
///
/// `words` is as in proc(5): each word ended by a zero byte. What comes out is not display-safe yet.
#[must_use]
pub fn command_line(words: &[u8]) -> String {
    let words = words.strip_suffix(&[0]).unwrap_or(words);
    if words.is_empty() {
        return String::new();
    }
    let shown: Vec<_> = words
        .split(|byte| *byte == 0)
        .map(|word| {
            let word = String::from_utf8_lossy(word);
            let plain = !word.is_empty()
                && !word.contains(|c: char| c.is_whitespace() || matches!(c, '\'' | '"'));
            if plain {
                word.into_owned()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests;
