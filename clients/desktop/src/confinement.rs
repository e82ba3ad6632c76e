//! What this process gives up before it looks at anything that is not ours.

use std::{env, io};

use countersign_proto::desktop::Trouble;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// All memory of this process, in bytes: the largest picture that is looked at, decoded, and room for looking.
const MEMORY: u64 = 1024 * 1024 * 1024;
/// Seconds of computing.
const SECONDS: u64 = 30;

/// The newest kernel interface that we know of; an older kernel gives what it has.
const ABI_KNOWN: ABI = ABI::V6;

/// The calls that reading, computing and writing need. Everything else is refused.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mprotect,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Bounds memory and time of the whole process; what it holds is in no core dump and closed to other programs.
///
/// # Errors
///
/// The system refuses.
pub(crate) fn limit() -> Result<(), Trouble> {
    bound(Resource::As, MEMORY)?;
    bound(Resource::Core, 0)?;
    bound(Resource::Cpu, SECONDS)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|_refused| Trouble::NotConfined)
}

fn bound(resource: Resource, most: u64) -> Result<(), Trouble> {
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    setrlimit(resource, limit).map_err(|_refused| Trouble::NotConfined)
}

/// Takes off everything but computing: no file, no socket, no other program, and of the system calls those that memory,
/// standard input and output need.
///
/// # Errors
///
/// [`Trouble::NotConfined`]: nothing is read then.
pub(crate) fn confine() -> Result<(), Trouble> {
    // Beside the filter of system calls below, which alone has to hold: an old kernel may have no landlock.
    fence().map_err(|_refused| Trouble::NotConfined)?;
    // What is open already, and nothing more.
    bound(Resource::Nofile, 3)?;
    let filter = filter().map_err(|_refused| Trouble::NotConfined)?;
    seccompiler::apply_filter_all_threads(&filter).map_err(|_refused| Trouble::NotConfined)
}

fn fence() -> Result<(), landlock::RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_KNOWN))?
        .handle_access(AccessNet::from_all(ABI_KNOWN))?
        .scope(Scope::from_all(ABI_KNOWN))?
        .create()?
        .restrict_self()
        .map(drop)
}

fn filter() -> io::Result<BpfProgram> {
    let architecture: TargetArch = env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let rules = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)
        .map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}
