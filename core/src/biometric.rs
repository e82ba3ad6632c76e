//! When a finger may stand for a PIN.
//!
//! The agent believes a match only after a PIN was right since its start; the finger is then good for a time and a
//! number of misses. What is kept here is passing: a reboot or a new agent asks for the PIN again.

use core::time::Duration;

use crate::time::BootTime;

/// Wrong fingers in a row, after which the PIN is due.
pub const MISSES: u8 = 5;
/// How long after the last right PIN a finger is good, on the clock that runs on in sleep.
pub const AGE: Duration = Duration::from_hours(72);

/// Since the last right PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Armed {
    /// When the PIN was right.
    at: BootTime,
    /// Wrong fingers in a row since then.
    misses: u8,
    /// The fingers that were enrolled then: names, sorted.
    fingers: Vec<String>,
}

/// What a finger leaves of the arming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterMiss {
    /// Another finger may be tried.
    Again,
    /// The PIN is due.
    PinDue,
}

/// Why the PIN is due first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinDue {
    /// No PIN was right since the agent's start, or it was changed.
    #[error("the PIN is due first: it has not been given since the start")]
    NotYet,
    /// [`MISSES`] wrong fingers.
    #[error("the PIN is due: too many wrong fingers")]
    Misses,
    /// [`AGE`] is over.
    #[error("the PIN is due: the last one was given three days ago")]
    Age,
    /// Other fingers are enrolled now.
    #[error("the PIN is due: the enrolled fingers have changed")]
    Fingers,
}

impl Armed {
    /// After a right PIN, with these fingers enrolled.
    #[must_use]
    pub const fn new(at: BootTime, fingers: Vec<String>) -> Self {
        Self {
            at,
            misses: 0,
            fingers,
        }
    }

    /// When the PIN is due, whatever comes.
    #[must_use]
    pub const fn ends(&self) -> BootTime {
        self.at.plus(AGE)
    }

    /// The finger was right: wrong ones before it are forgotten.
    pub const fn matched(&mut self) {
        self.misses = 0;
    }

    /// The finger was wrong.
    pub const fn missed(&mut self) -> AfterMiss {
        self.misses = self.misses.saturating_add(1);
        if self.misses >= MISSES {
            AfterMiss::PinDue
        } else {
            AfterMiss::Again
        }
    }

    /// Would a finger be good now, if the same ones are enrolled?
    ///
    /// # Errors
    ///
    /// [`PinDue::Misses`], [`PinDue::Age`].
    pub fn check_time(&self, now: BootTime) -> Result<(), PinDue> {
        self.check(now, &self.fingers)
    }

    /// May a finger stand for the PIN now?
    ///
    /// # Errors
    ///
    /// Every variant of [`PinDue`] but [`PinDue::NotYet`].
    pub fn check(&self, now: BootTime, fingers: &[String]) -> Result<(), PinDue> {
        if self.misses >= MISSES {
            Err(PinDue::Misses)
        } else if now.since(self.at) >= AGE || now < self.at {
            Err(PinDue::Age)
        } else if self.fingers != fingers {
            Err(PinDue::Fingers)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> BootTime {
        BootTime(Duration::from_hours(hours))
    }

    #[test]
    fn a_finger_is_good_for_a_time_some_misses_and_the_same_fingers() {
        let fingers = vec!["left-thumb".to_owned()];
        let mut armed = Armed::new(at(10), fingers.clone());
        assert_eq!(armed.check(at(10), &fingers), Ok(()));
        assert_eq!(armed.check(at(81), &fingers), Ok(()));
        assert_eq!(armed.check(at(82), &fingers), Err(PinDue::Age));
        assert_eq!(armed.check(at(9), &fingers), Err(PinDue::Age));
        let others = vec!["left-thumb".to_owned(), "right-thumb".to_owned()];
        assert_eq!(armed.check(at(11), &others), Err(PinDue::Fingers));
        assert_eq!(armed.check(at(11), &[]), Err(PinDue::Fingers));
        for _ in 0..2 {
            for _ in 0..4 {
                assert_eq!(armed.missed(), AfterMiss::Again);
            }
            assert_eq!(armed.check(at(11), &fingers), Ok(()));
            armed.matched();
        }
        for _ in 0..4 {
            assert_eq!(armed.missed(), AfterMiss::Again);
        }
        assert_eq!(armed.missed(), AfterMiss::PinDue);
        assert_eq!(armed.check(at(11), &fingers), Err(PinDue::Misses));
        assert_eq!(armed.check_time(at(11)), Err(PinDue::Misses));
    }
}
