//! A system of its own for what is set up in `/etc`: PAM, sudo, sshd, users. It is this machine in a mount namespace of its own,
//! with overlays over `/etc`, `/usr/libexec` and `/dev` and empty `/home` and `/run`; whatever a test changes there is gone with it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    PATIENCE, Workspace, parts,
    process::{self, Process, Stdout},
    programs,
};

/// What [`Sandbox`] needs.
pub const SANDBOX: [&str; 5] = ["unshare", "nsenter", "setpriv", "sudo", "pamtester"];

/// The user of a sandbox.
pub const USER: &str = "alice";

/// Password of [`USER`].
pub const PASSWORD: &str = "correct horse";

/// What happens inside, as its root. `$1` is a folder of the test's own.
const SET_UP: &str = r#"
mount -t tmpfs tmpfs "$1"
mkdir "$1/up" "$1/wk" "$1/lib-up" "$1/lib-wk" "$1/dev-up" "$1/dev-wk" "$1/pts"
mount --bind /dev/pts "$1/pts"
mount -t overlay overlay -o "lowerdir=/dev,upperdir=$1/dev-up,workdir=$1/dev-wk" /dev
mount --bind "$1/pts" /dev/pts
rm -f /dev/log
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/up,workdir=$1/wk" /etc
mount -t overlay overlay -o "lowerdir=/usr/libexec,upperdir=$1/lib-up,workdir=$1/lib-wk" /usr/libexec
mount -t tmpfs -o mode=755 tmpfs /home
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/user /run/sshd /run/lock
install -d -m 711 /run/sudo
rm -rf /etc/countersign
useradd --create-home --shell /bin/bash "$2"
echo "$2:$3" | chpasswd
id=$(id -u "$2")
install -d -m 700 -o "$2" -g "$2" "/run/user/$id"
printf 'Defaults timestamp_timeout=0\nDefaults !lecture\n%s ALL=(ALL:ALL) ALL\n' "$2" > /etc/sudoers.d/sandbox
chmod 440 /etc/sudoers.d/sandbox
echo "$id"
exec sleep infinity
"#;

/// A running sandbox. Its processes are the test's; the namespace ends with the last of them.
#[derive(Debug)]
pub struct Sandbox {
    keeper: Process,
    keeper_id: u32,
    user_id: u32,
    workspace: Workspace,
}

impl Sandbox {
    /// Whether there can be one here; says why not.
    #[must_use]
    pub fn is_possible(test: &str) -> bool {
        if !parts::are_there(test, &SANDBOX) {
            return false;
        }
        if !rustix::process::geteuid().is_root() {
            parts::skipped(test, "only root makes such a namespace");
            return false;
        }
        true
    }

    /// Makes one with [`USER`] in it, who may use sudo.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub fn start() -> Result<Self> {
        let workspace = Workspace::new()?;
        let inside = workspace.join("etc");
        fs::create_dir(&inside)?;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private"])
            .args(["bash", "-eu", "-c", SET_UP, "sandbox"])
            .arg(&inside)
            .args([USER, PASSWORD]);
        let mut keeper = Process::spawn(
            "sandbox",
            command,
            &workspace.logs(),
            Stdout::Lines,
            None::<&[u8]>,
        )?;
        let keeper_id = keeper.id().context("the sandbox has ended")?;
        let user_id = keeper.line()?.parse()?;
        Ok(Self {
            keeper,
            keeper_id,
            user_id,
            workspace,
        })
    }

    /// The uid of [`USER`].
    #[must_use]
    pub const fn user_id(&self) -> u32 {
        self.user_id
    }

    /// A folder outside, for logs.
    #[must_use]
    pub const fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// How a path of the sandbox is called outside.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.keeper_id))
    }

    /// A program inside, as root, with an environment of nothing but `PATH` and `HOME`.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.keeper_id))
            .arg("--")
            .args(words)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", "/root");
        command
    }

    /// A program inside, as [`USER`].
    #[must_use]
    pub fn command_of_user(&self, words: &[&str]) -> Command {
        let mut all = vec![
            "setpriv",
            "--reuid",
            USER,
            "--regid",
            USER,
            "--init-groups",
            "--",
        ];
        all.extend_from_slice(words);
        let mut command = self.command(&all);
        command.env("HOME", format!("/home/{USER}"));
        command
    }

    /// Runs a program inside, as root, to its end.
    ///
    /// # Errors
    ///
    /// It cannot be started, or did not end in time.
    pub fn run(&self, words: &[&str], input: &str) -> Result<Output> {
        process::output(self.command(words), input.as_bytes())
    }

    /// Runs a program inside, as [`USER`], to its end.
    ///
    /// # Errors
    ///
    /// It cannot be started, or did not end in time.
    pub fn run_as_user(&self, words: &[&str], input: &str) -> Result<Output> {
        process::output(self.command_of_user(words), input.as_bytes())
    }

    /// Runs one of our own programs inside, as root, to its end.
    ///
    /// # Errors
    ///
    /// It has not been built, cannot be started, or did not end in time.
    pub fn run_own(&self, program: &str, words: &[&str], input: &str) -> Result<Output> {
        let program = programs::program(program)?;
        let program = program.to_str().context("a path that is text")?;
        let mut all = vec![program];
        all.extend_from_slice(words);
        self.run(&all, input)
    }

    /// Writes a file inside.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, inside: &str, text: &str, mode: u32) -> Result<()> {
        let path = self.path(inside);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text)?;
        Ok(fs::set_permissions(
            &path,
            fs::Permissions::from_mode(mode),
        )?)
    }

    /// Puts one of our own programs where it is installed. `/etc` and `/usr/libexec` are the sandbox's own.
    ///
    /// # Errors
    ///
    /// It has not been built, or cannot be copied.
    pub fn install(&self, program: &str, inside: &str) -> Result<()> {
        let path = self.path(inside);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(programs::program(program)?, &path)?;
        Ok(fs::set_permissions(
            &path,
            fs::Permissions::from_mode(0o755),
        )?)
    }

    /// The system's log inside, from now on: who writes there is heard here, and nobody outside hears it.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn log(&self) -> Result<SystemLog> {
        SystemLog::at(&self.path("/dev/log"))
    }

    /// Sets what a service of PAM asks for: the lines of `auth`. Account and session are always in order.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn service(&self, name: &str, auth: &str) -> Result<()> {
        let rest = "account required pam_permit.so\nsession required pam_permit.so\npassword required pam_deny.so\n";
        self.write(
            &format!("/etc/pam.d/{name}"),
            &format!("{auth}\n{rest}"),
            0o644,
        )
    }

    /// One login through `pamtester`: what it says, and whether it was let in.
    ///
    /// # Errors
    ///
    /// It cannot be started, or did not end in time.
    pub fn login(&self, service: &str, user: &str, typed: &str) -> Result<(String, bool)> {
        let output = self.run(&["pamtester", service, user, "authenticate"], typed)?;
        Ok((said(&output), output.status.success()))
    }

    /// Ends it, and checks that nothing went wrong inside.
    ///
    /// # Errors
    ///
    /// It had ended before.
    pub fn end(mut self) -> Result<()> {
        ensure!(
            self.keeper.ended()?.is_none(),
            "the sandbox ended early: {}",
            self.keeper.log()
        );
        self.keeper.kill()?;
        Ok(())
    }
}

/// What syslog(3) has written in a sandbox.
#[derive(Debug)]
pub struct SystemLog(UnixDatagram);

impl SystemLog {
    /// Hears what is written to the socket `path`, which is made.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn at(path: &Path) -> Result<Self> {
        let socket = UnixDatagram::bind(path)?;
        // Of any user inside.
        fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// The next line that `wanted` is in, with its priority and time.
    ///
    /// # Errors
    ///
    /// None came in time.
    pub fn line(&self, wanted: &str) -> Result<String> {
        let mut packet = [0; 4096];
        loop {
            let length = self
                .0
                .recv(&mut packet)
                .context("waited in vain for a line of the log")?;
            let line =
                String::from_utf8_lossy(packet.get(..length).unwrap_or_default()).into_owned();
            if line.contains(wanted) {
                return Ok(line);
            }
        }
    }
}

/// All that a program has said.
#[must_use]
pub fn said(output: &Output) -> String {
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    said
}
