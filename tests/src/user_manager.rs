//! The real `systemd --user` of one user, in a mount namespace and a cgroup of its own. Needs root.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    Workspace,
    agent::Session,
    notify_socket::NotifySocket,
    process::{self, Process, Stdout},
    systemd_logind::Made,
};

/// The manager.
pub const MANAGER: &str = "/lib/systemd/systemd";
/// What a test with it needs to be installed.
pub const PROGRAMS: [&str; 5] = [MANAGER, "systemctl", "unshare", "nsenter", "setpriv"];
/// Nobody's uid: who the user is.
pub const USER: u32 = 61_357;

/// The stage: a machine that looks as if systemd had booted it, and a cgroup that is the user's. The shell becomes
/// the manager.
const STAGE: &str = r#"set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run/systemd
mkdir /run/systemd/system
umount -l /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
cgroup=/sys/fs/cgroup/$CGROUP
mkdir -p "$cgroup/user"
chown -R "$USER_ID:$USER_ID" "$cgroup"
echo $$ >"$cgroup/user/cgroup.procs"
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups \
    /lib/systemd/systemd --user --unit=basic.target --log-target=console
"#;

/// Ends whatever is left in the cgroup and takes it away. Mounts nothing that outlives it.
const SWEEP: &str = r#"set -e
mount --make-rprivate /
mount -t cgroup2 cgroup2 "$PLACE"
cgroup=$PLACE/$CGROUP
[ -d "$cgroup" ] || exit 0
echo 1 >"$cgroup/cgroup.kill"
looks=0
until find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null; do
    looks=$((looks + 1))
    [ $looks -lt 1000 ]
done
"#;

/// `systemd --user`. What it runs ends with it.
#[derive(Debug)]
pub struct UserManager {
    process: Process,
    session: Session,
    place: PathBuf,
    cgroup: String,
    units: PathBuf,
    /// After the process: what is mounted there goes with it.
    _folder: Made,
}

impl UserManager {
    /// Starts it in `workspace`, which is the user's from now on, and waits until it has reached its first target.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(workspace: &Workspace) -> Result<Self> {
        let folder = Made::new("/run/systemd")?;
        let place = workspace.join("cgroups");
        fs::create_dir(&place)?;
        let units = workspace.join("run/systemd/user");
        fs::create_dir_all(&units)?;
        let notify = NotifySocket::bind(workspace.join("manager.notify"))?;
        give(workspace.path())?;
        let session = Session::new(workspace, None);
        let name = workspace.path().file_name().context("no folder")?;
        let cgroup = name.display().to_string();
        let mut command = session.command("unshare".into());
        command
            .args(["--mount", "sh", "-c", STAGE])
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("USER_ID", USER.to_string())
            .env("CGROUP", &cgroup)
            .env("NOTIFY_SOCKET", notify.path());
        let logs = workspace.logs();
        let process = Process::spawn("systemd-user", command, &logs, Stdout::Log, None)?;
        let mut manager = Self {
            process,
            session,
            place,
            cgroup,
            units,
            _folder: folder,
        };
        notify.wait_ready(&mut manager.process)?;
        Ok(manager)
    }

    /// Writes a unit or drop-in. Call [`UserManager::systemctl`] with `daemon-reload` afterwards.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_unit(&self, name: &str, text: &str) -> Result<()> {
        let file = self.units.join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)?;
        give(&self.units)
    }

    /// Runs `systemctl --user`.
    ///
    /// # Errors
    ///
    /// It fails.
    pub fn systemctl(&self, words: &[&str]) -> Result<String> {
        let words: Vec<_> = ["--user"].iter().chain(words).copied().collect();
        let Output {
            status,
            stdout,
            stderr,
        } = self.run("systemctl".into(), &words, "")?;
        ensure!(
            status.success(),
            "systemctl {words:?}: {}\n{}",
            String::from_utf8_lossy(&stderr),
            self.process.log()
        );
        Ok(String::from_utf8(stdout)?.trim_end().to_owned())
    }

    /// Runs a program as the user, where the user's manager is.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not end in time. Its failure is an answer.
    pub fn run(&self, program: OsString, words: &[&str], input: &str) -> Result<Output> {
        let manager = self.process.id().context("the manager has ended")?;
        let user = USER.to_string();
        let mut command: Command = self.session.command("nsenter".into());
        command
            .args(["--mount", &format!("--target={manager}"), "setpriv"])
            .args(["--reuid", &user, "--regid", &user, "--clear-groups"])
            .arg(program)
            .args(words);
        process::output(command, input.as_bytes())
    }
}

impl Drop for UserManager {
    fn drop(&mut self) {
        // It stops its units first; what is left then, or if it hangs, the cgroup ends.
        drop(self.process.terminate());
        let mut sweep = Command::new("unshare");
        sweep
            .args(["--mount", "sh", "-c", SWEEP])
            .env("PLACE", &self.place)
            .env("CGROUP", &self.cgroup);
        // A cgroup that stays is empty: nothing more can be done about it here.
        drop(process::output(sweep, b""));
    }
}

/// Makes a folder and all in it the user's.
///
/// # Errors
///
/// Not root.
pub fn give(folder: &Path) -> Result<()> {
    chown(folder, Some(USER), Some(USER))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            give(&path)?;
        } else {
            chown(&path, Some(USER), Some(USER))?;
        }
    }
    Ok(())
}
