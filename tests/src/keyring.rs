//! The real gnome-keyring as Secret Service.

use std::process::Command;

use anyhow::Result;

use crate::{
    Workspace,
    bus::PrivateBus,
    process::{Process, Stdout},
};

/// What it needs to be installed.
pub const PROGRAM: &str = "gnome-keyring-daemon";

/// The password of the keyring in a workspace.
const PASSWORD: &[u8] = b"keyring password";

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
                Some(PASSWORD)
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
        bus.wait_for_name("org.freedesktop.secrets")?;
        Ok(Self { process })
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
