//! A system of its own that an ordinary user makes, without any privilege: a user namespace in which her uid is root's, and a
//! root folder with an `/etc`, a `/run` and a `/dev` of its own, where all files are hers. The programs of this machine are
//! in it, and what a test installs.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    Workspace, parts,
    process::{self, Process, Stdout},
    programs,
    sandbox::{SystemLog, USER},
};

/// What [`UserNamespace`] needs.
pub const PROGRAMS: [&str; 4] = ["unshare", "nsenter", "setpriv", "chroot"];

/// The uid and gid of the ordinary user where root runs the test: `nobody`, who owns nothing.
const NOBODY: u32 = 65_534;

/// What happens inside; `$1` is the root folder to be, `$2` the name of its one account. Only bind mounts of what everybody
/// can read: an ordinary user may do no more. `/usr/sbin` is for what is installed.
const SET_UP: &str = r#"
umask 022
cd "$1"
mkdir -p etc/pam.d etc/countersign/pam/keys.d "home/$2" dev proc tmp opt usr/sbin
for name in bin sbin lib lib32 lib64 libx32 usr/bin usr/lib usr/lib32 usr/lib64 usr/libexec usr/share; do
  if [ -L "/$name" ]; then ln -s "$(readlink "/$name")" "$name"
  elif [ -d "/$name" ]; then mkdir "$name"; mount --rbind "/$name" "$name"
  fi
done
mount --rbind /proc proc
for name in null zero random urandom; do touch "dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
echo "$2:x:0:0::/home/$2:/bin/sh" > etc/passwd
echo "$2:x:0:" > etc/group
tr -d - < /proc/sys/kernel/random/uuid > etc/machine-id
if [ -e /etc/ld.so.cache ]; then cp /etc/ld.so.cache etc; fi
mkdir -p -m 700 run/user/0/countersign
chmod 700 run/user/0
chmod 755 run run/user
echo made
exec sleep infinity
"#;

/// A running one. Its processes are the test's; the namespace ends with the last of them.
#[derive(Debug)]
pub struct UserNamespace {
    keeper: Process,
    keeper_id: u32,
    root: PathBuf,
    workspace: Workspace,
}

impl UserNamespace {
    /// Whether there can be one here; says why not.
    #[must_use]
    pub fn is_possible(test: &str) -> bool {
        if !parts::are_there(test, &PROGRAMS) {
            return false;
        }
        let made = process::output(as_ordinary_user(&[&UNSHARE[..], &["true"]].concat()), b"");
        let is_made = made.is_ok_and(|made| made.status.success());
        if !is_made {
            parts::skipped(test, "an ordinary user makes no user namespaces here");
        }
        is_made
    }

    /// Makes one with [`USER`] in it, whose uid is 0 there.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub fn start() -> Result<Self> {
        let workspace = Workspace::new()?;
        // The way to the root folder is everybody's, what lies beside it is not.
        fs::set_permissions(workspace.path(), fs::Permissions::from_mode(0o711))?;
        let root = workspace.join("root");
        fs::create_dir(&root)?;
        give(&root, 0o755)?;
        let place = root.to_str().context("a path that is text")?;
        let words = [
            &UNSHARE[..],
            &["bash", "-eu", "-c", SET_UP, "namespace", place, USER],
        ];
        let mut keeper = Process::spawn(
            "namespace",
            as_ordinary_user(&words.concat()),
            &workspace.logs(),
            Stdout::Lines,
            None,
        )?;
        let keeper_id = keeper.id().context("the namespace has ended")?;
        let made = keeper.line()?;
        ensure!(made == "made", "the namespace says {made}");
        Ok(Self {
            keeper,
            keeper_id,
            root,
            workspace,
        })
    }

    /// The uid outside of the one who is root inside.
    #[must_use]
    pub fn outer_uid(&self) -> u32 {
        ordinary_uid()
    }

    /// A folder outside, for logs.
    #[must_use]
    pub const fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// How a path inside is called outside. What is mounted inside is not seen there.
    #[must_use]
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// A program inside, with an environment of nothing but `PATH`, `HOME` and the user's runtime folder.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let id = self.keeper_id;
        let user = format!("--user=/proc/{id}/ns/user");
        let mount = format!("--mount=/proc/{id}/ns/mnt");
        let root = self.root.display().to_string();
        let enter = [
            "nsenter",
            "--preserve-credentials",
            &user,
            &mount,
            "--",
            "chroot",
            &root,
        ];
        let mut command = as_ordinary_user(&[&enter[..], words].concat());
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", format!("/home/{USER}"))
            .env("XDG_RUNTIME_DIR", "/run/user/0");
        command
    }

    /// Runs a script inside.
    ///
    /// # Errors
    ///
    /// It failed, or did not end in time.
    pub fn shell(&self, script: &str) -> Result<()> {
        let done = process::output(self.command(&["bash", "-ec", script]), b"")?;
        ensure!(
            done.status.success(),
            "{script}: {}",
            crate::sandbox::said(&done)
        );
        Ok(())
    }

    /// Writes a file inside.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write(&self, inside: &str, text: &str, mode: u32) -> Result<()> {
        let path = self.path(inside);
        fs::write(&path, text)?;
        give(&path, mode)
    }

    /// Puts one of our own programs, or the module, where root would install it.
    ///
    /// # Errors
    ///
    /// It has not been built, or cannot be copied.
    pub fn install(&self, program: &str, inside: &str) -> Result<()> {
        self.copy(&programs::program(program)?, inside)
    }

    /// Puts a program or library there.
    ///
    /// # Errors
    ///
    /// It cannot be copied.
    pub fn copy(&self, file: &Path, inside: &str) -> Result<()> {
        let path = self.path(inside);
        fs::copy(file, &path)?;
        give(&path, 0o755)
    }

    /// The system's log inside, from now on.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn log(&self) -> Result<SystemLog> {
        SystemLog::at(&self.path("/dev/log"))
    }

    /// Ends it, and checks that nothing went wrong inside.
    ///
    /// # Errors
    ///
    /// It had ended before.
    pub fn end(mut self) -> Result<()> {
        ensure!(
            self.keeper.ended()?.is_none(),
            "the namespace ended early: {}",
            self.keeper.log()
        );
        self.keeper.kill()?;
        Ok(())
    }
}

/// New namespaces, with the caller as their root.
const UNSHARE: [&str; 5] = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "--propagation=private",
];

/// Root runs tests as well: then nobody does this, who has no privilege and gets none.
fn as_ordinary_user(words: &[&str]) -> Command {
    let id = NOBODY.to_string();
    let drop_to = [
        "setpriv",
        "--reuid",
        &id,
        "--regid",
        &id,
        "--clear-groups",
        "--no-new-privs",
        "--",
    ];
    let is_root = rustix::process::geteuid().is_root();
    let words = if is_root {
        [&drop_to[..], words].concat()
    } else {
        words.to_vec()
    };
    let mut words = words.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

fn ordinary_uid() -> u32 {
    let own = rustix::process::geteuid();
    if own.is_root() { NOBODY } else { own.as_raw() }
}

/// Makes it the ordinary user's.
fn give(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}
