//! Root asks for the finger itself: the real fprintd, and a reader that the test lays fingers on.

use std::thread;

use countersign_core::sudo::{AcceptedKey, AcceptedKeys, Finger, Least};
use countersign_proto::sudo::v1::Level;
use countersign_tests::{
    Workspace,
    fingerprint_reader::{self, FingerprintReader},
    parts,
    polkit::{self, Polkit},
    system_bus,
};

use crate::{
    desk::{Desk, is_possible},
    liar::{self, approval, key},
};

/// The finger that is enrolled, and one that is not.
const RIGHT: &str = "f1";
const WRONG: &str = "f2";

/// The rig's fingers are those of whoever runs the test, so root's account is the one to be proved.
#[test]
fn root_asks_for_the_finger_itself() {
    let needed = ["dbus-daemon", fingerprint_reader::DAEMON, "fprintd-verify"];
    if !is_possible("sudo::finger") || !parts::are_there("sudo::finger", &needed) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let bus = system_bus::start(&workspace).unwrap();
    let _polkit = Polkit::start(&bus, &[polkit::VERIFY, polkit::ENROLL]).unwrap();
    let reader = FingerprintReader::start(&workspace, &bus).unwrap();
    reader.enroll(&bus, "right-index-finger", RIGHT).unwrap();

    let mut desk = Desk::new();
    desk.end_agent();
    // The system's own place for the bus: the module gives its program no environment.
    let socket = workspace.join("run/system-bus");
    desk.root(&format!(
        "mkdir -p /run/dbus; touch /run/dbus/system_bus_socket; mount --bind {} /run/dbus/system_bus_socket",
        socket.display()
    ));
    let accepted = AcceptedKey::new(*key(1).verifying_key(), Least::User, Finger::ByRoot, "test");
    let keys = AcceptedKeys::default().with(accepted).unwrap();
    let file = "/etc/countersign/pam/keys.d/root";
    desk.sandbox.write(file, &keys.to_text(), 0o644).unwrap();
    desk.service(
        "finger",
        &format!("auth required {} timeout=60", desk.module),
    );
    let _honest = liar::listen_for(&desk, 0, 0, |mut stream| {
        if let Some(ask) = liar::question(&mut stream) {
            let answer = liar::answer(approval(&ask, 1, Level::Pin));
            drop(std::io::Write::write_all(
                &mut stream,
                &[liar::shown(), answer].concat(),
            ));
            drop(std::io::Read::read(&mut stream, &mut [0; 64]));
        }
    });
    for (finger, proves) in [(RIGHT, true), (WRONG, false)] {
        let (said, let_in) = thread::scope(|scope| {
            let login = scope.spawn(|| desk.sandbox.login("finger", "root", "").unwrap());
            reader.wait_until_needed(&bus).unwrap();
            reader.scan(&bus, finger).unwrap();
            login.join().unwrap()
        });
        assert!(said.contains("touch the fingerprint reader"), "{said}");
        assert_eq!(let_in, proves, "{finger}: {said}");
    }
    // Without a reader nobody is let in by the agent's word alone.
    drop(reader);
    let (said, let_in) = desk.sandbox.login("finger", "root", "").unwrap();
    assert!(!let_in && said.contains("could not be used"), "{said}");
    desk.end();
}
