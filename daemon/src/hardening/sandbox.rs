//! The files that the agent can reach, enforced by the kernel (landlock): its own, and what every program
//! reads of the system. It runs no program and listens on no TCP port. As much as the kernel knows of it.
//!
//! Sockets with a path (session bus, journal, service manager) are no matter of these rights. Abstract ones
//! and signals are left alone: a session bus may still be abstract, and the launcher of pinentry is outside.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, RulesetError, make_bitflags, path_beneath_rules,
};
use tracing::{info, warn};

use crate::config::{Paths, variable};

/// The rights that are handled at all: those of the newest kernel that this was tried on. Later ones
/// (connecting to sockets with a path, UDP) stay as they are.
const KNOWN: ABI = ABI::V7;

/// What every program reads of the system: settings, certificates, time zones, the modules that look up hosts
/// and the TPM's transports, and what the standard library wants to know of processors and limits.
const SYSTEM: [&str; 14] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    // resolv.conf and the certificates are often links to these.
    "/run/systemd/resolve",
    "/run/NetworkManager",
    "/run/resolvconf",
    "/var/lib/ca-certificates",
    "/var/lib/dbus",
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
];

/// Random numbers of libraries that do not use the system call.
const RANDOM: [&str; 2] = ["/dev/urandom", "/dev/random"];

/// Variables that name more to read: certificates elsewhere, the credentials of the service manager.
const NAMED: [&str; 4] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "TZDIR",
    "CREDENTIALS_DIRECTORY",
];

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// In the data folder: everything with plain files and folders.
const KEEP: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir
});

/// In the runtime folder: sockets too.
const SERVE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeSock | RemoveFile
});

const DEVICE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | IoctlDev});

/// What the kernel holds this process to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sandbox {
    /// Files outside are out of reach, programs cannot be run.
    Landlock {
        /// The version of the kernel's interface, as far as the library knows it. From 3 on truncating is
        /// refused too, from 4 on listening on TCP, from 5 on commands to devices.
        abi: String,
    },
    /// No landlock here.
    Off {
        /// Why, for people.
        why: String,
    },
}

static SANDBOX: OnceLock<Sandbox> = OnceLock::new();

/// What [`confine`] reached in this process.
#[must_use]
pub fn sandbox() -> Sandbox {
    SANDBOX.get().cloned().unwrap_or_else(|| Sandbox::Off {
        why: "this process was not confined".to_owned(),
    })
}

/// Confines this process for good to its folders in `paths` and to reading the system. To be called while it
/// has one thread: those that it starts later inherit the rules, those that run already do not.
///
/// The folders are made (0700) if they are absent: a rule can only stand on what is there. Nothing is allowed
/// in one that cannot be made; who needs it says so when it is used.
pub fn confine(paths: &Paths) -> Sandbox {
    let reached = match restrict(paths) {
        Ok(LandlockStatus::Available { effective_abi, .. }) => Sandbox::Landlock {
            abi: effective_abi.to_string(),
        },
        Ok(LandlockStatus::NotEnabled) => off("landlock is not enabled in this kernel"),
        Ok(LandlockStatus::NotImplemented) => {
            off("this kernel has no landlock, or a filter of system calls forbids it")
        }
        Err(error) => off(&format!("landlock: {error}")),
    };
    match &reached {
        Sandbox::Landlock { abi } => info!("confined to its own files (landlock {abi})"),
        Sandbox::Off { why } => warn!("not confined to its own files: {why}"),
    }
    SANDBOX.get_or_init(|| reached).clone()
}

fn off(why: &str) -> Sandbox {
    Sandbox::Off {
        why: why.to_owned(),
    }
}

fn restrict(paths: &Paths) -> Result<LandlockStatus, RulesetError> {
    let named = NAMED.iter().filter_map(|name| variable(name));
    let read = SYSTEM
        .into_iter()
        .chain(RANDOM)
        .map(PathBuf::from)
        .chain(named.map(PathBuf::from))
        .chain(own_folder(&paths.config_file()))
        .chain(config_elsewhere(&paths.config_file()));
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::BindTcp)?
        .create()?
        .add_rules(path_beneath_rules(read, READ))?
        .add_rules(path_beneath_rules(own_folder(&paths.vault()), KEEP))?
        .add_rules(path_beneath_rules(own_folder(&paths.agent_socket()), SERVE))?
        .add_rules(path_beneath_rules(devices(), DEVICE))?
        .restrict_self()?;
    Ok(status.landlock)
}

fn devices() -> impl Iterator<Item = &'static Path> {
    let tpm = cfg!(feature = "tpm").then_some(crate::tpm::DEVICE);
    ["/dev/null"].into_iter().chain(tpm).map(Path::new)
}

/// The folder that `file` is to lie in, made if it is absent. None if it is no folder: a link is followed by
/// the kernel's rules, and its owner would choose what they allow.
fn own_folder(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    // What is wrong shows in the next line, or when the folder is used.
    if let Err(error) = make_private(folder)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        warn!(%error, "{} could not be made", folder.display());
    }
    let found = fs::symlink_metadata(folder).ok()?;
    found.is_dir().then(|| folder.to_owned())
}

fn make_private(folder: &Path) -> io::Result<()> {
    let private = |recursive| {
        let mut builder = DirBuilder::new();
        builder.recursive(recursive).mode(0o700);
        builder
    };
    if let Some(parent) = folder.parent() {
        private(true).create(parent)?;
    }
    private(false).create(folder)
}

/// config.toml itself where it is a link, into a folder of dotfiles for instance: what surrounds it there is
/// not ours to read.
fn config_elsewhere(file: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(file).ok()?;
    (real != file).then_some(real)
}
