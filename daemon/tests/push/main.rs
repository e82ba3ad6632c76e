//! The push stream and the enrollment over real TLS, against a gateway in this process that the test plays.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod enrollment;
mod gateway_double;
mod identity;
mod polls;
mod streams;
mod trust;

use core::time::Duration;

/// Nothing here takes long; a machine under load may be slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// The outcome of `event`, which must come in time.
async fn patiently<T>(event: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(PATIENCE, event).await;
    outcome.unwrap_or_else(|elapsed| panic!("nothing happened: {elapsed}"))
}
