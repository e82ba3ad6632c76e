//! The number on the terminal, which the user types into the agent: it ties the dialog to that terminal.

use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq as _;

/// Three digits, the first not zero. It is no secret for long, but it is for the agent until the user has typed it.
#[derive(Clone, PartialEq, Eq)]
pub struct MatchNumber(String);

/// The smallest, and how many there are.
const SMALLEST: u32 = 100;
const MANY: u32 = 900;

impl MatchNumber {
    /// One of 900, all equally likely.
    #[must_use]
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        // What is left of 2³² above the last whole multiple is drawn again.
        let bound = u32::MAX.saturating_sub(u32::MAX.checked_rem(MANY).unwrap_or(0));
        let drawn = loop {
            let drawn = rng.next_u32();
            if drawn < bound {
                break drawn;
            }
        };
        let number = SMALLEST.saturating_add(drawn.checked_rem(MANY).unwrap_or(0));
        Self(number.to_string())
    }

    /// For the terminal.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.0
    }

    /// Is that what the user has typed?
    #[must_use]
    pub fn is(&self, typed: &str) -> bool {
        self.0.as_bytes().ct_eq(typed.trim().as_bytes()).into()
    }
}

impl fmt::Debug for MatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MatchNumber([REDACTED])")
    }
}
