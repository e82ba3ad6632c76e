//! How many wrong tries in a row lock something, and for how long.

use crate::time::UnixMillis;

/// After every so many wrong tries in a row the next ones are not looked at for a while. Each lock is twice as
/// long as the one before, up to a bound: a short secret does not fall to a few guesses every few minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// So many wrong ones lock; 0 counts as 1.
    pub tries: u32,
    /// The first lock, in milliseconds.
    pub first_ms: i64,
    /// The longest lock, in milliseconds.
    pub longest_ms: i64,
}

/// A wrong try has been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// So many more lock.
    Left(u32),
    /// It was one too many.
    Locked {
        /// Until then no try is looked at.
        until: UnixMillis,
    },
}

impl Counted {
    /// Until when it is locked now.
    #[must_use]
    pub const fn locked_until(self) -> Option<UnixMillis> {
        match self {
            Self::Left(_) => None,
            Self::Locked { until } => Some(until),
        }
    }
}

impl Lockout {
    /// What `failures` wrong tries in a row come to; the count goes on through a lock.
    #[must_use]
    pub fn count(self, failures: u32, now: UnixMillis) -> Counted {
        let tries = self.tries.max(1);
        let over = failures.checked_rem(tries).unwrap_or(0);
        if over != 0 || failures == 0 {
            return Counted::Left(tries.saturating_sub(over));
        }
        let before = failures
            .checked_div(tries)
            .unwrap_or(0)
            .saturating_sub(1)
            .min(16);
        let pause = self
            .first_ms
            .saturating_mul(1_i64 << before)
            .min(self.longest_ms);
        Counted::Locked {
            until: now.plus_ms(pause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn every_tenth_wrong_try_locks_for_twice_as_long() {
        let lockout = |tries| Lockout {
            tries,
            first_ms: 600_000,
            longest_ms: 24 * 3_600_000,
        };
        let lock = |minutes: i64| Counted::Locked {
            until: NOW.plus_ms(minutes * 60_000),
        };
        for (failures, counted) in [
            (1, Counted::Left(9)),
            (9, Counted::Left(1)),
            (10, lock(10)),
            (11, Counted::Left(9)),
            (20, lock(20)),
            (30, lock(40)),
            (80, lock(1280)),
            (90, lock(1440)),
            (4_000_000_000, lock(1440)),
        ] {
            assert_eq!(lockout(10).count(failures, NOW), counted, "{failures}");
        }
        assert_eq!(lockout(1).count(1, NOW), lock(10));
        assert_eq!(lockout(0).count(1, NOW), lock(10));
        assert_eq!(lock(10).locked_until(), Some(NOW.plus_ms(600_000)));
        assert_eq!(Counted::Left(1).locked_until(), None);
    }
}
