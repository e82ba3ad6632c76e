//! Every published vector of RFC 4226, 6238 and 6287, and some computed with another implementation.
//!
//! Each vector is generated and then validated, so that both directions are held to it.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its vectors fails"
)]

use countersign_core::{
    otp::{
        Digits, HashAlgorithm, Period, hotp,
        ocra::{Inputs, Suite},
        totp,
        validation::{
            OcraWindow, StepRule, TimeParameters, TimeState, TimeWindow, check_event, check_ocra,
            check_time,
        },
    },
    secret::{SecretBytes, SecretText},
};
use serde::{Deserialize, de::DeserializeOwned};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventVectors {
    source: String,
    key: String,
    hash: String,
    digits: Digits,
    passcodes: Vec<EventVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventVector {
    counter: String,
    passcode: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeVectors {
    source: String,
    key: String,
    hash: String,
    digits: Digits,
    period: Period,
    passcodes: Vec<TimeVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeVector {
    unix_secs: u64,
    passcode: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeVectors {
    source: String,
    suite: Suite,
    key: String,
    pin: Option<String>,
    session: Option<String>,
    time_step: Option<u64>,
    cases: Vec<ChallengeVector>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeVector {
    counter: Option<u64>,
    challenge: String,
    /// The second challenge of mutual authentication: of the party that computes.
    own: Option<String>,
    passcode: String,
}

fn vectors<T: DeserializeOwned>(json: &str) -> Vec<T> {
    serde_json::from_str(json).unwrap()
}

fn key(text: &str) -> SecretBytes {
    SecretBytes::from(text.as_bytes())
}

#[test]
fn event_based_passcodes_are_the_published_ones() {
    let mut count = 0;
    for set in vectors::<EventVectors>(include_str!("vectors/hotp.json")) {
        let (key, hash) = (key(&set.key), set.hash.parse::<HashAlgorithm>().unwrap());
        for EventVector { counter, passcode } in set.passcodes {
            let counter: u64 = counter.parse().unwrap();
            let made = hotp(&key, counter, hash, set.digits);
            assert_eq!(made.expose(), passcode, "{}, counter {counter}", set.source);
            let accepted = (counter < u64::MAX).then_some(counter);
            assert_eq!(
                check_event(&key, hash, set.digits, &passcode, counter, 0),
                accepted
            );
            count += 1;
        }
    }
    assert_eq!(count, 32, "no vector may get lost");
}

#[test]
fn time_based_passcodes_are_the_published_ones() {
    let window = TimeWindow { past: 0, future: 0 };
    let mut count = 0;
    for set in vectors::<TimeVectors>(include_str!("vectors/totp.json")) {
        let (key, hash) = (key(&set.key), set.hash.parse::<HashAlgorithm>().unwrap());
        let parameters = TimeParameters {
            hash,
            digits: set.digits,
            period: set.period,
        };
        for TimeVector {
            unix_secs,
            passcode,
        } in set.passcodes
        {
            let made = totp(&key, unix_secs, set.period, hash, set.digits);
            assert_eq!(made.expose(), passcode, "{}, time {unix_secs}", set.source);
            let accepted = check_time(
                &key,
                parameters,
                &passcode,
                unix_secs,
                window,
                TimeState::default(),
                StepRule::Newer,
            );
            assert_eq!(accepted.unwrap().drift, 0);
            count += 1;
        }
    }
    assert_eq!(count, 30, "no vector may get lost");
}

#[test]
fn challenge_response_passcodes_are_the_published_ones() {
    let mut count = 0;
    for set in vectors::<ChallengeVectors>(include_str!("vectors/ocra.json")) {
        let key = key(&set.key);
        let pin = set.pin.map(SecretText::from);
        let pin_hash = pin.and_then(|pin| set.suite.pin_hash(&pin));
        for case in set.cases {
            let inputs = Inputs {
                counter: case.counter,
                challenge: &case.challenge,
                pin_hash: pin_hash.as_ref(),
                session: set.session.as_deref().map(str::as_bytes),
                time_step: set.time_step,
            };
            let what = format!("{}, {}, {}", set.source, set.suite, case.challenge);
            if let Some(own) = &case.own {
                let made = set.suite.compute_mutual(&key, &inputs, own).unwrap();
                assert_eq!(made.expose(), case.passcode, "{what}");
            } else {
                let made = set.suite.compute(&key, &inputs).unwrap();
                assert_eq!(made.expose(), case.passcode, "{what}");
                let found =
                    check_ocra(&key, &set.suite, &case.passcode, &inputs, OcraWindow::EXACT);
                let found = found.unwrap().unwrap();
                assert_eq!(found.counter, case.counter, "{what}");
                assert_eq!(found.time_step, set.time_step, "{what}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 81, "no vector may get lost");
}
