//! Why no finger can be asked for.

use countersign_tests::{
    Workspace, fingerprint_reader::OtherUse, parts, patiently, polkit, system_bus,
};
use countersignd::{
    agent::ports::{Fingerprint as _, FingerprintError},
    desktop::{fingerprint::FprintReader, system_bus::SystemBus},
};

use crate::rig::{Asked, LONG, RIGHT, Rig, adapter};

#[test]
fn without_a_system_bus_there_is_no_service() {
    let workspace = Workspace::new().unwrap();
    let nowhere = format!("unix:path={}", workspace.join("run/nothing").display());
    let adapter = FprintReader::new(SystemBus::At(nowhere));
    let asked = Asked::begin(&adapter, LONG);
    assert_eq!(asked.end(), Err(FingerprintError::NoService));
    let fingers = patiently("the fingers", adapter.fingers()).unwrap();
    assert_eq!(fingers, Err(FingerprintError::NoService));
}

#[test]
fn without_fprintd_there_is_no_service() {
    if !parts::are_there("fingerprint::without_fprintd", &["dbus-daemon"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let bus = system_bus::start(&workspace).unwrap();
    let adapter = adapter(&bus);
    let asked = Asked::begin(&adapter, LONG);
    assert_eq!(asked.end(), Err(FingerprintError::NoService));
    let fingers = patiently("the fingers", adapter.fingers()).unwrap();
    assert_eq!(fingers, Err(FingerprintError::NoService));
}

#[test]
fn no_reader_and_no_enrolled_finger_are_told_apart() {
    let Some(mut rig) = Rig::new("fingerprint::no_reader") else {
        return;
    };
    assert_eq!(rig.refusal(), FingerprintError::NothingEnrolled);
    rig.reader.restart_without_reader(&rig.bus).unwrap();
    assert_eq!(rig.refusal(), FingerprintError::NoReader);
    assert_eq!(rig.fingers(), Err(FingerprintError::NoReader));
    // A reader that is plugged in again, and a service with another name on the bus.
    rig.reader.restart(&rig.bus).unwrap();
    rig.reader
        .enroll(&rig.bus, "right-index-finger", RIGHT)
        .unwrap();
    rig.works();
}

#[test]
fn a_reader_in_use_is_left_to_the_one_who_has_it() {
    let Some(rig) = Rig::enrolled("fingerprint::in_use") else {
        return;
    };
    let other = OtherUse::claim(&rig.bus).unwrap();
    assert_eq!(rig.refusal(), FingerprintError::InUse);
    other.end().unwrap();
    let other = OtherUse::begin(&rig.bus).unwrap();
    assert_eq!(rig.refusal(), FingerprintError::InUse);
    // To ask for names needs no claim.
    assert_eq!(rig.fingers(), Ok(vec!["right-index-finger".to_owned()]));
    other.end().unwrap();
    rig.works();
}

#[test]
fn what_polkit_forbids_is_not_allowed() {
    let Some(rig) = Rig::enrolled("fingerprint::polkit") else {
        return;
    };
    rig.polkit.allow(&[]);
    assert_eq!(rig.refusal(), FingerprintError::NotAllowed);
    assert_eq!(rig.fingers(), Err(FingerprintError::NotAllowed));
    // May claim, may not verify.
    rig.polkit.allow(&[polkit::ENROLL]);
    assert_eq!(rig.refusal(), FingerprintError::NotAllowed);
    rig.polkit.allow(&[polkit::VERIFY]);
    rig.works();
}
