//! The wall clock as a port: the gateway's time decides every lateness, and tests bring their own.

use core::time::Duration;
use std::time::SystemTime;

use async_trait::async_trait;
use countersign_core::time::UnixMillis;

/// The time, and waiting for it.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> UnixMillis;
    /// Returns when `at` has come; at once if it has.
    async fn sleep_until(&self, at: UnixMillis);
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the wall clock"
        )]
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        UnixMillis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    async fn sleep_until(&self, at: UnixMillis) {
        let left = u64::try_from(at.since_ms(self.now())).unwrap_or(0);
        // At most an hour at a time, so that a clock that was set is noticed; callers look again.
        let left = Duration::from_millis(left).min(Duration::from_hours(1));
        let now = tokio::time::Instant::now();
        tokio::time::sleep_until(now.checked_add(left).unwrap_or(now)).await;
    }
}
