//! Event-based passcodes: look-ahead and resynchronisation (RFC 4226 sections 7.2 and 7.4).

use core::ops::Range;

use subtle::Choice;

use super::{FirstMatch, MAX_TRIES, same};
use crate::{
    otp::{Digits, HashAlgorithm, hotp},
    secret::SecretBytes,
};

/// The counter whose passcode this is: `next`, or one of the `look_ahead` counters after it.
///
/// The caller then sets `next` to the accepted counter plus one.
#[must_use]
pub fn check_event(
    key: &SecretBytes,
    hash: HashAlgorithm,
    digits: Digits,
    candidate: &str,
    next: u64,
    look_ahead: u32,
) -> Option<u64> {
    let mut first = FirstMatch::none();
    for counter in window(next, look_ahead) {
        first.offer(counter, same(&hotp(key, counter, hash, digits), candidate));
    }
    first.value()
}

/// Two consecutive passcodes find the counter of a token that ran far ahead (RFC 4226 section 7.4).
///
/// `first` must be in the window from `next` on (`window` counters after it), `second` must be the
/// passcode after `first`. Returns the counter of `second`; the caller sets `next` to it plus one.
#[must_use]
pub fn resynchronise_event(
    key: &SecretBytes,
    hash: HashAlgorithm,
    digits: Digits,
    first: &str,
    second: &str,
    next: u64,
    window: u32,
) -> Option<u64> {
    let mut found = FirstMatch::none();
    let mut first_was_before = Choice::from(0);
    for counter in self::window(next, window.saturating_add(1)) {
        let passcode = hotp(key, counter, hash, digits);
        found.offer(counter, first_was_before & same(&passcode, second));
        first_was_before = same(&passcode, first);
    }
    found.value()
}

/// `next` and so many counters after it, without the last counter of all.
pub(super) fn window(next: u64, look_ahead: u32) -> Range<u64> {
    let end = next
        .saturating_add(u64::from(look_ahead.min(MAX_TRIES)))
        .saturating_add(1);
    next..end
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: HashAlgorithm = HashAlgorithm::Sha1;

    fn key() -> SecretBytes {
        SecretBytes::from(*b"12345678901234567890")
    }

    /// Ten digits, so that two counters of a test hardly ever share a passcode.
    fn ten() -> Digits {
        Digits::try_from(10).unwrap()
    }

    fn passcode(counter: u64) -> String {
        hotp(&key(), counter, HASH, ten()).expose().to_owned()
    }

    fn check(candidate: &str, next: u64, look_ahead: u32) -> Option<u64> {
        check_event(&key(), HASH, ten(), candidate, next, look_ahead)
    }

    fn resynchronise(first: &str, second: &str, next: u64, window: u32) -> Option<u64> {
        resynchronise_event(&key(), HASH, ten(), first, second, next, window)
    }

    #[test]
    fn the_window_begins_at_next_and_ends_after_the_look_ahead() {
        assert_eq!(check(&passcode(4), 5, 3), None);
        assert_eq!(check(&passcode(5), 5, 3), Some(5));
        assert_eq!(check(&passcode(8), 5, 3), Some(8));
        assert_eq!(check(&passcode(9), 5, 3), None);
        assert_eq!(check(&passcode(5), 5, 0), Some(5));
    }

    #[test]
    fn only_the_exact_text_matches() {
        let right = passcode(5);
        for wrong in [
            "",
            " ",
            &right[1..],
            &format!("{right} "),
            &format!("0{right}"),
        ] {
            assert_eq!(check(wrong, 5, 3), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_end_of_the_counters_is_the_end() {
        let before_last = u64::MAX - 1;
        assert_eq!(
            check(&passcode(before_last), before_last, 9),
            Some(before_last)
        );
        assert_eq!(check(&passcode(u64::MAX), before_last, 9), None);
        assert_eq!(check(&passcode(u64::MAX), u64::MAX, 9), None);
        assert_eq!(check(&passcode(0), before_last, 9), None);
    }

    #[test]
    fn a_very_wide_window_is_cut() {
        let limit = u64::from(MAX_TRIES);
        assert_eq!(window(7, u32::MAX), 7..limit + 8);
        assert_eq!(window(7, 0), 7..8);
    }

    #[test]
    fn resynchronisation_needs_two_consecutive_passcodes() {
        assert_eq!(
            resynchronise(&passcode(50), &passcode(51), 5, 100),
            Some(51)
        );
        assert_eq!(resynchronise(&passcode(5), &passcode(6), 5, 0), Some(6));
        assert_eq!(resynchronise(&passcode(50), &passcode(52), 5, 100), None);
        assert_eq!(resynchronise(&passcode(51), &passcode(50), 5, 100), None);
        assert_eq!(resynchronise(&passcode(50), &passcode(50), 5, 100), None);
        assert_eq!(resynchronise(&passcode(50), "", 5, 100), None);
        assert_eq!(resynchronise(&passcode(4), &passcode(5), 5, 100), None);
        assert_eq!(resynchronise(&passcode(106), &passcode(107), 5, 100), None);
    }

    proptest! {
        #[test]
        fn what_is_generated_is_accepted_in_the_window_and_nowhere_else(
            counter in 0_u64..1000, next in 0_u64..1000, look_ahead in 0_u32..50,
        ) {
            let inside = counter >= next && counter <= next + u64::from(look_ahead);
            prop_assert_eq!(check(&passcode(counter), next, look_ahead), inside.then_some(counter));
        }

        #[test]
        fn no_counter_below_next_is_ever_accepted(
            candidate in "[0-9]{4}", next in any::<u64>(), look_ahead in 0_u32..200,
        ) {
            let four = Digits::try_from(4).unwrap();
            if let Some(accepted) = check_event(&key(), HASH, four, &candidate, next, look_ahead) {
                prop_assert!(accepted >= next);
                prop_assert!(accepted - next <= u64::from(look_ahead));
                prop_assert!(accepted < u64::MAX);
                let made = hotp(&key(), accepted, HASH, four);
                prop_assert_eq!(made.expose(), candidate);
            }
        }

        #[test]
        fn consecutive_passcodes_resynchronise_and_others_do_not(
            first in 0_u64..300, second in 0_u64..300, next in 0_u64..300, window in 0_u32..100,
        ) {
            let inside = first >= next && first <= next + u64::from(window);
            let expected = (inside && second == first + 1).then_some(second);
            prop_assert_eq!(resynchronise(&passcode(first), &passcode(second), next, window), expected);
            let consecutive = resynchronise(&passcode(first), &passcode(first + 1), next, window);
            prop_assert_eq!(consecutive, inside.then_some(first + 1));
        }
    }
}
