//! What fprintd says about a finger.

use core::time::Duration;

use countersign_tests::fingerprint_reader::{OtherUse, Retry};
use countersignd::agent::ports::{FingerHint, FingerprintError, Scan};

use crate::rig::{Asked, RIGHT, Rig, WRONG};

#[test]
fn the_right_finger_matches_and_another_does_not() {
    let Some(rig) = Rig::enrolled("fingerprint::the_right_finger") else {
        return;
    };
    let asked = rig.ask();
    rig.lay(WRONG);
    assert_eq!(asked.end(), Ok(Scan::NoMatch));
    // The reader is free as soon as there is a verdict.
    OtherUse::claim(&rig.bus).unwrap().end().unwrap();
    let asked = rig.ask();
    rig.lay(RIGHT);
    assert_eq!(asked.end(), Ok(Scan::Match));
    OtherUse::begin(&rig.bus).unwrap().end().unwrap();
}

#[test]
fn fingers_are_named_in_order() {
    let Some(rig) = Rig::new("fingerprint::fingers") else {
        return;
    };
    assert_eq!(rig.fingers(), Err(FingerprintError::NothingEnrolled));
    rig.reader.enroll(&rig.bus, "right-thumb", "f3").unwrap();
    rig.reader.enroll(&rig.bus, "left-thumb", RIGHT).unwrap();
    assert_eq!(
        rig.fingers(),
        Ok(vec!["left-thumb".to_owned(), "right-thumb".to_owned()])
    );
    let asked = rig.ask();
    rig.lay("f3");
    assert!(asked.end().is_ok());
}

#[test]
fn a_poor_scan_is_told_and_the_reader_goes_on_waiting() {
    let Some(rig) = Rig::enrolled("fingerprint::a_poor_scan") else {
        return;
    };
    let mut asked = rig.ask();
    for (how, hint) in [
        (Retry::General, FingerHint::Again),
        (Retry::TooShort, FingerHint::TooShort),
        (Retry::Center, FingerHint::NotCentered),
        (Retry::RemoveFinger, FingerHint::RemoveAndRetry),
    ] {
        rig.reader.retry(&rig.bus, how).unwrap();
        assert_eq!(asked.hint(), hint);
    }
    rig.lay(RIGHT);
    assert_eq!(asked.end(), Ok(Scan::Match));
}

/// libfprint's `FpDeviceError`s: general, not supported, busy, protocol, data invalid, not found, full,
/// duplicate, removed, too hot. Number 7 (a print that the reader itself has lost) comes as a wrong finger.
#[test]
fn a_reader_that_fails_is_not_a_wrong_finger() {
    let Some(rig) = Rig::enrolled("fingerprint::a_reader_that_fails") else {
        return;
    };
    for error in [0, 1, 5, 6, 8, 9, 10, 256, 257] {
        let asked = rig.ask();
        rig.reader.fail(&rig.bus, error).unwrap();
        assert_eq!(asked.end(), Err(FingerprintError::Failed), "error {error}");
    }
    rig.works();
}

#[test]
fn nobody_touches_the_reader() {
    let Some(rig) = Rig::enrolled("fingerprint::nobody_touches") else {
        return;
    };
    // To stop a verification makes fprintd say `verify-no-match`: that is no wrong finger.
    let asked = Asked::begin(&rig.adapter, Duration::from_millis(300));
    assert_eq!(asked.end(), Err(FingerprintError::TimedOut));
    OtherUse::claim(&rig.bus).unwrap().end().unwrap();
    rig.works();
}
