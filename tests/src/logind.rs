//! A stand-in for logind with the objects, properties and signals of the real one that the agent uses: a
//! suspend cannot be had for real in a test. What can is tested with the real one ([`crate::systemd_logind`]).
#![expect(
    missing_docs,
    reason = "what the interface macro makes of logind's methods"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use tokio::{io::AsyncReadExt as _, net::unix::pipe, sync::mpsc};
use zbus::{
    Connection, connection, fdo, interface,
    object_server::{InterfaceRef, SignalEmitter},
    zvariant::{Fd, ObjectPath, OwnedObjectPath},
};

use crate::{bus::PrivateBus, patiently};

/// Its name on the system bus.
pub const NAME: &str = "org.freedesktop.login1";
/// The object of its manager.
pub const MANAGER: &str = "/org/freedesktop/login1";
/// The manager's interface.
pub const MANAGER_INTERFACE: &str = "org.freedesktop.login1.Manager";
/// A session's interface.
pub const SESSION_INTERFACE: &str = "org.freedesktop.login1.Session";

/// logind with one user and that user's sessions.
#[derive(Debug)]
pub struct Logind {
    connection: Connection,
    user: u32,
    known: Arc<Mutex<Known>>,
    inhibitors: mpsc::UnboundedReceiver<Inhibitor>,
}

/// Somebody's delay of the suspend, held as long as the other end of its pipe is open anywhere.
#[derive(Debug)]
pub struct Inhibitor {
    /// What, who, why, mode.
    pub words: [String; 4],
    held: pipe::Receiver,
}

#[derive(Debug, Default)]
struct Known {
    sessions: BTreeSet<String>,
    /// Sessions by the process that leads them.
    by_process: BTreeMap<u32, String>,
    logged_in: bool,
}

struct ManagerObject {
    user: u32,
    known: Arc<Mutex<Known>>,
    inhibitors: mpsc::UnboundedSender<Inhibitor>,
}

struct UserObject {
    display: Option<String>,
}

struct SessionObject {
    id: String,
    locked_hint: bool,
    active: bool,
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.freedesktop.login1")]
enum LoginError {
    #[zbus(error)]
    ZBus(zbus::Error),
    NoSuchUser(String),
    NoSuchSession(String),
    #[zbus(name = "NoSessionForPID")]
    NoSessionForPid(String),
}

#[interface(name = "org.freedesktop.login1.Manager")]
impl ManagerObject {
    fn get_user(&self, uid: u32) -> Result<OwnedObjectPath, LoginError> {
        if uid == self.user && lock(&self.known).logged_in {
            Ok(user_path(uid))
        } else {
            Err(LoginError::NoSuchUser(format!("no user {uid}")))
        }
    }

    fn get_session(&self, id: &str) -> Result<OwnedObjectPath, LoginError> {
        if lock(&self.known).sessions.contains(id) {
            Ok(session_path(id))
        } else {
            Err(LoginError::NoSuchSession(format!("no session {id}")))
        }
    }

    #[zbus(name = "GetSessionByPID")]
    fn get_session_by_pid(&self, pid: u32) -> Result<OwnedObjectPath, LoginError> {
        match lock(&self.known).by_process.get(&pid) {
            Some(id) => Ok(session_path(id)),
            None => Err(LoginError::NoSessionForPid(format!("no session of {pid}"))),
        }
    }

    fn inhibit(
        &self,
        what: String,
        who: String,
        why: String,
        mode: String,
    ) -> fdo::Result<Fd<'static>> {
        let failed = |error: std::io::Error| fdo::Error::IOError(error.to_string());
        let (writer, reader) = pipe_pair().map_err(failed)?;
        let held = pipe::Receiver::from_owned_fd(reader).map_err(failed)?;
        let words = [what, who, why, mode];
        // Nobody asks about it any more.
        drop(self.inhibitors.send(Inhibitor { words, held }));
        Ok(Fd::from(writer))
    }

    #[zbus(signal)]
    async fn prepare_for_sleep(emitter: &SignalEmitter<'_>, start: bool) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn session_new(
        emitter: &SignalEmitter<'_>,
        id: &str,
        path: ObjectPath<'_>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn session_removed(
        emitter: &SignalEmitter<'_>,
        id: &str,
        path: ObjectPath<'_>,
    ) -> zbus::Result<()>;
}

#[interface(name = "org.freedesktop.login1.User")]
impl UserObject {
    #[zbus(property)]
    fn display(&self) -> (String, OwnedObjectPath) {
        match &self.display {
            Some(id) => (id.clone(), session_path(id)),
            None => (String::new(), OwnedObjectPath::default()),
        }
    }
}

#[interface(name = "org.freedesktop.login1.Session")]
impl SessionObject {
    #[zbus(signal)]
    async fn lock(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn unlock(emitter: &SignalEmitter<'_>) -> zbus::Result<()>;

    #[zbus(property)]
    fn id(&self) -> String {
        self.id.clone()
    }

    #[zbus(property)]
    fn locked_hint(&self) -> bool {
        self.locked_hint
    }

    #[zbus(property)]
    fn active(&self) -> bool {
        self.active
    }
}

impl Logind {
    /// Takes logind's name on `bus`; the user is not logged in yet.
    ///
    /// # Errors
    ///
    /// The bus refuses.
    pub fn start(bus: &PrivateBus, user: u32) -> Result<Self> {
        let (sender, inhibitors) = mpsc::unbounded_channel();
        let known = Arc::default();
        let manager = ManagerObject {
            user,
            known: Arc::clone(&known),
            inhibitors: sender,
        };
        let builder = connection::Builder::address(bus.address())?.serve_at(MANAGER, manager)?;
        let connection = patiently("logind's connection", builder.build())??;
        let this = Self {
            connection,
            user,
            known,
            inhibitors,
        };
        let user = UserObject { display: None };
        this.at(user_path(this.user), user)?;
        Ok(this)
    }

    /// Takes the name: from now on it is there for others.
    ///
    /// # Errors
    ///
    /// The bus refuses.
    pub fn appear(&self) -> Result<()> {
        patiently("logind's name", self.connection.request_name(NAME))??;
        Ok(())
    }

    /// A session of the user begins, active and not locked; it is the user's display from now on.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn log_in(&self, id: &str) -> Result<()> {
        {
            let mut known = lock(&self.known);
            known.logged_in = true;
            known.sessions.insert(id.to_owned());
        }
        let session = SessionObject {
            id: id.to_owned(),
            locked_hint: false,
            active: true,
        };
        self.at(session_path(id), session)?;
        let manager = self.emitter(MANAGER)?;
        let path = session_path(id);
        patiently(
            "a signal",
            ManagerObject::session_new(&manager, id, path.as_ref()),
        )??;
        self.show_on_display(Some(id))
    }

    /// A session ends; the user has no display from now on.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn log_out(&self, id: &str) -> Result<()> {
        lock(&self.known).sessions.remove(id);
        let manager = self.emitter(MANAGER)?;
        let path = session_path(id);
        patiently(
            "a signal",
            ManagerObject::session_removed(&manager, id, path.as_ref()),
        )??;
        self.show_on_display(None)
    }

    /// `process` belongs to this session.
    pub fn lead(&self, id: &str, process: u32) {
        lock(&self.known).by_process.insert(process, id.to_owned());
    }

    /// Which session is the user's display.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn show_on_display(&self, id: Option<&str>) -> Result<()> {
        let user = self.object::<UserObject>(user_path(self.user))?;
        patiently("a change", async {
            let mut object = user.get_mut().await;
            object.display = id.map(ToOwned::to_owned);
            object.display_changed(user.signal_emitter()).await
        })??;
        Ok(())
    }

    /// Somebody wants the session locked (`loginctl lock-session`).
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn lock(&self, id: &str) -> Result<()> {
        let emitter = self.emitter(session_path(id))?;
        Ok(patiently("a signal", SessionObject::lock(&emitter))??)
    }

    /// Somebody wants the session unlocked.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn unlock(&self, id: &str) -> Result<()> {
        let emitter = self.emitter(session_path(id))?;
        Ok(patiently("a signal", SessionObject::unlock(&emitter))??)
    }

    /// The session's locker says that the screen is locked, or no longer.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn hint_locked(&self, id: &str, locked: bool) -> Result<()> {
        let session = self.object::<SessionObject>(session_path(id))?;
        patiently("a change", async {
            let mut object = session.get_mut().await;
            object.locked_hint = locked;
            object.locked_hint_changed(session.signal_emitter()).await
        })??;
        Ok(())
    }

    /// The session has its seat's screen, or another one has it.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn activate(&self, id: &str, active: bool) -> Result<()> {
        let session = self.object::<SessionObject>(session_path(id))?;
        patiently("a change", async {
            let mut object = session.get_mut().await;
            object.active = active;
            object.active_changed(session.signal_emitter()).await
        })??;
        Ok(())
    }

    /// The machine is about to sleep, or has woken up.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn prepare_for_sleep(&self, start: bool) -> Result<()> {
        let manager = self.emitter(MANAGER)?;
        Ok(patiently(
            "a signal",
            ManagerObject::prepare_for_sleep(&manager, start),
        )??)
    }

    /// Waits for the next inhibitor that somebody takes.
    ///
    /// # Errors
    ///
    /// Nobody took one in time.
    pub fn inhibitor(&mut self) -> Result<Inhibitor> {
        patiently("an inhibitor", self.inhibitors.recv())?.context("logind ended")
    }

    /// The object of a session.
    #[must_use]
    pub fn session(id: &str) -> String {
        session_path(id).to_string()
    }

    /// It ends as when it is restarted: everything that it knew is forgotten.
    ///
    /// # Errors
    ///
    /// The bus did not take note in time.
    pub fn stop(self) -> Result<()> {
        patiently("the end of logind", self.connection.close())??;
        Ok(())
    }

    fn at<I: zbus::object_server::Interface>(
        &self,
        path: OwnedObjectPath,
        object: I,
    ) -> Result<()> {
        patiently(
            "an object",
            self.connection.object_server().at(path, object),
        )??;
        Ok(())
    }

    fn object<I: zbus::object_server::Interface>(
        &self,
        path: OwnedObjectPath,
    ) -> Result<InterfaceRef<I>> {
        let server = self.connection.object_server();
        Ok(patiently("an object", server.interface::<_, I>(path))??)
    }

    fn emitter<'p, P>(&self, path: P) -> Result<SignalEmitter<'p>>
    where
        P: TryInto<ObjectPath<'p>>,
        P::Error: Into<zbus::Error>,
    {
        Ok(SignalEmitter::new(&self.connection, path)?)
    }
}

impl Inhibitor {
    /// Whether somebody still holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let mut byte = [0];
        // Nothing is ever written: either there is nothing yet, or the other end is closed.
        rustix::io::read(&self.held, &mut byte) == Err(rustix::io::Errno::WOULDBLOCK)
    }

    /// Waits until nobody holds it any more.
    ///
    /// # Errors
    ///
    /// It was held for too long.
    pub fn released(mut self) -> Result<()> {
        let mut rest = Vec::new();
        patiently(
            "the inhibitor to be dropped",
            self.held.read_to_end(&mut rest),
        )??;
        Ok(())
    }
}

fn pipe_pair() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = std::io::pipe()?;
    Ok((writer.into(), reader.into()))
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn user_path(uid: u32) -> OwnedObjectPath {
    path(format!("/org/freedesktop/login1/user/_{uid}"))
}

/// As logind names it: what is no letter or digit is escaped.
fn session_path(id: &str) -> OwnedObjectPath {
    path(format!("/org/freedesktop/login1/session/{id}"))
}

fn path(text: String) -> OwnedObjectPath {
    OwnedObjectPath::try_from(text).unwrap_or_default()
}
