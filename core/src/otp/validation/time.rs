//! Time-based passcodes: window, drift and resynchronisation (RFC 6238 sections 5.2 and 6).
//!
//! Drift is the clock of the device minus ours, in steps, as in RFC 6030 (`TimeDrift`): a device at step 8
//! when we are at step 9 has drift -1.

use subtle::Choice;

use super::{FirstMatch, MAX_TRIES, same};
use crate::{
    otp::{Digits, HashAlgorithm, Period, hotp, time_step},
    secret::SecretBytes,
};

/// What the passcodes of a time-based token are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeParameters {
    /// Hash inside the HMAC.
    pub hash: HashAlgorithm,
    /// Length of a passcode.
    pub digits: Digits,
    /// Length of a step.
    pub period: Period,
}

/// Steps around the expected one that are tried too. One each way covers the delay of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    /// Steps before the expected one.
    pub past: u32,
    /// Steps after it.
    pub future: u32,
}

/// What is known of a token's clock and use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeState {
    /// Device minus service, in steps, as found at the last acceptance.
    pub drift: i64,
    /// The highest step that was accepted.
    pub last: Option<u64>,
}

/// Which steps may still be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepRule {
    /// Only steps after the last accepted: for passcodes that somebody typed.
    Newer,
    /// The last accepted step too: for passcodes of a signed decision, which is single by its own id.
    SameOrNewer,
}

/// An accepted passcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeMatch {
    /// The step of the passcode: the new `last`.
    pub step: u64,
    /// Device minus service, in steps: the new `drift`.
    pub drift: i64,
}

/// The step whose passcode this is, in the window around the step that the device should be at.
///
/// Steps are tried from the expected one outwards, the earlier one first, so that of two equal passcodes
/// the likelier wins.
#[must_use]
pub fn check_time(
    key: &SecretBytes,
    parameters: TimeParameters,
    candidate: &str,
    unix_secs: u64,
    window: TimeWindow,
    state: TimeState,
    rule: StepRule,
) -> Option<TimeMatch> {
    let now = time_step(unix_secs, parameters.period);
    let expected = now.checked_add_signed(state.drift)?;
    let mut first = FirstMatch::none();
    for step in outwards(expected, window).filter(|step| rule.allows(*step, state.last)) {
        let passcode = hotp(key, step, parameters.hash, parameters.digits);
        first.offer(step, same(&passcode, candidate));
    }
    matched(first.value()?, now)
}

/// Two consecutive passcodes find the clock of a token that drifted far.
///
/// `first` and `second` are of two steps, one after the other, both in the window around the step that the
/// device should be at and after the last accepted; `unix_secs` is when `second` came. Returns the match
/// of `second`.
#[must_use]
pub fn resynchronise_time(
    key: &SecretBytes,
    parameters: TimeParameters,
    first: &str,
    second: &str,
    unix_secs: u64,
    window: TimeWindow,
    state: TimeState,
) -> Option<TimeMatch> {
    let now = time_step(unix_secs, parameters.period);
    let expected = now.checked_add_signed(state.drift)?;
    let earliest = expected.saturating_sub(u64::from(window.past.min(MAX_TRIES)));
    let latest = expected.saturating_add(u64::from(window.future.min(MAX_TRIES)));
    let mut found = FirstMatch::none();
    let mut first_was_before = Choice::from(0);
    for step in (earliest..=latest).filter(|step| StepRule::Newer.allows(*step, state.last)) {
        let passcode = hotp(key, step, parameters.hash, parameters.digits);
        found.offer(step, first_was_before & same(&passcode, second));
        first_was_before = same(&passcode, first);
    }
    matched(found.value()?, now)
}

impl StepRule {
    const fn allows(self, step: u64, last: Option<u64>) -> bool {
        match (self, last) {
            (_, None) => true,
            (Self::Newer, Some(last)) => step > last,
            (Self::SameOrNewer, Some(last)) => step >= last,
        }
    }
}

/// None if the drift is beyond what a signed number holds, which no clock is.
fn matched(step: u64, now: u64) -> Option<TimeMatch> {
    Some(TimeMatch {
        step,
        drift: step.checked_signed_diff(now)?,
    })
}

/// The expected step, then one before, one after, two before, two after, ... as far as the window goes.
/// Steps below zero and above the highest are left out.
pub(super) fn outwards(expected: u64, window: TimeWindow) -> impl Iterator<Item = u64> {
    let past = u64::from(window.past.min(MAX_TRIES));
    let future = u64::from(window.future.min(MAX_TRIES));
    let around = (1..=past.max(future)).flat_map(move |distance| {
        let before = (distance <= past)
            .then(|| expected.checked_sub(distance))
            .flatten();
        let after = (distance <= future)
            .then(|| expected.checked_add(distance))
            .flatten();
        before.into_iter().chain(after)
    });
    core::iter::once(expected).chain(around)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NARROW: TimeWindow = TimeWindow { past: 1, future: 1 };
    const WIDE: TimeWindow = TimeWindow {
        past: 100,
        future: 100,
    };
    const NEW: TimeState = TimeState {
        drift: 0,
        last: None,
    };

    fn key() -> SecretBytes {
        SecretBytes::from(*b"12345678901234567890")
    }

    /// Ten digits, so that two steps of a test hardly ever share a passcode.
    fn parameters() -> TimeParameters {
        TimeParameters {
            hash: HashAlgorithm::Sha1,
            digits: Digits::try_from(10).unwrap(),
            period: Period::THIRTY,
        }
    }

    fn passcode(step: u64) -> String {
        let TimeParameters { hash, digits, .. } = parameters();
        hotp(&key(), step, hash, digits).expose().to_owned()
    }

    fn check(
        device_step: u64,
        service_step: u64,
        window: TimeWindow,
        state: TimeState,
        rule: StepRule,
    ) -> Option<TimeMatch> {
        let now = service_step * 30 + 7;
        check_time(
            &key(),
            parameters(),
            &passcode(device_step),
            now,
            window,
            state,
            rule,
        )
    }

    fn resynchronise(first: u64, second: u64, now: u64, state: TimeState) -> Option<TimeMatch> {
        let now = now * 30 + 29;
        let (first, second) = (passcode(first), passcode(second));
        resynchronise_time(&key(), parameters(), &first, &second, now, WIDE, state)
    }

    #[test]
    fn drift_is_device_minus_service() {
        let late = check(8, 9, NARROW, NEW, StepRule::Newer);
        assert_eq!(late, Some(TimeMatch { step: 8, drift: -1 }));
        let early = check(10, 9, NARROW, NEW, StepRule::Newer);
        assert_eq!(early, Some(TimeMatch { step: 10, drift: 1 }));
        assert_eq!(check(7, 9, NARROW, NEW, StepRule::Newer), None);
        assert_eq!(check(11, 9, NARROW, NEW, StepRule::Newer), None);
    }

    #[test]
    fn a_known_drift_moves_the_window() {
        let behind = TimeState {
            drift: -5,
            last: None,
        };
        for step in [94, 95, 96] {
            let drift = i64::try_from(step).unwrap() - 100;
            assert_eq!(
                check(step, 100, NARROW, behind, StepRule::Newer),
                Some(TimeMatch { step, drift })
            );
        }
        assert_eq!(check(100, 100, NARROW, behind, StepRule::Newer), None);
    }

    #[test]
    fn a_typed_passcode_is_newer_and_a_pushed_one_may_be_the_same() {
        let used = TimeState {
            drift: 0,
            last: Some(100),
        };
        assert_eq!(check(100, 100, NARROW, used, StepRule::Newer), None);
        assert_eq!(check(99, 100, NARROW, used, StepRule::SameOrNewer), None);
        assert_eq!(
            check(100, 100, NARROW, used, StepRule::SameOrNewer),
            Some(TimeMatch {
                step: 100,
                drift: 0
            })
        );
        assert_eq!(
            check(101, 100, NARROW, used, StepRule::Newer),
            Some(TimeMatch {
                step: 101,
                drift: 1
            })
        );
    }

    #[test]
    fn the_window_stops_at_both_ends_of_time() {
        assert_eq!(outwards(0, WIDE).min(), Some(0));
        assert_eq!(outwards(u64::MAX, WIDE).max(), Some(u64::MAX));
        assert_eq!(
            check(0, 0, NARROW, NEW, StepRule::Newer),
            Some(TimeMatch { step: 0, drift: 0 })
        );
        let impossible = TimeState {
            drift: -10,
            last: None,
        };
        assert_eq!(check(0, 9, WIDE, impossible, StepRule::Newer), None);
    }

    #[test]
    fn steps_are_tried_from_the_expected_one_outwards() {
        let steps: Vec<u64> = outwards(10, TimeWindow { past: 1, future: 3 }).collect();
        assert_eq!(steps, [10, 9, 11, 12, 13]);
        let limit = usize::try_from(MAX_TRIES).unwrap();
        let widest = TimeWindow {
            past: u32::MAX,
            future: u32::MAX,
        };
        assert_eq!(outwards(1 << 40, widest).count(), 2 * limit + 1);
    }

    #[test]
    fn resynchronisation_needs_two_consecutive_passcodes() {
        assert_eq!(
            resynchronise(950, 951, 1000, NEW),
            Some(TimeMatch {
                step: 951,
                drift: -49
            })
        );
        assert_eq!(
            resynchronise(1040, 1041, 1000, NEW),
            Some(TimeMatch {
                step: 1041,
                drift: 41
            })
        );
        assert_eq!(resynchronise(950, 952, 1000, NEW), None);
        assert_eq!(resynchronise(951, 950, 1000, NEW), None);
        assert_eq!(resynchronise(950, 950, 1000, NEW), None);
        assert_eq!(resynchronise(800, 801, 1000, NEW), None);
        let used = TimeState {
            drift: 0,
            last: Some(950),
        };
        assert_eq!(
            resynchronise(950, 951, 1000, used),
            None,
            "the first was used before"
        );
        assert_eq!(
            resynchronise(951, 952, 1000, used),
            Some(TimeMatch {
                step: 952,
                drift: -48
            })
        );
    }

    proptest! {
        #[test]
        fn what_is_generated_is_accepted_in_the_window_and_nowhere_else(
            device in 0_u64..400, service in 0_u64..400, drift in -50_i64..50,
            past in 0_u32..20, future in 0_u32..20, last in proptest::option::of(0_u64..400),
            rule in prop_oneof![Just(StepRule::Newer), Just(StepRule::SameOrNewer)],
        ) {
            let found = check(device, service, TimeWindow { past, future }, TimeState { drift, last }, rule);
            let distance = i64::try_from(device)? - (i64::try_from(service)? + drift);
            let inside = service.checked_add_signed(drift).is_some()
                && (-i64::from(past)..=i64::from(future)).contains(&distance)
                && last.is_none_or(|last| device > last || (device == last && rule == StepRule::SameOrNewer));
            let expected = inside.then_some(TimeMatch { step: device, drift: distance + drift });
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn consecutive_passcodes_resynchronise_and_others_do_not(
            first in 0_u64..400, second in 0_u64..400, now in 0_u64..400, drift in -50_i64..50,
            last in proptest::option::of(0_u64..400),
        ) {
            let state = TimeState { drift, last };
            let allowed = |step: u64| {
                let around = i64::try_from(step).unwrap() - (i64::try_from(now).unwrap() + drift);
                now.checked_add_signed(drift).is_some()
                    && around.abs() <= 100
                    && last.is_none_or(|last| step > last)
            };
            let expected = |first: u64, second: u64| {
                (second == first + 1 && allowed(first) && allowed(second)).then_some(TimeMatch {
                    step: second,
                    drift: i64::try_from(second).unwrap() - i64::try_from(now).unwrap(),
                })
            };
            prop_assert_eq!(resynchronise(first, second, now, state), expected(first, second));
            prop_assert_eq!(resynchronise(first, first + 1, now, state), expected(first, first + 1));
        }

        #[test]
        fn no_time_and_no_state_makes_the_check_panic(
            candidate in "[0-9]{0,10}", unix_secs in any::<u64>(), drift in any::<i64>(),
            last in any::<Option<u64>>(), past in 0_u32..10, future in 0_u32..10,
        ) {
            let (window, state) = (TimeWindow { past, future }, TimeState { drift, last });
            let p = parameters();
            let checked = check_time(&key(), p, &candidate, unix_secs, window, state, StepRule::Newer);
            prop_assert!(checked.is_none_or(|found| last.is_none_or(|last| found.step > last)));
            let _found = resynchronise_time(&key(), p, &candidate, &candidate, unix_secs, window, state);
        }
    }
}
