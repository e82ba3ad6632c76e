//! The adapter on a private bus, and what comes out of it.

use core::time::Duration;

use countersign_core::{
    ids::LoginRequestId, login_origin::LoginOrigin, login_request::Subject, time::UnixMillis,
};
use countersign_tests::{
    Workspace,
    bus::{Activation, PrivateBus},
    desktop::{self, Desktop},
    notices::NoticeWitness,
    parts, patiently,
};
use countersignd::{
    agent::ports::{
        Approval, Extent, Input, LoginRequestNotice, NoticeChoice, NoticedOutcome,
        NotificationError, Notifications as _, OutcomeNotice, ShownThere,
    },
    config::NotificationsWanted,
    desktop::notification::DesktopNotifications,
};
use tokio::sync::mpsc;

pub(crate) const REQUEST: LoginRequestId = LoginRequestId([0x3f; 16]);

/// The adapter with its queue, on a bus of its own.
pub(crate) struct Rig {
    pub(crate) notifications: DesktopNotifications,
    pub(crate) connection: zbus::Connection,
    inputs: mpsc::Receiver<Input>,
    pub(crate) bus: PrivateBus,
    pub(crate) workspace: Workspace,
}

impl Rig {
    /// A bus that starts nothing by itself; nothing if there is no bus program to be had.
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !parts::are_there(test, &["dbus-daemon"]) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let bus = PrivateBus::start(&workspace, &Activation::Nothing).unwrap();
        let connection = bus.connect().unwrap();
        let (sender, inputs) = mpsc::channel(16);
        let notifications =
            DesktopNotifications::new(NotificationsWanted::Yes, Some(connection.clone()), sender);
        Some(Self {
            notifications,
            connection,
            inputs,
            bus,
            workspace,
        })
    }

    pub(crate) fn ask(&self, notice: &LoginRequestNotice) -> Result<(), NotificationError> {
        patiently("the question to be taken", self.notifications.ask(notice)).unwrap()
    }

    pub(crate) fn tell(&self, outcome: NoticedOutcome) {
        let notice = OutcomeNotice {
            id: REQUEST,
            subject: Subject::Login,
            resource: "Example Portal".to_owned(),
            user: "alice".to_owned(),
            outcome,
        };
        patiently("the outcome to be taken", self.notifications.tell(&notice))
            .unwrap()
            .unwrap();
    }

    pub(crate) fn withdraw(&self) {
        patiently("the question to go", self.notifications.withdraw(REQUEST)).unwrap();
    }

    /// The next thing that the user did.
    pub(crate) fn choice(&mut self) -> NoticeChoice {
        match patiently("a choice", self.inputs.recv()).unwrap() {
            Some(Input::Notice { id, choice }) => {
                assert_eq!(id, REQUEST);
                choice
            }
            other => panic!("not from a notification: {other:?}"),
        }
    }

    /// What the user has done and nobody has looked at yet.
    pub(crate) fn unseen(&mut self) -> Option<Input> {
        self.inputs.try_recv().ok()
    }
}

/// dunst on the rig's bus, and a witness of what it is asked.
pub(crate) struct Dunst {
    pub(crate) notices: NoticeWitness,
    pub(crate) desktop: Desktop,
    pub(crate) rig: Rig,
}

impl Dunst {
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !parts::are_there(test, &desktop::PROGRAMS) {
            return None;
        }
        let rig = Rig::new(test)?;
        let desktop = Desktop::start(&rig.workspace, &rig.bus).unwrap();
        let notices = NoticeWitness::new(&rig.bus).unwrap();
        Some(Self {
            notices,
            desktop,
            rig,
        })
    }
}

pub(crate) fn notice() -> LoginRequestNotice {
    LoginRequestNotice {
        id: REQUEST,
        subject: Subject::Login,
        service: "Example".to_owned(),
        token: "Work".to_owned(),
        question: String::new(),
        resource: "Example Portal".to_owned(),
        user: "alice".to_owned(),
        origin: LoginOrigin::Unknown,
        client_address: "203.0.113.7".to_owned(),
        place: "Vienna".to_owned(),
        program: "Firefox on Linux".to_owned(),
        at: UnixMillis(1_795_485_731_000),
        left: Duration::from_mins(1),
        approval: Approval::Click,
        shown_there: ShownThere::Nothing,
        others: 0,
        extent: Extent::Short,
    }
}
