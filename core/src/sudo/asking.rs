//! How often a user may be asked. Over the limit the password is asked for instead: nobody is locked out, and nobody is
//! worn down either.
//!
//! Not an [`Allowance`](crate::allowance::Allowance), though both count. An allowance fills up again all the time, so that
//! in the minute after its burst it lets almost a second burst through; here no minute has more than [`MOST`] questions. And
//! an allowance knows only that something was used: here it matters how it ended. A yes gives everything back, and too many
//! questions in vain bring a quiet time.

use core::time::Duration;
use std::collections::VecDeque;

use super::Ended;
use crate::time::BootTime;

/// Questions that may be open at the same time.
pub const MAX_OPEN: usize = 3;
/// So many questions in [`WINDOW`].
const MOST: usize = 6;
/// The time that questions are counted in.
const WINDOW: Duration = Duration::from_mins(1);
/// So many in a row that nobody said yes to...
const MOST_UNANSWERED: u32 = 3;
/// ...and nobody is asked for so long.
const QUIET: Duration = Duration::from_mins(1);

/// What came lately. Kept in memory: a restart of the agent forgets it, and needs the PIN.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    recent: VecDeque<BootTime>,
    in_vain: u32,
    quiet_until: Option<BootTime>,
}

/// Nobody is asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooOften {
    /// Too many within a minute.
    #[error("too many questions within a minute")]
    Rate,
    /// Several in a row were denied or not answered.
    #[error("several questions in a row were denied or not answered")]
    InVain,
}

impl Asking {
    /// May the user be asked at `now`? If so it is counted.
    ///
    /// # Errors
    ///
    /// Every variant of [`TooOften`]; nothing is counted then.
    pub fn begin(&mut self, now: BootTime) -> Result<(), TooOften> {
        if self.quiet_until.is_some_and(|until| now < until) {
            return Err(TooOften::InVain);
        }
        self.quiet_until = None;
        self.recent.retain(|at| now.since(*at) < WINDOW);
        if self.recent.len() >= MOST {
            return Err(TooOften::Rate);
        }
        self.recent.push_back(now);
        Ok(())
    }

    /// One has ended so at `now`.
    pub fn end(&mut self, ended: Ended, now: BootTime) {
        match ended {
            Ended::Proved => self.approved(),
            Ended::Denied | Ended::WrongNumber | Ended::Withdrawn => self.in_vain(now),
            // The user was there and said yes; what became of it was not theirs to decide.
            Ended::NotAccepted | Ended::TooLate => {}
        }
    }

    /// The user is there.
    fn approved(&mut self) {
        self.in_vain = 0;
        self.recent.clear();
        self.quiet_until = None;
    }

    /// The user said no, or nobody answered.
    fn in_vain(&mut self, now: BootTime) {
        self.in_vain = self.in_vain.saturating_add(1);
        if self.in_vain >= MOST_UNANSWERED {
            self.in_vain = 0;
            self.quiet_until = Some(now.plus(QUIET));
        }
    }
}
