//! The real systemd-logind.

use countersign_tests::{
    parts,
    systemd_logind::{self, SystemdLogind},
};
use countersignd::desktop::logind::SessionOwner;

use crate::rig::{PROCESS, Stage};

#[test]
fn the_real_logind_locks_and_unlocks() {
    let test = "logind::real";
    if !parts::are_there(test, &systemd_logind::PROGRAMS) {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        parts::skipped(test, "a mount namespace needs root");
        return;
    }
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let logind = SystemdLogind::start(&stage.workspace, &stage.bus, 0).unwrap();
    let listed = logind.loginctl(&["list-sessions", "--no-legend"]).unwrap();
    assert!(listed.contains("c1"), "{listed}");
    let mut watch = stage.watch_of(SessionOwner {
        uid: 0,
        process: PROCESS,
        session_id: None,
    });
    watch.watches("c1");
    logind.loginctl(&["lock-session", "c1"]).unwrap();
    watch.expect("ScreenLocked");
    logind.loginctl(&["unlock-session", "c1"]).unwrap();
    watch.expect("ScreenUnlocked");
    logind.hint_locked(true).unwrap();
    watch.expect("ScreenLocked");
    let inhibitors = logind
        .loginctl(&["show-session", "c1", "--property=LockedHint"])
        .unwrap();
    assert_eq!(inhibitors, "LockedHint=yes\n");
    logind.hint_locked(false).unwrap();
    watch.expect("ScreenUnlocked");
    watch.is_silent();
}
