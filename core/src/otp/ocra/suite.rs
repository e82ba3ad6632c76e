//! A suite: which hash, how long a response, which inputs (RFC 6287 section 6).

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{ChallengeFormat, SuiteError};
use crate::otp::{Digits, HashAlgorithm};

/// An OCRA suite. Its text is kept exactly as provisioned, because the text is part of what is hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Suite {
    pub(super) text: String,
    pub(super) hash: HashAlgorithm,
    pub(super) response: Response,
    pub(super) inputs: DataInput,
}

/// What a computation gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// So many decimal digits. Ten are allowed as RFC 6287 says, though few values begin with a 2
    /// (erratum 3730, reported only, would allow nine at most).
    Digits(Digits),
    /// The whole HMAC, here as lower-case hex (`t` = 0).
    WholeHmac,
}

impl Response {
    /// The digits, where the HMAC is truncated.
    #[must_use]
    pub const fn digits(self) -> Option<Digits> {
        match self {
            Self::Digits(digits) => Some(digits),
            Self::WholeHmac => None,
        }
    }
}

/// The third section of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DataInput {
    pub(super) counter: bool,
    pub(super) challenge: ChallengeFormat,
    pub(super) pin_hash: Option<HashAlgorithm>,
    pub(super) session_len: Option<usize>,
    pub(super) time_step_secs: Option<u32>,
}

impl Suite {
    /// The text exactly as provisioned.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The hash inside the HMAC.
    #[must_use]
    pub const fn hash(&self) -> HashAlgorithm {
        self.hash
    }

    /// What a computation gives.
    #[must_use]
    pub const fn response(&self) -> Response {
        self.response
    }

    /// Does a counter enter (`C`)?
    #[must_use]
    pub const fn uses_counter(&self) -> bool {
        self.inputs.counter
    }

    /// Form and length of the challenge (`Q`) of one party.
    #[must_use]
    pub const fn challenge_format(&self) -> ChallengeFormat {
        self.inputs.challenge
    }

    /// The hash of the PIN that enters (`P`), if one does.
    #[must_use]
    pub const fn uses_pin(&self) -> Option<HashAlgorithm> {
        self.inputs.pin_hash
    }

    /// Length in bytes of the session information that enters (`S`), if it does.
    #[must_use]
    pub const fn uses_session(&self) -> Option<usize> {
        self.inputs.session_len
    }

    /// Length in seconds of the time step that enters (`T`), if one does.
    #[must_use]
    pub const fn uses_time(&self) -> Option<u32> {
        self.inputs.time_step_secs
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Suite> for String {
    fn from(suite: Suite) -> Self {
        suite.text
    }
}

impl TryFrom<String> for Suite {
    type Error = SuiteError;

    fn try_from(text: String) -> Result<Self, SuiteError> {
        text.parse()
    }
}
