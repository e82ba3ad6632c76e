//! The real systemd-logind, in a mount namespace of its own where a session of the user is on file. Needs root.

use std::{
    fs,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    Workspace,
    bus::PrivateBus,
    process::{self, Process, Stdout},
};

/// The daemon.
pub const DAEMON: &str = "/lib/systemd/systemd-logind";
/// What a test with it needs to be installed.
pub const PROGRAMS: [&str; 4] = [DAEMON, "unshare", "nsenter", "loginctl"];

/// Its folders, what it would find there of a session that its PAM module has begun, and the cgroups that it
/// expects. The leader of the session is the shell that becomes the daemon.
const STAGE: &str = r#"set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run/systemd
cd /run/systemd; mkdir system sessions users seats inhibit
printf 'UID=%s\nUSER=%s\nACTIVE=1\nIS_DISPLAY=1\nSTATE=active\nREMOTE=0\nTYPE=x11\nCLASS=user\nSCOPE=session-c1.scope\nSEAT=seat0\nVTNR=1\nLEADER=%s\n' "$USER_ID" "$USER_NAME" $$ >sessions/c1
printf 'NAME=%s\nSTATE=active\nSTOPPING=no\nDISPLAY=c1\nSESSIONS=c1\nSEATS=seat0\nACTIVE_SESSIONS=c1\nONLINE_SESSIONS=c1\nACTIVE_SEATS=seat0\nONLINE_SEATS=seat0\n' "$USER_NAME" >"users/$USER_ID"
printf 'IS_SEAT0=1\nCAN_MULTI_SESSION=1\nACTIVE=c1\nACTIVE_UID=%s\nSESSIONS=c1\nUIDS=%s\n' "$USER_ID" "$USER_ID" >seats/seat0
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec /lib/systemd/systemd-logind
"#;

/// `systemd-logind` on a private system bus, with the session `c1` of one user.
#[derive(Debug)]
pub struct SystemdLogind {
    address: String,
    process: Process,
    /// After the process: what is mounted there goes with the folder.
    _folder: Made,
}

impl SystemdLogind {
    /// Starts it in a mount namespace of its own and waits for its name.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace, bus: &PrivateBus, user: u32) -> Result<Self> {
        let folder = Made::new("/run/systemd")?;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", STAGE])
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("DBUS_SYSTEM_BUS_ADDRESS", bus.address())
            .env("USER_ID", user.to_string())
            .env("USER_NAME", name_of(user)?);
        let process = Process::spawn(
            "systemd-logind",
            command,
            &workspace.logs(),
            Stdout::Log,
            None,
        )?;
        bus.wait_for_name(crate::logind::NAME)?;
        Ok(Self {
            address: bus.address().to_owned(),
            process,
            _folder: folder,
        })
    }

    /// Runs `loginctl` with this logind.
    ///
    /// # Errors
    ///
    /// It fails.
    pub fn loginctl(&self, words: &[&str]) -> Result<String> {
        self.inside("loginctl", words)
    }

    /// The session's locker says that the screen is locked, or no longer.
    ///
    /// # Errors
    ///
    /// logind refuses.
    pub fn hint_locked(&self, locked: bool) -> Result<()> {
        let session = "/org/freedesktop/login1/session/c1";
        let interface = "org.freedesktop.login1.Session";
        let locked = if locked { "true" } else { "false" };
        let words = [
            "call",
            crate::logind::NAME,
            session,
            interface,
            "SetLockedHint",
            "b",
            locked,
        ];
        self.inside("busctl", &words)?;
        Ok(())
    }

    fn inside(&self, program: &str, words: &[&str]) -> Result<String> {
        let id = self.process.id().context("logind has ended")?;
        let mut command = Command::new("nsenter");
        command
            .args(["--mount", &format!("--target={id}"), program])
            .args(words)
            .env("DBUS_SYSTEM_BUS_ADDRESS", &self.address);
        let Output {
            status,
            stdout,
            stderr,
        } = process::output(command, b"")?;
        ensure!(
            status.success(),
            "{program} {words:?}: {}",
            String::from_utf8_lossy(&stderr)
        );
        Ok(String::from_utf8(stdout)?)
    }
}

/// A folder that has to be there to mount something on it; taken away again if it was not there before.
#[derive(Debug)]
pub(crate) struct Made(Option<&'static str>);

impl Made {
    pub(crate) fn new(folder: &'static str) -> Result<Self> {
        if fs::exists(folder)? {
            return Ok(Self(None));
        }
        fs::create_dir(folder)?;
        Ok(Self(Some(folder)))
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(folder) = self.0 {
            // Not empty: somebody else uses it by now.
            drop(fs::remove_dir(folder));
        }
    }
}

fn name_of(user: u32) -> Result<String> {
    let mut command = Command::new("id");
    command.args(["--name", "--user", &user.to_string()]);
    let output = process::output(command, b"")?;
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
