//! The module's clocks.

use core::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since boot, suspended time included.
pub(crate) fn boot() -> Duration {
    read(ClockId::Boottime)
}

/// Unix milliseconds.
pub(crate) fn unix_ms() -> i64 {
    i64::try_from(read(ClockId::Realtime).as_millis()).unwrap_or(i64::MAX)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let secs = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(secs, nanos)
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
