//! Who is how far: kept in memory, bounded, and over after a while.
//!
//! A session begins with a right password; before that nothing is kept, so that strangers cannot fill it.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use countersign_core::time::UnixMillis;

use super::ending::Ending;
use crate::{push::Availability, web::pages::cookie::SessionKey};

/// Sessions at a time; a further one ends the one that would end first.
const SESSIONS: usize = 10_000;
/// Sessions of one user at a time, so that one user cannot crowd out the others.
const SESSIONS_OF_USER: usize = 16;
/// From the password to the second factor, in milliseconds.
const UNFINISHED_MS: i64 = 10 * 60_000;
/// A login lasts so long, in milliseconds.
const LOGGED_IN_MS: i64 = 60 * 60_000;

/// One user at one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// Who has given a right password.
    pub(super) user: String,
    /// How far.
    pub(super) stage: Stage,
    /// What the next page says once.
    pub(super) notice: Option<Notice>,
    ends: UnixMillis,
}

/// How far a login is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The password was right; nothing was sent yet.
    Choosing,
    /// A login is open at the gateway.
    Waiting(Waiting),
    /// It has ended, and not well.
    Ended {
        /// The login's name.
        transaction_id: String,
        /// How.
        ending: Ending,
    },
    /// The user is in.
    LoggedIn(Proof),
}

/// An open login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Its name.
    pub(super) transaction_id: String,
    /// The desktop is asked.
    pub(super) push: Option<Push>,
    /// A challenge that can be answered by typing.
    pub(super) challenge: Option<String>,
}

/// How the desktop is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Push {
    /// The number that the user types there.
    pub(super) number: Option<String>,
    /// Can it be reached now?
    pub(super) availability: Availability,
}

/// What has shown that it is the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// An approval on the desktop.
    Approval,
    /// A typed passcode.
    Passcode,
}

/// What did not work, told on the next page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// The user has no token that answers login requests.
    NoPush,
    /// The agent takes no login requests.
    AutosendOff,
    /// The session is locked.
    SessionLocked,
    /// No agent is connected.
    NotConnected,
    /// Another login is open.
    AlreadyOpen,
    /// Too many requests were denied or ignored.
    PushRests,
    /// The passcode is wrong.
    WrongPasscode,
    /// The passcode was used before.
    UsedPasscode,
    /// Too many wrong passcodes.
    TypingLocked {
        /// For so long, in whole minutes.
        minutes: u32,
    },
    /// The user has no token.
    NoToken,
    /// The token is suspended.
    Suspended,
}

impl Session {
    /// After a right password.
    pub(super) fn new(user: String, now: UnixMillis) -> Self {
        Self {
            user,
            stage: Stage::Choosing,
            notice: None,
            ends: now.plus_ms(UNFINISHED_MS),
        }
    }

    /// The user is in.
    pub(super) fn logged_in(user: String, proof: Proof, now: UnixMillis) -> Self {
        Self {
            user,
            stage: Stage::LoggedIn(proof),
            notice: None,
            ends: now.plus_ms(LOGGED_IN_MS),
        }
    }

    /// The name of the login that is or was open.
    pub(super) fn transaction_id(&self) -> Option<&str> {
        match &self.stage {
            Stage::Choosing | Stage::LoggedIn(_) => None,
            Stage::Waiting(Waiting { transaction_id, .. })
            | Stage::Ended { transaction_id, .. } => Some(transaction_id),
        }
    }
}

/// Every session.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionKey, Session>>);

impl Sessions {
    /// The session, if it is not over.
    pub(super) fn find(&self, key: &SessionKey, now: UnixMillis) -> Option<Session> {
        self.lock()
            .get(key)
            .filter(|session| now < session.ends)
            .cloned()
    }

    /// Begins a session.
    pub(super) fn begin(&self, key: SessionKey, session: Session, now: UnixMillis) {
        let mut sessions = self.lock();
        let own = sessions
            .values()
            .filter(|other| other.user == session.user)
            .count();
        if own >= SESSIONS_OF_USER {
            drop_first(&mut sessions, |other| other.user == session.user);
        }
        if sessions.len() >= SESSIONS {
            sessions.retain(|_, other| now < other.ends);
        }
        if sessions.len() >= SESSIONS {
            drop_first(&mut sessions, |_| true);
        }
        sessions.insert(key, session);
    }

    /// Changes a session that still is where `from` saw it; whether it was.
    pub(super) fn change(
        &self,
        key: &SessionKey,
        from: &Session,
        change: impl FnOnce(&mut Session),
    ) -> Changed {
        match self.lock().get_mut(key) {
            Some(session) if session.stage == from.stage => {
                change(session);
                Changed::Yes
            }
            Some(_) | None => Changed::No,
        }
    }

    /// Takes what the next page is to say.
    pub(super) fn take_notice(&self, key: &SessionKey) -> Option<Notice> {
        self.lock().get_mut(key)?.notice.take()
    }

    /// Ends a session.
    pub(super) fn end(&self, key: &SessionKey) -> Option<Session> {
        self.lock().remove(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionKey, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Was the session changed?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    /// It was.
    Yes,
    /// Another window was faster.
    No,
}

/// Ends the session that would end first, of those that are meant.
fn drop_first(sessions: &mut HashMap<SessionKey, Session>, meant: impl Fn(&Session) -> bool) {
    let first = sessions
        .iter()
        .filter(|(_, session)| meant(session))
        .min_by_key(|(_, session)| session.ends)
        .map(|(key, _)| *key);
    if let Some(first) = first {
        sessions.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn key(n: u32) -> SessionKey {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        key
    }

    #[test]
    fn sessions_end_and_changes_need_the_stage_that_was_seen() {
        let sessions = Sessions::default();
        sessions.begin(key(1), Session::new("ada".to_owned(), NOW), NOW);
        let seen = sessions.find(&key(1), NOW).unwrap();
        let ended = Stage::Ended {
            transaction_id: "t".to_owned(),
            ending: Ending::Expired,
        };
        let change = |session: &mut Session| session.stage = ended.clone();
        assert_eq!(sessions.change(&key(1), &seen, change), Changed::Yes);
        assert_eq!(sessions.change(&key(1), &seen, change), Changed::No);
        assert!(sessions.find(&key(1), NOW.plus_ms(UNFINISHED_MS)).is_none());
        assert!(sessions.find(&key(2), NOW).is_none());
        assert!(sessions.end(&key(1)).is_some());
        assert!(sessions.find(&key(1), NOW).is_none());
    }

    #[test]
    fn crowds_of_sessions_do_not_fill_memory_nor_push_out_others() {
        let sessions = Sessions::default();
        sessions.begin(key(0), Session::new("bob".to_owned(), NOW), NOW);
        for n in 1..100 {
            sessions.begin(key(n), Session::new("ada".to_owned(), NOW.plus_ms(1)), NOW);
        }
        assert_eq!(sessions.lock().len(), SESSIONS_OF_USER + 1);
        assert!(sessions.find(&key(0), NOW).is_some());
        for n in 100..11_000 {
            let later = NOW.plus_ms(i64::from(n));
            sessions.begin(key(n), Session::new(n.to_string(), later), NOW);
        }
        assert_eq!(sessions.lock().len(), SESSIONS);
    }
}
