//! `otpauth://pipush/…` and `pia://pipush/…`: what the QR code of a push token says.

use core::{fmt, time::Duration};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::secret::SecretText;

/// Longest link read, in bytes.
const MAX_LINK: usize = 8 * 1024;
/// Longest address, in bytes.
const MAX_URL: usize = 1024;
/// Longest serial, in characters.
const MAX_SERIAL: usize = 64;
/// Longest credential, in characters; today's have 40.
const MAX_CREDENTIAL: usize = 128;
/// Longest label or issuer, in characters.
const MAX_NAME: usize = 256;
/// Longest life of a link, in minutes: a year.
const MAX_TTL: u64 = 366 * 24 * 60;

/// A push token as its link carries it. The texts are the server's: show them through [`crate::text::display`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushLink {
    /// The token's serial: letters, digits, `-`, `_` and `.` only.
    pub serial: String,
    /// Where it is enrolled, polled and answered.
    pub url: PushUrl,
    /// How well the server is known.
    pub transport: Transport,
    /// Good for one enrollment.
    pub credential: SecretText,
    /// Whose token; the serial where nothing else is said.
    pub label: String,
    /// Who issued it; may be empty.
    pub issuer: String,
    /// How long the link is good for. A hint only.
    pub ttl: Duration,
    /// What is asked of the user before a request is shown or answered.
    pub demand: Demand,
}

/// An absolute `http` or `https` address with a host, without user name and fragment; kept as it was given, because
/// it is signed so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushUrl {
    text: String,
    parsed: Url,
}

impl PushUrl {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`LinkError::Url`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        if text.len() > MAX_URL || text.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(LinkError::Url);
        }
        let parsed = Url::parse(text).map_err(|_malformed| LinkError::Url)?;
        let plain = parsed.username().is_empty() && parsed.password().is_none();
        if !matches!(parsed.scheme(), "http" | "https")
            || parsed.host().is_none()
            || !plain
            || parsed.fragment().is_some()
        {
            return Err(LinkError::Url);
        }
        Ok(Self {
            text: text.to_owned(),
            parsed,
        })
    }

    /// The address as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address, parsed.
    #[must_use]
    pub const fn as_url(&self) -> &Url {
        &self.parsed
    }

    /// host:port, as it is shown and confirmed.
    #[must_use]
    pub fn host_port(&self) -> String {
        let host = self.parsed.host_str().unwrap_or_default();
        let port = self.parsed.port_or_known_default().unwrap_or_default();
        format!("{host}:{port}")
    }

    /// The same scheme, host and port?
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        self.parsed.scheme() == other.parsed.scheme()
            && self.parsed.host() == other.parsed.host()
            && self.parsed.port_or_known_default() == other.parsed.port_or_known_default()
    }
}

/// How well the server behind the address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TLS, and an authority of the system vouches for the name.
    Verified,
    /// TLS, and the link says that nobody vouches for the server (`sslverify=0`).
    UnverifiedTls,
    /// No TLS at all.
    PlainHttp,
}

/// What an issuer asks for before a request is shown or answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demand {
    /// Nothing.
    #[default]
    None,
    /// A PIN or a finger (`pin=True`, `app_force_unlock=any` or `pin`).
    PinOrFinger,
    /// A finger (`app_force_unlock=biometric`).
    Finger,
}

impl PushLink {
    /// Does the text begin like one? Said before anything is checked.
    #[must_use]
    pub fn looks_like_one(text: &str) -> bool {
        push_part(text.trim_start()).is_some()
    }

    /// Reads a link; white space around it does not matter.
    ///
    /// # Errors
    ///
    /// [`LinkError`] says what is wrong, in words for the one who scanned or pasted it.
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let text = text.trim();
        if text.len() > MAX_LINK {
            return Err(LinkError::TooLong);
        }
        let rest = push_part(text).ok_or(LinkError::NotPush)?;
        let rest = rest
            .split_once('#')
            .map_or(rest, |(before, _fragment)| before);
        let (label, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parameters = Parameters::read(query)?;
        if parameters.one(LinkParameter::Version)? != "1" {
            return Err(LinkError::Version);
        }
        let serial = parameters.one(LinkParameter::Serial)?;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if serial.is_empty() || serial.len() > MAX_SERIAL || !serial.chars().all(fits) {
            return Err(LinkError::Serial);
        }
        let credential = parameters.one(LinkParameter::Credential)?;
        if credential.is_empty()
            || credential.len() > MAX_CREDENTIAL
            || !credential.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return Err(LinkError::Credential);
        }
        let url = PushUrl::parse(parameters.one(LinkParameter::Url)?)?;
        let label = decoded(label)?;
        let label = if label.trim().is_empty() {
            serial
        } else {
            label.trim()
        };
        let issuer = parameters
            .get(LinkParameter::Issuer)
            .unwrap_or_default()
            .trim();
        if [label, issuer]
            .iter()
            .any(|name| name.chars().count() > MAX_NAME)
        {
            return Err(LinkError::NameTooLong);
        }
        Ok(Self {
            serial: serial.to_owned(),
            transport: parameters.transport(&url)?,
            url,
            credential: credential.into(),
            label: label.to_owned(),
            issuer: issuer.to_owned(),
            ttl: parameters.ttl()?,
            demand: parameters.demand()?,
        })
    }
}

/// What follows `otpauth://pipush/` or `pia://pipush/`.
fn push_part(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let (kind, rest) = rest.split_at_checked("pipush".len())?;
    let known = ["otpauth", "pia"]
        .iter()
        .any(|name| scheme.eq_ignore_ascii_case(name));
    if !known || !kind.eq_ignore_ascii_case("pipush") {
        return None;
    }
    match rest.as_bytes().first() {
        Some(b'/') => rest.get(1..),
        Some(b'?') => Some(rest),
        _ => None,
    }
}

/// The parameters that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkParameter {
    /// `v`.
    Version,
    /// `serial`.
    Serial,
    /// `url`.
    Url,
    /// `enrollment_credential`.
    Credential,
    /// `sslverify`.
    SslVerify,
    /// `ttl`.
    Ttl,
    /// `issuer`.
    Issuer,
    /// `pin`.
    Pin,
    /// `app_force_unlock`.
    ForceUnlock,
}

impl LinkParameter {
    const ALL: [(&'static str, Self); 9] = [
        ("v", Self::Version),
        ("serial", Self::Serial),
        ("url", Self::Url),
        ("enrollment_credential", Self::Credential),
        ("sslverify", Self::SslVerify),
        ("ttl", Self::Ttl),
        ("issuer", Self::Issuer),
        ("pin", Self::Pin),
        ("app_force_unlock", Self::ForceUnlock),
    ];

    fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, parameter)| *parameter)
    }
}

impl fmt::Display for LinkParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::ALL.iter().find(|(_, parameter)| parameter == self);
        f.write_str(found.map_or("", |(name, _)| *name))
    }
}

/// The query: each parameter that counts at most once, the others left out.
#[derive(Default)]
struct Parameters(Vec<(LinkParameter, zeroize::Zeroizing<String>)>);

impl Parameters {
    fn read(query: &str) -> Result<Self, LinkError> {
        let mut read = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(parameter) = LinkParameter::named(name) else {
                continue;
            };
            if read.get(parameter).is_some() {
                return Err(LinkError::Repeated(parameter));
            }
            let spaced = zeroize::Zeroizing::new(value.replace('+', " "));
            read.0
                .push((parameter, zeroize::Zeroizing::new(decoded(&spaced)?)));
        }
        Ok(read)
    }

    fn get(&self, parameter: LinkParameter) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == parameter);
        found.map(|(_, value)| value.as_str())
    }

    fn one(&self, parameter: LinkParameter) -> Result<&str, LinkError> {
        self.get(parameter).ok_or(LinkError::Missing(parameter))
    }

    fn transport(&self, url: &PushUrl) -> Result<Transport, LinkError> {
        let wrong = LinkError::Value(LinkParameter::SslVerify);
        match (url.as_url().scheme(), self.get(LinkParameter::SslVerify)) {
            ("https", None | Some("1")) => Ok(Transport::Verified),
            ("https", Some("0")) => Ok(Transport::UnverifiedTls),
            ("http", None | Some("0" | "1")) => Ok(Transport::PlainHttp),
            _ => Err(wrong),
        }
    }

    fn ttl(&self) -> Result<Duration, LinkError> {
        let wrong = LinkError::Value(LinkParameter::Ttl);
        let minutes: u64 = match self.get(LinkParameter::Ttl) {
            None => 10,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_not_a_number| wrong)?
            }
            Some(_) => return Err(wrong),
        };
        if !(1..=MAX_TTL).contains(&minutes) {
            return Err(wrong);
        }
        Ok(Duration::from_secs(minutes.saturating_mul(60)))
    }

    fn demand(&self) -> Result<Demand, LinkError> {
        let pin = match self.get(LinkParameter::Pin) {
            None => Demand::None,
            Some(text) if text.eq_ignore_ascii_case("false") => Demand::None,
            Some(text) if text.eq_ignore_ascii_case("true") => Demand::PinOrFinger,
            Some(_) => return Err(LinkError::Value(LinkParameter::Pin)),
        };
        match self.get(LinkParameter::ForceUnlock) {
            None => Ok(pin),
            Some("any" | "pin") => Ok(Demand::PinOrFinger),
            Some("biometric") => Ok(Demand::Finger),
            // What is not understood may be stricter than what is.
            Some(_) => Err(LinkError::Value(LinkParameter::ForceUnlock)),
        }
    }
}

fn decoded(text: &str) -> Result<String, LinkError> {
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_not_utf8| LinkError::NotText)
}

/// Why a link is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Neither `otpauth://pipush/` nor `pia://pipush/`.
    #[error(
        "this is not a privacyIDEA push link; it begins with \"otpauth://pipush/\" or \"pia://pipush/\""
    )]
    NotPush,
    /// Longer than any such link.
    #[error("the privacyIDEA link is too long")]
    TooLong,
    /// The percent-encoding does not give UTF-8 text.
    #[error("the privacyIDEA link is damaged: it is not text; scan or copy it again")]
    NotText,
    /// A parameter that counts is there twice.
    #[error("the privacyIDEA link names its {0} twice")]
    Repeated(LinkParameter),
    /// A parameter is missing.
    #[error("the privacyIDEA link has no {0}; scan or copy it again in full")]
    Missing(LinkParameter),
    /// Not version 1.
    #[error("the privacyIDEA link is of a version that is not known")]
    Version,
    /// Not a serial number.
    #[error("the serial number of the privacyIDEA link is malformed")]
    Serial,
    /// Not a credential.
    #[error("the enrollment credential of the privacyIDEA link is damaged; copy it again in full")]
    Credential,
    /// Not an address.
    #[error(
        "the address in the privacyIDEA link must be an http or https URL with a host and nothing secret in it"
    )]
    Url,
    /// A value that is not understood.
    #[error("the {0} of the privacyIDEA link is not understood")]
    Value(LinkParameter),
    /// Label or issuer is too long.
    #[error("the issuer or the label of the privacyIDEA link is too long")]
    NameTooLong,
}
