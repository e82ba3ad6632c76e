//! One program at a time is at a user's record.

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::time::{ClockId, clock_gettime};
use rustix::{
    fs::{FlockOperation, Timespec, flock},
    io::Errno,
    process::Uid,
    thread::nanosleep,
};

use crate::{StoreError, error::while_, file};

/// A try takes milliseconds. Whoever holds the lock for longer was stopped, perhaps on purpose.
const PATIENCE_SECS: i64 = 3;
/// So often it is tried.
const PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

/// Held until dropped; the kernel drops it however the program ends.
#[derive(Debug)]
pub(crate) struct Lock(OwnedFd);

impl Lock {
    /// Waits for three seconds at most.
    pub(crate) fn take(folder: BorrowedFd<'_>, name: &str, owner: Uid) -> Result<Self, StoreError> {
        let handle = file::open_lock(folder, name, owner)?;
        let deadline = now().saturating_add(PATIENCE_SECS);
        loop {
            match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(handle)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if now() < deadline => {
                    let _interrupted = nanosleep(&PAUSE);
                }
                Err(Errno::AGAIN) => return Err(StoreError::Busy),
                Err(cause) => return Err(while_("lock the record")(cause)),
            }
        }
    }
}

impl Drop for Lock {
    /// Closing is not enough: a child of the application that is between fork and exec has the handle too.
    fn drop(&mut self) {
        let _released_by_the_kernel = flock(&self.0, FlockOperation::Unlock).is_err();
    }
}

/// Whole seconds since boot.
fn now() -> i64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(i64::MAX, |now| now.tv_sec())
}
