//! The one async runtime of a test program. The harness itself reads synchronously.

use std::{mem::ManuallyDrop, sync::LazyLock};

use anyhow::{Context as _, Result, bail};
use tokio::{
    runtime::{Builder, EnterGuard, Runtime},
    signal::unix::{SignalKind, signal},
    sync::watch,
};

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

/// Set once the person at the terminal wants an end.
static INTERRUPTED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// From now on Ctrl-C and SIGTERM end every [`patiently`], so that the caller can clean up.
///
/// # Errors
///
/// The signals cannot be caught.
pub fn end_on_signals() -> Result<()> {
    enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    RUNTIME.spawn(async move {
        loop {
            let signal = tokio::select! {
                signal = interrupt.recv() => signal,
                signal = terminate.recv() => signal,
            };
            if signal.is_none() {
                return;
            }
            INTERRUPTED.send_replace(true);
        }
    });
    Ok(())
}

/// Waits for the signal that [`end_on_signals`] listens for. It has served its purpose then: what is waited
/// for afterwards, to clean up, is not ended by it.
pub fn wait_for_signal() {
    block_on(interrupted());
    INTERRUPTED.send_replace(false);
}

async fn interrupted() {
    // The sender is a static: it is never closed.
    drop(INTERRUPTED.subscribe().wait_for(|set| *set).await);
}

/// Runs a future to its end, or fails when [`PATIENCE`] is over; `what` completes "waited in vain for ...".
///
/// # Errors
///
/// It took too long, or a signal came first.
pub fn patiently<F: Future>(what: &str, future: F) -> Result<F::Output> {
    block_on(async {
        tokio::select! {
            output = tokio::time::timeout(PATIENCE, future) => {
                output.with_context(|| format!("waited in vain for {what}"))
            }
            () = interrupted() => bail!("interrupted while waiting for {what}"),
        }
    })
}
