//! No server, no bus, or nobody wants any.

use countersign_tests::patiently;
use countersignd::{
    agent::ports::{NotificationError, Notifications as _},
    config::NotificationsWanted,
    desktop::notification::DesktopNotifications,
};
use tokio::sync::mpsc;

use crate::{
    plain_server,
    rig::{Rig, notice},
};

#[test]
fn without_a_server_there_is_none_and_a_later_one_shows_the_question() {
    let Some(rig) = Rig::new("notification::without_a_server") else {
        return;
    };
    assert_eq!(rig.ask(&notice()), Err(NotificationError::NoServer));
    assert_eq!(
        patiently("an answer", rig.notifications.server()).unwrap(),
        None
    );
    let (_server, mut asked, _) = plain_server::serve(&rig, &["body"]);
    let shown = patiently("Notify", asked.recv()).unwrap().unwrap();
    assert!(shown.body.starts_with("alice · from "), "{shown:?}");
}

#[test]
fn without_a_bus_there_is_no_server() {
    let (sender, _inputs) = mpsc::channel(1);
    let notifications = DesktopNotifications::new(NotificationsWanted::Yes, None, sender);
    let asked = patiently("an answer", notifications.ask(&notice())).unwrap();
    assert_eq!(asked, Err(NotificationError::NoServer));
}

#[test]
fn switched_off_is_switched_off() {
    let Some(rig) = Rig::new("notification::switched_off") else {
        return;
    };
    let (_server, mut asked, _) = plain_server::serve(&rig, &["body"]);
    let (sender, _inputs) = mpsc::channel(1);
    let bus = Some(rig.connection);
    let notifications = DesktopNotifications::new(NotificationsWanted::No, bus, sender);
    let refused = patiently("an answer", notifications.ask(&notice())).unwrap();
    assert_eq!(refused, Err(NotificationError::SwitchedOff));
    assert!(asked.try_recv().is_err());
}
