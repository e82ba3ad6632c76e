//! Why a link is refused, and the links of others.

use core::fmt;

/// Kinds of links that look alike and are something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherLink {
    /// `otpauth://steam/`, `encoder=steam`: five letters in place of digits.
    Steam,
    /// `otpauth://yaotp/`.
    Yandex,
    /// `motp://`.
    Motp,
    /// `otpauth://pipush/`, `pia://`.
    PrivacyIdeaPush,
    /// `otpauth-migration://`.
    GoogleExport,
    /// `tiqrenroll://`, `tiqrauth://`.
    Tiqr,
    /// `lseqr://`.
    LinOtp,
    /// `phonefactor://`.
    Microsoft,
    /// `apple-otpauth://`.
    Apple,
}

impl fmt::Display for OtherLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steam => "Steam Guard",
            Self::Yandex => "Yandex Key",
            Self::Motp => "Mobile-OTP",
            Self::PrivacyIdeaPush => "privacyIDEA push",
            Self::GoogleExport => "the export of Google Authenticator",
            Self::Tiqr => "tiqr",
            Self::LinOtp => "LinOTP push",
            Self::Microsoft => "Microsoft Authenticator",
            Self::Apple => "Apple Passwords",
        })
    }
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtpauthError {
    /// No `otpauth:` at the beginning.
    #[error("this is not an otpauth link; it must begin with \"otpauth://\"")]
    NotOtpauth,
    /// A link of another authenticator.
    #[error(
        "this link is for {0}, which an otpauth token cannot replace; ask for a TOTP or HOTP link"
    )]
    Other(OtherLink),
    /// Longer than any names and secret make it.
    #[error("the otpauth link is too long")]
    TooLong,
    /// None of `totp`, `hotp` and `ocra`.
    #[error("the otpauth link is of an unknown type; only totp, hotp and ocra are known")]
    Type,
    /// The percent-encoding does not give UTF-8 text.
    #[error("the otpauth link is damaged: it is not text; scan or copy it again")]
    NotText,
    /// A parameter that counts is there twice.
    #[error("the otpauth link names its {0} twice")]
    Repeated(Parameter),
    /// No secret.
    #[error("the otpauth link has no secret; scan or copy it again in full")]
    NoSecret,
    /// The secret is not base32, or has a length that base32 cannot have.
    #[error("the secret of the otpauth link is damaged: it is not base32; copy it again in full")]
    SecretNotBase32,
    /// The secret is longer than any hash block.
    #[error("the secret of the otpauth link is too long")]
    SecretTooLong,
    /// An unknown hash.
    #[error("the algorithm of the otpauth link must be SHA1, SHA256 or SHA512")]
    Algorithm,
    /// Not 4 to 10.
    #[error("the otpauth link must ask for 4 to 10 digits")]
    Digits,
    /// Not 1 to 86,400.
    #[error("the period of the otpauth link must be 1 to 86400 seconds")]
    Period,
    /// Missing for an event-based token, or not a number.
    #[error("the otpauth link is for an event-based token and has no counter that is a number")]
    Counter,
    /// Issuer or account is too long.
    #[error("the issuer or the account of the otpauth link is too long")]
    NameTooLong,
    /// `2step_*`: not all three, or out of bounds; or a link is to be written for half a seed.
    #[error("the otpauth link asks for a two-step enrollment in a way that is not understood")]
    TwoStep,
    /// No suite, or one that is not known.
    #[error(
        "the otpauth link is for a challenge-response token and has no OCRA suite that is known"
    )]
    Suite,
    /// Printing: OCRA has no otpauth form.
    #[error("a challenge-response token has no otpauth link; export it as a PSKC file")]
    ChallengeMode,
}

/// The parameters that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// `secret`.
    Secret,
    /// `issuer`.
    Issuer,
    /// `algorithm`.
    Algorithm,
    /// `digits`.
    Digits,
    /// `period`.
    Period,
    /// `counter`.
    Counter,
    /// `suite`.
    Suite,
    /// `serial`.
    Serial,
    /// `2step_salt`.
    StepSalt,
    /// `2step_output`.
    StepOutput,
    /// `2step_difficulty`.
    StepDifficulty,
}

impl Parameter {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "secret" => Some(Self::Secret),
            "issuer" => Some(Self::Issuer),
            "algorithm" => Some(Self::Algorithm),
            "digits" => Some(Self::Digits),
            "period" => Some(Self::Period),
            "counter" => Some(Self::Counter),
            "suite" => Some(Self::Suite),
            "serial" => Some(Self::Serial),
            "2step_salt" => Some(Self::StepSalt),
            "2step_output" => Some(Self::StepOutput),
            "2step_difficulty" => Some(Self::StepDifficulty),
            _ => None,
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "secret",
            Self::Issuer => "issuer",
            Self::Algorithm => "algorithm",
            Self::Digits => "digits",
            Self::Period => "period",
            Self::Counter => "counter",
            Self::Suite => "suite",
            Self::Serial => "serial",
            Self::StepSalt => "2step_salt",
            Self::StepOutput => "2step_output",
            Self::StepDifficulty => "2step_difficulty",
        })
    }
}
