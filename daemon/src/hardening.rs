//! The first thing that runs: secrets in locked pages, no dumps, no new privileges, nothing readable by
//! others; later a sandbox around the whole process.
//!
//! Pages are not locked as a whole: every library would then count as resident. What is secret lies in the
//! pool of the [`WipingAllocator`], in types that wipe on drop; the allocator also catches the copies that
//! libraries make on the way.

mod allocator;
mod sandbox;

use std::{fs, io};

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit, umask,
};
use sha2::{Digest as _, Sha256};

pub use allocator::{MemoryProtection, WipingAllocator, memory};
pub use sandbox::{Sandbox, confine, sandbox};

/// Protects this process. Fails closed: an agent that cannot does not start.
///
/// # Errors
///
/// A system call that was refused.
pub fn harden() -> io::Result<()> {
    // No ptrace by, and no /proc/PID/mem for, other processes of the same user.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    rustix::thread::set_no_new_privs(true)?;
    umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(())
}

/// What protects this process, in words for people.
#[must_use]
pub fn protection() -> Vec<String> {
    let memory = match memory() {
        MemoryProtection::Locked { bytes } => format!(
            "secrets lie in {} KiB of memory that is never swapped and in no dump",
            bytes >> 10
        ),
        MemoryProtection::Unlocked { why } => format!("memory is not locked: {why}"),
    };
    let files = match sandbox() {
        Sandbox::Landlock { abi } => format!("confined to its own files (landlock, ABI {abi})"),
        Sandbox::Off { why } => format!("not confined to its own files: {why}"),
    };
    vec![memory, files]
}

/// Names this machine: SHA-256 of its id under a label of ours, since the id itself is not to be published
/// (machine-id(5)). A vault is used on the machine where it was made.
#[must_use]
pub fn host_id() -> [u8; 32] {
    let id = machine_id()
        // A machine without an id has its name; a vault that cannot tell machines apart is still a vault.
        .unwrap_or_else(|| rustix::system::uname().nodename().to_bytes().to_vec());
    Sha256::new()
        .chain_update("countersign/vault/1 host\0")
        .chain_update(id.trim_ascii())
        .finalize()
        .into()
}

/// machine-id(5), if this machine has one.
#[must_use]
pub fn machine_id() -> Option<Vec<u8>> {
    fs::read("/etc/machine-id")
        .or_else(|_absent| fs::read("/var/lib/dbus/machine-id"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_name() {
        assert_eq!(host_id(), host_id());
        assert_ne!(host_id(), [0; 32]);
    }
}
