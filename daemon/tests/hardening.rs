//! The process after [`harden`]: seen from the kernel's side. Alone in its binary, since it changes the process.

use std::fs;

use countersignd::hardening::harden;
use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

#[test]
fn the_kernel_knows_that_the_process_is_hardened() {
    harden().unwrap();
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    let core = getrlimit(Resource::Core);
    assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let says = |line: &str| status.lines().any(|found| found == line);
    assert!(says("NoNewPrivs:\t1"), "{status}");
    assert!(says("Umask:\t0077"), "{status}");
}
