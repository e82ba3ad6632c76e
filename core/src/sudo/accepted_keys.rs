//! The keys that root accepts for one user: `/etc/countersign/pam/keys.d/USER`.
//!
//! Text, a line each: `countersign-sudo-1 p256 PUBLIC-KEY verify=WORD [finger=root] label=TEXT`. The key is the
//! uncompressed form of SEC1 in base64. Empty lines and those with `#` in front are skipped; a line that is not
//! understood makes the whole file worthless, so that a mistake is found at once.

use data_encoding::BASE64;
use p256::ecdsa::VerifyingKey;

use super::{Fingerprint, Least};
use crate::{signing, text};

/// The longest file, in bytes.
pub const MAX_KEY_FILE_LEN: usize = 64 * 1024;
/// The longest label, in characters.
pub const MAX_LABEL_LEN: usize = 64;
/// The most keys in one file.
const MOST: usize = 32;
/// The first word of a line: format and version.
const FORMAT: &str = "countersign-sudo-1";
const ALGORITHM: &str = "p256";

/// Does root ask for a finger as well, beside the agent's answer?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Finger {
    /// No.
    #[default]
    NotAsked,
    /// The module asks fprintd itself: the agent's word on fingers is not enough.
    ByRoot,
}

/// One accepted key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedKey {
    public: VerifyingKey,
    least: Least,
    finger: Finger,
    label: String,
}

/// A line of the file that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Longer than [`MAX_KEY_FILE_LEN`].
    #[error("it is longer than {MAX_KEY_FILE_LEN} bytes")]
    TooLong,
    /// More than 32.
    #[error("it has more than {MOST} keys")]
    TooMany,
    /// Not UTF-8.
    #[error("it is not text")]
    NotText,
    /// Not understood.
    #[error("line {line} is not understood: {what}")]
    Line {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl AcceptedKey {
    /// A key with its conditions. The label is made display-safe and clipped.
    #[must_use]
    pub fn new(public: VerifyingKey, least: Least, finger: Finger, label: &str) -> Self {
        Self {
            public,
            least,
            finger,
            label: text::display(label, MAX_LABEL_LEN),
        }
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// How sure the agent must be.
    #[must_use]
    pub const fn least(&self) -> Least {
        self.least
    }

    /// Does root ask for a finger as well?
    #[must_use]
    pub const fn finger(&self) -> Finger {
        self.finger
    }

    /// What the administrator calls it; display-safe.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What a person compares.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.public)
    }

    /// Its line in the file, without the line's end.
    #[must_use]
    pub fn to_line(&self) -> String {
        let key = BASE64.encode(&signing::public_to_sec1(&self.public));
        let finger = match self.finger {
            Finger::NotAsked => "",
            Finger::ByRoot => " finger=root",
        };
        format!(
            "{FORMAT} {ALGORITHM} {key} verify={}{finger} label={}",
            self.least.word(),
            self.label
        )
    }

    fn from_line(line: &str) -> Result<Self, &'static str> {
        let (before, label) = line
            .split_once(" label=")
            .ok_or("label= is missing at its end")?;
        let mut words = before.split_ascii_whitespace();
        if words.next() != Some(FORMAT) {
            return Err("it does not begin with countersign-sudo-1");
        }
        if words.next() != Some(ALGORITHM) {
            return Err("the algorithm is not p256");
        }
        let key = words.next().ok_or("the key is missing")?;
        let public = BASE64
            .decode(key.as_bytes())
            .ok()
            .and_then(|bytes| signing::public_from_sec1(&bytes).ok())
            .ok_or("the key is not a P-256 key in base64")?;
        let least = words
            .next()
            .and_then(|word| word.strip_prefix("verify="))
            .and_then(Least::from_word)
            .ok_or("verify=presence, verify=user or verify=pin is missing")?;
        let finger = match words.next() {
            None => Finger::NotAsked,
            Some("finger=root") => Finger::ByRoot,
            Some(_) => return Err("a word is unknown"),
        };
        if words.next().is_some() {
            return Err("a word is unknown");
        }
        if label.is_empty() || text::display(label, MAX_LABEL_LEN) != label {
            return Err("the label is empty, too long or not display-safe");
        }
        Ok(Self {
            public,
            least,
            finger,
            label: label.to_owned(),
        })
    }
}

/// The keys of one user, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcceptedKeys(Vec<AcceptedKey>);

impl AcceptedKeys {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Every variant of [`KeyFileError`]; no key of it counts then.
    pub fn parse(content: &[u8]) -> Result<Self, KeyFileError> {
        if content.len() > MAX_KEY_FILE_LEN {
            return Err(KeyFileError::TooLong);
        }
        let content = core::str::from_utf8(content).map_err(|_bytes| KeyFileError::NotText)?;
        let mut keys = Vec::new();
        for (line, text) in (1_usize..).zip(content.lines()) {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if keys.len() >= MOST {
                return Err(KeyFileError::TooMany);
            }
            let key =
                AcceptedKey::from_line(text).map_err(|what| KeyFileError::Line { line, what })?;
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// The whole file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "# Keys that may approve in this user's name. Written by countersign-pam; a line that is not\n# understood makes all of them worthless.\n",
        );
        for key in &self.0 {
            text.push_str(&key.to_line());
            text.push('\n');
        }
        text
    }

    /// None at all?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> core::slice::Iter<'_, AcceptedKey> {
        self.0.iter()
    }

    /// With one more; one with the same key is replaced.
    ///
    /// # Errors
    ///
    /// [`KeyFileError::TooMany`].
    pub fn with(mut self, key: AcceptedKey) -> Result<Self, KeyFileError> {
        let print = key.fingerprint();
        self.0.retain(|known| known.fingerprint() != print);
        if self.0.len() >= MOST {
            return Err(KeyFileError::TooMany);
        }
        self.0.push(key);
        Ok(self)
    }

    /// Without the one whose fingerprint is shown as, or begins with, `shown`; nothing if none or several do.
    #[must_use]
    pub fn without(&self, shown: &str) -> Option<(Self, AcceptedKey)> {
        let wanted = shown.trim().to_ascii_uppercase();
        if wanted.len() < 4 {
            return None;
        }
        let mut fits = self
            .0
            .iter()
            .filter(|key| key.fingerprint().to_string().starts_with(&wanted));
        let (Some(gone), None) = (fits.next(), fits.next()) else {
            return None;
        };
        let left = self.0.iter().filter(|key| *key != gone).cloned().collect();
        Some((Self(left), gone.clone()))
    }
}

impl<'a> IntoIterator for &'a AcceptedKeys {
    type Item = &'a AcceptedKey;
    type IntoIter = core::slice::Iter<'a, AcceptedKey>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
