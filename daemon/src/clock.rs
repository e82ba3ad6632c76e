//! The system's clocks and random source, behind the ports of the stories.

use core::time::Duration;

use countersign_core::time::{BootTime, UnixMillis};
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::agent::ports::{Clock, Random, RandomError};

/// `CLOCK_REALTIME` and `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> UnixMillis {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Realtime);
        let nanos = tv_nsec.checked_div(1_000_000).unwrap_or(0);
        UnixMillis(tv_sec.saturating_mul(1000).saturating_add(nanos))
    }

    fn boot(&self) -> BootTime {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Boottime);
        let secs = u64::try_from(tv_sec).unwrap_or(0);
        BootTime(Duration::new(secs, u32::try_from(tv_nsec).unwrap_or(0)))
    }
}

/// `getrandom(2)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|_unavailable| RandomError)
    }
}
