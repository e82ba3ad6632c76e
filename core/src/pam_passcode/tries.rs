//! One try of a passcode.

use core::{fmt, str::FromStr};

use super::{Factor, FarOff, Record};
use crate::{
    otp::{
        Digits, HashAlgorithm,
        ocra::{Inputs, Suite},
        validation::{
            OcraWindow, StepRule, TimeParameters, TimeState, TimeWindow, check_event, check_ocra,
            check_time,
        },
    },
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
};

/// Steps around the expected one in which two passcodes in a row find a clock again: ten minutes of 30 seconds each. More would
/// make passcodes good again that somebody has seen long ago.
const FAR_STEPS: TimeWindow = TimeWindow {
    past: 20,
    future: 20,
};
/// Counters ahead in which two passcodes in a row find an event-based token again.
const FAR_AHEAD: u32 = 200;
/// Counters behind the next one whose passcodes are told apart from wrong ones.
const REMEMBERED: u64 = 10;
/// So long after a passcode from far off the one after it is accepted, in seconds.
const SECOND_WITHIN_SECS: u64 = 600;
/// Longest text that is looked at, in bytes.
const LONGEST_TYPED: usize = 64;

/// Which passcodes are right: steps on each side of the clock's, counters ahead of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    steps: u32,
    ahead: u32,
}

/// A window that would be guessed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a window is 0 to 20")]
pub struct WindowError;

impl Window {
    /// One step before and after, ten counters ahead.
    pub const DEFAULT: Self = Self {
        steps: 1,
        ahead: 10,
    };

    /// So many steps before and after, so many counters ahead.
    ///
    /// # Errors
    /// [`WindowError`]: more than 20.
    pub fn new(size: u32) -> Result<Self, WindowError> {
        (size <= 20)
            .then_some(Self {
                steps: size,
                ahead: size,
            })
            .ok_or(WindowError)
    }

    const fn time(self) -> TimeWindow {
        TimeWindow {
            past: self.steps,
            future: self.steps,
        }
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let size = text.parse().map_err(|_no_number| WindowError)?;
        Self::new(size)
    }
}

/// A passcode that is not looked at, and not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotBegun {
    /// Not so many digits.
    Form,
    /// Too many wrong ones before.
    TooMany {
        /// Seconds until the next one is looked at.
        wait_secs: u64,
    },
    /// The challenge was answered by somebody else meanwhile, or never posed.
    ChallengeOver,
}

/// What came of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right.
    Accepted(Acceptance),
    /// Not right.
    Refused(Refusal),
}

/// Why a passcode is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is one of the window.
    InWindow,
    /// It follows one from far off.
    Resynchronised,
}

/// Why a passcode is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No passcode of this token.
    Wrong,
    /// One that was used, or one from before one that was used. It does not count as a wrong try: it is no guess.
    Used,
    /// A passcode of this token from outside the window; the one after it will be accepted.
    FarOff,
}

impl fmt::Display for Verdict {
    /// One word, for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted(Acceptance::InWindow) => "accepted",
            Self::Accepted(Acceptance::Resynchronised) => "resynchronised",
            Self::Refused(Refusal::Wrong) => "wrong",
            Self::Refused(Refusal::Used) => "used",
            Self::Refused(Refusal::FarOff) => "far-off",
        })
    }
}

/// A try that is counted and not looked at yet.
#[derive(Debug)]
pub struct Try {
    counted: Record,
    typed: SecretText,
    challenge: Option<String>,
}

impl Record {
    /// Counts a try of what was typed. `shown` is the challenge that stood above it.
    ///
    /// [`Try::counted`] must be durable before [`Try::judge`].
    ///
    /// # Errors
    /// [`NotBegun`]: it is no try, or none is allowed now. The record stays as it is.
    pub fn begin(
        &self,
        typed: &SecretText,
        shown: Option<&str>,
        now: UnixMillis,
    ) -> Result<Try, NotBegun> {
        if let Some(wait_secs) = self.wait_secs(now) {
            return Err(NotBegun::TooMany { wait_secs });
        }
        let typed = self.digits_of(typed).ok_or(NotBegun::Form)?;
        let mut counted = self.clone();
        let mut challenge = None;
        if let Factor::Challenge { open, .. } = &mut counted.factor {
            let posed = open.take().filter(|posed| Some(posed.as_str()) == shown);
            challenge = Some(posed.ok_or(NotBegun::ChallengeOver)?);
        }
        counted.tried = self.limit.counting(&self.tried, now);
        counted.tried.push(now.secs());
        Ok(Try {
            counted,
            typed,
            challenge,
        })
    }

    /// The typed digits without the spaces that some programs show between them; none if they are no passcode.
    fn digits_of(&self, typed: &SecretText) -> Option<SecretText> {
        let typed = typed.expose();
        if typed.len() > LONGEST_TYPED {
            return None;
        }
        let mut digits = String::with_capacity(LONGEST_TYPED);
        digits.extend(typed.chars().filter(|c| *c != ' '));
        let digits = SecretText::new(digits);
        let fits = digits.expose().len() == usize::from(self.digits().count())
            && digits.expose().bytes().all(|byte| byte.is_ascii_digit());
        fits.then_some(digits)
    }
}

impl Try {
    /// The record in which this try is counted as a wrong one.
    #[must_use]
    pub const fn counted(&self) -> &Record {
        &self.counted
    }

    /// Is it right? An accepted one counts only when the record that comes with it is durable.
    #[must_use]
    pub fn judge(self, window: Window, now: UnixMillis) -> (Verdict, Record) {
        let Self {
            counted: mut record,
            typed,
            challenge,
        } = self;
        let typed = typed.expose();
        let verdict = match &mut record.factor {
            Factor::Time {
                parameters,
                state,
                far_off,
            } => Clock {
                seed: &record.seed,
                parameters: *parameters,
                now_secs: now.secs(),
            }
            .judge(typed, window, state, far_off),
            Factor::Event {
                hash,
                digits,
                next,
                far_off,
            } => Counter {
                seed: &record.seed,
                hash: *hash,
                digits: *digits,
                now_secs: now.secs(),
            }
            .judge(typed, window, next, far_off),
            Factor::Challenge { suite, next, .. } => {
                let challenge = challenge.unwrap_or_default();
                judge_answer(&record.seed, suite, typed, &challenge, window, next, now)
            }
        };
        match verdict {
            Verdict::Accepted(_) => record.tried.clear(),
            Verdict::Refused(Refusal::Used) => {
                record.tried.pop();
            }
            Verdict::Refused(Refusal::Wrong | Refusal::FarOff) => {}
        }
        (verdict, record)
    }
}

/// The passcode after one from far off, which was typed not long ago.
fn awaited(far_off: Option<FarOff>, now_secs: u64) -> Option<u64> {
    let far_off = far_off?;
    let ago = now_secs.checked_sub(far_off.at_secs)?;
    (ago <= SECOND_WITHIN_SECS).then(|| far_off.value.checked_add(1))?
}

/// A token that goes by the time.
struct Clock<'a> {
    seed: &'a SecretBytes,
    parameters: TimeParameters,
    now_secs: u64,
}

impl Clock<'_> {
    fn judge(
        &self,
        typed: &str,
        window: Window,
        state: &mut TimeState,
        far_off: &mut Option<FarOff>,
    ) -> Verdict {
        let known = *state;
        let waiting = far_off.take();
        if let Some(step) = self.step_of(typed, window.time(), known) {
            // The drift stays: one that followed every late passcode would in the end shut out the ones that are in time.
            state.last = Some(step);
            return Verdict::Accepted(Acceptance::InWindow);
        }
        let unused = TimeState {
            last: None,
            ..known
        };
        if self.step_of(typed, window.time(), unused).is_some() {
            *far_off = waiting;
            return Verdict::Refused(Refusal::Used);
        }
        let matched = check_time(
            self.seed,
            self.parameters,
            typed,
            self.now_secs,
            FAR_STEPS,
            known,
            StepRule::Newer,
        );
        let Some(matched) = matched else {
            return Verdict::Refused(Refusal::Wrong);
        };
        if awaited(waiting, self.now_secs) == Some(matched.step) {
            state.last = Some(matched.step);
            state.drift = matched.drift;
            return Verdict::Accepted(Acceptance::Resynchronised);
        }
        *far_off = Some(FarOff {
            value: matched.step,
            at_secs: self.now_secs,
        });
        Verdict::Refused(Refusal::FarOff)
    }

    fn step_of(&self, typed: &str, window: TimeWindow, state: TimeState) -> Option<u64> {
        let matched = check_time(
            self.seed,
            self.parameters,
            typed,
            self.now_secs,
            window,
            state,
            StepRule::Newer,
        );
        Some(matched?.step)
    }
}

/// A token that counts.
struct Counter<'a> {
    seed: &'a SecretBytes,
    hash: HashAlgorithm,
    digits: Digits,
    now_secs: u64,
}

impl Counter<'_> {
    fn judge(
        &self,
        typed: &str,
        window: Window,
        next: &mut u64,
        far_off: &mut Option<FarOff>,
    ) -> Verdict {
        let waiting = far_off.take();
        if let Some(counter) = self.counter_of(typed, *next, window.ahead) {
            *next = counter.saturating_add(1);
            return Verdict::Accepted(Acceptance::InWindow);
        }
        let awaited = awaited(waiting, self.now_secs).filter(|awaited| *awaited >= *next);
        if let Some(counter) = awaited.and_then(|counter| self.counter_of(typed, counter, 0)) {
            *next = counter.saturating_add(1);
            return Verdict::Accepted(Acceptance::Resynchronised);
        }
        let behind = next.saturating_sub(REMEMBERED);
        let ago = u32::try_from(next.saturating_sub(behind)).unwrap_or(0);
        let used = ago
            .checked_sub(1)
            .and_then(|ahead| self.counter_of(typed, behind, ahead));
        if used.is_some() {
            *far_off = waiting;
            return Verdict::Refused(Refusal::Used);
        }
        let Some(value) = self.counter_of(typed, *next, FAR_AHEAD) else {
            return Verdict::Refused(Refusal::Wrong);
        };
        *far_off = Some(FarOff {
            value,
            at_secs: self.now_secs,
        });
        Verdict::Refused(Refusal::FarOff)
    }

    fn counter_of(&self, typed: &str, next: u64, ahead: u32) -> Option<u64> {
        check_event(self.seed, self.hash, self.digits, typed, next, ahead)
    }
}

/// Is it the answer to this challenge?
fn judge_answer(
    seed: &SecretBytes,
    suite: &Suite,
    typed: &str,
    challenge: &str,
    window: Window,
    next: &mut u64,
    now: UnixMillis,
) -> Verdict {
    let inputs = Inputs {
        counter: Some(*next),
        challenge,
        time_step: suite.time_step(now.secs()),
        ..Inputs::default()
    };
    let window = OcraWindow {
        look_ahead: window.ahead,
        time: window.time(),
    };
    // An input that does not fit the suite makes no passcode right.
    let matched = check_ocra(seed, suite, typed, &inputs, window);
    let Ok(Some(matched)) = matched else {
        return Verdict::Refused(Refusal::Wrong);
    };
    if let Some(counter) = matched.counter {
        *next = counter.saturating_add(1);
    }
    Verdict::Accepted(Acceptance::InWindow)
}
