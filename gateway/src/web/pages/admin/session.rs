//! Who is logged in: in memory, bounded, over after a while of nothing and after a day's work.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_core::time::UnixMillis;

use crate::web::pages::cookie::SessionKey;

/// Sessions at a time, and of one operator; a further one ends the one that was idle longest.
const SESSIONS: usize = 500;
const SESSIONS_OF_USER: usize = 5;
/// Over after so long without a page, in milliseconds.
const IDLE_MS: i64 = 15 * 60_000;
/// Over after so long, in milliseconds.
const LONGEST_MS: i64 = 8 * 3_600_000;
/// So many changes in a minute.
const CHANGES: u32 = 30;
const MINUTE_MS: i64 = 60_000;

/// One operator at one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Who has given a right password and passcode.
    pub(super) user: String,
    /// What the next page says once.
    notice: Option<String>,
    begun: UnixMillis,
    seen: UnixMillis,
    minute: UnixMillis,
    changes: u32,
}

/// Every session.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionKey, Session>>);

/// May one more change be made?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Yes.
    Steady,
    /// Too many were made within a minute.
    TooFast,
}

impl Session {
    fn is_over(&self, now: UnixMillis) -> bool {
        now.since_ms(self.seen) >= IDLE_MS || now.since_ms(self.begun) >= LONGEST_MS
    }
}

impl Sessions {
    /// Begins a session.
    pub(super) fn begin(&self, key: SessionKey, user: String, now: UnixMillis) {
        let mut sessions = self.lock();
        sessions.retain(|_, session| !session.is_over(now));
        let own = sessions.values().filter(|other| other.user == user).count();
        if own >= SESSIONS_OF_USER {
            drop_idle(&mut sessions, |other| other.user == user);
        }
        if sessions.len() >= SESSIONS {
            drop_idle(&mut sessions, |_| true);
        }
        let session = Session {
            user,
            notice: None,
            begun: now,
            seen: now,
            minute: now,
            changes: 0,
        };
        sessions.insert(key, session);
    }

    /// Whose session it is, if it is not over; it is no longer idle.
    pub(super) fn see(&self, key: &SessionKey, now: UnixMillis) -> Option<String> {
        let mut sessions = self.lock();
        let session = sessions.get_mut(key)?;
        if session.is_over(now) {
            sessions.remove(key);
            return None;
        }
        session.seen = now;
        Some(session.user.clone())
    }

    /// Counts a change.
    pub(super) fn change(&self, key: &SessionKey, now: UnixMillis) -> Pace {
        let mut sessions = self.lock();
        let Some(session) = sessions.get_mut(key) else {
            return Pace::TooFast;
        };
        if now.since_ms(session.minute) >= MINUTE_MS {
            session.minute = now;
            session.changes = 0;
        }
        session.changes = session.changes.saturating_add(1);
        if session.changes > CHANGES {
            Pace::TooFast
        } else {
            Pace::Steady
        }
    }

    /// What the next page is to say.
    pub(super) fn say(&self, key: &SessionKey, notice: String) {
        if let Some(session) = self.lock().get_mut(key) {
            session.notice = Some(notice);
        }
    }

    /// Takes it.
    pub(super) fn take_notice(&self, key: &SessionKey) -> Option<String> {
        self.lock().get_mut(key)?.notice.take()
    }

    /// Ends a session.
    pub(super) fn end(&self, key: &SessionKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_idle(sessions: &mut HashMap<SessionKey, Session>, meant: impl Fn(&Session) -> bool) {
    let first = sessions
        .iter()
        .filter(|(_, session)| meant(session))
        .min_by_key(|(_, session)| session.seen)
        .map(|(key, _)| *key);
    if let Some(first) = first {
        sessions.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn a_session_ends_idle_and_in_any_case() {
        let sessions = Sessions::default();
        sessions.begin([1; 32], "grace".to_owned(), NOW);
        let mut now = NOW;
        for _ in 0..40 {
            now = now.plus_ms(12 * 60_000);
            let alive = sessions.see(&[1; 32], now).is_some();
            assert_eq!(alive, now.since_ms(NOW) < LONGEST_MS, "{now:?}");
        }
        sessions.begin([2; 32], "grace".to_owned(), NOW);
        assert!(sessions.see(&[2; 32], NOW.plus_ms(IDLE_MS - 1)).is_some());
        assert!(
            sessions
                .see(&[2; 32], NOW.plus_ms(2 * IDLE_MS - 1))
                .is_none()
        );
        assert!(sessions.see(&[3; 32], NOW).is_none());
    }

    #[test]
    fn crowds_of_sessions_and_of_changes_are_bounded() {
        let sessions = Sessions::default();
        for n in 0..9 {
            sessions.begin([n; 32], "grace".to_owned(), NOW);
        }
        assert_eq!(sessions.lock().len(), SESSIONS_OF_USER);
        let key = [8; 32];
        for _ in 0..CHANGES {
            assert_eq!(sessions.change(&key, NOW), Pace::Steady);
        }
        assert_eq!(sessions.change(&key, NOW), Pace::TooFast);
        assert_eq!(sessions.change(&key, NOW.plus_ms(MINUTE_MS)), Pace::Steady);
        assert_eq!(sessions.change(&[77; 32], NOW), Pace::TooFast);
    }
}
