//! The conversation with one logind, from when it has its name until it loses it.

use core::{pin::Pin, time::Duration};

use countersign_core::text::display;
use futures_util::{Stream, StreamExt};
use ordered_stream::{OrderedStreamExt, join};
use tokio::{sync::oneshot, time::timeout};
use tracing::{debug, warn};
use zbus::{
    Connection,
    fdo::{NameOwnerChangedStream, PropertiesChanged, PropertiesChangedStream, PropertiesProxy},
    message::Message,
    names::{MemberName, OwnedUniqueName},
    proxy::CacheProperties,
    zvariant::{ObjectPath, OwnedFd, OwnedObjectPath},
};

use super::{
    ANSWER, SessionKnowledge, SessionOwner, SessionWatch, next_owner,
    proxy::{
        LoginsProxy, PrepareForSleepStream, SESSION, SessionNewStream, SessionProxy,
        SessionRemovedStream, USER, UserProxy,
    },
    standing::{Facts, Which},
};
use crate::agent::ports::{Input, SessionEvent};

/// How long the suspend is held up for the vault to be locked. logind itself waits five seconds.
const LOCKING: Duration = Duration::from_secs(3);
const LONGEST_ID: usize = 40;

/// What comes after a round.
#[derive(Debug)]
pub(super) enum Next {
    /// logind's name has this owner now.
    Logind(Option<OwnedUniqueName>),
    /// The system bus has ended.
    BusGone,
}

/// One logind, listened to.
pub(super) struct Round {
    connection: Connection,
    logind: OwnedUniqueName,
    logins: LoginsProxy<'static>,
    sleeps: PrepareForSleepStream,
    begun: SessionNewStream,
    ended: SessionRemovedStream,
    /// Changes of the user's display, once the user is known to logind.
    displays: Option<PropertiesChangedStream>,
    watched: Option<Watched>,
    /// Holds up a suspend while it is open.
    inhibitor: Option<OwnedFd>,
}

/// A session, listened to.
struct Watched {
    path: OwnedObjectPath,
    /// Display-safe.
    id: String,
    session: SessionProxy<'static>,
    /// Its signals and the changes of its properties, in the order in which they came.
    said: Pin<Box<dyn Stream<Item = Said> + Send + Sync>>,
}

enum Said {
    Signal(Message),
    Changed(PropertiesChanged),
}

enum Event {
    Session(Said),
    Sleep(bool),
    LookAgain,
    Over(Next),
}

impl Round {
    /// Listens before anything is asked, so that nothing is missed.
    pub(super) async fn begin(
        connection: &Connection,
        logind: OwnedUniqueName,
    ) -> zbus::Result<Self> {
        let proxy = LoginsProxy::builder(connection)
            .destination(logind.clone().into_inner())?
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        Ok(Self {
            connection: connection.clone(),
            logind,
            sleeps: proxy.receive_prepare_for_sleep().await?,
            begun: proxy.receive_session_new().await?,
            ended: proxy.receive_session_removed().await?,
            logins: proxy,
            displays: None,
            watched: None,
            inhibitor: None,
        })
    }

    /// Tells what happens until logind's name has another owner.
    pub(super) async fn listen(
        mut self,
        watch: &mut SessionWatch,
        owners: &mut NameOwnerChangedStream,
    ) -> Next {
        self.inhibit().await;
        self.look(watch).await;
        loop {
            match self.next(owners).await {
                Event::Session(said) => self.said(&said, watch).await,
                Event::Sleep(true) => self.suspend(watch).await,
                Event::Sleep(false) => {
                    watch.tell([SessionEvent::Resumed]).await;
                    self.inhibit().await;
                }
                Event::LookAgain => self.look(watch).await,
                Event::Over(next) => return next,
            }
        }
    }

    async fn next(&mut self, owners: &mut NameOwnerChangedStream) -> Event {
        let said = self.watched.as_mut().map(|watched| &mut watched.said);
        // What was said before logind went is heard before that.
        tokio::select! {
            biased;
            Some(said) = next_of(said) => Event::Session(said),
            Some(signal) = StreamExt::next(&mut self.sleeps) => match signal.args() {
                Ok(sleep) => Event::Sleep(sleep.start),
                Err(_) => Event::LookAgain,
            },
            Some(_) = StreamExt::next(&mut self.begun) => Event::LookAgain,
            Some(_) = StreamExt::next(&mut self.ended) => Event::LookAgain,
            Some(_) = next_of(self.displays.as_mut()) => Event::LookAgain,
            next = next_owner(owners) => Event::Over(next),
        }
    }

    /// Finds the user's session and how it stands.
    async fn look(&mut self, watch: &mut SessionWatch) {
        let found = match timeout(ANSWER, self.find(&watch.owner)).await {
            Ok(found) => found,
            Err(_late) => {
                warn!("logind does not say which session is the user's");
                return;
            }
        };
        let watched = self.watched.as_ref().map(|watched| &watched.path);
        let unchanged = watched.is_some() && watched == found.as_ref();
        if unchanged {
            return;
        }
        self.watched = None;
        let found = match found {
            Some(path) => self.watch(path).await,
            None => None,
        };
        let Some((found, facts)) = found else {
            watch.knowledge.send_replace(SessionKnowledge::NoSession);
            if watch.session.take().is_some() {
                let gone = watch.standing.end();
                watch.tell(gone).await;
            }
            return;
        };
        let which = if watch.session.as_ref() == Some(&found.path) {
            Which::Same
        } else {
            Which::Other
        };
        watch.session = Some(found.path.clone());
        debug!(session = %found.id, "watched");
        let known = SessionKnowledge::Watched(found.id.clone());
        watch.knowledge.send_replace(known);
        self.watched = Some(found);
        let events = watch.standing.begin(which, facts);
        watch.tell(events).await;
    }

    /// The session that is the user's display, else the one that this process was started in.
    async fn find(&mut self, owner: &SessionOwner) -> Option<OwnedObjectPath> {
        self.displays = None;
        if let Ok(user) = self.logins.get_user(owner.uid).await {
            match self.display(user).await {
                Ok(Some(path)) => return Some(path),
                Ok(None) => {}
                Err(error) => debug!(%error, "logind does not tell the user's display"),
            }
        }
        if let Some(id) = &owner.session_id
            && let Ok(path) = self.logins.get_session(id).await
        {
            return Some(path);
        }
        self.logins.get_session_by_pid(owner.process).await.ok()
    }

    async fn display(&mut self, user: OwnedObjectPath) -> zbus::Result<Option<OwnedObjectPath>> {
        let changes = self.changes(user.as_ref(), USER).await?;
        self.displays = Some(changes);
        let user = UserProxy::builder(&self.connection)
            .destination(self.logind.clone().into_inner())?
            .path(user)?
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        let (id, path) = user.display().await?;
        Ok((!id.is_empty()).then_some(path))
    }

    /// Listens to a session and asks how it stands. One that does not answer is as good as ended.
    async fn watch(&self, path: OwnedObjectPath) -> Option<(Watched, Facts)> {
        match timeout(ANSWER, self.open(path)).await {
            Ok(Ok(watched)) => Some(watched),
            Ok(Err(error)) => {
                debug!(%error, "a session that has just ended");
                None
            }
            Err(_late) => {
                warn!("logind does not say how the session stands");
                None
            }
        }
    }

    async fn open(&self, path: OwnedObjectPath) -> zbus::Result<(Watched, Facts)> {
        let session = SessionProxy::builder(&self.connection)
            .destination(self.logind.clone().into_inner())?
            .path(path.clone())?
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        let signals = session.inner().receive_all_signals().await?;
        let changes = self.changes(path.as_ref(), SESSION).await?;
        let said = join(
            OrderedStreamExt::map(signals, Said::Signal),
            OrderedStreamExt::map(changes, Said::Changed),
        );
        let facts = Facts {
            locked_hint: session.locked_hint().await?,
            active: session.active().await?,
        };
        let watched = Watched {
            path,
            id: display(&session.id().await?, LONGEST_ID),
            session,
            said: Box::pin(said.into_stream()),
        };
        Ok((watched, facts))
    }

    /// Changes of the properties of one interface of one object.
    async fn changes(
        &self,
        path: ObjectPath<'_>,
        interface: &str,
    ) -> zbus::Result<PropertiesChangedStream> {
        let properties = PropertiesProxy::builder(&self.connection)
            .destination(self.logind.clone().into_inner())?
            .path(path.to_owned())?
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        properties
            .receive_properties_changed_with_args(&[(0, interface)])
            .await
    }

    async fn said(&self, said: &Said, watch: &mut SessionWatch) {
        let Some(watched) = &self.watched else {
            return;
        };
        match said {
            Said::Signal(message) => {
                let header = message.header();
                let event = match header.member().map(MemberName::as_str) {
                    Some("Lock") => Some(watch.standing.lock()),
                    Some("Unlock") => watch.standing.unlock(),
                    _ => None,
                };
                watch.tell(event).await;
            }
            Said::Changed(changed) => {
                if let Some(hint) = changed_flag(changed, "LockedHint", watched).await {
                    let event = watch.standing.hint(hint);
                    watch.tell(event).await;
                }
                if let Some(active) = changed_flag(changed, "Active", watched).await {
                    let event = watch.standing.active(active);
                    watch.tell(event).await;
                }
            }
        }
    }

    async fn inhibit(&mut self) {
        let asked = self.logins.inhibit(
            "sleep",
            "Countersign",
            "The vault is locked before the machine sleeps",
            "delay",
        );
        self.inhibitor = match timeout(ANSWER, asked).await {
            Ok(Ok(inhibitor)) => Some(inhibitor),
            Ok(Err(error)) => {
                warn!(%error, "the machine may sleep before the vault is locked");
                None
            }
            Err(_late) => {
                warn!("logind does not answer: the machine may sleep before the vault is locked");
                None
            }
        };
    }

    /// Lets the machine sleep once the vault is locked, or after a while in any case.
    async fn suspend(&mut self, watch: &SessionWatch) {
        let (answer, answered) = oneshot::channel();
        let told = async {
            let event = Input::Session(SessionEvent::Suspending(answer));
            // Dropped unheard, it counts as answered: the agent is ending.
            drop(watch.inputs.send(event).await);
            drop(answered.await);
        };
        if timeout(LOCKING, told).await.is_err() {
            warn!("the machine sleeps although the vault may not be locked yet");
        }
        self.inhibitor = None;
    }
}

/// The new value of a property, if this says that it changed.
async fn changed_flag(changed: &PropertiesChanged, name: &str, watched: &Watched) -> Option<bool> {
    let args = changed.args().ok()?;
    if args.interface_name() != SESSION {
        return None;
    }
    if let Some(value) = args.changed_properties().get(name) {
        return bool::try_from(value).ok();
    }
    if !args.invalidated_properties().contains(&name) {
        return None;
    }
    let asked = watched.session.inner().get_property::<bool>(name);
    timeout(ANSWER, asked).await.ok()?.ok()
}

/// The next item of a stream that may not be there.
async fn next_of<S: Stream + Unpin>(stream: Option<&mut S>) -> Option<S::Item> {
    match stream {
        Some(stream) => StreamExt::next(stream).await,
        None => core::future::pending().await,
    }
}
