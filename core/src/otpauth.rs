//! `otpauth://` links: what the QR codes of most services carry.
//!
//! There is no RFC; the format is the one of Google's "Key URI Format" with what other authenticators
//! add. Liberal on input, strict on output. Invariant: a link that asks for something that is not
//! understood and changes the passcode (Steam, Yandex, ...) is refused with its
//! name, never taken as an ordinary one; a link is never followed (`image=` would tell who enrolls).

mod error;
mod reading;
#[cfg(test)]
mod tests;

pub use error::{OtherLink, OtpauthError, Parameter};
pub(crate) use reading::secret as base32_secret;

use data_encoding::BASE32_NOPAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::{
    otp::OtpMode,
    privacyidea::TwoStep,
    secret::{SecretBytes, SecretText},
};

/// Longest link read, in bytes: names of the longest length fit, every byte of them percent-encoded.
const MAX_URI: usize = 16 * 1024;

/// What is never written literally: all but the unreserved characters of RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A token as an `otpauth://` link carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtpauthUri {
    /// What it generates. A challenge-response token has a link of our own form only: `otpauth://ocra/`, with `suite`.
    pub mode: OtpMode,
    /// The seed; with `two_step` its first half.
    pub secret: SecretBytes,
    /// Who issued the token; may be empty. Comes from others: show it through [`crate::text::display`].
    pub issuer: String,
    /// Whose token; may be empty. Comes from others, too.
    pub account: String,
    /// The issuer's serial number; may be empty. Letters, digits, `-`, `_` and `.` only.
    pub serial: String,
    /// The next counter of an event-based token, else 0.
    pub counter: u64,
    /// The device has to add a half of its own to the secret (privacyIDEA).
    pub two_step: Option<TwoStep>,
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

impl OtpauthUri {
    /// The link in its strict form. It holds the seed: show it to its owner only.
    ///
    /// # Errors
    /// [`OtpauthError::ChallengeMode`]: nobody else reads such a link. [`OtpauthError::TwoStep`]: half a seed is no token.
    pub fn to_uri(&self) -> Result<SecretText, OtpauthError> {
        if self.two_step.is_some() {
            return Err(OtpauthError::TwoStep);
        }
        match &self.mode {
            OtpMode::Time {
                hash,
                digits,
                period,
            } => {
                let digits = digits.count();
                let parameters =
                    format!("&algorithm={hash}&digits={digits}&period={}", period.secs());
                Ok(self.link("totp", &parameters))
            }
            OtpMode::Event { hash, digits } => {
                let digits = digits.count();
                let parameters =
                    format!("&algorithm={hash}&digits={digits}&counter={}", self.counter);
                Ok(self.link("hotp", &parameters))
            }
            OtpMode::Challenge { .. } => Err(OtpauthError::ChallengeMode),
        }
    }

    /// The link for Countersign itself: of a challenge-response token the form that only Countersign reads.
    ///
    /// # Errors
    /// [`OtpauthError::TwoStep`]: half a seed is no token.
    pub fn to_own_uri(&self) -> Result<SecretText, OtpauthError> {
        match &self.mode {
            OtpMode::Challenge { suite } if self.two_step.is_none() => {
                let suite = utf8_percent_encode(suite.as_str(), RESERVED);
                let parameters = format!("&suite={suite}&counter={}", self.counter);
                Ok(self.link("ocra", &parameters))
            }
            OtpMode::Challenge { .. } | OtpMode::Time { .. } | OtpMode::Event { .. } => {
                self.to_uri()
            }
        }
    }

    fn link(&self, kind: &str, parameters: &str) -> SecretText {
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
        for part in [&account, "?secret=", &secret, parameters] {
            uri.push_str(part);
        }
        if !self.issuer.is_empty() {
            uri.push_str("&issuer=");
            uri.push_str(&issuer);
        }
        if !self.serial.is_empty() {
            uri.push_str("&serial=");
            uri.push_str(&utf8_percent_encode(&self.serial, RESERVED).to_string());
        }
        if self.demand == UnlockDemand::PinOrFinger {
            uri.push_str("&pin=True");
        }
        SecretText::new(uri)
    }
}
