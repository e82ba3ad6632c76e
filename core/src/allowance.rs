//! How often something may happen: so many times at once, and then one after each span of time.
//!
//! It slows a program down and never stops it for long. Where a person is asked, and the answer counts, it is
//! [`sudo::Asking`](crate::sudo::Asking).

use core::time::Duration;

use crate::time::BootTime;

/// The rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So many times at once; at least 1.
    pub burst: u32,
    /// And once more after each of these.
    pub every: Duration,
}

/// What was used of an allowance: until when it would take to have all of it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used(BootTime);

/// Too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too often: the next time is possible in {} s", wait.as_secs().saturating_add(1))]
pub struct TooOften {
    /// How long still.
    pub wait: Duration,
}

impl Allowance {
    /// Takes one, if there is one.
    ///
    /// # Errors
    ///
    /// [`TooOften`]; then nothing is used.
    pub fn take(self, used: Option<Used>, now: BootTime) -> Result<Used, TooOften> {
        let full = used.map_or(now, |Used(full)| full.max(now));
        let behind = full.since(now);
        let most = self.every.saturating_mul(self.burst.saturating_sub(1));
        match behind.checked_sub(most) {
            Some(wait) if !wait.is_zero() => Err(TooOften { wait }),
            Some(_) | None => Ok(Used(full.plus(self.every))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Allowance = Allowance {
        burst: 3,
        every: Duration::from_secs(10),
    };

    fn at(secs: u64) -> BootTime {
        BootTime(Duration::from_secs(secs))
    }

    #[test]
    fn a_burst_then_one_a_span() {
        let mut used = None;
        for _ in 0..3 {
            used = Some(RULE.take(used, at(100)).unwrap());
        }
        let refused = RULE.take(used, at(100)).unwrap_err();
        assert_eq!(refused.wait, Duration::from_secs(10));
        assert!(RULE.take(used, at(109)).is_err());
        used = Some(RULE.take(used, at(110)).unwrap());
        assert!(RULE.take(used, at(110)).is_err());
        // All of it is there again after a rest.
        for _ in 0..3 {
            used = Some(RULE.take(used, at(1000)).unwrap());
        }
        assert!(RULE.take(used, at(1000)).is_err());
    }

    proptest! {
        #[test]
        fn never_more_than_the_burst_and_one_a_span(times in proptest::collection::vec(0_u64..200, 1..60)) {
            let mut times = times;
            times.sort_unstable();
            let (mut used, mut taken) = (None, Vec::new());
            for time in times {
                if let Ok(now_used) = RULE.take(used, at(time)) {
                    used = Some(now_used);
                    taken.push(time);
                }
            }
            for (place, first) in taken.iter().enumerate() {
                for (before, last) in (0_u64..).zip(taken.iter().skip(place)) {
                    // With this one it is one more.
                    prop_assert!(before < last.saturating_sub(*first).saturating_div(10).saturating_add(3));
                }
            }
        }
    }
}
