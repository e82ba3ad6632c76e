//! When to try again: full jitter, so that a thousand agents do not come back at the same moment.

use core::time::Duration;

/// The first upper bound.
const BASE: Duration = Duration::from_secs(1);
/// The last upper bound.
const CAP: Duration = Duration::from_mins(1);

/// The wait before try number `failures` (from 1), for a random `draw`: uniform in 0..min(60 s, 1 s · 2^(failures-1)).
#[must_use]
pub fn wait(failures: u32, draw: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    let bound = BASE.saturating_mul(doubled).min(CAP);
    let millis = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX);
    // draw / 2^32 of the bound, without floating point.
    let scaled = millis
        .saturating_mul(u64::from(draw))
        .checked_shr(32)
        .unwrap_or(0);
    Duration::from_millis(scaled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bound_doubles_and_then_stays() {
        assert_eq!(wait(1, u32::MAX), Duration::from_millis(999));
        assert_eq!(wait(2, u32::MAX), Duration::from_millis(1_999));
        assert_eq!(wait(7, u32::MAX), Duration::from_millis(59_999));
        assert_eq!(wait(u32::MAX, u32::MAX), Duration::from_millis(59_999));
        assert_eq!(wait(5, 0), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn never_longer_than_a_minute(failures: u32, draw: u32) {
            prop_assert!(wait(failures, draw) < CAP);
        }

        #[test]
        fn a_larger_draw_never_waits_less(failures in 1_u32..40, low: u32, high: u32) {
            let (low, high) = (low.min(high), low.max(high));
            prop_assert!(wait(failures, low) <= wait(failures, high));
        }
    }
}
