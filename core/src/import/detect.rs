//! Which format it is, by content.

use serde::{Deserialize, de::IgnoredAny};

use super::{andotp, bitwarden, stratum, uri_list};

/// A file, and the part of it that its reader takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Detected<'a> {
    Aegis(&'a str),
    TwoFas(&'a str),
    AndOtp(&'a str),
    AndOtpSealed(&'a [u8]),
    FreeOtpPlus(&'a str),
    Stratum(&'a str),
    StratumSealed(&'a [u8]),
    Proton(&'a str),
    ProtonSealed(&'a str),
    Bitwarden(&'a str),
    BitwardenCsv(&'a str),
    Links(&'a str),
    Pskc(&'a [u8]),
    Countersign(&'a str),
}

/// The fields at the top of a JSON object that tell formats apart. Their content is not kept.
#[derive(Deserialize)]
struct Shape {
    format: Option<IgnoredAny>,
    header: Option<IgnoredAny>,
    db: Option<IgnoredAny>,
    services: Option<IgnoredAny>,
    #[serde(rename = "servicesEncrypted")]
    services_encrypted: Option<IgnoredAny>,
    tokens: Option<IgnoredAny>,
    #[serde(rename = "Authenticators")]
    authenticators: Option<IgnoredAny>,
    entries: Option<IgnoredAny>,
    salt: Option<IgnoredAny>,
    content: Option<IgnoredAny>,
    items: Option<IgnoredAny>,
    encrypted: Option<IgnoredAny>,
}

impl<'a> Detected<'a> {
    /// Nothing: no format that we know.
    pub(super) fn of(file: &'a [u8]) -> Option<Self> {
        if stratum::is_sealed(file) {
            return Some(Self::StratumSealed(file));
        }
        let Ok(text) = core::str::from_utf8(file) else {
            // The one format without any mark: bytes that look random.
            return andotp::may_be_sealed(file).then_some(Self::AndOtpSealed(file));
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        match text.chars().next()? {
            '<' => Some(Self::Pskc(text.as_bytes())),
            '[' => Some(Self::AndOtp(text)),
            '{' => Self::of_object(text),
            _ if bitwarden::is_csv(text) => Some(Self::BitwardenCsv(text)),
            _ if uri_list::is_list(text) => Some(Self::Links(text)),
            _ => None,
        }
    }

    fn of_object(text: &'a str) -> Option<Self> {
        let shape: Shape = serde_json::from_str(text).ok()?;
        let found = match shape {
            Shape {
                format: Some(_), ..
            } => Self::Countersign(text),
            Shape {
                header: Some(_),
                db: Some(_),
                ..
            } => Self::Aegis(text),
            Shape {
                services_encrypted: Some(_),
                ..
            }
            | Shape {
                services: Some(_), ..
            } => Self::TwoFas(text),
            Shape {
                tokens: Some(_), ..
            } => Self::FreeOtpPlus(text),
            Shape {
                authenticators: Some(_),
                ..
            } => Self::Stratum(text),
            Shape {
                entries: Some(_), ..
            } => Self::Proton(text),
            Shape { items: Some(_), .. }
            | Shape {
                encrypted: Some(_), ..
            } => Self::Bitwarden(text),
            Shape {
                salt: Some(_),
                content: Some(_),
                ..
            } => Self::ProtonSealed(text),
            _ => return None,
        };
        Some(found)
    }
}
