//! Why an activation string is refused.

use core::fmt;

/// The lines of an activation string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// `EnrollmentURL=`
    EnrollmentUrl,
    /// `UserID=`
    UserId,
    /// `Passphrase=`
    Passphrase,
    /// `ServicePin=`
    ServicePin,
}

impl Line {
    pub(super) fn named(name: &str) -> Option<Self> {
        [
            Self::EnrollmentUrl,
            Self::UserId,
            Self::Passphrase,
            Self::ServicePin,
        ]
        .into_iter()
        .find(|line| line.name().eq_ignore_ascii_case(name))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::EnrollmentUrl => "EnrollmentURL",
            Self::UserId => "UserID",
            Self::Passphrase => "Passphrase",
            Self::ServicePin => "ServicePin",
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an activation string is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ActivationStringError {
    /// Nothing but white space.
    #[error("there is no activation string; paste the one from your enrollment message")]
    Empty,
    /// More than [`MAX_INPUT`](super::MAX_INPUT) bytes.
    #[error("this is too long for an activation string; copy the string alone")]
    TooLong,
    /// A `countersign:` link of another form.
    #[error("this link is not an enrollment link; use the one from your enrollment message")]
    NotAnEnrollmentLink,
    /// Not base64, or cut off within it.
    #[error("the activation string is damaged: it is not base64; copy it again in full")]
    NotBase64,
    /// The base64 is not of UTF-8 text.
    #[error("the activation string is damaged: it holds no text; copy it again in full")]
    NotText,
    /// The text has control characters other than line breaks.
    #[error("the activation string holds control characters; ask for a new one")]
    ControlCharacter,
    /// A line without `=`.
    #[error("the activation string is damaged: a line has no \"=\"; copy it again in full")]
    LineWithoutValue,
    /// A line that must be there is not, or is empty.
    #[error("the activation string is incomplete: {0} is missing; copy it again in full")]
    Missing(Line),
    /// A line is there twice.
    #[error("the activation string names {0} twice; ask for a new one")]
    Repeated(Line),
    /// A line is longer than it may be.
    #[error("the activation string has a {0} that is too long; ask for a new one")]
    ValueTooLong(Line),
    /// The enrollment URL cannot be read.
    #[error("the enrollment address in the activation string is not a URL; ask for a new one")]
    Url,
    /// Neither `https` nor an allowed `http`.
    #[error("the enrollment address in the activation string is not https; ask for a new one")]
    NotHttps,
    /// `user@host`: made to deceive, as the host is not what stands first.
    #[error("the enrollment address in the activation string holds a user name; do not use it")]
    UserInfo,
    /// A pin that is not 64 hex digits, or too many.
    #[error("the service key in the activation string is damaged; copy it again in full")]
    ServicePin,
}
