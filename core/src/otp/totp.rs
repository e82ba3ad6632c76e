//! Time-based passcodes: TOTP (RFC 6238 section 4), with T0 = 0.

use super::{Digits, HashAlgorithm, Passcode, Period, hotp};
use crate::secret::SecretBytes;

/// The time step that `unix_secs` (seconds since 1970, UTC) falls into.
///
/// A clock before 1970 has no step; [`UnixMillis::secs`](crate::time::UnixMillis::secs) counts it as 0.
#[must_use]
pub fn time_step(unix_secs: u64, period: Period) -> u64 {
    unix_secs
        .checked_div(u64::from(period.secs()))
        .unwrap_or_default()
}

/// When a time step begins, in seconds since 1970. Saturates at the end of time.
#[must_use]
pub fn step_start(step: u64, period: Period) -> u64 {
    step.saturating_mul(u64::from(period.secs()))
}

/// Whole seconds until the next step: 1 to the period.
#[must_use]
pub fn secs_left(unix_secs: u64, period: Period) -> u32 {
    let elapsed = unix_secs.saturating_sub(step_start(time_step(unix_secs, period), period));
    period
        .secs()
        .saturating_sub(u32::try_from(elapsed).unwrap_or_default())
}

/// The passcode at a time (RFC 6238 section 4.2).
#[must_use]
pub fn totp(
    key: &SecretBytes,
    unix_secs: u64,
    period: Period,
    hash: HashAlgorithm,
    digits: Digits,
) -> Passcode {
    hotp(key, time_step(unix_secs, period), hash, digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMillis;

    fn period(secs: u32) -> Period {
        Period::try_from(secs).unwrap()
    }

    #[test]
    fn steps_begin_at_multiples_of_the_period() {
        assert_eq!(time_step(0, Period::THIRTY), 0);
        assert_eq!(time_step(29, Period::THIRTY), 0);
        assert_eq!(time_step(30, Period::THIRTY), 1);
        assert_eq!(time_step(20_000_000_000, Period::THIRTY), 0x27BC_86AA);
    }

    #[test]
    fn the_extremes_of_period_and_time_hold() {
        assert_eq!(time_step(u64::MAX, period(1)), u64::MAX);
        assert_eq!(step_start(u64::MAX, period(86_400)), u64::MAX);
        assert_eq!(time_step(86_399, period(86_400)), 0);
        assert_eq!(time_step(86_400, period(86_400)), 1);
        assert_eq!(secs_left(u64::MAX, period(1)), 1);
    }

    #[test]
    fn seconds_left_count_down_and_never_reach_zero() {
        assert_eq!(secs_left(30, Period::THIRTY), 30);
        assert_eq!(secs_left(31, Period::THIRTY), 29);
        assert_eq!(secs_left(59, Period::THIRTY), 1);
        assert_eq!(secs_left(60, Period::THIRTY), 30);
    }

    #[test]
    fn a_clock_before_1970_counts_as_1970() {
        assert_eq!(
            time_step(UnixMillis::from_secs(-1).secs(), Period::THIRTY),
            0
        );
        assert_eq!(time_step(UnixMillis(i64::MIN).secs(), Period::THIRTY), 0);
    }
}
