//! The desktop's notification server (Desktop Notifications Specification 1.2), through our own proxy.
//!
//! A signal is believed only from the owner of the server's name: zbus checks that for proxy streams, and for
//! them only. A click is intent, never a factor: any program of the session can make a server emit one.

mod proxy;
mod words;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::ids::LoginRequestId;
use futures_util::StreamExt as _;
use tokio::{
    sync::{OnceCell, mpsc},
    time::timeout,
};
use tracing::{debug, warn};
use zbus::{Connection, zvariant::Value};

use self::{
    proxy::NotificationsProxy,
    words::{Action, Words},
};
use crate::{
    agent::ports::{
        Input, LoginRequestNotice, NoticeChoice, NotificationError, Notifications, OutcomeNotice,
    },
    config::NotificationsWanted,
};

/// How long the server may take to answer a call.
const CALL: Duration = Duration::from_secs(5);
const APP_NAME: &str = "Countersign";
const ICON: &str = "dialog-password";
/// Urgency levels of the specification.
const NORMAL: u8 = 1;
const CRITICAL: u8 = 2;

/// [`Notifications`] over D-Bus. Connects at the first use.
#[derive(Debug)]
pub struct DesktopNotifications {
    wanted: NotificationsWanted,
    bus: Option<Connection>,
    inputs: mpsc::Sender<Input>,
    desk: OnceCell<Desk>,
}

/// A connection and what is on the screen.
#[derive(Debug)]
struct Desk {
    proxy: NotificationsProxy<'static>,
    screen: Arc<Mutex<Screen>>,
}

/// What is shown, by the server's id and by ours.
#[derive(Debug, Default)]
struct Screen {
    shown: HashMap<u32, LoginRequestId>,
    ids: HashMap<LoginRequestId, u32>,
    /// Questions as they were asked: shown again when another server takes over.
    questions: HashMap<LoginRequestId, LoginRequestNotice>,
    /// What the server can do; asked once per server.
    server: Option<Server>,
}

#[derive(Clone, Debug)]
struct Server {
    name: String,
    /// Its bodies are markup: what comes from outside is escaped.
    markup: bool,
    actions: bool,
}

impl Screen {
    /// Forgets a notification; a click that still comes is nobody's.
    fn forget(&mut self, id: u32) -> Option<LoginRequestId> {
        let request = self.shown.remove(&id)?;
        self.ids.remove(&request);
        self.questions.remove(&request);
        Some(request)
    }
}

fn lock(screen: &Mutex<Screen>) -> MutexGuard<'_, Screen> {
    screen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DesktopNotifications {
    /// Notifications on `bus`, as config.toml wants them; what the user chooses goes to `inputs`.
    #[must_use]
    pub fn new(
        wanted: NotificationsWanted,
        bus: Option<Connection>,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        Self {
            wanted,
            bus,
            inputs,
            desk: OnceCell::new(),
        }
    }

    async fn desk(&self) -> Result<&Desk, NotificationError> {
        if self.wanted == NotificationsWanted::No {
            return Err(NotificationError::SwitchedOff);
        }
        self.desk.get_or_try_init(|| self.connect()).await
    }

    /// Listens before anything is shown: no click is missed.
    async fn connect(&self) -> Result<Desk, NotificationError> {
        let no_bus = |_error| NotificationError::NoServer;
        let connection = self.bus.clone().ok_or(NotificationError::NoServer)?;
        let proxy = NotificationsProxy::new(&connection).await.map_err(no_bus)?;
        let screen = Arc::new(Mutex::new(Screen::default()));
        let mut actions = proxy.receive_action_invoked().await.map_err(no_bus)?;
        let mut closed = proxy.receive_notification_closed().await.map_err(no_bus)?;
        let mut owners = proxy
            .inner()
            .receive_owner_changed()
            .await
            .map_err(no_bus)?;
        let listener = Listener {
            proxy: proxy.clone(),
            screen: Arc::clone(&screen),
            inputs: self.inputs.clone(),
        };
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(signal) = actions.next() => {
                        if let Ok(invoked) = signal.args() {
                            listener.invoked(invoked.id, invoked.action_key).await;
                        }
                    }
                    Some(signal) = closed.next() => {
                        if let Ok(closed) = signal.args() {
                            listener.closed(closed.id).await;
                        }
                    }
                    Some(owner) = owners.next() => listener.owner_changed(owner.is_some()).await,
                    else => return,
                }
            }
        });
        Ok(Desk { proxy, screen })
    }
}

impl Desk {
    async fn server(&self) -> Result<Server, NotificationError> {
        if let Some(server) = lock(&self.screen).server.clone() {
            return Ok(server);
        }
        let (name, _vendor, version, _spec) = called(self.proxy.get_server_information()).await?;
        let capabilities = called(self.proxy.get_capabilities()).await?;
        let can = |capability: &str| capabilities.iter().any(|found| found == capability);
        let server = Server {
            name: words::shown(&format!("{name} {version}")),
            markup: can("body-markup"),
            actions: can("actions"),
        };
        lock(&self.screen).server = Some(server.clone());
        Ok(server)
    }

    async fn notify(&self, id: LoginRequestId, words: Words) -> Result<u32, NotificationError> {
        let replaces = lock(&self.screen).ids.get(&id).copied().unwrap_or(0);
        let actions: Vec<&str> = words
            .actions
            .iter()
            .flat_map(|action| [action.key(), action.label()])
            .collect();
        let urgency = if words.is_question { CRITICAL } else { NORMAL };
        let hints = HashMap::from([
            ("urgency", Value::from(urgency)),
            ("desktop-entry", Value::from("org.countersign.Agent")),
        ]);
        let shown = called(self.proxy.notify(
            APP_NAME,
            replaces,
            ICON,
            &words.summary,
            &words.body,
            &actions,
            hints,
            words.expires_ms,
        ))
        .await?;
        let mut screen = lock(&self.screen);
        if replaces != 0 && replaces != shown {
            screen.forget(replaces);
        }
        screen.shown.insert(shown, id);
        screen.ids.insert(id, shown);
        Ok(shown)
    }
}

/// A call with a deadline; a server that is away is told apart from one that fails.
async fn called<T>(call: impl Future<Output = zbus::Result<T>>) -> Result<T, NotificationError> {
    match timeout(CALL, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(zbus::Error::MethodError(name, ..)))
            if matches!(
                name.as_str(),
                "org.freedesktop.DBus.Error.ServiceUnknown"
                    | "org.freedesktop.DBus.Error.NameHasNoOwner"
            ) || name.starts_with("org.freedesktop.DBus.Error.Spawn") =>
        {
            Err(NotificationError::NoServer)
        }
        Ok(Err(_)) | Err(_) => Err(NotificationError::Failed),
    }
}

#[async_trait]
impl Notifications for DesktopNotifications {
    async fn ask(&self, notice: &LoginRequestNotice) -> Result<(), NotificationError> {
        let desk = self.desk().await?;
        let server = desk.server().await?;
        let words = words::question(notice, server.markup, server.actions);
        lock(&desk.screen)
            .questions
            .insert(notice.id, notice.clone());
        desk.notify(notice.id, words).await.map(drop)
    }

    async fn tell(&self, notice: &OutcomeNotice) -> Result<(), NotificationError> {
        let desk = self.desk().await?;
        let server = desk.server().await?;
        lock(&desk.screen).questions.remove(&notice.id);
        let words = words::outcome(notice, server.markup, server.actions);
        desk.notify(notice.id, words).await.map(drop)
    }

    async fn withdraw(&self, id: LoginRequestId) {
        let Some(desk) = self.desk.get() else { return };
        let shown = lock(&desk.screen).ids.get(&id).copied();
        if let Some(shown) = shown {
            lock(&desk.screen).forget(shown);
            drop(called(desk.proxy.close_notification(shown)).await);
        }
    }

    async fn server(&self) -> Option<String> {
        let desk = self.desk().await.ok()?;
        desk.server().await.ok().map(|server| server.name)
    }
}

/// Hears what the server says.
struct Listener {
    proxy: NotificationsProxy<'static>,
    screen: Arc<Mutex<Screen>>,
    inputs: mpsc::Sender<Input>,
}

impl Listener {
    /// The first answer counts. A server need not close on an action, so it is closed here.
    async fn invoked(&self, id: u32, key: &str) {
        let Some(request) = lock(&self.screen).forget(id) else {
            return;
        };
        let choice = match Action::from_key(key) {
            Some(Action::Approve) => NoticeChoice::Approve,
            Some(Action::Deny) => NoticeChoice::Deny,
            Some(Action::Report) => NoticeChoice::Report,
            Some(Action::Later | Action::Own) | None => NoticeChoice::Dismissed,
        };
        debug!(%request, ?choice, "chosen in a notification");
        self.say(request, choice).await;
        drop(called(self.proxy.close_notification(id)).await);
    }

    async fn closed(&self, id: u32) {
        let Some(request) = lock(&self.screen).forget(id) else {
            return;
        };
        self.say(request, NoticeChoice::Dismissed).await;
    }

    /// Another server, or none: what was shown is gone with the old one.
    async fn owner_changed(&self, present: bool) {
        let questions: Vec<_> = {
            let mut screen = lock(&self.screen);
            screen.shown.clear();
            screen.ids.clear();
            screen.server = None;
            screen.questions.values().cloned().collect()
        };
        if !present {
            return;
        }
        let desk = Desk {
            proxy: self.proxy.clone(),
            screen: Arc::clone(&self.screen),
        };
        let Ok(server) = desk.server().await else {
            return;
        };
        for notice in questions {
            let words = words::question(&notice, server.markup, server.actions);
            if let Err(error) = desk.notify(notice.id, words).await {
                warn!(%error, "a question could not be shown again");
            }
        }
    }

    async fn say(&self, id: LoginRequestId, choice: NoticeChoice) {
        // Nobody listens: the agent is ending.
        drop(self.inputs.send(Input::Notice { id, choice }).await);
    }
}
