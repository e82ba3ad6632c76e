//! Reading a link: liberal where nothing can go wrong, refusing where a passcode would be another one.

use core::str;

use data_encoding::Specification;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::{MAX_URI, OtherLink, OtpauthError, OtpauthUri, Parameter, UnlockDemand};
use crate::{
    otp::{Digits, HashAlgorithm, OtpMode, Period, ocra::Suite},
    privacyidea::TwoStep,
    secret::SecretBytes,
};

/// Longest secret, in bytes: a block of SHA-512.
const MAX_SECRET: usize = 128;

/// Longest serial number, in characters.
const MAX_SERIAL: usize = 64;

/// Longest issuer or account, in characters.
const MAX_NAME: usize = 256;

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
        let kind = LinkKind::named(kind)?;
        let parameters = Parameters::read(query)?;
        let (label_issuer, account) = split_label(label)?;
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
        let (mode, counter) = match kind {
            LinkKind::Time => (parameters.time_mode(), 0),
            LinkKind::Event => (
                parameters.event_mode(),
                parameters.counter.ok_or(OtpauthError::Counter)?,
            ),
            LinkKind::Challenge => (
                parameters.challenge_mode()?,
                parameters.counter.unwrap_or(0),
            ),
        };
        Ok(Self {
            mode,
            counter,
            two_step: parameters.two_step()?,
            serial: parameters.serial.unwrap_or_default(),
            secret: parameters.secret.ok_or(OtpauthError::NoSecret)?,
            issuer,
            account,
            demand: parameters.demand,
        })
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

/// The types of links that are ordinary tokens; the last one is a form of our own.
#[derive(Clone, Copy)]
enum LinkKind {
    Time,
    Event,
    Challenge,
}

impl LinkKind {
    fn named(name: &str) -> Result<Self, OtpauthError> {
        match name.to_ascii_lowercase().as_str() {
            "totp" => Ok(Self::Time),
            "hotp" => Ok(Self::Event),
            "ocra" => Ok(Self::Challenge),
            "steam" => Err(OtpauthError::Other(OtherLink::Steam)),
            "yaotp" => Err(OtpauthError::Other(OtherLink::Yandex)),
            "pipush" => Err(OtpauthError::Other(OtherLink::PrivacyIdeaPush)),
            _ => Err(OtpauthError::Type),
        }
    }
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
    suite: Option<Suite>,
    serial: Option<String>,
    step_salt: Option<u64>,
    step_output: Option<u64>,
    step_difficulty: Option<u64>,
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
            Parameter::Suite => {
                let suite = value.parse().map_err(|_unknown| OtpauthError::Suite)?;
                self.suite.replace(suite).is_some()
            }
            Parameter::Serial => self.serial.replace(serial(value)).is_some(),
            Parameter::StepSalt => self.step_salt.replace(step(value)?).is_some(),
            Parameter::StepOutput => self.step_output.replace(step(value)?).is_some(),
            Parameter::StepDifficulty => self.step_difficulty.replace(step(value)?).is_some(),
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

    fn time_mode(&self) -> OtpMode {
        OtpMode::Time {
            hash: self.hash.unwrap_or(HashAlgorithm::Sha1),
            digits: self.digits.unwrap_or(Digits::SIX),
            period: self.period.unwrap_or(Period::THIRTY),
        }
    }

    /// The suite says all; what else is said must not contradict it.
    fn challenge_mode(&self) -> Result<OtpMode, OtpauthError> {
        let suite = self.suite.clone().ok_or(OtpauthError::Suite)?;
        if self.hash.is_some_and(|hash| hash != suite.hash()) {
            return Err(OtpauthError::Algorithm);
        }
        if self.digits.is_some() && self.digits != suite.response().digits() {
            return Err(OtpauthError::Digits);
        }
        Ok(OtpMode::Challenge { suite })
    }

    /// All three or none.
    fn two_step(&self) -> Result<Option<TwoStep>, OtpauthError> {
        match (self.step_salt, self.step_output, self.step_difficulty) {
            (None, None, None) => Ok(None),
            (Some(salt), Some(output), Some(difficulty)) => TwoStep::new(salt, output, difficulty)
                .map(Some)
                .map_err(|_bounds| OtpauthError::TwoStep),
            _ => Err(OtpauthError::TwoStep),
        }
    }

    fn event_mode(&self) -> OtpMode {
        OtpMode::Event {
            hash: self.hash.unwrap_or(HashAlgorithm::Sha1),
            digits: self.digits.unwrap_or(Digits::SIX),
        }
    }
}

fn decoded(text: &str) -> Result<String, OtpauthError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_not_utf8| OtpauthError::NotText)
}

/// Issuer and account of a label. A literal colon divides them; only where there is none, an encoded one.
fn split_label(label: &str) -> Result<(String, String), OtpauthError> {
    let trimmed = |text: &str| text.trim().to_owned();
    if let Some((issuer, account)) = label.split_once(':') {
        return Ok((trimmed(&decoded(issuer)?), trimmed(&decoded(account)?)));
    }
    let label = decoded(label)?;
    let (issuer, account) = label.split_once(':').unwrap_or(("", &label));
    Ok((trimmed(issuer), trimmed(account)))
}

fn step(text: &str) -> Result<u64, OtpauthError> {
    number(text).ok_or(OtpauthError::TwoStep)
}

/// At most 64 characters that need no care on a screen; anything else only decorates, and is left out.
fn serial(text: &str) -> String {
    let text = text.trim();
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if text.len() <= MAX_SERIAL && text.chars().all(fits) {
        text.to_owned()
    } else {
        String::new()
    }
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
pub(crate) fn secret(text: &str) -> Result<SecretBytes, OtpauthError> {
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
