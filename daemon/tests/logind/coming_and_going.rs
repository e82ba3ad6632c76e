//! logind, sessions and the bus come and go.

use countersign_tests::{Workspace, logind::Logind, patiently};
use countersignd::{
    agent::ports::Input,
    desktop::{
        logind::{SessionKnowledge, SessionOwner, SessionWatch},
        system_bus::SystemBus,
    },
};
use tokio::sync::mpsc;

use crate::rig::{PROCESS, Stage, UID, owner};

#[test]
fn a_logind_that_comes_later_is_found() {
    let Some(stage) = Stage::new("logind::comes_later") else {
        return;
    };
    let mut watch = stage.watch();
    let logind = Logind::start(&stage.bus, UID).unwrap();
    logind.log_in("c1").unwrap();
    logind.hint_locked("c1", true).unwrap();
    logind.appear().unwrap();
    watch.watches("c1");
    watch.expect("ScreenLocked");
    watch.is_silent();
}

#[test]
fn a_logind_that_is_restarted_is_asked_anew() {
    let Some(stage) = Stage::new("logind::restarted") else {
        return;
    };
    let mut logind = stage.logind();
    let mut watch = stage.watch();
    watch.watches("c1");
    let inhibitor = logind.inhibitor().unwrap();
    logind.stop().unwrap();
    watch.knows(&SessionKnowledge::NoLogind);
    inhibitor.released().unwrap();

    let mut logind = Logind::start(&stage.bus, UID).unwrap();
    logind.log_in("c1").unwrap();
    logind.hint_locked("c1", true).unwrap();
    logind.appear().unwrap();
    watch.expect("ScreenLocked");
    assert!(logind.inhibitor().unwrap().is_held());
    logind.hint_locked("c1", false).unwrap();
    watch.expect("ScreenUnlocked");
    logind.prepare_for_sleep(true).unwrap();
    drop(watch.suspending());
    watch.is_silent();
}

#[test]
fn the_users_display_is_followed_from_session_to_session() {
    let Some(stage) = Stage::new("logind::display") else {
        return;
    };
    let logind = stage.logind();
    let mut watch = stage.watch();
    watch.watches("c1");
    logind.lock("c1").unwrap();
    watch.expect("ScreenLocked");
    logind.log_in("c2").unwrap();
    watch.expect("ScreenUnlocked");
    watch.watches("c2");
    // What happens in the other one is not this user's screen any more.
    logind.hint_locked("c1", true).unwrap();
    logind.lock("c1").unwrap();
    logind.lock("c2").unwrap();
    logind.unlock("c2").unwrap();
    watch.expect("ScreenLocked");
    watch.expect("ScreenUnlocked");
    logind.log_out("c2").unwrap();
    watch.expect("SwitchedAway");
    watch.knows(&SessionKnowledge::NoSession);
    logind.show_on_display(Some("c1")).unwrap();
    watch.expect("ScreenLocked");
    watch.expect("SwitchedBack");
    watch.is_silent();
}

#[test]
fn a_user_who_logs_in_later_is_found() {
    let Some(stage) = Stage::new("logind::logs_in_later") else {
        return;
    };
    let logind = Logind::start(&stage.bus, UID).unwrap();
    logind.appear().unwrap();
    let mut watch = stage.watch();
    watch.knows(&SessionKnowledge::NoSession);
    logind.log_in("c1").unwrap();
    watch.watches("c1");
    logind.lock("c1").unwrap();
    watch.expect("ScreenLocked");
}

#[test]
fn without_a_display_the_session_of_the_process_is_watched() {
    let Some(stage) = Stage::new("logind::own_session") else {
        return;
    };
    let logind = stage.logind();
    logind.show_on_display(None).unwrap();
    let mut watch = stage.watch_of(SessionOwner {
        session_id: Some("c1".to_owned()),
        ..owner()
    });
    watch.watches("c1");
    logind.lock("c1").unwrap();
    watch.expect("ScreenLocked");
    logind.lead("c1", PROCESS);
    let mut watch = stage.watch_of(SessionOwner {
        session_id: Some("no such session".to_owned()),
        ..owner()
    });
    watch.watches("c1");
    logind.lock("c1").unwrap();
    watch.expect("ScreenLocked");
}

#[test]
fn without_a_system_bus_the_watch_ends() {
    let workspace = Workspace::new().unwrap();
    let nowhere = format!("unix:path={}", workspace.join("run/nothing").display());
    let (inputs, mut events) = mpsc::channel::<Input>(1);
    let (watch, known) = SessionWatch::new(SystemBus::At(nowhere), owner(), inputs);
    patiently("the watch to end", watch.run()).unwrap();
    assert_eq!(*known.borrow(), SessionKnowledge::NoLogind);
    assert!(patiently("the end", events.recv()).unwrap().is_none());
}

#[test]
fn a_bus_that_ends_ends_the_watch() {
    let Some(mut stage) = Stage::new("logind::bus_ends") else {
        return;
    };
    let logind = stage.logind();
    let mut watch = stage.watch();
    watch.watches("c1");
    stage.bus.process().kill().unwrap();
    patiently("the watch to end", &mut watch.task)
        .unwrap()
        .unwrap();
    watch.knows(&SessionKnowledge::NoLogind);
    drop(logind);
}
