//! What the desktop session tells: locked, unlocked, away, asleep.

use tokio::sync::oneshot;

/// Something that happened to the user's session (logind), as the service itself said it.
#[derive(Debug)]
pub enum SessionEvent {
    /// Somebody tells about the session from now on.
    Watched,
    /// Nobody does any more.
    Unwatched,
    /// The screen was locked.
    ScreenLocked,
    /// The screen is unlocked.
    ScreenUnlocked,
    /// Another session has the seat now.
    SwitchedAway,
    /// This session has the seat again.
    SwitchedBack,
    /// The machine is about to sleep; it waits, for a bounded time, until this is answered or dropped.
    Suspending(oneshot::Sender<()>),
    /// The machine has woken up.
    Resumed,
}
