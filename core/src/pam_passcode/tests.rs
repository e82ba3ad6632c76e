//! Tries in every order: what is accepted, what is counted, what is stored.

use core::convert::Infallible;
use std::collections::BTreeSet;

use proptest::prelude::*;
use rand_core::{TryCryptoRng, TryRng};

use super::*;
use crate::{
    otp::{Digits, HashAlgorithm, OtpMode, Period, hotp, ocra::Inputs},
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
};

const HASH: HashAlgorithm = HashAlgorithm::Sha1;
const START: u64 = 1_800_000_000;
const STEP: u64 = START / 30;

/// Not random: bytes that count on from the last.
struct CountingBytes(u8);

impl TryRng for CountingBytes {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only bytes are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only bytes are drawn")
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for byte in to {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Ok(())
    }
}

impl TryCryptoRng for CountingBytes {}

fn seed() -> SecretBytes {
    SecretBytes::from(*b"12345678901234567890")
}

/// Ten digits, so that two steps of a test hardly ever share a passcode.
fn ten() -> Digits {
    Digits::try_from(10).unwrap()
}

fn record(mode: OtpMode) -> Record {
    Record::new(mode, seed(), 0, TryLimit::DEFAULT).unwrap()
}

fn time() -> Record {
    record(OtpMode::Time {
        hash: HASH,
        digits: ten(),
        period: Period::THIRTY,
    })
}

fn event() -> Record {
    record(OtpMode::Event {
        hash: HASH,
        digits: ten(),
    })
}

fn challenge(inputs: &str) -> Record {
    let suite = format!("OCRA-1:HOTP-SHA1-8:{inputs}").parse().unwrap();
    record(OtpMode::Challenge { suite })
}

fn passcode(value: u64) -> String {
    hotp(&seed(), value, HASH, ten()).expose().to_owned()
}

fn at(secs: u64) -> UnixMillis {
    UnixMillis::from_secs(i64::try_from(secs).unwrap())
}

fn typed(text: &str) -> SecretText {
    SecretText::from(text)
}

/// One whole try; the record goes through its text, as it does between two programs.
fn try_at(record: &mut Record, text: &str, secs: u64) -> Result<Verdict, NotBegun> {
    let shown = record.open_challenge().map(str::to_owned);
    let begun = record.begin(&typed(text), shown.as_deref(), at(secs))?;
    let (verdict, after) = begun.judge(Window::DEFAULT, at(secs));
    *record = stored(&after);
    assert_eq!(*record, after, "nothing is lost in the file");
    Ok(verdict)
}

fn stored(record: &Record) -> Record {
    Record::parse(record.to_text().expose()).unwrap()
}

const IN_WINDOW: Result<Verdict, NotBegun> = Ok(Verdict::Accepted(Acceptance::InWindow));
const RESYNCHRONISED: Result<Verdict, NotBegun> = Ok(Verdict::Accepted(Acceptance::Resynchronised));
const WRONG: Result<Verdict, NotBegun> = Ok(Verdict::Refused(Refusal::Wrong));
const USED: Result<Verdict, NotBegun> = Ok(Verdict::Refused(Refusal::Used));
const FAR_OFF: Result<Verdict, NotBegun> = Ok(Verdict::Refused(Refusal::FarOff));

#[test]
fn a_time_based_passcode_is_good_once_and_in_its_window() {
    let mut record = time();
    assert_eq!(try_at(&mut record, &passcode(STEP), START), IN_WINDOW);
    assert_eq!(try_at(&mut record, &passcode(STEP), START), USED);
    assert_eq!(
        try_at(&mut record, &passcode(STEP - 1), START),
        USED,
        "one from before the last"
    );
    assert_eq!(try_at(&mut record, &passcode(STEP + 1), START), IN_WINDOW);
    assert_eq!(
        record.wrong_tries(at(START)),
        0,
        "none of these was a guess"
    );
}

#[test]
fn what_a_person_types_is_read_as_it_was_shown() {
    let mut record = time();
    let spaced = format!(" {} {} ", &passcode(STEP)[..5], &passcode(STEP)[5..]);
    assert_eq!(try_at(&mut record, &spaced, START), IN_WINDOW);
    let long = "1".repeat(5000);
    for no_passcode in [
        "",
        " ",
        "hunter2",
        "12345",
        "١٢٣٤٥٦٧٨٩٠",
        "123456789a",
        long.as_str(),
    ] {
        assert_eq!(
            try_at(&mut record, no_passcode, START),
            Err(NotBegun::Form),
            "{no_passcode}"
        );
    }
    assert_eq!(record.wrong_tries(at(START)), 0);
}

#[test]
fn two_in_a_row_find_a_clock_that_is_off() {
    let mut record = time();
    let device = STEP - 12;
    assert_eq!(try_at(&mut record, &passcode(device), START), FAR_OFF);
    assert_eq!(
        try_at(&mut record, &passcode(device + 1), START + 30),
        RESYNCHRONISED
    );
    assert_eq!(
        try_at(&mut record, &passcode(device + 2), START + 60),
        IN_WINDOW
    );
    assert_eq!(try_at(&mut record, &passcode(device + 1), START + 60), USED);
}

#[test]
fn one_from_far_off_alone_or_long_ago_finds_nothing() {
    for (second, later) in [(STEP - 12, 30), (STEP - 10, 30), (STEP - 11, 601)] {
        let mut record = time();
        assert_eq!(try_at(&mut record, &passcode(STEP - 12), START), FAR_OFF);
        let outcome = try_at(&mut record, &passcode(second), START + later);
        assert_ne!(outcome, RESYNCHRONISED, "{second} {later}");
        assert_ne!(outcome, IN_WINDOW, "{second} {later}");
    }
}

#[test]
fn an_event_based_passcode_is_good_once_and_ahead() {
    let mut record = event();
    assert_eq!(try_at(&mut record, &passcode(0), START), IN_WINDOW);
    assert_eq!(try_at(&mut record, &passcode(0), START), USED);
    assert_eq!(try_at(&mut record, &passcode(11), START), IN_WINDOW);
    assert_eq!(
        try_at(&mut record, &passcode(5), START),
        USED,
        "passed over"
    );
    assert_eq!(try_at(&mut record, &passcode(100), START), FAR_OFF);
    assert_eq!(try_at(&mut record, &passcode(101), START), RESYNCHRONISED);
    assert_eq!(try_at(&mut record, &passcode(100), START), USED);
    assert_eq!(try_at(&mut record, &passcode(102), START), IN_WINDOW);
    assert_eq!(try_at(&mut record, &passcode(400), START), WRONG);
}

#[test]
fn a_challenge_is_answered_once_and_stays_until_then() {
    for inputs in ["QN08", "C-QN08", "QN08-T1M", "C-QA08-T1M"] {
        let mut record = challenge(inputs).posed(&mut CountingBytes(0));
        let first = record.open_challenge().unwrap().to_owned();
        record = record.posed(&mut CountingBytes(77));
        assert_eq!(record.open_challenge(), Some(first.as_str()), "{inputs}");
        let answer = answer(&record, &first, 0);
        assert_eq!(try_at(&mut record, &answer, START), IN_WINDOW, "{inputs}");
        assert_eq!(record.open_challenge(), None, "{inputs}");
        let again = record.begin(&typed(&answer), Some(&first), at(START));
        assert_eq!(again.unwrap_err(), NotBegun::ChallengeOver, "{inputs}");
        record = record.posed(&mut CountingBytes(77));
        assert_ne!(record.open_challenge(), Some(first.as_str()), "{inputs}");
        assert_eq!(try_at(&mut record, &answer, START), WRONG, "{inputs}");
        assert_eq!(record.open_challenge(), None, "a wrong answer ends it too");
    }
}

/// As the device computes it.
fn answer(record: &Record, challenge: &str, counter: u64) -> String {
    let OtpMode::Challenge { suite } = record.mode() else {
        panic!("a challenge-response record");
    };
    let inputs = Inputs {
        counter: Some(counter),
        challenge,
        time_step: suite.time_step(START),
        ..Inputs::default()
    };
    suite.compute(&seed(), &inputs).unwrap().expose().to_owned()
}

#[test]
fn only_the_challenge_that_was_shown_is_answered() {
    let record = challenge("QN08").posed(&mut CountingBytes(0));
    let shown = record.open_challenge().unwrap().to_owned();
    let answer = typed(&answer(&record, &shown, 0));
    for other in [None, Some("11111111")] {
        let outcome = record.begin(&answer, other, at(START)).unwrap_err();
        assert_eq!(outcome, NotBegun::ChallengeOver);
    }
}

#[test]
fn wrong_ones_slow_down_and_never_lock() {
    let mut record = time();
    for _ in 0..5 {
        assert_eq!(try_at(&mut record, "0000000000", START), WRONG);
    }
    let right = passcode(STEP);
    let refused = Err(NotBegun::TooMany { wait_secs: 300 });
    assert_eq!(try_at(&mut record, &right, START), refused);
    assert_eq!(
        try_at(&mut record, &right, START),
        refused,
        "asking costs nothing"
    );
    assert_eq!(
        try_at(&mut record, &passcode(STEP + 10), START + 300),
        IN_WINDOW
    );
    assert_eq!(record.wrong_tries(at(START + 300)), 0);
    let mut locked = time();
    for _ in 0..5 {
        assert_eq!(try_at(&mut locked, "0000000000", START), WRONG);
    }
    let mut unlocked = locked.unlocked();
    assert_eq!(try_at(&mut unlocked, &right, START), IN_WINDOW);
}

/// Killed between the count and the look, the try was one.
#[test]
fn no_try_is_free() {
    let mut record = challenge("QN08");
    for left in (0..5).rev() {
        record = record.posed(&mut CountingBytes(left));
        let shown = record.open_challenge().unwrap().to_owned();
        let begun = record.begin(&typed("00000000"), Some(&shown), at(START));
        record = begun.unwrap().counted().clone();
        assert_eq!(record.open_challenge(), None);
    }
    record = record.posed(&mut CountingBytes(0));
    let shown = record.open_challenge().unwrap().to_owned();
    let outcome = record.begin(&typed("00000000"), Some(&shown), at(START));
    assert_eq!(outcome.unwrap_err(), NotBegun::TooMany { wait_secs: 300 });
}

#[test]
fn weak_passcodes_let_nobody_in() {
    let six = Digits::SIX;
    let event = |digits| OtpMode::Event { hash: HASH, digits };
    let suite = |text: &str| OtpMode::Challenge {
        suite: text.parse().unwrap(),
    };
    let limit = TryLimit::DEFAULT;
    for (mode, seed_len, error) in [
        (event(six), 15, RecordError::Seed),
        (event(six), 129, RecordError::Seed),
        (
            event(Digits::try_from(5).unwrap()),
            20,
            RecordError::FewDigits,
        ),
        (suite("OCRA-1:HOTP-SHA1-5:QN08"), 20, RecordError::FewDigits),
        (suite("OCRA-1:HOTP-SHA1-0:QN08"), 20, RecordError::WholeHmac),
        (
            suite("OCRA-1:HOTP-SHA1-6:QN08-PSHA1"),
            20,
            RecordError::Inputs,
        ),
        (
            suite("OCRA-1:HOTP-SHA1-6:QN08-S064"),
            20,
            RecordError::Inputs,
        ),
        (
            suite("OCRA-1:HOTP-SHA1-6:QN05"),
            20,
            RecordError::ShortChallenge,
        ),
    ] {
        let seed = SecretBytes::new(vec![1; seed_len]);
        assert_eq!(Record::new(mode, seed, 0, limit), Err(error));
    }
}

#[test]
fn what_is_not_understood_is_no_record() {
    let text = time().to_text().expose().to_owned();
    for (from, to, error) in [
        (
            "countersign-passcode 1",
            "countersign-passcode 2",
            TextError::Head,
        ),
        ("mode time", "mode timer", TextError::Value("mode")),
        ("mode time", "mode event", TextError::Missing("next")),
        ("digits 10", "digits 3", TextError::Value("digits")),
        (
            "digits 10",
            "digits 5",
            TextError::Record(RecordError::FewDigits),
        ),
        ("period 30", "period 0", TextError::Value("period")),
        ("drift 0\n", "", TextError::Missing("drift")),
        ("drift 0\n", "drift 0\ndrift 1\n", TextError::Twice("drift")),
        ("drift 0\n", "drift 0\nnext 1\n", TextError::Line(7)),
        ("drift 0\n", "drift 0\nlasting 1\n", TextError::Line(7)),
        ("drift 0\n", "drift 0\n\n", TextError::Line(7)),
        ("seed G", "seed g", TextError::Value("seed")),
        ("limit 5/300", "limit 500/300", TextError::Value("limit")),
        (
            "limit 5/300",
            "limit 5/300\ntried x",
            TextError::Value("tried"),
        ),
    ] {
        assert!(text.contains(from), "{from}");
        assert_eq!(Record::parse(&text.replace(from, to)), Err(error), "{to}");
    }
    let many = format!("{text}{}", "tried 1\n".repeat(21));
    assert_eq!(Record::parse(&many), Err(TextError::Value("tried")));
    let long = format!("{text}{}", "tried 1\n".repeat(600));
    assert_eq!(Record::parse(&long), Err(TextError::TooLong));
    assert_eq!(Record::parse(""), Err(TextError::Head));
}

#[test]
fn a_record_prints_no_seed() {
    let printed = format!("{:?}", time());
    assert!(printed.contains("[REDACTED]"), "{printed}");
    assert!(!printed.contains("GEZDGNBVGY3TQOJQ"), "{printed}");
}

/// What happens between a device, a clock and the record.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The clock goes on, or back.
    Clock(i64),
    /// The passcode of this step or counter, from the middle of what is around, is tried.
    Try(i64),
    /// The same, and the program is killed after the count.
    KilledAfterCount(i64),
    /// The same, and the program is killed after the verdict, before the record is durable: nobody is let in.
    KilledAfterLook(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let near = || prop_oneof![8 => -3_i64..14, 1 => -40_i64..60];
    let event = prop_oneof![
        2 => (-100_i64..700).prop_map(Event::Clock),
        6 => near().prop_map(Event::Try),
        1 => near().prop_map(Event::KilledAfterCount),
        1 => near().prop_map(Event::KilledAfterLook),
    ];
    proptest::collection::vec(event, 1..60)
}

/// Plays `events` and returns the values that were accepted, in order.
fn play(mut record: Record, events: &[Event], around: impl Fn(&Record, u64) -> u64) -> Vec<u64> {
    let mut now = START;
    let mut accepted = Vec::new();
    for event in events {
        let (offset, kill) = match *event {
            Event::Clock(secs) => {
                now = now.saturating_add_signed(secs);
                continue;
            }
            Event::Try(offset) => (offset, None),
            Event::KilledAfterCount(offset) | Event::KilledAfterLook(offset) => {
                (offset, Some(*event))
            }
        };
        let value = around(&record, now).saturating_add_signed(offset);
        let Ok(begun) = record.begin(&typed(&passcode(value)), None, at(now)) else {
            continue;
        };
        let counted = begun.counted().clone();
        let (verdict, after) = begun.judge(Window::DEFAULT, at(now));
        record = if kill.is_some() { counted } else { after };
        if kill.is_none() && matches!(verdict, Verdict::Accepted(_)) {
            accepted.push(value);
        }
        record = stored(&record);
    }
    accepted
}

proptest! {
    #[test]
    fn no_passcode_is_accepted_twice_in_whatever_order(events in events(), by_time in any::<bool>()) {
        let accepted = if by_time {
            play(time(), &events, |_, now| now / 30)
        } else {
            play(event(), &events, |record, _| match record.factor() {
                Factor::Event { next, .. } => *next,
                Factor::Time { .. } | Factor::Challenge { .. } => 0,
            })
        };
        let distinct: BTreeSet<u64> = accepted.iter().copied().collect();
        prop_assert_eq!(distinct.len(), accepted.len());
        prop_assert!(accepted.is_sorted(), "never behind the last: {:?}", accepted);
    }

    #[test]
    fn no_more_wrong_ones_are_looked_at_than_the_limit_says(
        pauses in proptest::collection::vec(0_u64..200, 1..80),
    ) {
        let mut record = time();
        let mut now = START;
        let mut looked_at: Vec<u64> = Vec::new();
        for pause in pauses {
            now = now.saturating_add(pause);
            if try_at(&mut record, "0000000000", now) == WRONG {
                looked_at.push(now);
            }
            let lately = looked_at.iter().filter(|at| now.saturating_sub(**at) < 300).count();
            prop_assert!(lately <= 5);
            prop_assert!(record.wait_secs(at(now)).is_none_or(|wait| wait <= 300));
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>(), lines in "([a-z-]{1,8} [0-9A-Z/ -]{0,20}\n){0,12}") {
        let _refused = Record::parse(&text);
        let _read = Record::parse(&format!("countersign-passcode 1\n{lines}"));
        let _typed = time().begin(&typed(&text), Some(&text), at(START));
    }
}
