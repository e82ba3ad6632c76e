//! Asking for a finger.

use core::time::Duration;
use std::sync::Arc;

use async_trait::async_trait;

/// The fingerprint reader (fprintd).
#[async_trait]
pub trait Fingerprint: Send + Sync {
    /// The user's enrolled fingers, as names in the daemon's words, sorted; never empty.
    ///
    /// # Errors
    ///
    /// Every variant of [`FingerprintError`] but [`FingerprintError::TimedOut`].
    async fn fingers(&self) -> Result<Vec<String>, FingerprintError>;
    /// Claims the reader, waits for one finger and lets the reader go. Scans that were too short, off the
    /// centre and so on do not end it: each is told to `hints`. Dropping the future lets the reader go at once.
    ///
    /// # Errors
    ///
    /// Every variant of [`FingerprintError`]; none of them is a wrong finger.
    async fn scan(
        &self,
        within: Duration,
        hints: Arc<dyn Fn(FingerHint) + Send + Sync>,
    ) -> Result<Scan, FingerprintError>;
}

/// What a whole scan showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// One of the user's fingers.
    Match,
    /// None of them: counted by the caller.
    NoMatch,
}

/// What happens on the way to a [`Scan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FingerHint {
    /// The reader waits for a finger.
    Touch,
    /// The scan was not good enough.
    Again,
    /// Held too short or swiped too fast.
    TooShort,
    /// Not on the middle of the reader.
    NotCentered,
    /// Lift the finger first.
    RemoveAndRetry,
}

/// Why no finger could be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// No fprintd, or no system bus.
    #[error("the fingerprint service (fprintd) is not installed or does not run")]
    NoService,
    /// No reader is connected.
    #[error("no fingerprint reader is connected")]
    NoReader,
    /// The user has enrolled no finger.
    #[error("no finger is enrolled: `fprintd-enroll` does it")]
    NothingEnrolled,
    /// Another program has the reader: the lock screen, sudo, another user.
    #[error("the fingerprint reader is in use by another program")]
    InUse,
    /// polkit does not let this session use it, for instance because it is not the active one.
    #[error("this session may not use the fingerprint reader")]
    NotAllowed,
    /// Unplugged, overheated, suspended, or the service ended meanwhile.
    #[error("the fingerprint reader failed")]
    Failed,
    /// Nobody touched it in time.
    #[error("nobody touched the fingerprint reader in time")]
    TimedOut,
}
