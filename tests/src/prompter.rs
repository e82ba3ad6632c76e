//! GNOME's system prompter outside of GNOME: shows the dialogs of pinentry-gnome3 and of the keyring.

use std::process::Command;

use anyhow::Result;

use crate::{
    Workspace,
    bus::PrivateBus,
    process::{Process, Stdout},
    screen::Screen,
};

/// Where it is, for [`crate::parts::are_there`].
pub const PROGRAM: &str = "/usr/libexec/gcr-prompter";

/// The class of its windows.
pub const WINDOW: &str = "gcr-prompter";

/// The running prompter.
#[derive(Debug)]
pub struct Prompter {
    _process: Process,
}

impl Prompter {
    /// Starts it and waits until it takes prompts.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace, bus: &PrivateBus, screen: &Screen) -> Result<Self> {
        let mut command = Command::new(PROGRAM);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(workspace.user_environment())
            .env("LC_ALL", "C.UTF-8")
            .env("DBUS_SESSION_BUS_ADDRESS", bus.address())
            .env("DISPLAY", screen.display())
            .env("GSETTINGS_BACKEND", "memory")
            .env("NO_AT_BRIDGE", "1");
        let process = Process::spawn("prompter", command, &workspace.logs(), Stdout::Log, None)?;
        bus.wait_for_name("org.gnome.keyring.SystemPrompter")?;
        Ok(Self { _process: process })
    }
}
