//! Another program says what only logind may say.

use std::collections::HashMap;

use countersign_tests::{
    forger::Forger,
    logind::{Logind, MANAGER, MANAGER_INTERFACE, NAME, SESSION_INTERFACE},
};
use countersignd::desktop::logind::SessionKnowledge;
use zbus::zvariant::Value;

use crate::rig::Stage;

#[test]
fn forged_signals_are_not_heard() {
    let Some(stage) = Stage::new("logind::forged") else {
        return;
    };
    let mut logind = stage.logind();
    let forger = Forger::new(&stage.bus).unwrap();
    let before = forger.present().unwrap();
    let mut watch = stage.watch();
    watch.watches("c1");
    let victim = forger.newcomer(&before).unwrap();
    let session = Logind::session("c1");
    let inhibitor = logind.inhibitor().unwrap();
    let emit_all = |to: Option<&str>| {
        forger
            .emit(to, &session, SESSION_INTERFACE, "Lock", &())
            .unwrap();
        forger
            .emit(to, MANAGER, MANAGER_INTERFACE, "PrepareForSleep", &true)
            .unwrap();
        for (property, value) in [("LockedHint", true), ("Active", false)] {
            let changed = HashMap::from([(property, Value::from(value))]);
            let nothing: [&str; 0] = [];
            forger
                .emit(
                    to,
                    &session,
                    "org.freedesktop.DBus.Properties",
                    "PropertiesChanged",
                    &(SESSION_INTERFACE, changed, nothing),
                )
                .unwrap();
        }
    };
    emit_all(None);
    emit_all(Some(&victim));
    // A forged change of owner makes the forger not logind.
    let bus = "org.freedesktop.DBus";
    let change = (NAME, "", forger.name());
    forger
        .emit(
            Some(&victim),
            "/org/freedesktop/DBus",
            bus,
            "NameOwnerChanged",
            &change,
        )
        .unwrap();
    emit_all(Some(&victim));
    // A locked screen cannot be made to seem open either.
    logind.hint_locked("c1", true).unwrap();
    watch.expect("ScreenLocked");
    let changed = HashMap::from([("LockedHint", Value::from(false))]);
    let nothing: [&str; 0] = [];
    forger
        .emit(
            Some(&victim),
            &session,
            "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            &(SESSION_INTERFACE, changed, nothing),
        )
        .unwrap();
    forger
        .emit(Some(&victim), &session, SESSION_INTERFACE, "Unlock", &())
        .unwrap();
    // What logind says is the next thing that is heard.
    logind.activate("c1", false).unwrap();
    watch.expect("SwitchedAway");
    assert!(inhibitor.is_held());
    watch.knows(&SessionKnowledge::Watched("c1".to_owned()));
    watch.is_silent();
}
