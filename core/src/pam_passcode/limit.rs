//! So many wrong tries in so much time; after that none is looked at until the oldest is long enough ago.

use core::str::FromStr;

use crate::time::UnixMillis;

/// How often a wrong passcode may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryLimit {
    tries: u8,
    within_secs: u32,
}

/// A limit that limits nothing, or locks for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a limit is 1 to 20 wrong tries in 1 to 3600 seconds, written 5/300")]
pub struct TryLimitError;

impl TryLimit {
    /// Five in five minutes: some 1,400 guesses a day.
    pub const DEFAULT: Self = Self {
        tries: 5,
        within_secs: 300,
    };
    /// The longest time in which nothing is looked at, in seconds: an hour.
    pub const LONGEST_SECS: u32 = 3600;
    /// Most tries.
    pub(super) const MOST_TRIES: u8 = 20;

    /// `tries` wrong ones in `within_secs` seconds.
    ///
    /// # Errors
    /// [`TryLimitError`]: out of bounds.
    pub fn new(tries: u8, within_secs: u32) -> Result<Self, TryLimitError> {
        let in_bounds = (1..=Self::MOST_TRIES).contains(&tries)
            && (1..=Self::LONGEST_SECS).contains(&within_secs);
        in_bounds
            .then_some(Self { tries, within_secs })
            .ok_or(TryLimitError)
    }

    /// Wrong tries that are still allowed at once.
    #[must_use]
    pub const fn tries(self) -> u8 {
        self.tries
    }

    /// The time that a wrong try counts, in seconds.
    #[must_use]
    pub const fn within_secs(self) -> u32 {
        self.within_secs
    }

    /// Those of `tried` (Unix seconds) that count at `now`. A try of the future does not: the clock was set back, and
    /// what set it back could as well have set it forward.
    pub(super) fn counting(self, tried: &[u64], now: UnixMillis) -> Vec<u64> {
        let now = now.secs();
        let mut counting: Vec<u64> = tried
            .iter()
            .copied()
            .filter(|at| {
                now.checked_sub(*at)
                    .is_some_and(|ago| ago < u64::from(self.within_secs))
            })
            .collect();
        counting.sort_unstable();
        counting
    }

    /// Seconds until one more is looked at; none if one may be tried now.
    pub(super) fn wait(self, tried: &[u64], now: UnixMillis) -> Option<u64> {
        let counting = self.counting(tried, now);
        let over = counting.len().checked_sub(usize::from(self.tries))?;
        let oldest = counting.get(over)?;
        let free_again = oldest.saturating_add(u64::from(self.within_secs));
        Some(free_again.saturating_sub(now.secs()).max(1))
    }
}

impl core::fmt::Display for TryLimit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.tries, self.within_secs)
    }
}

impl FromStr for TryLimit {
    type Err = TryLimitError;

    fn from_str(text: &str) -> Result<Self, TryLimitError> {
        let (tries, within) = text.split_once('/').ok_or(TryLimitError)?;
        let tries = tries.parse().map_err(|_no_number| TryLimitError)?;
        let within = within.parse().map_err(|_no_number| TryLimitError)?;
        Self::new(tries, within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(secs: i64) -> UnixMillis {
        UnixMillis::from_secs(secs)
    }

    #[test]
    fn the_oldest_of_too_many_has_to_pass() {
        let limit = TryLimit::new(3, 60).unwrap();
        assert_eq!(limit.wait(&[], at(1000)), None);
        assert_eq!(limit.wait(&[990, 995], at(1000)), None);
        assert_eq!(limit.wait(&[990, 995, 999], at(1000)), Some(50));
        assert_eq!(limit.wait(&[990, 995, 999], at(1049)), Some(1));
        assert_eq!(limit.wait(&[990, 995, 999], at(1050)), None);
        assert_eq!(limit.wait(&[1, 990, 995, 999, 1000], at(1000)), Some(55));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let limit = TryLimit::DEFAULT;
        assert_eq!(limit.wait(&[9000; 5], at(9000)), Some(300));
        assert_eq!(limit.wait(&[9000; 5], at(1000)), None);
    }

    #[test]
    fn limits_have_bounds() {
        for text in [
            "0/60", "21/60", "3/0", "3/3601", "3", "/", "3/60/1", "-1/60", "300/60",
        ] {
            assert_eq!(text.parse::<TryLimit>(), Err(TryLimitError), "{text}");
        }
        assert_eq!("5/300".parse(), Ok(TryLimit::DEFAULT));
        assert_eq!(TryLimit::DEFAULT.to_string(), "5/300");
    }
}
