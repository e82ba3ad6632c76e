//! Challenge-response passcodes: look-ahead over counters and time steps (RFC 6287 section 7).

use subtle::{Choice, ConditionallySelectable as _};

use super::{MAX_TRIES, TimeWindow, event, same, time};
use crate::{
    otp::ocra::{Inputs, OcraError, Suite},
    secret::SecretBytes,
};

/// What is tried besides the expected counter and time step. Ignored where the suite does not use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OcraWindow {
    /// Counters after `Inputs::counter`.
    pub look_ahead: u32,
    /// Steps around `Inputs::time_step`.
    pub time: TimeWindow,
}

impl OcraWindow {
    /// The expected counter and time step alone.
    pub const EXACT: Self = Self {
        look_ahead: 0,
        time: TimeWindow { past: 0, future: 0 },
    };
}

/// An accepted passcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OcraMatch {
    /// The counter of the passcode, for a suite that uses one; the caller sets `next` to it plus one.
    pub counter: Option<u64>,
    /// The time step of the passcode, for a suite that uses one.
    pub time_step: Option<u64>,
}

/// The counter and time step whose passcode this is; none if it is wrong.
///
/// `inputs.counter` is the next counter, `inputs.time_step` the step that the device should be at (drift
/// added). At most [`MAX_TRIES`] pairs are tried, the nearest time steps first. The challenge must be one
/// that was issued and is used once: this function cannot know that.
///
/// # Errors
/// [`OcraError`]: an input is missing or does not fit the suite.
pub fn check_ocra(
    key: &SecretBytes,
    suite: &Suite,
    candidate: &str,
    inputs: &Inputs<'_>,
    window: OcraWindow,
) -> Result<Option<OcraMatch>, OcraError> {
    let counters = counters(suite, inputs, window)?;
    let steps = steps(suite, inputs, window)?;
    let pairs = steps
        .iter()
        .flat_map(|step| counters.iter().map(move |counter| (*counter, *step)))
        .take(usize::try_from(MAX_TRIES).unwrap_or(usize::MAX));
    let (mut counter_found, mut step_found, mut found) = (0_u64, 0_u64, Choice::from(0));
    for (counter, time_step) in pairs {
        let passcode = suite.compute(
            key,
            &Inputs {
                counter,
                time_step,
                ..*inputs
            },
        )?;
        let is_first = same(&passcode, candidate) & !found;
        counter_found.conditional_assign(&counter.unwrap_or_default(), is_first);
        step_found.conditional_assign(&time_step.unwrap_or_default(), is_first);
        found |= is_first;
    }
    Ok(bool::from(found).then(|| OcraMatch {
        counter: suite.uses_counter().then_some(counter_found),
        time_step: suite.uses_time().map(|_| step_found),
    }))
}

/// The values of the counter to try; one "none" for a suite without counter.
fn counters(
    suite: &Suite,
    inputs: &Inputs<'_>,
    window: OcraWindow,
) -> Result<Vec<Option<u64>>, OcraError> {
    if !suite.uses_counter() {
        return Ok(vec![None]);
    }
    let next = inputs.counter.ok_or(OcraError::NoCounter)?;
    Ok(event::window(next, window.look_ahead).map(Some).collect())
}

/// The time steps to try, the likeliest first; one "none" for a suite without time.
fn steps(
    suite: &Suite,
    inputs: &Inputs<'_>,
    window: OcraWindow,
) -> Result<Vec<Option<u64>>, OcraError> {
    if suite.uses_time().is_none() {
        return Ok(vec![None]);
    }
    let expected = inputs.time_step.ok_or(OcraError::NoTime)?;
    Ok(time::outwards(expected, window.time).map(Some).collect())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otp::ocra::ChallengeError;

    const WINDOW: OcraWindow = OcraWindow {
        look_ahead: 3,
        time: TimeWindow { past: 1, future: 1 },
    };

    fn key() -> SecretBytes {
        SecretBytes::from(*b"12345678901234567890")
    }

    fn suite(inputs: &str) -> Suite {
        format!("OCRA-1:HOTP-SHA1-10:{inputs}").parse().unwrap()
    }

    fn inputs(counter: u64, step: u64) -> Inputs<'static> {
        Inputs {
            counter: Some(counter),
            challenge: "12345678",
            time_step: Some(step),
            ..Inputs::default()
        }
    }

    fn check(suite: &Suite, device: &Inputs<'_>, service: &Inputs<'_>) -> Option<OcraMatch> {
        let passcode = suite.compute(&key(), device).unwrap();
        check_ocra(&key(), suite, passcode.expose(), service, WINDOW).unwrap()
    }

    #[test]
    fn the_answer_names_only_what_the_suite_uses() {
        let expected = inputs(5, 50);
        let both = OcraMatch {
            counter: Some(5),
            time_step: Some(50),
        };
        assert_eq!(
            check(&suite("C-QN08-T1M"), &expected, &expected),
            Some(both)
        );
        let counter = OcraMatch {
            time_step: None,
            ..both
        };
        assert_eq!(check(&suite("C-QN08"), &expected, &expected), Some(counter));
        let time = OcraMatch {
            counter: None,
            ..both
        };
        assert_eq!(check(&suite("QN08-T1M"), &expected, &expected), Some(time));
        let neither = OcraMatch {
            counter: None,
            time_step: None,
        };
        assert_eq!(check(&suite("QN08"), &expected, &expected), Some(neither));
    }

    #[test]
    fn another_challenge_is_wrong_and_a_malformed_one_an_error() {
        let suite = suite("QN08");
        let other = Inputs {
            challenge: "87654321",
            ..inputs(0, 0)
        };
        assert_eq!(check(&suite, &other, &inputs(0, 0)), None);
        let malformed = Inputs {
            challenge: "12345678x",
            ..inputs(0, 0)
        };
        assert_eq!(
            check_ocra(&key(), &suite, "0", &malformed, OcraWindow::EXACT),
            Err(ChallengeError::NotNumeric.into())
        );
    }

    #[test]
    fn a_missing_factor_is_an_error() {
        let bare = Inputs {
            challenge: "1",
            ..Inputs::default()
        };
        for (suite, error) in [
            (suite("C-QN08"), OcraError::NoCounter),
            (suite("QN08-T1M"), OcraError::NoTime),
        ] {
            assert_eq!(
                check_ocra(&key(), &suite, "0", &bare, OcraWindow::EXACT),
                Err(error)
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_generated_is_accepted_in_the_window_and_nowhere_else(
            counter in 0_u64..20, next in 0_u64..20, step in 0_u64..10, expected in 0_u64..10,
        ) {
            let inside = (next..=next + 3).contains(&counter) && step.abs_diff(expected) <= 1;
            let found = check(&suite("C-QN08-T1M"), &inputs(counter, step), &inputs(next, expected));
            let accepted = OcraMatch { counter: Some(counter), time_step: Some(step) };
            prop_assert_eq!(found, inside.then_some(accepted));
        }
    }
}
