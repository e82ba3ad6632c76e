//! The module's clocks.

use core::time::Duration;

// libc's own: rustix reads the kernel's page of clocks itself, which is not there under valgrind.
use nix::time::{ClockId, clock_gettime};

/// Time since boot, suspended time included.
pub(crate) fn boot() -> Duration {
    read(ClockId::CLOCK_BOOTTIME)
}

/// Unix milliseconds.
pub(crate) fn unix_ms() -> i64 {
    i64::try_from(read(ClockId::CLOCK_REALTIME).as_millis()).unwrap_or(i64::MAX)
}

fn read(clock: ClockId) -> Duration {
    // Linux has both.
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

/// The one deadline of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Duration);

impl Deadline {
    /// That far from now.
    pub(crate) fn after(span: Duration) -> Self {
        Self(boot().saturating_add(span))
    }

    /// What is left.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_sub(boot())
    }
}
