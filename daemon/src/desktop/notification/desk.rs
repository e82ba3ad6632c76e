//! The conversation with the server: what we ask it to show, and what it says that the user did.

use core::time::Duration;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use countersign_core::{ids::LoginRequestId, time::UnixMillis};
use futures_util::StreamExt as _;
use jiff::Timestamp;
use tokio::{sync::mpsc, time::timeout};
use tracing::{debug, warn};
use zbus::{
    Connection,
    fdo::DBusProxy,
    names::{OwnedUniqueName, UniqueName},
    proxy::CacheProperties,
    zvariant::Value,
};

use super::{
    proxy::{ActionInvokedStream, NotificationClosedStream, NotificationsProxy},
    screen::{Features, Question, Screen, Server},
    words::{self, Action, Tone, Words},
};
use crate::agent::ports::{
    FingerHint, Input, LoginRequestNotice, NoticeChoice, NotificationError, OutcomeNotice,
};

/// How long the server may take to answer a call.
const CALL: Duration = Duration::from_secs(5);
const APP_NAME: &str = "Countersign";
/// Of the icon naming specification's usual themes.
const ICON: &str = "dialog-password";

/// The server, and what it shows for us.
#[derive(Debug)]
pub(super) struct Desk {
    proxy: NotificationsProxy<'static>,
    bus: DBusProxy<'static>,
    screen: Mutex<Screen>,
    /// Held from before a Notify until its id is known: the click on it may be heard before its reply.
    showing: tokio::sync::Mutex<()>,
}

impl Desk {
    /// Listens before anything is shown, so that no click is missed; what the user does goes to `inputs`.
    ///
    /// # Errors
    ///
    /// [`NotificationError::NoServer`]: there is no bus any more.
    pub(super) async fn open(
        connection: &Connection,
        inputs: mpsc::Sender<Input>,
    ) -> Result<Arc<Self>, NotificationError> {
        let opened = async {
            let proxy = NotificationsProxy::builder(connection)
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            let bus = DBusProxy::new(connection).await?;
            let actions = proxy.receive_action_invoked().await?;
            let closed = proxy.receive_notification_closed().await?;
            let owners = proxy.inner().receive_owner_changed().await?;
            let desk = Arc::new(Self {
                proxy,
                bus,
                screen: Mutex::default(),
                showing: tokio::sync::Mutex::default(),
            });
            let listener = Listener {
                desk: Arc::clone(&desk),
                inputs,
            };
            tokio::spawn(listener.listen(actions, closed, owners));
            zbus::Result::Ok(desk)
        };
        match timeout(CALL, opened).await {
            Ok(Ok(desk)) => Ok(desk),
            Ok(Err(_)) | Err(_) => Err(NotificationError::NoServer),
        }
    }

    /// Shows the question, or replaces it. It comes back with a new server until it is settled.
    pub(super) async fn ask(&self, notice: &LoginRequestNotice) -> Result<(), NotificationError> {
        let left = i64::try_from(notice.left.as_millis()).unwrap_or(i64::MAX);
        let question = Question {
            notice: notice.clone(),
            until: now().plus_ms(left),
        };
        let _showing = self.showing.lock().await;
        self.screen().ask(question.clone());
        self.put(&question).await
    }

    /// Replaces the question by what became of it.
    pub(super) async fn tell(&self, notice: &OutcomeNotice) -> Result<(), NotificationError> {
        let _showing = self.showing.lock().await;
        self.screen().settle(notice.id);
        let features = self.server().await?.features;
        self.notify(notice.id, words::outcome(notice, features))
            .await
    }

    /// Takes away whatever is shown about the request.
    pub(super) async fn withdraw(&self, request: LoginRequestId) {
        let _showing = self.showing.lock().await;
        let shown = self.screen().id_of(request);
        self.screen().settle(request);
        if let Some(id) = shown {
            self.screen().forget(id);
            self.close(id).await;
        }
    }

    /// Says what the fingerprint reader wants, in place of what it said before.
    pub(super) async fn hint(&self, hint: FingerHint) {
        let _showing = self.showing.lock().await;
        let replaces = self.screen().hint.unwrap_or(0);
        let (summary, body) = words::hint(hint);
        let hints = HashMap::from([
            ("urgency", Value::from(1_u8)),
            ("transient", Value::from(true)),
        ]);
        let shown = called(self.proxy.notify(
            APP_NAME,
            replaces,
            "auth-fingerprint-symbolic",
            summary,
            body,
            &[],
            hints,
            Tone::FollowUp.stays_ms(),
        ));
        // Without it the finger is asked for all the same: the dialog says so too.
        if let Ok(id) = shown.await {
            self.screen().hint = Some(id);
        }
    }

    pub(super) async fn withdraw_hint(&self) {
        let _showing = self.showing.lock().await;
        let shown = self.screen().hint.take();
        if let Some(id) = shown {
            self.close(id).await;
        }
    }

    /// Name and version of the server, if one runs. A look does not start one: that can take as long as the
    /// bus lets a server fail.
    pub(super) async fn server_name(&self) -> Option<String> {
        let name = self.proxy.inner().destination().to_owned();
        let runs = called(async { Ok(self.bus.name_has_owner(name).await?) });
        if !runs.await.ok()? {
            return None;
        }
        let _showing = self.showing.lock().await;
        self.server().await.ok().map(|server| server.name)
    }

    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn put(&self, question: &Question) -> Result<(), NotificationError> {
        let features = self.server().await?.features;
        let words = words::question(&question.notice, question.until, features);
        self.notify(question.notice.id, words).await
    }

    /// Who answers under the name now. The first call may start one by D-Bus activation.
    async fn server(&self) -> Result<Server, NotificationError> {
        if let Some(server) = self.screen().server.clone() {
            return Ok(server);
        }
        let (name, _vendor, version, _spec) = called(self.proxy.get_server_information()).await?;
        let capabilities = called(self.proxy.get_capabilities()).await?;
        let owner = called(async {
            let name = self.proxy.inner().destination().to_owned();
            Ok(self.bus.get_name_owner(name).await?)
        });
        let can = |capability: &str| capabilities.iter().any(|found| found == capability);
        let server = Server {
            name: words::shown(&format!("{name} {version}")),
            owner: OwnedUniqueName::to_string(&owner.await?),
            features: Features {
                markup: can("body-markup"),
                actions: can("actions"),
            },
        };
        self.screen().server = Some(server.clone());
        Ok(server)
    }

    async fn notify(&self, request: LoginRequestId, words: Words) -> Result<(), NotificationError> {
        let replaces = self.screen().id_of(request).unwrap_or(0);
        let actions: Vec<&str> = words
            .actions
            .iter()
            .flat_map(|action| [action.key(), action.label()])
            .collect();
        // Urgency levels of the specification. What only informs need not stay in a server's list.
        let hints = match words.tone {
            Tone::Question => HashMap::from([("urgency", Value::from(2_u8))]),
            Tone::FollowUp => HashMap::from([("urgency", Value::from(1_u8))]),
            Tone::News => HashMap::from([
                ("urgency", Value::from(1_u8)),
                ("transient", Value::from(true)),
            ]),
        };
        let id = called(self.proxy.notify(
            APP_NAME,
            replaces,
            ICON,
            &words.summary,
            &words.body,
            &actions,
            hints,
            words.tone.stays_ms(),
        ))
        .await?;
        self.screen().show(id, request, words.actions);
        Ok(())
    }

    async fn close(&self, id: u32) {
        // Closed by the user at the same moment, or gone with its server: the same to us.
        drop(called(self.proxy.close_notification(id)).await);
    }

    /// An id that is not known yet may be that of a Notify whose reply is on its way.
    async fn settled(&self, id: u32) {
        if !self.screen().knows(id) {
            drop(self.showing.lock().await);
        }
    }

    /// Another server, or none: what was shown is gone with the old one.
    async fn owner_changed(&self, owner: Option<UniqueName<'_>>) {
        let _showing = self.showing.lock().await;
        let known = self.screen().server.clone();
        if let (Some(known), Some(owner)) = (known, &owner)
            && known.owner == owner.as_str()
        {
            // The one that our own call has started.
            return;
        }
        self.screen().forget_server();
        if owner.is_none() {
            return;
        }
        let questions = self.screen().questions();
        for question in questions {
            if question.until <= now() {
                continue;
            }
            if let Err(error) = self.put(&question).await {
                warn!(%error, request = %question.notice.id, "a question could not be shown again");
            }
        }
    }
}

/// A call with a deadline; a server that is away is told apart from one that fails.
async fn called<T>(call: impl Future<Output = zbus::Result<T>>) -> Result<T, NotificationError> {
    match timeout(CALL, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(zbus::Error::MethodError(name, ..))) if means_absent(name.as_str()) => {
            Err(NotificationError::NoServer)
        }
        Ok(Err(zbus::Error::InputOutput(_))) => Err(NotificationError::NoServer),
        Ok(Err(_)) | Err(_) => Err(NotificationError::Failed),
    }
}

/// Nobody owns the name and nobody can be started for it.
fn means_absent(error: &str) -> bool {
    error
        .strip_prefix("org.freedesktop.DBus.Error.")
        .is_some_and(|kind| {
            kind == "ServiceUnknown" || kind == "NameHasNoOwner" || kind.starts_with("Spawn.")
        })
}

/// For the time that a question shows.
fn now() -> UnixMillis {
    UnixMillis(Timestamp::now().as_millisecond())
}

/// Hears what the server says.
struct Listener {
    desk: Arc<Desk>,
    inputs: mpsc::Sender<Input>,
}

impl Listener {
    async fn listen(
        self,
        mut actions: ActionInvokedStream,
        mut closed: NotificationClosedStream,
        mut owners: zbus::proxy::OwnerChangedStream<'static>,
    ) {
        loop {
            // In this order: a server that closes on a click says both at once, the click first.
            tokio::select! {
                biased;
                Some(signal) = actions.next() => {
                    if let Ok(invoked) = signal.args() {
                        self.invoked(invoked.id, invoked.action_key).await;
                    }
                }
                Some(signal) = closed.next() => {
                    if let Ok(closed) = signal.args() {
                        self.closed(closed.id).await;
                    }
                }
                Some(owner) = owners.next() => self.desk.owner_changed(owner).await,
                // The bus is gone.
                else => return,
            }
        }
    }

    /// The first answer counts. A server need not close on an action, so it is closed here.
    async fn invoked(&self, id: u32, key: &str) {
        self.desk.settled(id).await;
        let Some((request, action)) = self.desk.screen().answer(id, key) else {
            return;
        };
        debug!(%request, ?action, "chosen in a notification");
        let choice = match action {
            Action::Approve => NoticeChoice::Approve,
            Action::Deny => NoticeChoice::Deny,
            Action::Report => NoticeChoice::Report,
            Action::Details => NoticeChoice::Details,
            Action::Later | Action::Own => NoticeChoice::Dismissed,
        };
        self.say(request, choice).await;
        self.desk.close(id).await;
    }

    async fn closed(&self, id: u32) {
        self.desk.settled(id).await;
        let closed = self.desk.screen().forget(id);
        if let Some(request) = closed {
            self.say(request, NoticeChoice::Dismissed).await;
        }
    }

    async fn say(&self, id: LoginRequestId, choice: NoticeChoice) {
        // Nobody listens: the agent is ending.
        drop(self.inputs.send(Input::Notice { id, choice }).await);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_absent_server_is_called_absent() {
        for name in [
            "ServiceUnknown",
            "NameHasNoOwner",
            "Spawn.ChildSignaled",
            "Spawn.ExecFailed",
        ] {
            assert!(means_absent(&format!("org.freedesktop.DBus.Error.{name}")));
        }
        for name in [
            "org.freedesktop.DBus.Error.NoReply",
            "org.freedesktop.DBus.Error.AccessDenied",
            "org.example.ServiceUnknown",
        ] {
            assert!(!means_absent(name));
        }
    }
}
