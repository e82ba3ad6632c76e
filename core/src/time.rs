//! Time as an argument: wall clock and boot clock are different types.

use core::time::Duration;

/// Milliseconds since the Unix epoch, UTC. The wall clock: may jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Whole seconds, rounded down; times before 1970 count as 0.
    #[must_use]
    pub fn secs(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }

    /// This time plus `offset_ms`.
    #[must_use]
    pub const fn plus_ms(self, offset_ms: i64) -> Self {
        Self(self.0.saturating_add(offset_ms))
    }

    /// Milliseconds from `earlier` to this time; negative if this is before.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Time since boot, suspended time included (`CLOCK_BOOTTIME`): never jumps, counts deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(pub Duration);

impl BootTime {
    /// This time plus `span`.
    #[must_use]
    pub const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// From `earlier` to this time; zero if this is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
