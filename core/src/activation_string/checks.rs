//! What each line may hold, when read and when made.

use data_encoding::HEXLOWER_PERMISSIVE;
use url::{Host, Url};

use super::{ActivationStringError, AllowHttp, Line, MAX_PINS};
use crate::secret::SecretText;

/// Longest enrollment URL, in bytes. With the longest of all other lines it still fits
/// [`MAX_INPUT`](super::MAX_INPUT) after encoding.
const MAX_URL: usize = 1024;

/// Longest user name, in bytes (RFC 6063: identifiers up to 128 characters; e-mail addresses up to 254).
const MAX_USER: usize = 256;

/// Longest passphrase, in bytes.
const MAX_PASSPHRASE: usize = 256;

pub(super) fn user_name(user: &str) -> Result<String, ActivationStringError> {
    match user.trim() {
        "" => Err(ActivationStringError::Missing(Line::UserId)),
        user if user.len() > MAX_USER => Err(ActivationStringError::ValueTooLong(Line::UserId)),
        user => Ok(user.to_owned()),
    }
}

pub(super) fn checked_passphrase(
    passphrase: SecretText,
) -> Result<SecretText, ActivationStringError> {
    match passphrase.expose().len() {
        0 => Err(ActivationStringError::Missing(Line::Passphrase)),
        length if length > MAX_PASSPHRASE => {
            Err(ActivationStringError::ValueTooLong(Line::Passphrase))
        }
        _ => Ok(passphrase),
    }
}

pub(super) fn enrollment_url(
    url_text: &str,
    allow_http: AllowHttp,
) -> Result<Url, ActivationStringError> {
    if url_text.is_empty() {
        return Err(ActivationStringError::Missing(Line::EnrollmentUrl));
    }
    if url_text.len() > MAX_URL {
        return Err(ActivationStringError::ValueTooLong(Line::EnrollmentUrl));
    }
    let url = Url::parse(url_text).map_err(|_unreadable| ActivationStringError::Url)?;
    if holds_user_info(url_text) || !url.username().is_empty() || url.password().is_some() {
        return Err(ActivationStringError::UserInfo);
    }
    match (url.scheme(), allow_http) {
        ("https", _) => Ok(url),
        ("http", AllowHttp::Loopback) if is_loopback(&url) => Ok(url),
        _ => Err(ActivationStringError::NotHttps),
    }
}

/// An `@` before the path. The URL parser drops an empty user name in silence, so the text is looked at.
fn holds_user_info(url_text: &str) -> bool {
    let rest = url_text
        .split_once(':')
        .map_or(url_text, |(_scheme, rest)| rest);
    let rest = rest.trim_start_matches(['/', '\\']);
    rest.split(['/', '\\', '?', '#'])
        .next()
        .is_some_and(|authority| authority.contains('@'))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

pub(super) fn service_pins(text: Option<&str>) -> Result<Vec<[u8; 32]>, ActivationStringError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let pins = text.split(',').map(service_pin).collect::<Option<Vec<_>>>();
    pins.filter(|pins| pins.len() <= MAX_PINS)
        .ok_or(ActivationStringError::ServicePin)
}

fn service_pin(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE
        .decode(text.trim().as_bytes())
        .ok()?
        .try_into()
        .ok()
}
