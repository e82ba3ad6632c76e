//! Passcodes: event-based (RFC 4226), time-based (RFC 6238), challenge-response (RFC 6287).
//!
//! Generation ([`hotp`], [`totp`], [`ocra`]) and validation ([`validation`]) are pure functions of a
//! key, a moving factor and a text. Invariant: nothing here remembers anything; who takes a counter
//! or a step makes that durable first (the agent) or in the same transaction (the service).

mod hotp;
mod mac;
mod mode;
pub mod ocra;
mod parameters;
mod totp;
pub mod validation;

pub use hotp::hotp;
pub use mode::{OtpKind, OtpKindError, OtpMode};
pub use parameters::{Digits, DigitsError, HashAlgorithm, Period, PeriodError};
pub use totp::{secs_left, step_start, time_step, totp};

use crate::secret::SecretText;

/// What a token generates: 4 to 10 digits (or the hex of a whole HMAC for an OCRA suite without truncation).
pub type Passcode = SecretText;
