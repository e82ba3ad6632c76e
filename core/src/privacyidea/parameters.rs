//! The query of a link: what counts in it, and why it is refused.

use core::{fmt, time::Duration};

use percent_encoding::percent_decode_str;

use super::{ServerUrl, Transport};

/// Longest link read, in bytes.
pub(super) const MAX_LINK: usize = 8 * 1024;
/// Longest label, issuer or question, in characters.
const MAX_NAME: usize = 256;
/// Longest serial, in characters.
const MAX_SERIAL: usize = 64;
/// Longest one-time text (credential, nonce), in characters; today's have 40.
const MAX_ONE_TIME: usize = 128;
/// Longest life of a link, in minutes: a year.
const MAX_TTL: u64 = 366 * 24 * 60;

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
    /// `sslverify` of a push token, `0` or `1`.
    SslVerify,
    /// `ttl`.
    Ttl,
    /// `issuer`.
    Issuer,
    /// `pin`.
    Pin,
    /// `app_force_unlock`.
    ForceUnlock,
    /// `nonce` of a container.
    Nonce,
    /// `time` of a container.
    Time,
    /// `key_algorithm` of a container.
    KeyAlgorithm,
    /// `hash_algorithm` of a container.
    HashAlgorithm,
    /// `ssl_verify` of a container, `True` or `False`.
    ContainerSslVerify,
    /// `passphrase` of a container: the question, never the answer.
    Passphrase,
    /// `send_passphrase` of a container.
    SendPassphrase,
}

impl LinkParameter {
    const ALL: [(&'static str, Self); 16] = [
        ("v", Self::Version),
        ("serial", Self::Serial),
        ("url", Self::Url),
        ("enrollment_credential", Self::Credential),
        ("sslverify", Self::SslVerify),
        ("ttl", Self::Ttl),
        ("issuer", Self::Issuer),
        ("pin", Self::Pin),
        ("app_force_unlock", Self::ForceUnlock),
        ("nonce", Self::Nonce),
        ("time", Self::Time),
        ("key_algorithm", Self::KeyAlgorithm),
        ("hash_algorithm", Self::HashAlgorithm),
        ("ssl_verify", Self::ContainerSslVerify),
        ("passphrase", Self::Passphrase),
        ("send_passphrase", Self::SendPassphrase),
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
pub(super) struct Parameters(Vec<(LinkParameter, zeroize::Zeroizing<String>)>);

impl Parameters {
    pub(super) fn read(query: &str) -> Result<Self, LinkError> {
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

    pub(super) fn get(&self, parameter: LinkParameter) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == parameter);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn one(&self, parameter: LinkParameter) -> Result<&str, LinkError> {
        self.get(parameter).ok_or(LinkError::Missing(parameter))
    }

    /// Letters, digits, `-`, `_` and `.` only.
    pub(super) fn serial(&self) -> Result<&str, LinkError> {
        let serial = self.one(LinkParameter::Serial)?;
        if is_serial(serial) {
            Ok(serial)
        } else {
            Err(LinkError::Serial)
        }
    }

    /// A text that is good once: letters and digits.
    pub(super) fn one_time(&self, parameter: LinkParameter) -> Result<&str, LinkError> {
        let text = self.one(parameter)?;
        if is_one_time(text) {
            Ok(text)
        } else {
            Err(LinkError::Credential)
        }
    }

    /// A name for people; may be empty or missing.
    pub(super) fn name(&self, parameter: LinkParameter) -> Result<&str, LinkError> {
        bounded_name(self.get(parameter).unwrap_or_default())
    }

    pub(super) fn url(&self) -> Result<ServerUrl, LinkError> {
        ServerUrl::parse(self.one(LinkParameter::Url)?)
    }

    /// How well the server is known: its scheme, and the flag in `parameter` with its words for yes and no.
    pub(super) fn transport(
        &self,
        url: &ServerUrl,
        parameter: LinkParameter,
        [yes, no]: [&str; 2],
    ) -> Result<Transport, LinkError> {
        let flag = self.get(parameter).unwrap_or(yes);
        match url.as_url().scheme() {
            "https" if flag == yes => Ok(Transport::Verified),
            "https" if flag == no => Ok(Transport::UnverifiedTls),
            "http" if flag == yes || flag == no => Ok(Transport::PlainHttp),
            _ => Err(LinkError::Value(parameter)),
        }
    }

    pub(super) fn ttl(&self) -> Result<Duration, LinkError> {
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
}

/// 1 to 64 letters, digits, `-`, `_` and `.`: it is signed, and `|` divides what is signed.
pub(super) fn is_serial(text: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    (1..=MAX_SERIAL).contains(&text.len()) && text.chars().all(fits)
}

/// 1 to 128 letters and digits.
pub(super) fn is_one_time(text: &str) -> bool {
    (1..=MAX_ONE_TIME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Trimmed, if it is not too long.
pub(super) fn bounded_name(name: &str) -> Result<&str, LinkError> {
    let name = name.trim();
    if name.chars().count() > MAX_NAME {
        return Err(LinkError::NameTooLong);
    }
    Ok(name)
}

/// What follows `SCHEME://KIND/`, for one of the schemes.
pub(super) fn part<'text>(text: &'text str, schemes: &[&str], kind: &str) -> Option<&'text str> {
    let (scheme, rest) = text.split_once("://")?;
    let (found, rest) = rest.split_at_checked(kind.len())?;
    let known = schemes.iter().any(|name| scheme.eq_ignore_ascii_case(name));
    if !known || !found.eq_ignore_ascii_case(kind) {
        return None;
    }
    match rest.as_bytes().first() {
        Some(b'/') => rest.get(1..),
        Some(b'?') => Some(rest),
        _ => None,
    }
}

/// The label and the query, without a fragment.
pub(super) fn label_and_query(part: &str) -> (&str, &str) {
    let part = part
        .split_once('#')
        .map_or(part, |(before, _fragment)| before);
    part.split_once('?').unwrap_or((part, ""))
}

pub(super) fn decoded(text: &str) -> Result<String, LinkError> {
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
    /// Not `pia://container/`.
    #[error("this is not a privacyIDEA container link; it begins with \"pia://container/\"")]
    NotContainer,
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
