//! Counters that a later one has overtaken, and that a signed approval may still bring.
//!
//! A typed passcode is never accepted behind the last accepted counter (RFC 4226 section 7.2). An approval is: its signature
//! and its request make it single, and several answers of one agent arrive in another order when a connection breaks. So the
//! counters that were passed over are remembered, as ESP does with its sequence numbers (RFC 4303 section 3.4.3): the
//! [`PassedOver::WIDTH`] ones behind the next.

/// Which of the counters behind `next` have not been accepted. Bit `i` stands for the counter `next - 1 - i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver(u64);

impl PassedOver {
    /// So many counters behind the next one are remembered.
    pub const WIDTH: u64 = 64;

    /// All counters behind the next one are used up.
    pub const NONE: Self = Self(0);

    /// As [`PassedOver::bits`] gave it.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// To be stored.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// May an approval still bring `counter`, where `next` is the next one?
    #[must_use]
    pub fn contains(self, next: u64, counter: u64) -> bool {
        Self::bit(next, counter).is_some_and(|bit| self.0 & bit != 0)
    }

    /// After `counter` has been accepted, where `next` was the next one. The next one is then the larger of `next` and the
    /// counter after `counter`.
    #[must_use]
    pub fn after(self, next: u64, counter: u64) -> Self {
        let Some(passed) = counter.checked_sub(next) else {
            let used = Self::bit(next, counter).unwrap_or(0);
            return Self(self.0 & !used);
        };
        // One place for `counter` itself, which is used up, and one for each that it passes over.
        let Some(width) = u32::try_from(passed).ok().filter(|width| *width < 64) else {
            return Self(!1);
        };
        let older = self.0.checked_shl(width.saturating_add(1)).unwrap_or(0);
        let passed = (u64::MAX.checked_shl(width).map_or(u64::MAX, |above| !above)) << 1;
        Self(older | passed)
    }

    fn bit(next: u64, counter: u64) -> Option<u64> {
        let place = next.checked_sub(counter)?.checked_sub(1)?;
        1_u64.checked_shl(u32::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_passed_over_in_order() {
        let mut passed = PassedOver::NONE;
        for counter in 0..200 {
            passed = passed.after(counter, counter);
            assert_eq!(passed, PassedOver::NONE);
            assert!(!passed.contains(counter.saturating_add(1), counter));
        }
    }

    #[test]
    fn what_was_passed_over_comes_once() {
        let passed = PassedOver::NONE.after(5, 8);
        assert!(!passed.contains(9, 4));
        assert!(!passed.contains(9, 8));
        assert!(!passed.contains(9, 9));
        for counter in 5..8 {
            assert!(passed.contains(9, counter), "{counter}");
            assert!(!passed.after(9, counter).contains(9, counter));
        }
    }

    #[test]
    fn what_is_far_behind_is_used_up() {
        let passed = PassedOver::NONE.after(0, 1000);
        assert!(!passed.contains(1001, 1000));
        assert!(passed.contains(1001, 999));
        assert!(passed.contains(1001, 1001 - PassedOver::WIDTH));
        assert!(!passed.contains(1001, 1001 - PassedOver::WIDTH - 1));
        assert_eq!(PassedOver::NONE.after(0, u64::MAX - 1), PassedOver(!1));
        assert!(!passed.contains(0, u64::MAX));
        assert!(!passed.contains(u64::MAX, 0));
    }

    proptest! {
        /// Against a set of all counters that were accepted: none is accepted twice, and what is open was never accepted.
        #[test]
        fn no_counter_is_open_twice(counters in prop::collection::vec(0_u64..150, 1..80)) {
            let (mut next, mut passed, mut used) = (0_u64, PassedOver::NONE, BTreeSet::new());
            for counter in counters {
                if counter >= next || passed.contains(next, counter) {
                    prop_assert!(used.insert(counter), "{} twice", counter);
                    passed = passed.after(next, counter);
                    next = next.max(counter.saturating_add(1));
                }
                for behind in next.saturating_sub(PassedOver::WIDTH)..next {
                    prop_assert_eq!(passed.contains(next, behind), !used.contains(&behind));
                }
            }
        }
    }
}
