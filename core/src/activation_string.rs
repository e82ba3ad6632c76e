//! Activation strings: what a service hands out for enrollment.
//!
//! Base64 of a few text lines, `EnrollmentURL=`, `UserID=`, `Passphrase=`; ours also carries
//! `ServicePin=`, the SHA-256 of the service's public key (DER `SubjectPublicKeyInfo`) and perhaps of its
//! successor. A `countersign://enroll?data=` link carries the same. Nothing is published about the
//! format; it is read from strings that were seen, liberally, and written in one form.
//!
//! Invariants: nothing is connected to here; host and user are shown to the user before anything is. The
//! string, the short code and the passphrase are never printed, logged or part of an error.

mod checks;
mod error;
mod reading;
#[cfg(test)]
mod tests;

pub use error::{ActivationStringError, Line};

use core::fmt;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use url::Url;
use zeroize::Zeroizing;

use self::checks::{checked_passphrase, enrollment_url, user_name};
use crate::secret::SecretText;

/// Longest input, in bytes, before anything is decoded.
pub const MAX_INPUT: usize = 4096;

/// Longest short code, in bytes (RFC 6063: identifiers up to 128 characters).
const MAX_SHORT_CODE: usize = 128;

/// Most pins: the key in use, its successor, and room.
const MAX_PINS: usize = 4;

/// How links begin; compared without regard to case.
const LINK: &str = "countersign://enroll";

/// May the enrollment go over plain HTTP?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowHttp {
    /// Never.
    Never,
    /// To this machine itself only: a developer's switch.
    Loopback,
}

/// A parsed activation string.
#[derive(Clone, PartialEq, Eq)]
pub struct ActivationString {
    /// Where to enroll, in normal form; for what DSKPP authenticates see [`Self::url_text`].
    pub url: Url,
    /// Whose token it will be. Comes from others: show it through [`crate::text::display`].
    pub user: String,
    /// Proves at the service that the user was handed this string.
    pub passphrase: SecretText,
    /// SHA-256 of the `SubjectPublicKeyInfo` of the service's key and of its successors; empty: the usual
    /// certificate authorities decide.
    pub service_pins: Vec<[u8; 32]>,
    /// Names of lines that are not known, safe to show; their values are not kept.
    pub unknown_names: Vec<String>,
    url_text: String,
}

impl ActivationString {
    /// For the service that hands it out. An `http` address is allowed for this machine itself.
    ///
    /// # Errors
    /// [`ActivationStringError`]: what could not be read back is not made.
    pub fn new(
        url: &Url,
        user: impl Into<String>,
        passphrase: SecretText,
        service_pins: Vec<[u8; 32]>,
    ) -> Result<Self, ActivationStringError> {
        let user = user.into();
        if [user.as_str(), passphrase.expose()]
            .iter()
            .any(|text| text.contains(char::is_control))
        {
            return Err(ActivationStringError::ControlCharacter);
        }
        if service_pins.len() > MAX_PINS {
            return Err(ActivationStringError::ServicePin);
        }
        let url_text = url.as_str().to_owned();
        Ok(Self {
            url: enrollment_url(&url_text, AllowHttp::Loopback)?,
            user: user_name(&user)?,
            passphrase: checked_passphrase(passphrase)?,
            service_pins,
            unknown_names: Vec::new(),
            url_text,
        })
    }

    /// The string as the service hands it out: padded base64 in one line.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        SecretText::new(BASE64.encode(self.lines().as_bytes()))
    }

    /// The same as a link that a desktop opens with Countersign.
    #[must_use]
    pub fn to_link(&self) -> SecretText {
        let data = Zeroizing::new(BASE64URL_NOPAD.encode(self.lines().as_bytes()));
        SecretText::new(format!("{LINK}?data={}", data.as_str()))
    }

    /// Host and port, safe to show: international names in their ASCII form, the port always there.
    #[must_use]
    pub fn host_port(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.port_or_known_default() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Scheme, host and port (the port only where it is not the usual one); no path, no short code.
    #[must_use]
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// The short code in the URL (`sc=`), which names the enrollment at the service.
    #[must_use]
    pub fn short_code(&self) -> Option<String> {
        self.url
            .query_pairs()
            .find(|(name, _)| name.eq_ignore_ascii_case("sc"))
            .map(|(_, code)| code.into_owned())
            .filter(|code| (1..=MAX_SHORT_CODE).contains(&code.len()))
    }

    /// The URL exactly as handed out, which is what DSKPP authenticates (`URL_S`).
    #[must_use]
    pub fn url_text(&self) -> &str {
        &self.url_text
    }

    fn lines(&self) -> Zeroizing<String> {
        let pins: Vec<String> = self
            .service_pins
            .iter()
            .map(|pin| HEXLOWER.encode(pin))
            .collect();
        let pins = pins.join(",");
        let mut lines = Zeroizing::new(String::with_capacity(MAX_INPUT));
        for (line, value) in [
            (Line::EnrollmentUrl, self.url_text.as_str()),
            (Line::UserId, &self.user),
            (Line::Passphrase, self.passphrase.expose()),
            (Line::ServicePin, &pins),
        ] {
            if !value.is_empty() {
                for part in [line.name(), "=", value, "\n"] {
                    lines.push_str(part);
                }
            }
        }
        lines
    }
}

impl fmt::Debug for ActivationString {
    /// The URL holds the short code, so only the host is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivationString")
            .field("host", &self.host_port())
            .field("user", &self.user)
            .field("passphrase", &self.passphrase)
            .field("service_pins", &self.service_pins.len())
            .field("unknown_names", &self.unknown_names)
            .finish_non_exhaustive()
    }
}
