//! The harness itself: its parts are real and do what the other tests rely on.

use std::collections::HashMap;

use countersign_tests::{
    Workspace,
    bus::{Activation, PrivateBus},
    desktop::{self, Desktop},
    keyring::{self, KeyringDaemon, KeyringDoor},
    notices::NoticeWitness,
    parts, patiently,
};
use futures_util::StreamExt as _;
use zbus::{proxy, zvariant::Value};

#[proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications"
)]
trait Notifications {
    #[expect(clippy::too_many_arguments, reason = "the specification's arguments")]
    fn notify(
        &self,
        program: &str,
        replaces: u32,
        icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        timeout: i32,
    ) -> zbus::Result<u32>;
    #[zbus(signal)]
    fn action_invoked(&self, id: u32, action: &str) -> zbus::Result<()>;
}

#[test]
fn a_choice_in_the_real_notification_server_reaches_the_one_who_asked() {
    if !parts::are_there("harness::choice", &desktop::PROGRAMS) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let bus = PrivateBus::start(&workspace, &Activation::Nothing).unwrap();
    let desktop = Desktop::start(&workspace, &bus).unwrap();
    let mut witness = NoticeWitness::new(&bus).unwrap();
    let connection = bus.connect().unwrap();
    let server = patiently("a proxy", NotificationsProxy::new(&connection))
        .unwrap()
        .unwrap();
    let mut chosen = patiently("a signal", server.receive_action_invoked())
        .unwrap()
        .unwrap();
    let actions = ["deny", "Deny", "approve", "Approve"];
    let asked = server.notify(
        "test",
        0,
        "",
        "Log in?",
        "<b>alice</b>",
        &actions,
        HashMap::new(),
        0,
    );
    let id = patiently("Notify", asked).unwrap().unwrap();

    let notice = witness.wait().unwrap();
    assert_eq!(notice.id, id);
    assert_eq!(notice.body, "<b>alice</b>");
    desktop.choose(&notice, "approve").unwrap();

    let signal = patiently("the choice", chosen.next()).unwrap().unwrap();
    let choice = signal.args().unwrap();
    assert_eq!((choice.id, choice.action), (id, "approve"));
    let picture = workspace.join("picture.png");
    desktop.picture(&picture).unwrap();
    assert!(picture.metadata().unwrap().len() > 100);
}

#[test]
fn the_real_keyring_starts_open() {
    if !parts::are_there("harness::keyring", &["dbus-daemon", keyring::PROGRAM]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let bus = PrivateBus::start(&workspace, &Activation::Nothing).unwrap();
    let keyring = KeyringDaemon::start(&workspace, &bus, KeyringDoor::Open).unwrap();
    assert!(bus.has_name("org.freedesktop.secrets").unwrap());
    keyring.stop().unwrap();
}
