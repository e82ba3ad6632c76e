//! Why a file, or one entry of it, makes no tokens.

use super::{Format, MAX_ENTRIES, MAX_FILE, MAX_FILES};
use crate::{
    otpauth::{OtherLink, OtpauthError},
    pskc::PskcError,
};

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Nothing that we know.
    #[error(
        "this is no export that is known; export again, in one of the formats of `countersign import --help`"
    )]
    Unknown,
    /// Longer than [`MAX_FILE`].
    #[error("the file is longer than {} MiB", MAX_FILE >> 20)]
    TooLarge,
    /// More than [`MAX_FILES`].
    #[error("more than {MAX_FILES} files are not read at once")]
    TooManyFiles,
    /// More than [`MAX_ENTRIES`].
    #[error("more than {MAX_ENTRIES} entries are not read at once; export a part of them")]
    TooManyEntries,
    /// Encrypted, and no passphrase came along.
    #[error("the export of {0} is encrypted; its passphrase is needed")]
    PassphraseNeeded(Format),
    /// Encrypted with a key, and none came along.
    #[error(
        "the container is encrypted with a pre-shared key; the key is needed, in hex or base64"
    )]
    KeyNeeded,
    /// What came along is no key.
    #[error("a pre-shared key is 16, 24 or 32 bytes, in hex or base64")]
    KeyInvalid,
    /// It does not open, or the file was changed.
    #[error("the passphrase does not open the export of {0}, or the file is damaged")]
    WrongPassphrase(Format),
    /// Not what the format asks for.
    #[error("the export of {0} is damaged; export it again")]
    Damaged(Format),
    /// Written by a version that we do not know.
    #[error("the export of {0} is of a version that is not known")]
    Version(Format),
    /// The passphrase would cost more than an honest file asks for.
    #[error(
        "the export of {0} asks for more work or memory than any passphrase needs, so it is not opened"
    )]
    Cost(Format),
    /// Encrypted in a way that we do not have.
    #[error("the export of {format} {what}, which is not supported; {instead}")]
    Unsupported {
        /// Of this format.
        format: Format,
        /// What it does.
        what: &'static str,
        /// What can be done.
        instead: &'static str,
    },
    /// A key container as a whole.
    #[error(transparent)]
    Container(#[from] PskcError),
}

/// Why an entry makes no token. A sentence for the one who exported it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A kind of passcode that is none of ours.
    #[error("{0} makes passcodes in a way of its own, which no TOTP or HOTP token can")]
    Kind(OtherLink),
    /// A kind that nobody knows.
    #[error("a kind of passcode that is not known")]
    UnknownKind,
    /// The secret is missing.
    #[error("it has no secret")]
    NoSecret,
    /// The secret is not base32.
    #[error("its secret is damaged: it is not base32")]
    SecretNotBase32,
    /// Longer than 128 bytes.
    #[error("its secret is too long")]
    SecretTooLong,
    /// Not SHA-1, SHA-256 or SHA-512.
    #[error("its algorithm is none of SHA1, SHA256 and SHA512")]
    Hash,
    /// Not 4 to 10.
    #[error("a passcode has 4 to 10 digits, not what it asks for")]
    Digits,
    /// Not 1 to 86,400.
    #[error("a period is 1 to 86400 seconds, not what it asks for")]
    Period,
    /// Not a number that can be counted on from.
    #[error("it is event-based, and its counter is none that can be counted on from")]
    Counter,
    /// A seed of two halves.
    #[error("it needs a second step at its service: enroll it with `countersign enroll`")]
    TwoStep,
    /// Issuer or account too long.
    #[error("its names are too long")]
    NameTooLong,
    /// A line that is no link.
    #[error("the line is no link of a token")]
    NotALink,
    /// A link.
    #[error("{0}")]
    Link(OtpauthError),
    /// A key of a container.
    #[error("{0}")]
    Package(PskcError),
}

impl From<OtpauthError> for Refusal {
    fn from(error: OtpauthError) -> Self {
        match error {
            OtpauthError::NotOtpauth => Self::NotALink,
            OtpauthError::Other(link) => Self::Kind(link),
            OtpauthError::NoSecret => Self::NoSecret,
            OtpauthError::SecretNotBase32 => Self::SecretNotBase32,
            OtpauthError::SecretTooLong => Self::SecretTooLong,
            OtpauthError::Algorithm => Self::Hash,
            OtpauthError::Digits => Self::Digits,
            OtpauthError::Period => Self::Period,
            OtpauthError::Counter => Self::Counter,
            OtpauthError::NameTooLong => Self::NameTooLong,
            OtpauthError::TwoStep => Self::TwoStep,
            OtpauthError::TooLong
            | OtpauthError::Type
            | OtpauthError::NotText
            | OtpauthError::Repeated(_)
            | OtpauthError::Suite
            | OtpauthError::ChallengeMode => Self::Link(error),
        }
    }
}
