//! The real agent, with a session of its own.

use std::{ffi::OsString, fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use rustix::process::Signal;

use crate::{
    LOOK_EVERY, Workspace,
    bus::PrivateBus,
    notify_socket::NotifySocket,
    patiently,
    process::{Process, Stdout},
    programs::program,
};

const SYSTEM_BUS: &str = "DBUS_SYSTEM_BUS_ADDRESS";

/// The environment of one user's session: what the agent and the command line both see.
#[derive(Clone, Debug)]
pub struct Session {
    variables: Vec<(OsString, OsString)>,
}

impl Session {
    /// The user of `workspace`, on `bus` if there is one.
    #[must_use]
    pub fn new(workspace: &Workspace, bus: Option<&PrivateBus>) -> Self {
        let mut variables: Vec<(OsString, OsString)> = workspace
            .user_environment()
            .into_iter()
            .map(|(name, path)| (name.into(), path.into()))
            .collect();
        // Without a bus of ours the address leads nowhere, never to the bus of whoever runs the test.
        let nowhere = format!("unix:path={}", workspace.join("run/no-bus").display());
        let address = bus.map_or(nowhere, |bus| bus.address().to_owned());
        variables.push(("DBUS_SESSION_BUS_ADDRESS".into(), address.into()));
        let nowhere = format!(
            "unix:path={}",
            workspace.join("run/no-system-bus").display()
        );
        variables.push((SYSTEM_BUS.into(), nowhere.into()));
        variables.push(("PATH".into(), "/usr/bin:/bin".into()));
        Self { variables }
    }

    /// The same session on a machine whose system bus is `bus` ([`crate::system_bus`]).
    #[must_use]
    pub fn on_system_bus(mut self, bus: &PrivateBus) -> Self {
        self.variables.retain(|(name, _)| name != SYSTEM_BUS);
        self.variables
            .push((SYSTEM_BUS.into(), bus.address().into()));
        self
    }

    /// The same session with one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// The same session in front of the display `display` ([`crate::screen`]).
    #[must_use]
    pub fn on_display(mut self, display: &str) -> Self {
        self.variables.push(("DISPLAY".into(), display.into()));
        self
    }

    /// A program in this session.
    #[must_use]
    pub fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The variables, for people to export and for `-E NAME=VALUE`.
    #[must_use]
    pub fn variables(&self) -> &[(OsString, OsString)] {
        &self.variables
    }
}

/// `countersignd`. The vault in its workspace outlives it.
#[derive(Debug)]
pub struct AgentProcess {
    session: Session,
    logs: PathBuf,
    notify: NotifySocket,
    socket: PathBuf,
    process: Process,
}

impl AgentProcess {
    /// Starts the agent and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It does not become ready.
    pub fn start(workspace: &Workspace, session: Session) -> Result<Self> {
        let notify = NotifySocket::bind(workspace.join("agent.notify"))?;
        let logs = workspace.logs();
        let process = launch(&session, &notify, &logs)?;
        let socket = workspace.join("run/countersign/agent.sock");
        Ok(Self {
            session,
            logs,
            notify,
            socket,
            process,
        })
    }

    /// Starts it again after it was ended.
    ///
    /// # Errors
    ///
    /// It does not become ready.
    pub fn restart(&mut self) -> Result<()> {
        self.process = launch(&self.session, &self.notify, &self.logs)?;
        Ok(())
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its process id while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// The socket that it serves.
    #[must_use]
    pub fn socket(&self) -> &std::path::Path {
        &self.socket
    }

    /// The session that it runs in.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What it has said so far, over all its starts.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The programs that show its dialogs now, by process id: they are its launcher's children.
    #[must_use]
    pub fn dialogs(&self) -> Vec<u32> {
        let launchers = self.id().map(children).unwrap_or_default();
        launchers.into_iter().flat_map(children).collect()
    }

    /// Waits until a dialog is there, or until none is.
    ///
    /// # Errors
    ///
    /// It does not come to that in time.
    pub fn wait_for_dialog(&self, there: bool) -> Result<()> {
        let come = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while self.dialogs().is_empty() == there {
                looks.tick().await;
            }
        };
        patiently("a dialog to come or go", come)
    }

    /// Makes it read config.toml again, and waits until it says `words` that it has not said before.
    ///
    /// # Errors
    ///
    /// It has ended, or says nothing of the kind.
    pub fn reload(&self, words: &str) -> Result<()> {
        let before = self.log().matches(words).count();
        self.process.signal(Signal::HUP)?;
        let said = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while self.log().matches(words).count() <= before {
                looks.tick().await;
            }
        };
        patiently(words, said)
    }
}

fn launch(session: &Session, notify: &NotifySocket, logs: &std::path::Path) -> Result<Process> {
    let mut command = session.command(program("countersignd")?);
    command
        .env("NOTIFY_SOCKET", notify.path())
        .env("RUST_LOG", "info");
    let mut process = Process::spawn("countersignd", command, logs, Stdout::Log, None)?;
    notify.wait_ready(&mut process).context("countersignd")?;
    Ok(process)
}

/// The children of a process that have not ended.
fn children(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task"));
    threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|children| {
            let ids = children.split_whitespace().map(str::parse);
            ids.flatten().collect::<Vec<u32>>()
        })
        .filter(|child| {
            let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
            !state.is_empty() && !state.starts_with('Z')
        })
        .collect()
}
