//! A scan that ends before a finger came: the reader, its service or the machine goes, or nobody wants it.

use countersign_tests::{
    Workspace,
    fingerprint_reader::{self, OtherUse},
    forger::Forger,
    logind::Logind,
    parts, system_bus,
};
use countersignd::agent::ports::{FingerHint, FingerprintError};

use crate::rig::{Asked, LONG, Rig};

#[test]
fn a_service_that_dies_ends_the_scan_and_the_next_one_is_found() {
    let Some(mut rig) = Rig::enrolled("fingerprint::a_service_that_dies") else {
        return;
    };
    let asked = rig.ask();
    rig.reader.kill().unwrap();
    assert_eq!(asked.end(), Err(FingerprintError::Failed));
    assert_eq!(rig.refusal(), FingerprintError::NoService);
    rig.reader.restart(&rig.bus).unwrap();
    rig.works();
}

#[test]
fn a_reader_that_is_pulled_out_fails() {
    let Some(rig) = Rig::enrolled("fingerprint::unplugged") else {
        return;
    };
    let asked = rig.ask();
    rig.reader.unplug(&rig.bus).unwrap();
    assert_eq!(asked.end(), Err(FingerprintError::Failed));
    rig.reader.wait_until_forgotten(&rig.bus).unwrap();
    assert_eq!(rig.refusal(), FingerprintError::NoReader);
}

#[test]
fn a_machine_that_goes_to_sleep_ends_the_scan() {
    let programs = ["dbus-daemon", fingerprint_reader::DAEMON];
    if !parts::are_there("fingerprint::sleep", &programs) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let bus = system_bus::start(&workspace).unwrap();
    let mut logind = Logind::start(&bus, 0).unwrap();
    logind.appear().unwrap();
    let mut rig = Rig::on(workspace, bus);
    rig.reader
        .enroll(&rig.bus, "right-index-finger", crate::rig::RIGHT)
        .unwrap();
    // fprintd's own.
    let inhibitor = logind.inhibitor().unwrap();
    let asked = rig.ask();
    logind.prepare_for_sleep(true).unwrap();
    assert_eq!(asked.end(), Err(FingerprintError::Failed));
    inhibitor.released().unwrap();
    assert_eq!(
        Asked::begin(&rig.adapter, LONG).end(),
        Err(FingerprintError::Failed)
    );
    logind.prepare_for_sleep(false).unwrap();
    let _again = logind.inhibitor().unwrap();
    // fprintd 1.94.2 does not close a reader that is released while asleep, and cannot open it again: until
    // it ends, which it does after 30 seconds without a client, every scan fails.
    rig.reader.restart(&rig.bus).unwrap();
    rig.works();
}

#[test]
fn a_scan_that_is_dropped_frees_the_reader_at_once() {
    let Some(rig) = Rig::enrolled("fingerprint::dropped") else {
        return;
    };
    let witness = Forger::new(&rig.bus).unwrap();
    let before = witness.present().unwrap();
    let asked = rig.ask();
    let adapter = witness.newcomer(&before).unwrap();
    asked.drop_it();
    // The connection ends, and with it the claim: no call has to reach fprintd first.
    witness.wait_until_gone(&adapter).unwrap();
    OtherUse::begin(&rig.bus).unwrap().end().unwrap();
    rig.works();
}

#[test]
fn a_scan_that_is_dropped_while_fprintd_hangs_leaves_nothing_behind() {
    let Some(rig) = Rig::enrolled("fingerprint::dropped_early") else {
        return;
    };
    let witness = Forger::new(&rig.bus).unwrap();
    let before = witness.present().unwrap();
    rig.reader.freeze().unwrap();
    let asked = Asked::begin(&rig.adapter, LONG);
    let adapter = witness.wait_for_newcomer(&before).unwrap();
    asked.drop_it();
    witness.wait_until_gone(&adapter).unwrap();
    rig.reader.thaw().unwrap();
    OtherUse::begin(&rig.bus).unwrap().end().unwrap();
}

#[test]
fn nothing_stays_on_the_bus_between_scans() {
    let Some(rig) = Rig::enrolled("fingerprint::between_scans") else {
        return;
    };
    let witness = Forger::new(&rig.bus).unwrap();
    let before = witness.present().unwrap();
    let mut asked = rig.ask();
    let adapter = witness.newcomer(&before).unwrap();
    rig.reader
        .retry(&rig.bus, fingerprint_reader::Retry::General)
        .unwrap();
    assert_eq!(asked.hint(), FingerHint::Again);
    rig.lay(crate::rig::RIGHT);
    assert!(asked.end().is_ok());
    witness.wait_until_gone(&adapter).unwrap();
}
