//! A private bus: of a session, or in place of the machine's ([`crate::system_bus`]).

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use zbus::{Connection, connection, fdo::DBusProxy, names::BusName};

use crate::{
    Workspace, block_on, patiently,
    process::{Process, Stdout},
};

/// What the bus may start by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing: an absent service stays absent.
    Nothing,
    /// The services whose files lie in this folder.
    Folder(PathBuf),
}

/// A `dbus-daemon` of its own.
#[derive(Debug)]
pub struct PrivateBus {
    address: String,
    process: Process,
}

impl PrivateBus {
    /// Starts the daemon and waits for its address.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace, activation: &Activation) -> Result<Self> {
        let folder = match activation {
            Activation::Nothing => String::new(),
            Activation::Folder(path) => format!("<servicedir>{}</servicedir>", path.display()),
        };
        let socket = workspace.join("run/bus");
        let config = format!(
            r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><keep_umask/><listen>unix:path={}</listen><auth>EXTERNAL</auth>{folder}
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>
"#,
            socket.display()
        );
        Self::launch(workspace, "dbus-daemon", &config)
    }

    /// Starts a daemon with this configuration; `name` is that of its log.
    pub(crate) fn launch(
        workspace: &Workspace,
        name: &'static str,
        configuration: &str,
    ) -> Result<Self> {
        let config = workspace.join(format!("{name}.conf"));
        fs::write(&config, configuration)?;
        let mut command = Command::new("dbus-daemon");
        command
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(workspace.user_environment());
        let mut process = Process::spawn(name, command, &workspace.logs(), Stdout::Lines, None)?;
        let address = process.line()?;
        Ok(Self { address, process })
    }

    /// What `DBUS_SESSION_BUS_ADDRESS` (or `DBUS_SYSTEM_BUS_ADDRESS`) is set to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The daemon.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A new connection.
    ///
    /// # Errors
    ///
    /// The bus does not answer.
    pub fn connect(&self) -> Result<Connection> {
        let builder = connection::Builder::address(self.address.as_str())?;
        Ok(patiently("the private bus", builder.build())??)
    }

    /// Waits until somebody owns `name`.
    ///
    /// # Errors
    ///
    /// Nobody did in time.
    pub fn wait_for_name(&self, name: &str) -> Result<()> {
        let connection = self.connect()?;
        let name = BusName::try_from(name.to_owned())?;
        let owned = async {
            let bus = DBusProxy::new(&connection).await?;
            let mut changes = bus.receive_name_owner_changed().await?;
            while !bus.name_has_owner(name.clone()).await? {
                changes.next().await.context("the bus ended")?;
            }
            anyhow::Ok(())
        };
        patiently(&format!("{name} on the private bus"), owned)?
    }

    /// Whether somebody owns `name` now.
    ///
    /// # Errors
    ///
    /// The bus does not answer.
    pub fn has_name(&self, name: &str) -> Result<bool> {
        let connection = self.connect()?;
        let name = BusName::try_from(name.to_owned())?;
        block_on(async {
            let bus = DBusProxy::new(&connection).await?;
            Ok(bus.name_has_owner(name).await?)
        })
    }

    /// Ends a program that the bus itself has started, by the id that the bus knows it by.
    ///
    /// # Errors
    ///
    /// Nobody owns `name`, or its process cannot be ended.
    pub fn end_activated(&self, name: &str) -> Result<()> {
        let connection = self.connect()?;
        let bus_name = BusName::try_from(name.to_owned())?;
        let ended = async {
            let bus = DBusProxy::new(&connection).await?;
            let mut changes = bus
                .receive_name_owner_changed_with_args(&[(0, name)])
                .await?;
            let id = bus.get_connection_unix_process_id(bus_name).await?;
            let pid = Pid::from_raw(id.try_into()?).context("no process has the id 0")?;
            kill_process(pid, Signal::TERM)?;
            while let Some(change) = changes.next().await {
                if change.args()?.new_owner().is_none() {
                    break;
                }
            }
            anyhow::Ok(())
        };
        patiently(&format!("the end of {name}"), ended)?
    }
}
