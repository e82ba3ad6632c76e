//! The running program, and its end.

use std::os::fd::OwnedFd;

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, pidfd_send_signal},
};
use tokio::{runtime::Handle, task::spawn_blocking};

use super::connection::Connection;

/// How long it may take to go, by itself or after SIGTERM.
const GRACE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};

/// SIGINT is sent this many times, [`BETWEEN_INTERRUPTS`] apart: pinentry-tty only notes the signal, and overlooks one that
/// comes just before it waits for a key. Were it ended by SIGTERM then, the terminal would stay without echo.
const INTERRUPTS: u8 = 20;
/// The time between two of them.
const BETWEEN_INTERRUPTS: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// A program that was started. Ended when dropped.
#[derive(Debug)]
pub(super) struct Running(Option<LastWord>);

impl Running {
    /// `process` is its pidfd.
    pub(super) const fn new(process: OwnedFd) -> Self {
        Self(Some(LastWord(process)))
    }

    /// Lets it go by itself, and waits for that a moment.
    pub(super) async fn leave(mut self, mut connection: Connection) {
        // One that has gone already needs no word.
        drop(connection.send("BYE", "").await);
        let Some(process) = self.0.take() else { return };
        let waited = spawn_blocking(move || match process.waited(&GRACE) {
            Waited::Ended => None,
            Waited::Runs => Some(Self(Some(process))),
        });
        // What still runs is dropped, and so ended.
        drop(waited.await);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(process) = self.0.take() else { return };
        // As gpg-agent does: pinentry-tty puts the terminal back at SIGINT and does not at SIGTERM.
        process.signal(Signal::INT);
        // Without a runtime nobody can wait for it: it is killed when `process` goes.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn_blocking(move || {
                for _again in 1..INTERRUPTS {
                    if process.waited(&BETWEEN_INTERRUPTS) == Waited::Ended {
                        return;
                    }
                    process.signal(Signal::INT);
                }
                if process.waited(&BETWEEN_INTERRUPTS) == Waited::Runs {
                    process.signal(Signal::TERM);
                    process.waited(&GRACE);
                }
            });
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    Ended,
    Runs,
}

/// The handle of the program, which is killed with it whatever else was tried.
#[derive(Debug)]
struct LastWord(OwnedFd);

impl LastWord {
    fn signal(&self, signal: Signal) {
        let _ended = pidfd_send_signal(&self.0, signal).is_err();
    }

    /// Blocks until it has ended, `at_longest` so long.
    fn waited(&self, at_longest: &Timespec) -> Waited {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut fds, Some(at_longest)) {
            Ok(ready) if ready > 0 => Waited::Ended,
            _ => Waited::Runs,
        }
    }
}

impl Drop for LastWord {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
