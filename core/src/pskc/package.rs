//! The content of a key package.

use super::{PinPolicy, PskcError};
use crate::{
    otp::{OtpMode, ocra},
    token::PushPolicy,
};

/// Longest serial number, in characters.
const MAX_SERIAL: usize = 64;
/// Longest of the other texts, in characters.
const MAX_TEXT: usize = 128;

/// Everything about a token but its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPackage {
    /// Who made the token's device: `DeviceInfo/Manufacturer`; may be empty.
    pub manufacturer: String,
    /// Serial number: `DeviceInfo/SerialNo` and `Key/@Id`; 1 to 64 characters.
    pub serial: String,
    /// The service that issued the token: `Key/Issuer`; may be empty.
    pub issuer: String,
    /// A name to offer to the user: `Key/FriendlyName`; may be empty.
    pub friendly_name: String,
    /// The user at the service: `Key/UserId`, there as `UID=…` (RFC 4514); may be empty.
    pub user: String,
    /// The mode with hash, digits and period, or the OCRA suite.
    pub mode: OtpMode,
    /// The counter of the first passcode; 0 for modes without a counter.
    pub counter: u64,
    /// How the PIN is checked.
    pub pin: PinPolicy,
    /// May the token answer login requests, and how sure must it be?
    pub push: PushPolicy,
    /// Must the number that the resource shows be typed?
    pub number_matching: NumberMatching,
    /// The name of the administrator's policy; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
    /// May the seed leave the vault in an export?
    pub exportable: Exportable,
}

/// Must the number that the resource shows be typed into the agent?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberMatching {
    /// Yes.
    Required,
    /// No number is shown.
    Off,
}

/// May the seed leave the vault in an export?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exportable {
    /// Yes.
    Yes,
    /// No: what an organisation enrolls stays, unless its policy says otherwise.
    No,
}

impl KeyPackage {
    /// A package with nothing but serial number and mode: no PIN, no push, not exportable.
    #[must_use]
    pub fn new(serial: impl Into<String>, mode: OtpMode) -> Self {
        let pin = match &mode {
            OtpMode::Challenge { suite } if suite.uses_pin().is_some() => PinPolicy::InPasscode,
            OtpMode::Challenge { .. } | OtpMode::Event { .. } | OtpMode::Time { .. } => {
                PinPolicy::None
            }
        };
        Self {
            manufacturer: String::new(),
            serial: serial.into(),
            issuer: String::new(),
            friendly_name: String::new(),
            user: String::new(),
            mode,
            counter: 0,
            pin,
            push: PushPolicy::Off,
            number_matching: NumberMatching::Off,
            policy_name: String::new(),
            policy_level: String::new(),
            exportable: Exportable::No,
        }
    }

    /// Length of the seed, in bytes: the output of the hash inside the HMAC (RFC 4226, R6 and RFC 6238, section 5.1).
    #[must_use]
    pub const fn seed_len(&self) -> usize {
        self.mode.hash().output_len()
    }

    /// Does the package keep its own rules? Done by every reader and writer.
    ///
    /// # Errors
    /// [`PskcError::Missing`] and [`PskcError::Invalid`] name the element.
    pub fn check(&self) -> Result<(), PskcError> {
        if self.serial.is_empty() {
            return Err(PskcError::Missing("SerialNo"));
        }
        for (name, text, limit) in [
            ("SerialNo", &self.serial, MAX_SERIAL),
            ("Manufacturer", &self.manufacturer, MAX_TEXT),
            ("Issuer", &self.issuer, MAX_TEXT),
            ("FriendlyName", &self.friendly_name, MAX_TEXT),
            ("UserId", &self.user, MAX_TEXT),
            ("policy name", &self.policy_name, MAX_TEXT),
            ("policy level", &self.policy_level, MAX_TEXT),
        ] {
            // Control characters would not survive XML unchanged, and have no place in a text that is shown.
            if text.chars().any(char::is_control)
                || text.chars().take(limit.saturating_add(1)).count() > limit
                || text.contains(['\u{fffe}', '\u{ffff}'])
                || text.trim() != text
            {
                return Err(PskcError::Invalid(name));
            }
        }
        if self.counter != 0 && !self.mode.uses_counter() {
            return Err(PskcError::Invalid("Counter"));
        }
        let pin_in_passcode = self.suite().is_some_and(|suite| suite.uses_pin().is_some());
        match self.pin {
            PinPolicy::InPasscode if pin_in_passcode => Ok(()),
            PinPolicy::InPasscode => Err(PskcError::Invalid("PINUsageMode")),
            PinPolicy::None | PinPolicy::Token(_) | PinPolicy::Server(_) if pin_in_passcode => {
                Err(PskcError::Invalid("PINUsageMode"))
            }
            PinPolicy::Token(limits) => limits.check(),
            PinPolicy::None | PinPolicy::Server(_) => Ok(()),
        }
    }

    /// The OCRA suite of a challenge-response token.
    pub(super) const fn suite(&self) -> Option<&ocra::Suite> {
        match &self.mode {
            OtpMode::Challenge { suite } => Some(suite),
            OtpMode::Time { .. } | OtpMode::Event { .. } => None,
        }
    }
}
