//! Root's side, as far as everybody may look: the module, its program, the accepted keys.

use std::{
    fs, io,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use countersign_proto::agent::v1::Reason;
use data_encoding::BASE64;
use nix::unistd::{Uid, User};

use crate::exit::Failure;

/// sudo, where it always is.
const SUDO: &str = "/usr/bin/sudo";
/// Root's program. A fixed path: what `sudo` starts must not come from the user's own PATH.
const PROGRAM: &str = "/usr/sbin/countersign-pam";
/// The folder of accepted keys.
pub(crate) const KEYS: &str = "/etc/countersign/pam/keys.d";
/// The longest file of accepted keys, in bytes.
const LONGEST: u64 = 64 * 1024;
/// Where distributions keep PAM modules.
const MODULES: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu/security",
    "/usr/lib/aarch64-linux-gnu/security",
    "/usr/lib64/security",
    "/usr/lib/security",
    "/lib/x86_64-linux-gnu/security",
    "/lib/security",
];
const MODULE: &str = "pam_countersign.so";

/// A key that root accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// 65 bytes.
    pub(crate) key: Vec<u8>,
    /// `presence`, `user` or `pin`.
    pub(crate) verify: String,
    /// Root asks for a finger as well.
    pub(crate) finger: bool,
}

/// Root's program.
#[derive(Debug)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// Finds it.
    ///
    /// # Errors
    ///
    /// It is not installed, or somebody else than root could change it.
    pub(crate) fn find() -> Result<Self, Failure> {
        let path = PathBuf::from(PROGRAM);
        let not_there = |message: String| {
            Failure::refused(
                Reason::SudoNotInstalled,
                message,
                "Install Countersign's PAM module; docs/pam.md says how.",
            )
        };
        match fs::metadata(&path) {
            Ok(metadata) if !is_roots(&metadata) => Err(not_there(format!(
                "{PROGRAM} can be changed by others than root, and is not started."
            ))),
            Ok(_) => Ok(Self(path)),
            Err(_absent) => Err(not_there(format!("{PROGRAM} is not installed."))),
        }
    }

    /// Starts it by sudo, which asks as it does.
    ///
    /// # Errors
    ///
    /// sudo or the program said no.
    pub(crate) fn run(&self, words: &[String]) -> Result<(), Failure> {
        let mut sudo = Command::new(SUDO);
        sudo.arg("--").arg(&self.0).args(words);
        if ended_well(sudo)? {
            return Ok(());
        }
        Err(Failure::refused(
            Reason::SudoFailed,
            "Root's part was not done.",
            "What sudo or countersign-pam said stands above.",
        ))
    }
}

/// Asks once, with nothing to do for root.
///
/// # Errors
///
/// sudo said no.
pub(crate) fn try_sudo() -> Result<(), Failure> {
    let mut sudo = Command::new(SUDO);
    sudo.args(["-k", "--", "/bin/true"]);
    if ended_well(sudo)? {
        return Ok(());
    }
    Err(Failure::refused(
        Reason::SudoFailed,
        "sudo said no.",
        "`countersign doctor` looks for what is wrong.",
    ))
}

/// What it says goes to standard error: standard output is for the answer of this program alone.
fn ended_well(mut sudo: Command) -> Result<bool, Failure> {
    let said = io::stderr().as_fd().try_clone_to_owned();
    let said = said.map_or_else(|_no_descriptor| Stdio::null(), Stdio::from);
    let ended = sudo.stdout(said).status().map_err(|error| {
        Failure::refused(
            Reason::SudoNotInstalled,
            format!("sudo could not be started: {error}."),
            "Install sudo, or let root run countersign-pam.",
        )
    })?;
    Ok(ended.success())
}

/// Could root alone have written it?
pub(crate) fn is_roots(metadata: &fs::Metadata) -> bool {
    metadata.uid() == 0 && metadata.mode() & 0o022 == 0
}

/// The user's name.
///
/// # Errors
///
/// The system does not know the user.
pub(crate) fn user() -> Result<String, Failure> {
    match User::from_uid(Uid::current()) {
        Ok(Some(user)) => Ok(user.name),
        Ok(None) | Err(_) => Err(Failure::refused(
            Reason::Internal,
            "The system does not know who you are.",
            "",
        )),
    }
}

/// The name of this computer, for root's file and log.
pub(crate) fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// As root's program takes a key.
pub(crate) fn base64(key: &[u8]) -> String {
    BASE64.encode(key)
}

/// The module: the one that the stack names by its whole path, which may not be there; else where it is installed.
pub(crate) fn module(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(installed)
}

fn installed() -> Option<PathBuf> {
    MODULES
        .iter()
        .map(|folder| Path::new(folder).join(MODULE))
        .find(|path| path.is_file())
}

/// The keys that root accepts for `user`.
///
/// # Errors
///
/// The file is there and cannot be read.
pub(crate) fn accepted(user: &str) -> Result<Vec<Accepted>, Failure> {
    let path = Path::new(KEYS).join(user);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > LONGEST => {
            return Err(unreadable(&path, "it is too long"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&path, &error.to_string())),
    }
    let content = fs::read_to_string(&path).map_err(|why| unreadable(&path, &why.to_string()))?;
    Ok(content.lines().filter_map(line).collect())
}

fn unreadable(path: &Path, why: &str) -> Failure {
    Failure::refused(
        Reason::SudoFailed,
        format!("{} cannot be read: {why}.", path.display()),
        "`countersign doctor` looks for what is wrong.",
    )
}

/// A line of the file, as far as it is of use here: the module alone decides.
fn line(line: &str) -> Option<Accepted> {
    let (before, _label) = line.split_once(" label=")?;
    let mut words = before.split_ascii_whitespace();
    if (words.next(), words.next()) != (Some("countersign-sudo-1"), Some("p256")) {
        return None;
    }
    Some(Accepted {
        key: BASE64.decode(words.next()?.as_bytes()).ok()?,
        verify: words.next()?.strip_prefix("verify=")?.to_owned(),
        finger: words.next() == Some("finger=root"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_the_module_writes_it() {
        let key = base64(&[4; 65]);
        let read = line(&format!(
            "countersign-sudo-1 p256 {key} verify=pin finger=root label=a b"
        ));
        assert_eq!(
            read,
            Some(Accepted {
                key: vec![4; 65],
                verify: "pin".to_owned(),
                finger: true
            })
        );
        for other in [
            "",
            "# comment",
            "countersign-sudo-2 p256 AAAA verify=pin label=x",
        ] {
            assert_eq!(line(other), None);
        }
    }
}
