//! Passcodes: time-based (RFC 6238), event-based (RFC 4226), challenge-response (RFC 6287).

mod parameters;

pub use parameters::{Digits, DigitsError, HashAlgorithm, Period, PeriodError};

use crate::secret::SecretText;

/// What a token generates: 4 to 10 digits (or the hex of a whole HMAC for an OCRA suite without truncation).
pub type Passcode = SecretText;
