//! Is a typed or pushed passcode right? (RFC 4226 sections 7.2 to 7.4, RFC 6238 sections 5.2 and 6)
//!
//! Pure: the caller keeps `next`, `last` and `drift`, and raises them in the same transaction that
//! records the acceptance. Invariants: a counter below `next` and a step that was used are never accepted
//! (a step that was used once more by a push, see [`StepRule`]; a counter that was passed over by a push too, see [`PassedOver`]); the last counter of all is never
//! accepted, since nothing could follow it. Every value of the window is computed and compared in
//! constant time, whether or not an earlier one matched.
//!
//! Windows are small because each value in them is one more chance to guess: throttle the tries.

mod event;
mod ocra;
mod passed_over;
mod time;

pub use event::{check_event, resynchronise_event};
pub use ocra::{OcraMatch, OcraWindow, check_ocra};
pub use passed_over::PassedOver;
pub use time::{
    StepRule, TimeMatch, TimeParameters, TimeState, TimeWindow, check_time, resynchronise_time,
};

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::Passcode;

/// Most values on one side of a window, and most pairs of counter and time step of [`check_ocra`]. A wider
/// window is cut to this one.
pub const MAX_TRIES: u32 = 10_000;

/// Are they the same text? Only the length of the candidate can be learned from the time.
fn same(passcode: &Passcode, candidate: &str) -> Choice {
    passcode.expose().as_bytes().ct_eq(candidate.as_bytes())
}

/// The first value that matched, found without a branch on any comparison before the last value.
struct FirstMatch {
    value: u64,
    found: Choice,
}

impl FirstMatch {
    fn none() -> Self {
        Self {
            value: 0,
            found: Choice::from(0),
        }
    }

    fn offer(&mut self, value: u64, matches: Choice) {
        self.value.conditional_assign(&value, matches & !self.found);
        self.found |= matches;
    }

    fn value(self) -> Option<u64> {
        bool::from(self.found).then_some(self.value)
    }
}
