//! Activation strings: what a service hands out for enrollment.
//!
//! Base64 of a few text lines, `EnrollmentURL=`, `UserID=`, `Passphrase=`; ours also carries
//! `ServicePin=`, the SHA-256 of the service's public key (DER `SubjectPublicKeyInfo`) and perhaps of its
//! successor. A `countersign://enroll?data=` link carries the same. Nothing is published about the
//! format; it is read from strings that were seen, liberally, and written in one form.
//!
//! Invariants: nothing is connected to here; host and user are shown to the user before anything is. The
//! string, the short code and the passphrase are never printed, logged or part of an error.

use core::fmt;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use percent_encoding::percent_decode_str;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::{secret::SecretText, text};

/// Longest input, in bytes, before anything is decoded.
pub const MAX_INPUT: usize = 4096;

/// Longest user name, in characters (RFC 6063: identifiers up to 128; e-mail addresses up to 254).
const MAX_USER: usize = 256;

/// Longest passphrase, in bytes.
const MAX_PASSPHRASE: usize = 256;

/// Longest short code, in bytes (RFC 6063: identifiers up to 128 characters).
const MAX_SHORT_CODE: usize = 128;

/// Most pins: the key in use, its successor, and room.
const MAX_PINS: usize = 4;

/// Most names of unknown lines that are kept, and most characters of one.
const MAX_UNKNOWN: usize = 16;
const MAX_UNKNOWN_NAME: usize = 64;

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
    fn named(name: &str) -> Option<Self> {
        [
            Self::EnrollmentUrl,
            Self::UserId,
            Self::Passphrase,
            Self::ServicePin,
        ]
        .into_iter()
        .find(|line| line.name().eq_ignore_ascii_case(name))
    }

    const fn name(self) -> &'static str {
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
    /// More than [`MAX_INPUT`] bytes.
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

impl ActivationString {
    /// For the service that hands it out. An `http` address is allowed for this machine itself.
    ///
    /// # Errors
    /// [`ActivationStringError`]: what could not be read back is not made.
    pub fn new(
        url: &Url,
        user: String,
        passphrase: SecretText,
        service_pins: Vec<[u8; 32]>,
    ) -> Result<Self, ActivationStringError> {
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
            user: user_name(user)?,
            passphrase: checked_passphrase(passphrase)?,
            service_pins,
            unknown_names: Vec::new(),
            url_text,
        })
    }

    /// Reads what was pasted, scanned or opened: the string or a `countersign://enroll?data=` link, with
    /// white space anywhere.
    ///
    /// # Errors
    /// [`ActivationStringError`] says what is wrong, in words for the one who pasted it.
    pub fn parse(input: &[u8], allow_http: AllowHttp) -> Result<Self, ActivationStringError> {
        if input.len() > MAX_INPUT {
            return Err(ActivationStringError::TooLong);
        }
        let input = str::from_utf8(input).map_err(|_not_utf8| ActivationStringError::NotBase64)?;
        let pasted = without_white_space(input);
        if pasted.is_empty() {
            return Err(ActivationStringError::Empty);
        }
        let lines = decode_base64(&link_data(&pasted)?)?;
        let lines = str::from_utf8(&lines).map_err(|_not_utf8| ActivationStringError::NotText)?;
        Lines::read(lines)?.into_activation_string(allow_http)
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

/// Mail programs wrap lines and web pages add invisible characters.
fn without_white_space(input: &str) -> Zeroizing<String> {
    let mut kept = Zeroizing::new(String::with_capacity(input.len()));
    kept.extend(
        input
            .chars()
            .filter(|c| !c.is_whitespace() && !is_zero_width(*c)),
    );
    kept
}

const fn is_zero_width(character: char) -> bool {
    matches!(
        character,
        '\u{AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}'
    )
}

/// The base64 of a link; of anything else that thing itself.
fn link_data(pasted: &str) -> Result<Zeroizing<String>, ActivationStringError> {
    if !pasted.contains(':') {
        return Ok(Zeroizing::new(pasted.to_owned()));
    }
    let not_a_link = ActivationStringError::NotAnEnrollmentLink;
    let (start, query) = pasted.split_once('?').ok_or(not_a_link)?;
    if !start
        .strip_suffix('/')
        .unwrap_or(start)
        .eq_ignore_ascii_case(LINK)
    {
        return Err(not_a_link);
    }
    // Not the form encoding: a plus sign is a symbol of base64 here.
    let mut data = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("data="));
    let (Some(data), None) = (data.next(), data.next()) else {
        return Err(not_a_link);
    };
    let data = Zeroizing::new(percent_decode_str(data).collect::<Vec<u8>>());
    str::from_utf8(&data)
        .map(|data| Zeroizing::new(data.to_owned()))
        .map_err(|_not_utf8| ActivationStringError::NotBase64)
}

/// Standard and URL-safe alphabet, with and without padding.
fn decode_base64(text: &str) -> Result<Zeroizing<Vec<u8>>, ActivationStringError> {
    let mut symbols = Zeroizing::new(text.trim_end_matches('=').as_bytes().to_vec());
    for symbol in symbols.iter_mut() {
        *symbol = match *symbol {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        };
    }
    BASE64_NOPAD
        .decode(&symbols)
        .map(Zeroizing::new)
        .map_err(|_damaged| ActivationStringError::NotBase64)
}

/// The lines as they stand, each known one at most once.
#[derive(Default)]
struct Lines {
    url: Option<String>,
    user: Option<String>,
    passphrase: Option<SecretText>,
    service_pins: Option<String>,
    unknown_names: Vec<String>,
}

impl Lines {
    fn read(lines: &str) -> Result<Self, ActivationStringError> {
        let lines = lines.strip_prefix('\u{FEFF}').unwrap_or(lines);
        let mut read = Self::default();
        for line in lines
            .split('\n')
            .map(|line| line.strip_suffix('\r').unwrap_or(line))
        {
            if line.contains(char::is_control) {
                return Err(ActivationStringError::ControlCharacter);
            }
            if line.trim().is_empty() {
                continue;
            }
            let (name, value) = line
                .split_once('=')
                .ok_or(ActivationStringError::LineWithoutValue)?;
            read.take(name.trim(), value)?;
        }
        Ok(read)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), ActivationStringError> {
        let Some(line) = Line::named(name) else {
            if self.unknown_names.len() < MAX_UNKNOWN {
                self.unknown_names
                    .push(text::display(name, MAX_UNKNOWN_NAME));
            }
            return Ok(());
        };
        let repeated = match line {
            Line::EnrollmentUrl => self.url.replace(value.trim().to_owned()).is_some(),
            Line::UserId => self.user.replace(value.to_owned()).is_some(),
            Line::Passphrase => self.passphrase.replace(SecretText::from(value)).is_some(),
            Line::ServicePin => self.service_pins.replace(value.to_owned()).is_some(),
        };
        if repeated {
            Err(ActivationStringError::Repeated(line))
        } else {
            Ok(())
        }
    }

    fn into_activation_string(
        self,
        allow_http: AllowHttp,
    ) -> Result<ActivationString, ActivationStringError> {
        let missing = |line| move || ActivationStringError::Missing(line);
        let url_text = self.url.ok_or_else(missing(Line::EnrollmentUrl))?;
        Ok(ActivationString {
            url: enrollment_url(&url_text, allow_http)?,
            user: user_name(self.user.ok_or_else(missing(Line::UserId))?)?,
            passphrase: checked_passphrase(self.passphrase.ok_or_else(missing(Line::Passphrase))?)?,
            service_pins: service_pins(self.service_pins.as_deref())?,
            unknown_names: self.unknown_names,
            url_text,
        })
    }
}

fn user_name(user: String) -> Result<String, ActivationStringError> {
    if user.trim().is_empty() {
        return Err(ActivationStringError::Missing(Line::UserId));
    }
    if user.chars().count() > MAX_USER {
        return Err(ActivationStringError::ValueTooLong(Line::UserId));
    }
    Ok(user)
}

fn checked_passphrase(passphrase: SecretText) -> Result<SecretText, ActivationStringError> {
    match passphrase.expose().len() {
        0 => Err(ActivationStringError::Missing(Line::Passphrase)),
        length if length > MAX_PASSPHRASE => {
            Err(ActivationStringError::ValueTooLong(Line::Passphrase))
        }
        _ => Ok(passphrase),
    }
}

fn enrollment_url(url_text: &str, allow_http: AllowHttp) -> Result<Url, ActivationStringError> {
    if url_text.is_empty() {
        return Err(ActivationStringError::Missing(Line::EnrollmentUrl));
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

fn service_pins(text: Option<&str>) -> Result<Vec<[u8; 32]>, ActivationStringError> {
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
