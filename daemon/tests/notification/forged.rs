//! Another program of the session says what only the server may say (desktop threat: any process of the user).

use countersign_tests::patiently;
use countersignd::agent::ports::NoticeChoice;
use zbus::Connection;

use crate::rig::{Dunst, notice};

const PATH: &str = "/org/freedesktop/Notifications";
const INTERFACE: &str = "org.freedesktop.Notifications";

/// Emits a signal from `forger`, to everybody or to one connection, and waits until the bus has passed it on.
fn emit<B>(forger: &Connection, to: Option<&str>, path: &str, interface: &str, name: &str, body: &B)
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    patiently("the bus", async {
        forger
            .emit_signal(to, path, interface, name, body)
            .await
            .unwrap();
        // The bus handles one connection's messages in order: with this answer the signal has been passed on.
        let bus = zbus::fdo::DBusProxy::new(forger).await.unwrap();
        bus.get_id().await.unwrap();
    })
    .unwrap();
}

#[test]
fn forged_answers_are_ignored() {
    let Some(mut dunst) = Dunst::new("notification::forged_answers") else {
        return;
    };
    dunst.rig.ask(&notice()).unwrap();
    let shown = dunst.notices.wait().unwrap();
    let forger = dunst.rig.bus.connect().unwrap();
    let victim = dunst.rig.connection.unique_name().unwrap().to_string();
    let forger_name = forger.unique_name().unwrap().to_string();
    let approve = (shown.id, "approve");
    for to in [None, Some(victim.as_str())] {
        emit(&forger, to, PATH, INTERFACE, "ActionInvoked", &approve);
        emit(
            &forger,
            to,
            PATH,
            INTERFACE,
            "NotificationClosed",
            &(shown.id, 2_u32),
        );
    }
    // A forged change of owner does not make the forger the server.
    let change = (INTERFACE, forger_name.as_str(), forger_name.as_str());
    let bus = "org.freedesktop.DBus";
    emit(
        &forger,
        Some(victim.as_str()),
        "/org/freedesktop/DBus",
        bus,
        "NameOwnerChanged",
        &change,
    );
    emit(
        &forger,
        Some(victim.as_str()),
        PATH,
        INTERFACE,
        "ActionInvoked",
        &approve,
    );
    // What the server says is the first thing that is heard.
    dunst.desktop.choose(&shown, "deny").unwrap();
    assert_eq!(dunst.rig.choice(), NoticeChoice::Deny);
    assert!(dunst.rig.unseen().is_none());
}
