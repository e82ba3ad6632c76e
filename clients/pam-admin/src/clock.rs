//! The wall clock.

use countersign_core::time::UnixMillis;
use rustix::time::{ClockId, clock_gettime};

/// Now.
pub(crate) fn now() -> UnixMillis {
    UnixMillis::from_secs(clock_gettime(ClockId::Realtime).tv_sec)
}
