//! What this process gives up before it does anything.

use rustix::{
    fs::Mode,
    io::Errno,
    process::{DumpableBehavior, Gid, Resource, Rlimit, Uid},
    thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

/// `nobody` and `nogroup`, on every Linux (the kernel's overflow ids).
const NOBODY: u32 = 65_534;
/// Descriptors and bytes are enough for one connection.
const DESCRIPTORS: u64 = 64;

/// The descriptors of the application that called the module are closed; limits are what they are here, whatever the
/// caller has set.
///
/// # Errors
/// The kernel refuses.
pub(crate) fn begin() -> Result<(), Errno> {
    close_foreign_descriptors()?;
    rustix::process::chdir("/")?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    limit(Resource::Core, 0)?;
    let descriptors = rustix::process::getrlimit(Resource::Nofile).maximum;
    limit(
        Resource::Nofile,
        descriptors.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS)),
    )?;
    if rustix::process::geteuid().is_root() {
        // The real user is the caller's: until it is not, the caller may send signals.
        set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
        for resource in [Resource::Cpu, Resource::Data, Resource::As, Resource::Nproc] {
            raise(resource);
        }
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// No rights but those of nobody, for good.
///
/// # Errors
/// The kernel refuses: nothing may be done then.
pub(crate) fn become_nobody() -> Result<(), Errno> {
    set_no_new_privs(true)?;
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// As far as this process may. Where it may not (a container), what fails for want of it is no failure of the network's.
fn raise(resource: Resource) {
    let most = Rlimit {
        current: None,
        maximum: None,
    };
    if rustix::process::setrlimit(resource, most).is_err() {
        let Rlimit { maximum, .. } = rustix::process::getrlimit(resource);
        let allowed = Rlimit {
            current: maximum,
            maximum,
        };
        let _as_it_was = rustix::process::setrlimit(resource, allowed).is_err();
    }
}

fn limit(resource: Resource, most: u64) -> Result<(), Errno> {
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: Some(most),
            maximum: Some(most),
        },
    )
}

#[expect(unsafe_code, reason = "close_range(2), which no safe wrapper has")]
fn close_foreign_descriptors() -> Result<(), Errno> {
    const FIRST: libc::c_uint = 3;
    // SAFETY: this is the first thing that the process does, so no value of it owns a descriptor above standard error.
    let outcome = unsafe { libc::close_range(FIRST, libc::c_uint::MAX, 0) };
    if outcome == 0 {
        Ok(())
    } else {
        Err(Errno::BADF)
    }
}
