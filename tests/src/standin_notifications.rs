//! A stand-in for the notification server, for measurements only: it notes when it was called and answers at
//! once. Tests use the real one ([`crate::desktop`]).
#![expect(
    missing_docs,
    clippy::unused_self,
    clippy::used_underscore_binding,
    reason = "what the interface macro makes of the specification's methods"
)]

use std::{collections::HashMap, time::Instant};

use anyhow::{Context as _, Result};
use tokio::sync::mpsc;
use zbus::{Connection, interface, object_server::SignalEmitter, zvariant::OwnedValue};

use crate::{bus::PrivateBus, patiently};

const PATH: &str = "/org/freedesktop/Notifications";

/// A Notify call.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it arrived.
    pub at: Instant,
    /// The number that it was given.
    pub id: u32,
    /// The keys of its actions.
    pub actions: Vec<String>,
}

/// The stand-in on a private bus.
#[derive(Debug)]
pub struct StandinNotifications {
    calls: mpsc::UnboundedReceiver<Call>,
    emitter: SignalEmitter<'static>,
    _connection: Connection,
}

struct Server {
    calls: mpsc::UnboundedSender<Call>,
    last: u32,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "the specification's arguments")]
    fn notify(
        &mut self,
        _program: &str,
        replaces: u32,
        _icon: &str,
        _summary: &str,
        _body: &str,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedValue>,
        _timeout: i32,
    ) -> u32 {
        let at = now();
        let id = if replaces == 0 {
            self.last.wrapping_add(1).max(1)
        } else {
            replaces
        };
        self.last = self.last.max(id);
        let actions = actions.into_iter().step_by(2).collect();
        // Nobody measures any more.
        drop(self.calls.send(Call { at, id, actions }));
        id
    }

    fn close_notification(&self, _id: u32) {}

    fn get_capabilities(&self) -> Vec<&'static str> {
        vec!["actions", "body", "body-markup"]
    }

    fn get_server_information(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        ("stand-in", "countersign", "1", "1.2")
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action: &str)
    -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_closed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        reason: u32,
    ) -> zbus::Result<()>;
}

impl StandinNotifications {
    /// Takes the name on `bus`.
    ///
    /// # Errors
    ///
    /// The bus refuses.
    pub fn start(bus: &PrivateBus) -> Result<Self> {
        let (sender, calls) = mpsc::unbounded_channel();
        let connection = bus.connect()?;
        let served = async {
            let server = connection.object_server();
            server
                .at(
                    PATH,
                    Server {
                        calls: sender,
                        last: 0,
                    },
                )
                .await?;
            connection
                .request_name("org.freedesktop.Notifications")
                .await?;
            anyhow::Ok(SignalEmitter::new(&connection, PATH)?.into_owned())
        };
        let emitter = patiently("the notification name", served)??;
        Ok(Self {
            calls,
            emitter,
            _connection: connection,
        })
    }

    /// Waits for the next Notify call.
    ///
    /// # Errors
    ///
    /// None came in time.
    pub fn call(&mut self) -> Result<Call> {
        patiently("a Notify call", self.calls.recv())?.context("the bus ended")
    }

    /// The user chooses an action. Returns when that was said.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn choose(&self, id: u32, action: &str) -> Result<Instant> {
        let at = now();
        patiently(
            "a signal",
            Server::action_invoked(&self.emitter, id, action),
        )??;
        Ok(at)
    }
}

/// The clock of measurements.
#[expect(
    clippy::disallowed_methods,
    reason = "measurements read the clock here"
)]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}
