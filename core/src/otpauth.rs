//! `otpauth://` links: what the QR codes of most services carry.
//!
//! There is no RFC; the format is the one of Google's "Key URI Format" with what other authenticators
//! add. Liberal on input, strict on output. Invariant: a link that asks for something that is not
//! understood and changes the passcode (Steam, Yandex, two-step enrollment, ...) is refused with its
//! name, never taken as an ordinary one; a link is never followed (`image=` would tell who enrolls).

use core::{fmt, str};

use data_encoding::{BASE32_NOPAD, Specification};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    secret::{SecretBytes, SecretText},
};

/// Longest link read, in bytes: a QR code holds no more than 4,296 characters.
const MAX_URI: usize = 4296;

/// Longest secret, in bytes: a block of SHA-512.
const MAX_SECRET: usize = 128;

/// Longest issuer or account, in characters.
const MAX_NAME: usize = 256;

/// What is never written literally: all but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A token as an `otpauth://` link carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct OtpauthUri {
    /// Time-based or event-based; there are no links for challenge-response.
    pub mode: OtpMode,
    /// The seed.
    pub secret: SecretBytes,
    /// Who issued the token; may be empty. Comes from others: show it through [`crate::text::display`].
    pub issuer: String,
    /// Whose token; may be empty. Comes from others, too.
    pub account: String,
    /// The next counter of an event-based token, else 0.
    pub counter: u64,
    /// Does the issuer ask that the token is shown only after a PIN or a finger?
    pub demand: UnlockDemand,
}

/// What an issuer asks for in a link (`pin=True` of privacyIDEA, `lock=true` of `FreeOTP`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnlockDemand {
    /// Nothing.
    #[default]
    None,
    /// A PIN or a finger before each passcode.
    PinOrFinger,
}

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
    /// Longer than a QR code can be.
    #[error("the otpauth link is too long")]
    TooLong,
    /// Neither `totp` nor `hotp`.
    #[error("the otpauth link is of an unknown type; only totp and hotp are known")]
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
    #[error("the otpauth link has no counter, which an event-based token needs")]
    Counter,
    /// Issuer or account is too long.
    #[error("the issuer or the account of the otpauth link is too long")]
    NameTooLong,
    /// `2step_*`: the seed is made of two halves.
    #[error("the otpauth link asks for a two-step enrollment, which is not supported")]
    TwoStep,
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
}

impl Parameter {
    fn named(name: &str) -> Option<Self> {
        match name {
            "secret" => Some(Self::Secret),
            "issuer" => Some(Self::Issuer),
            "algorithm" => Some(Self::Algorithm),
            "digits" => Some(Self::Digits),
            "period" => Some(Self::Period),
            "counter" => Some(Self::Counter),
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
        })
    }
}

impl OtpauthUri {
    /// Reads a link; white space around it does not matter.
    ///
    /// # Errors
    /// [`OtpauthError`] says what is wrong, in words for the one who scanned or pasted it.
    pub fn parse(text: &str) -> Result<Self, OtpauthError> {
        let text = text.trim();
        if text.len() > MAX_URI {
            return Err(OtpauthError::TooLong);
        }
        let rest = otpauth_part(text)?;
        let rest = rest
            .split_once('#')
            .map_or(rest, |(before, _fragment)| before);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, label) = path.split_once('/').unwrap_or((path, ""));
        let event_based = match kind.to_ascii_lowercase().as_str() {
            "totp" => false,
            "hotp" => true,
            "steam" => return Err(OtpauthError::Other(OtherLink::Steam)),
            "yaotp" => return Err(OtpauthError::Other(OtherLink::Yandex)),
            "pipush" => return Err(OtpauthError::Other(OtherLink::PrivacyIdeaPush)),
            _ => return Err(OtpauthError::Type),
        };
        let parameters = Parameters::read(query)?;
        let (label_issuer, account) = split_label(&decoded(label)?);
        let issuer = parameters
            .issuer
            .as_deref()
            .map(|issuer| issuer.trim().to_owned());
        let issuer = issuer
            .filter(|issuer| !issuer.is_empty())
            .unwrap_or(label_issuer);
        if [&issuer, &account]
            .into_iter()
            .any(|name| name.chars().count() > MAX_NAME)
        {
            return Err(OtpauthError::NameTooLong);
        }
        Ok(Self {
            mode: parameters.mode(event_based),
            counter: parameters.counter(event_based)?,
            secret: parameters.secret.ok_or(OtpauthError::NoSecret)?,
            issuer,
            account,
            demand: parameters.demand,
        })
    }

    /// The link in its strict form. It holds the seed: show it to its owner only.
    ///
    /// # Errors
    /// [`OtpauthError::ChallengeMode`]: there is no such link.
    pub fn to_uri(&self) -> Result<SecretText, OtpauthError> {
        let (kind, hash, digits, factor) = match &self.mode {
            OtpMode::Time {
                hash,
                digits,
                period,
            } => ("totp", hash, digits, format!("&period={}", period.secs())),
            OtpMode::Event { hash, digits } => {
                ("hotp", hash, digits, format!("&counter={}", self.counter))
            }
            OtpMode::Challenge { .. } => return Err(OtpauthError::ChallengeMode),
        };
        let parameters = format!("&algorithm={hash}&digits={}{factor}", digits.count());
        let issuer = utf8_percent_encode(&self.issuer, RESERVED).to_string();
        let account = utf8_percent_encode(&self.account, RESERVED).to_string();
        let secret = Zeroizing::new(BASE32_NOPAD.encode(self.secret.expose()));
        let mut uri = String::with_capacity(MAX_URI);
        for part in ["otpauth://", kind, "/", &issuer] {
            uri.push_str(part);
        }
        // A colon in the account would end the issuer: without one it gets an empty issuer before it.
        if !self.issuer.is_empty() || self.account.contains(':') {
            uri.push(':');
        }
        for part in [&account, "?secret=", &secret, &parameters] {
            uri.push_str(part);
        }
        if !self.issuer.is_empty() {
            uri.push_str("&issuer=");
            uri.push_str(&issuer);
        }
        if self.demand == UnlockDemand::PinOrFinger {
            uri.push_str("&pin=True");
        }
        Ok(SecretText::new(uri))
    }
}

impl fmt::Debug for OtpauthUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtpauthUri")
            .field("mode", &self.mode)
            .field("secret", &self.secret)
            .field("issuer", &self.issuer)
            .field("account", &self.account)
            .field("counter", &self.counter)
            .field("demand", &self.demand)
            .finish()
    }
}

/// What follows `otpauth://`.
fn otpauth_part(text: &str) -> Result<&str, OtpauthError> {
    let (scheme, rest) = text.split_once("://").ok_or(OtpauthError::NotOtpauth)?;
    let other = match scheme.to_ascii_lowercase().as_str() {
        "otpauth" => return Ok(rest),
        "steam" => OtherLink::Steam,
        "motp" => OtherLink::Motp,
        "pia" => OtherLink::PrivacyIdeaPush,
        "otpauth-migration" => OtherLink::GoogleExport,
        "tiqrenroll" | "tiqrauth" => OtherLink::Tiqr,
        "lseqr" => OtherLink::LinOtp,
        "phonefactor" => OtherLink::Microsoft,
        "apple-otpauth" => OtherLink::Apple,
        _ => return Err(OtpauthError::NotOtpauth),
    };
    Err(OtpauthError::Other(other))
}

/// The query, each parameter that counts at most once.
#[derive(Default)]
struct Parameters {
    secret: Option<SecretBytes>,
    issuer: Option<String>,
    hash: Option<HashAlgorithm>,
    digits: Option<Digits>,
    period: Option<Period>,
    counter: Option<u64>,
    demand: UnlockDemand,
}

impl Parameters {
    fn read(query: &str) -> Result<Self, OtpauthError> {
        let mut read = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Only here a plus sign is a space (the form encoding); a literal one comes as %2B.
            let spaced = Zeroizing::new(value.replace('+', " "));
            let value = Zeroizing::new(decoded(&spaced)?);
            read.take(&name.to_ascii_lowercase(), &value)?;
        }
        Ok(read)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), OtpauthError> {
        let Some(parameter) = Parameter::named(name) else {
            return self.take_extension(name, value);
        };
        let repeated = match parameter {
            Parameter::Secret => self.secret.replace(secret(value)?).is_some(),
            Parameter::Issuer => self.issuer.replace(value.to_owned()).is_some(),
            Parameter::Algorithm => {
                let hash = value.parse().map_err(|_unknown| OtpauthError::Algorithm)?;
                self.hash.replace(hash).is_some()
            }
            Parameter::Digits => {
                let digits = number(value).and_then(|count| u8::try_from(count).ok());
                let digits = digits.and_then(|count| Digits::try_from(count).ok());
                self.digits
                    .replace(digits.ok_or(OtpauthError::Digits)?)
                    .is_some()
            }
            Parameter::Period => {
                let period = number(value).and_then(|secs| u32::try_from(secs).ok());
                let period = period.and_then(|secs| Period::try_from(secs).ok());
                self.period
                    .replace(period.ok_or(OtpauthError::Period)?)
                    .is_some()
            }
            Parameter::Counter => {
                let counter = number(value).ok_or(OtpauthError::Counter)?;
                self.counter.replace(counter).is_some()
            }
        };
        if repeated {
            Err(OtpauthError::Repeated(parameter))
        } else {
            Ok(())
        }
    }

    /// Extensions of other authenticators; those that only decorate are left out.
    fn take_extension(&mut self, name: &str, value: &str) -> Result<(), OtpauthError> {
        match name {
            "encoder" if value.eq_ignore_ascii_case("steam") => {
                Err(OtpauthError::Other(OtherLink::Steam))
            }
            "2step_salt" | "2step_output" | "2step_difficulty" => Err(OtpauthError::TwoStep),
            "pin" | "lock" if value.eq_ignore_ascii_case("true") => {
                self.demand = UnlockDemand::PinOrFinger;
                Ok(())
            }
            "app_force_unlock" if !value.is_empty() => {
                self.demand = UnlockDemand::PinOrFinger;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn mode(&self, event_based: bool) -> OtpMode {
        let hash = self.hash.unwrap_or(HashAlgorithm::Sha1);
        let digits = self.digits.unwrap_or(Digits::SIX);
        if event_based {
            return OtpMode::Event { hash, digits };
        }
        OtpMode::Time {
            hash,
            digits,
            period: self.period.unwrap_or(Period::THIRTY),
        }
    }

    fn counter(&self, event_based: bool) -> Result<u64, OtpauthError> {
        if event_based {
            self.counter.ok_or(OtpauthError::Counter)
        } else {
            Ok(0)
        }
    }
}

fn decoded(text: &str) -> Result<String, OtpauthError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_not_utf8| OtpauthError::NotText)
}

/// Issuer and account of a decoded label; the colon between them may have been literal or `%3A`.
fn split_label(label: &str) -> (String, String) {
    let (issuer, account) = label.split_once(':').unwrap_or(("", label));
    (issuer.trim().to_owned(), account.trim().to_owned())
}

/// A decimal number without sign; leading zeros and white space around it do not matter.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

/// Base32 of either case, with or without padding, in groups or not. Bits left over in the last symbol
/// do not matter: some issuers draw each symbol at random.
fn secret(text: &str) -> Result<SecretBytes, OtpauthError> {
    let mut base32 = Specification::new();
    base32.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    base32.check_trailing_bits = false;
    base32.ignore.push_str(" -=");
    base32.translate.from.push_str("abcdefghijklmnopqrstuvwxyz");
    base32.translate.to.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    let base32 = base32
        .encoding()
        .map_err(|_never| OtpauthError::SecretNotBase32)?;
    let bytes = base32
        .decode(text.as_bytes())
        .map_err(|_damaged| OtpauthError::SecretNotBase32)?;
    let secret = SecretBytes::new(bytes);
    match secret.len() {
        0 => Err(OtpauthError::NoSecret),
        length if length > MAX_SECRET => Err(OtpauthError::SecretTooLong),
        _ => Ok(secret),
    }
}
