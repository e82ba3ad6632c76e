//! The real gnome-keyring as Secret Service.

use std::{collections::HashMap, process::Command};

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use zbus::{
    Connection, MatchRule, MessageStream,
    fdo::{DBusProxy, MonitoringProxy},
    message::Type,
    names::OwnedUniqueName,
    proxy,
    zvariant::OwnedObjectPath,
};

use crate::{
    Workspace,
    bus::PrivateBus,
    patiently,
    process::{Process, Stdout},
};

/// What it needs to be installed.
pub const PROGRAM: &str = "gnome-keyring-daemon";

/// Its name on the session bus.
const NAME: &str = "org.freedesktop.secrets";

/// The password of the keyring in a workspace.
pub const PASSWORD: &str = "keyring password";

#[proxy(
    interface = "org.freedesktop.Secret.Service",
    default_service = "org.freedesktop.secrets",
    default_path = "/org/freedesktop/secrets",
    gen_blocking = false
)]
trait Secrets {
    fn search_items(
        &self,
        attributes: HashMap<&str, &str>,
    ) -> zbus::Result<(Vec<OwnedObjectPath>, Vec<OwnedObjectPath>)>;
    fn read_alias(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn unlock(
        &self,
        objects: Vec<OwnedObjectPath>,
    ) -> zbus::Result<(Vec<OwnedObjectPath>, OwnedObjectPath)>;
}

#[proxy(
    interface = "org.freedesktop.Secret.Prompt",
    default_service = "org.freedesktop.secrets",
    gen_blocking = false
)]
trait Prompt {
    fn prompt(&self, window: &str) -> zbus::Result<()>;
}

/// How the keyring is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyringDoor {
    /// As after a login: opened with its password.
    Open,
    /// Started without the password: its collection stays locked.
    Locked,
}

/// `gnome-keyring-daemon` on a private bus. Its files live on in the workspace.
#[derive(Debug)]
pub struct KeyringDaemon {
    process: Process,
}

impl KeyringDaemon {
    /// Starts it and waits for its name on the bus.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace, bus: &PrivateBus, door: KeyringDoor) -> Result<Self> {
        std::fs::create_dir_all(workspace.join("home/.local/share"))?;
        let mut command = Command::new(PROGRAM);
        command
            .args(["--foreground", "--components=secrets"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(workspace.user_environment())
            .env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        let input = match door {
            KeyringDoor::Open => {
                command.arg("--unlock");
                Some(PASSWORD.as_bytes())
            }
            KeyringDoor::Locked => None,
        };
        let process = Process::spawn(
            "gnome-keyring",
            command,
            &workspace.logs(),
            Stdout::Log,
            input,
        )?;
        bus.wait_for_name(NAME)?;
        Ok(Self { process })
    }

    /// Another program wants it opened: its dialog is shown as long as the connection lives. (When the login
    /// opens it, past the bus, it tells nobody.)
    ///
    /// # Errors
    ///
    /// It does not answer, or is open.
    pub fn ask_to_unlock(&self, bus: &PrivateBus) -> Result<Connection> {
        let connection = bus.connect()?;
        let asked = async {
            let secrets = SecretsProxy::new(&connection).await?;
            let collection = secrets.read_alias("default").await?;
            let (_, prompt) = secrets.unlock(vec![collection]).await?;
            let prompt = PromptProxy::builder(&connection)
                .path(prompt)?
                .build()
                .await?;
            anyhow::Ok(prompt.prompt("").await?)
        };
        patiently("the keyring's dialog", asked)??;
        Ok(connection)
    }

    /// How many keys of Countersign it holds, locked or not.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn keys(&self, bus: &PrivateBus) -> Result<usize> {
        let connection = bus.connect()?;
        let counted = async {
            let secrets = SecretsProxy::new(&connection).await?;
            let ours = HashMap::from([("application", "countersign")]);
            let (open, locked) = secrets.search_items(ours).await?;
            anyhow::Ok(open.len().saturating_add(locked.len()))
        };
        patiently("the items of the keyring", counted)?
    }

    /// Ends it, as a logout does.
    ///
    /// # Errors
    ///
    /// It does not end.
    pub fn stop(mut self) -> Result<()> {
        self.process.kill()?;
        Ok(())
    }
}

/// Counts what is asked of the keyring, by anybody.
#[derive(Debug)]
pub struct CallCount {
    bus: Connection,
    keyring: OwnedUniqueName,
    messages: MessageStream,
}

/// The call that ends a count: nobody else makes it.
const LAST: &str = "LastOfAll";

impl CallCount {
    /// From now on.
    ///
    /// # Errors
    ///
    /// The bus does not let itself be watched, or there is no keyring.
    pub fn begin(bus: &PrivateBus) -> Result<Self> {
        let asking = bus.connect()?;
        let watching = bus.connect()?;
        let messages = MessageStream::from(&watching);
        let begun = async {
            let names = DBusProxy::new(&asking).await?;
            let keyring = names.get_name_owner(NAME.try_into()?).await?;
            let calls = MatchRule::builder().msg_type(Type::MethodCall).build();
            let monitoring = MonitoringProxy::new(&watching).await?;
            monitoring.become_monitor(&[calls], 0).await?;
            anyhow::Ok(keyring)
        };
        Ok(Self {
            keyring: patiently("the bus to be watched", begun)??,
            bus: asking,
            messages,
        })
    }

    /// How many there were.
    ///
    /// # Errors
    ///
    /// The bus ended.
    pub fn end(self) -> Result<usize> {
        let Self {
            bus,
            keyring,
            mut messages,
        } = self;
        let counted = async {
            // It is refused, and by then the monitor has it.
            drop(
                bus.call_method(Some(NAME), "/", Some(NAME), LAST, &())
                    .await,
            );
            let mut count = 0_usize;
            loop {
                let call = messages.next().await.context("the bus ended")??;
                let header = call.header();
                if header.member().is_some_and(|member| member == LAST) {
                    return Ok(count);
                }
                let to = header.destination().map(zbus::names::BusName::as_str);
                if to.is_some_and(|to| to == NAME || to == keyring.as_str()) {
                    count = count.saturating_add(1);
                }
            }
        };
        patiently("the calls of the keyring", counted)?
    }
}
