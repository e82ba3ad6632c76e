//! Reading what was pasted, scanned or opened.

use core::str;

use data_encoding::BASE64_NOPAD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use super::{
    ActivationString, ActivationStringError, AllowHttp, LINK, Line, MAX_INPUT,
    checks::{checked_passphrase, enrollment_url, service_pins, user_name},
};
use crate::{secret::SecretText, text};

/// Most names of unknown lines that are kept, and most characters of one.
const MAX_UNKNOWN: usize = 16;
const MAX_UNKNOWN_NAME: usize = 64;

impl ActivationString {
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
    if !is_link(pasted) {
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

/// A scheme before `://`. Lines that nobody encoded begin with `EnrollmentURL=` and are none.
fn is_link(pasted: &str) -> bool {
    pasted.split_once("://").is_some_and(|(scheme, _)| {
        scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
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
            user: user_name(&self.user.ok_or_else(missing(Line::UserId))?)?,
            passphrase: checked_passphrase(self.passphrase.ok_or_else(missing(Line::Passphrase))?)?,
            service_pins: service_pins(self.service_pins.as_deref())?,
            unknown_names: self.unknown_names,
            url_text,
        })
    }
}
