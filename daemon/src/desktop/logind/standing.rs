//! How a session stands, and what the agent is told when that changes. Pure.
//!
//! When in doubt the screen is locked: a wish to lock counts at once, whether or not a locker obeys.

use crate::agent::ports::SessionEvent;

/// The session as the agent was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    locked: bool,
    /// What the session's locker says, if it says anything.
    hint: bool,
    present: bool,
}

/// What logind says of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) locked_hint: bool,
    pub(super) active: bool,
}

/// Whether a session is the one that was watched before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Same,
    Other,
}

/// A session that nothing is known about is taken for one in use: only what differs from that is told.
impl Default for Standing {
    fn default() -> Self {
        Self {
            locked: false,
            hint: false,
            present: true,
        }
    }
}

impl Standing {
    /// A session is watched from now on, or anew after logind was restarted.
    pub(super) fn begin(&mut self, which: Which, facts: Facts) -> Vec<SessionEvent> {
        let mut events = Vec::new();
        events.extend(self.hint(facts.locked_hint));
        // Nothing says that this one was locked.
        if which == Which::Other && self.locked && !facts.locked_hint {
            self.locked = false;
            events.push(SessionEvent::ScreenUnlocked);
        }
        events.extend(self.active(facts.active));
        events
    }

    /// The user has no session any more.
    pub(super) fn end(&mut self) -> Option<SessionEvent> {
        self.active(false)
    }

    /// The signal `Lock`. Told each time: the vault may have been opened since the last one.
    pub(super) const fn lock(&mut self) -> SessionEvent {
        self.locked = true;
        SessionEvent::ScreenLocked
    }

    /// The signal `Unlock`. A locker that has said "locked" has to say the contrary itself.
    pub(super) const fn unlock(&mut self) -> Option<SessionEvent> {
        if self.hint || !self.locked {
            return None;
        }
        self.locked = false;
        Some(SessionEvent::ScreenUnlocked)
    }

    /// The property `LockedHint`.
    pub(super) const fn hint(&mut self, hint: bool) -> Option<SessionEvent> {
        if self.hint == hint {
            return None;
        }
        self.hint = hint;
        self.locked = hint;
        Some(if hint {
            SessionEvent::ScreenLocked
        } else {
            SessionEvent::ScreenUnlocked
        })
    }

    /// The property `Active`.
    pub(super) const fn active(&mut self, active: bool) -> Option<SessionEvent> {
        if self.present == active {
            return None;
        }
        self.present = active;
        Some(if active {
            SessionEvent::SwitchedBack
        } else {
            SessionEvent::SwitchedAway
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_USE: Facts = Facts {
        locked_hint: false,
        active: true,
    };
    const LOCKED: Facts = Facts {
        locked_hint: true,
        active: true,
    };

    fn names(events: impl IntoIterator<Item = SessionEvent>) -> Vec<String> {
        events
            .into_iter()
            .map(|event| format!("{event:?}"))
            .collect()
    }

    #[test]
    fn what_is_locked_or_away_at_the_start_is_told_at_once() {
        assert!(Standing::default().begin(Which::Other, IN_USE).is_empty());
        assert_eq!(
            names(Standing::default().begin(Which::Other, LOCKED)),
            ["ScreenLocked"]
        );
        let away = Facts {
            locked_hint: true,
            active: false,
        };
        assert_eq!(
            names(Standing::default().begin(Which::Other, away)),
            ["ScreenLocked", "SwitchedAway"]
        );
    }

    #[test]
    fn a_wish_to_lock_counts_at_once_and_every_time() {
        let mut standing = Standing::default();
        assert_eq!(names([standing.lock()]), ["ScreenLocked"]);
        assert_eq!(names([standing.lock()]), ["ScreenLocked"]);
        assert_eq!(names(standing.unlock()), ["ScreenUnlocked"]);
        assert!(standing.unlock().is_none());
    }

    #[test]
    fn a_locker_that_spoke_has_the_last_word() {
        let mut standing = Standing::default();
        drop(standing.lock());
        assert!(standing.hint(false).is_none(), "it has not locked yet");
        assert_eq!(names(standing.hint(true)), ["ScreenLocked"]);
        assert!(standing.unlock().is_none());
        assert_eq!(names(standing.hint(false)), ["ScreenUnlocked"]);
        assert!(standing.hint(false).is_none());
    }

    #[test]
    fn a_new_logind_knows_what_the_locker_said_and_not_what_was_wished() {
        let mut standing = Standing::default();
        drop(standing.hint(true));
        assert!(standing.begin(Which::Same, LOCKED).is_empty());
        assert_eq!(
            names(standing.begin(Which::Same, IN_USE)),
            ["ScreenUnlocked"]
        );
        drop(standing.lock());
        assert!(standing.begin(Which::Same, IN_USE).is_empty());
        assert_eq!(names(standing.unlock()), ["ScreenUnlocked"]);
    }

    #[test]
    fn another_session_stands_for_itself() {
        let mut standing = Standing::default();
        drop(standing.lock());
        assert_eq!(
            names(standing.begin(Which::Other, IN_USE)),
            ["ScreenUnlocked"]
        );
        assert_eq!(names(standing.end()), ["SwitchedAway"]);
        assert!(standing.end().is_none());
        assert_eq!(
            names(standing.begin(Which::Other, LOCKED)),
            ["ScreenLocked", "SwitchedBack"]
        );
    }
}
