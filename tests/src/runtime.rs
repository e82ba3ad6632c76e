//! The one async runtime of a test program. The harness itself reads synchronously.

use std::{mem::ManuallyDrop, sync::LazyLock};

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::PATIENCE;

#[expect(clippy::expect_used, reason = "without a runtime there is no test")]
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime")
});

thread_local! {
    /// Keeps the runtime entered on this thread for good: proxies and streams of zbus that a test drops
    /// want one. Never left, for the thread ends with its test.
    static ENTERED: ManuallyDrop<EnterGuard<'static>> = ManuallyDrop::new(RUNTIME.enter());
}

/// Makes this thread one that may hold D-Bus proxies outside of [`block_on`].
pub(crate) fn enter() {
    ENTERED.with(|_| ());
}

/// Runs a future to its end. Not to be called from async code.
pub fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// Runs a future to its end, or fails when [`PATIENCE`] is over; `what` completes "waited in vain for ...".
///
/// # Errors
///
/// It took too long.
pub fn patiently<F: Future>(what: &str, future: F) -> Result<F::Output> {
    block_on(async {
        tokio::time::timeout(PATIENCE, future)
            .await
            .with_context(|| format!("waited in vain for {what}"))
    })
}
