//! The watch on a private system bus, and what comes out of it.

use core::fmt::Debug;

use countersign_tests::{Workspace, bus::PrivateBus, logind::Logind, parts, patiently, system_bus};
use countersignd::{
    agent::ports::{Input, SessionEvent},
    desktop::{
        logind::{SessionKnowledge, SessionOwner, SessionWatch},
        system_bus::SystemBus,
    },
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

pub(crate) const UID: u32 = 1000;
/// The process that the watch says it is.
pub(crate) const PROCESS: u32 = 4711;

/// A bus of its own.
pub(crate) struct Stage {
    pub(crate) bus: PrivateBus,
    pub(crate) workspace: Workspace,
}

impl Stage {
    pub(crate) fn new(test: &str) -> Option<Self> {
        if !parts::are_there(test, &["dbus-daemon"]) {
            return None;
        }
        let workspace = Workspace::new().unwrap();
        let bus = system_bus::start(&workspace).unwrap();
        Some(Self { bus, workspace })
    }

    /// logind, there for all, with the user's session `c1`.
    pub(crate) fn logind(&self) -> Logind {
        let logind = Logind::start(&self.bus, UID).unwrap();
        logind.log_in("c1").unwrap();
        logind.appear().unwrap();
        logind
    }

    pub(crate) fn watch(&self) -> Watch {
        self.watch_of(owner())
    }

    pub(crate) fn watch_of(&self, owner: SessionOwner) -> Watch {
        let bus = SystemBus::At(self.bus.address().to_owned());
        let (inputs, events) = mpsc::channel(16);
        let (watch, known) = SessionWatch::new(bus, owner, inputs);
        Watch {
            events,
            known,
            task: tokio::spawn(watch.run()),
        }
    }
}

pub(crate) fn owner() -> SessionOwner {
    SessionOwner {
        uid: UID,
        process: PROCESS,
        session_id: None,
    }
}

/// A running watch.
pub(crate) struct Watch {
    events: mpsc::Receiver<Input>,
    known: watch::Receiver<SessionKnowledge>,
    pub(crate) task: JoinHandle<()>,
}

impl Watch {
    /// Waits until the session is known.
    pub(crate) fn knows(&mut self, knowledge: &SessionKnowledge) {
        patiently(
            &format!("{knowledge:?}"),
            self.known.wait_for(|known| known == knowledge),
        )
        .unwrap()
        .unwrap();
    }

    pub(crate) fn watches(&mut self, id: &str) {
        self.knows(&SessionKnowledge::Watched(id.to_owned()));
    }

    pub(crate) fn event(&mut self) -> SessionEvent {
        match patiently("an event", self.events.recv()).unwrap() {
            Some(Input::Session(event)) => event,
            other => panic!("not of the session: {other:?}"),
        }
    }

    /// The next event, by its name.
    pub(crate) fn expect(&mut self, name: &str) {
        assert_eq!(named(&self.event()), name);
    }

    /// The next event is that the machine wants to sleep.
    pub(crate) fn suspending(&mut self) -> oneshot::Sender<()> {
        let event = self.event();
        let SessionEvent::Suspending(answer) = event else {
            panic!("not about to sleep: {event:?}");
        };
        answer
    }

    /// Nothing has been said that was not looked at.
    pub(crate) fn is_silent(&mut self) {
        assert!(self.events.try_recv().is_err());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn named(event: &impl Debug) -> String {
    let text = format!("{event:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}
