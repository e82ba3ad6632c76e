//! The user's desktop session, as logind tells of it: locked, away, about to sleep.
//!
//! A signal is believed only from the process that owned logind's name when it was asked; with another owner
//! everything is asked anew. Nothing polls: while there is no logind, the bus is waited for to say that one
//! has come. `round.rs` talks to one logind, `standing.rs` decides what the agent is told.

mod proxy;
mod round;
mod standing;

use core::time::Duration;

use futures_util::StreamExt as _;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::{info, warn};
use zbus::{
    Connection,
    fdo::{DBusProxy, NameOwnerChangedStream},
    names::{BusName, OwnedUniqueName, WellKnownName},
    zvariant::OwnedObjectPath,
};

use self::{
    round::{Next, Round},
    standing::Standing,
};
use super::system_bus::SystemBus;
use crate::agent::ports::{Input, SessionEvent};

/// How long logind or the bus may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Whose session it is. A user's service has none of its own: logind knows which one is the user's display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOwner {
    /// The user.
    pub uid: u32,
    /// This process, which may have been started inside a session.
    pub process: u32,
    /// `XDG_SESSION_ID`, if it is set.
    pub session_id: Option<String>,
}

/// What is known about the session, for `countersign status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionKnowledge {
    /// No logind (or no system bus): neither a locked screen nor a suspend is noticed.
    NoLogind,
    /// logind knows no session of this user.
    NoSession,
    /// This session is watched; the id is display-safe.
    Watched(String),
}

/// Tells the agent what happens to the user's session.
#[derive(Debug)]
pub struct SessionWatch {
    bus: SystemBus,
    owner: SessionOwner,
    inputs: mpsc::Sender<Input>,
    knowledge: watch::Sender<SessionKnowledge>,
    standing: Standing,
    /// The session that `standing` is about.
    session: Option<OwnedObjectPath>,
}

impl SessionWatch {
    /// Watches the session of `owner` on `bus` once it runs; what happens goes to `inputs`.
    #[must_use]
    pub fn new(
        bus: SystemBus,
        owner: SessionOwner,
        inputs: mpsc::Sender<Input>,
    ) -> (Self, watch::Receiver<SessionKnowledge>) {
        let (knowledge, known) = watch::channel(SessionKnowledge::NoLogind);
        let watch = Self {
            bus,
            owner,
            inputs,
            knowledge,
            standing: Standing::default(),
            session: None,
        };
        (watch, known)
    }

    /// Watches until the system bus ends; ends at once where there is none.
    pub async fn run(mut self) {
        let connection = match timeout(ANSWER, self.bus.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => {
                info!(%error, "no system bus: the vault does not follow the screen lock");
                return;
            }
            Err(_late) => {
                info!("the system bus does not answer: the vault does not follow the screen lock");
                return;
            }
        };
        if let Err(error) = self.follow(&connection).await {
            warn!(%error, "the session is not watched any more");
        }
        self.knowledge.send_replace(SessionKnowledge::NoLogind);
    }

    /// One logind after the other.
    async fn follow(&mut self, connection: &Connection) -> zbus::Result<()> {
        let bus = DBusProxy::new(connection).await?;
        let mut owners = bus
            .receive_name_owner_changed_with_args(&[(0, proxy::NAME)])
            .await?;
        let name = BusName::WellKnown(WellKnownName::from_static_str(proxy::NAME)?);
        let mut logind = bus.get_name_owner(name).await.ok();
        if logind.is_none() {
            info!("logind does not run: the vault does not follow the screen lock");
        }
        loop {
            let next = match logind {
                Some(logind) => Box::pin(self.listen_to(connection, logind, &mut owners)).await,
                None => next_owner(&mut owners).await,
            };
            self.knowledge.send_replace(SessionKnowledge::NoLogind);
            match next {
                Next::Logind(owner) => logind = owner,
                Next::BusGone => return Ok(()),
            }
        }
    }

    async fn listen_to(
        &mut self,
        connection: &Connection,
        logind: OwnedUniqueName,
        owners: &mut NameOwnerChangedStream,
    ) -> Next {
        match timeout(ANSWER, Round::begin(connection, logind)).await {
            Ok(Ok(round)) => round.listen(self, owners).await,
            Ok(Err(error)) => {
                warn!(%error, "logind does not let itself be watched");
                next_owner(owners).await
            }
            Err(_late) => {
                warn!("logind does not answer");
                next_owner(owners).await
            }
        }
    }

    async fn tell(&self, events: impl IntoIterator<Item = SessionEvent>) {
        for event in events {
            // Nobody listens: the agent is ending.
            drop(self.inputs.send(Input::Session(event)).await);
        }
    }
}

/// Waits for another owner of logind's name.
async fn next_owner(owners: &mut NameOwnerChangedStream) -> Next {
    loop {
        let Some(signal) = owners.next().await else {
            return Next::BusGone;
        };
        if let Ok(change) = signal.args() {
            return Next::Logind(
                change
                    .new_owner()
                    .as_ref()
                    .map(|name| name.to_owned().into()),
            );
        }
    }
}
