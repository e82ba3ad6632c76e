//! Somebody else says what only fprintd may say: another program of the user, and another user of the machine.

use countersign_tests::{
    Workspace,
    fingerprint_reader::{self, FingerprintReader, INTERFACE, NAME, READER},
    forger::{self, Forged, Forger},
    parts, patiently, polkit, system_bus,
};
use countersignd::agent::ports::Scan;
use futures_util::StreamExt as _;
use zbus::MessageStream;

use crate::rig::{Asked, RIGHT, Rig, WRONG, adapter};

#[test]
fn a_forged_match_of_another_program_is_not_heard() {
    let Some(rig) = Rig::enrolled("fingerprint::forged") else {
        return;
    };
    let forger = Forger::new(&rig.bus).unwrap();
    let before = forger.present().unwrap();
    let asked = rig.ask();
    let victim = forger.newcomer(&before).unwrap();
    let matched = ("verify-match", true);
    for to in [None, Some(victim.as_str())] {
        forger
            .emit(to, READER, INTERFACE, "VerifyStatus", &matched)
            .unwrap();
    }
    // A forged change of owner makes the forger not fprintd, and does not end the scan.
    let change = (NAME, "", forger.name());
    forger
        .emit(
            Some(&victim),
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameOwnerChanged",
            &change,
        )
        .unwrap();
    forger
        .emit(Some(&victim), READER, INTERFACE, "VerifyStatus", &matched)
        .unwrap();
    // What fprintd says is the first thing that is heard.
    rig.lay(WRONG);
    assert_eq!(asked.end(), Ok(Scan::NoMatch));
}

#[test]
fn a_forged_match_of_another_user_is_not_heard() {
    let test = "fingerprint::forged_by_another_user";
    let programs = [
        "dbus-daemon",
        "dbus-send",
        "setpriv",
        fingerprint_reader::DAEMON,
        polkit::DAEMON,
    ];
    if !parts::are_there(test, &programs) {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        parts::skipped(test, "a second user needs root");
        return;
    }
    let workspace = Workspace::new().unwrap();
    let bus = system_bus::start_for_all_users(&workspace).unwrap();
    let _polkit = polkit::start_real(&workspace, &bus).unwrap();
    let reader = FingerprintReader::start(&workspace, &bus).unwrap();
    reader.enroll(&bus, "right-index-finger", RIGHT).unwrap();
    let control = bus.connect().unwrap();
    let mut heard = MessageStream::from(&control);
    let witness = Forger::new(&bus).unwrap();
    let before = witness.present().unwrap();

    let asked = Asked::waiting(&adapter(&bus));
    let victim = witness.newcomer(&before).unwrap();
    let matched = Forged {
        path: READER,
        member: "net.reactivated.Fprint.Device.VerifyStatus",
        arguments: &["string:verify-match", "boolean:true"],
    };
    forger::as_nobody(&bus, &victim, matched).unwrap();
    // The bus carries it: another connection of this user, which checks nothing, gets the next one.
    let control_name = control.unique_name().unwrap().to_string();
    forger::as_nobody(&bus, &control_name, matched).unwrap();
    patiently("the forgery at somebody who does not check", async {
        loop {
            let message = heard.next().await.unwrap().unwrap();
            if message
                .header()
                .member()
                .is_some_and(|member| member == "VerifyStatus")
            {
                break;
            }
        }
    })
    .unwrap();
    reader.scan(&bus, WRONG).unwrap();
    assert_eq!(asked.end(), Ok(Scan::NoMatch));
}
