//! Open Access-Challenges: what a `State` stands for. Kept in memory: a restart ends them, and the users start anew.

use core::fmt;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_core::time::UnixMillis;

use crate::{random::SystemRandom, store::FrontId};

/// Length of a `State`, in bytes.
pub(super) const STATE: usize = 16;
/// How long a challenge can be answered, in seconds.
pub(super) const LIFE_SECS: u32 = 300;
/// The same in milliseconds.
const LIFE_MS: i64 = 300_000;
/// Open challenges; the oldest makes room.
const OPEN: usize = 20_000;

/// Who has been asked, and about what.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The client whose user it is. No other client can go on with it.
    pub(super) client: FrontId,
    /// The user, whose first factor was right where the gateway checks one.
    pub(super) user: String,
    /// The login that is open beside it.
    pub(super) login: Option<String>,
}

/// The open challenges.
#[derive(Default)]
pub(super) struct Challenges(Mutex<HashMap<[u8; STATE], (Asked, UnixMillis)>>);

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}

impl Challenges {
    /// Opens a challenge; its `State` is random, so nobody guesses it.
    pub(super) fn open(&self, asked: Asked, now: UnixMillis) -> [u8; STATE] {
        let state = SystemRandom::bytes();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= OPEN {
            all.retain(|_, (_, expires)| *expires > now);
        }
        if all.len() >= OPEN {
            let oldest = all.iter().min_by_key(|(_, (_, expires))| *expires);
            if let Some(oldest) = oldest.map(|(state, _)| *state) {
                all.remove(&oldest);
            }
        }
        all.insert(state, (asked, now.plus_ms(LIFE_MS)));
        state
    }

    /// Takes a challenge, once. One of another client or user stays as it is.
    pub(super) fn take(
        &self,
        state: &[u8],
        client: FrontId,
        user: &str,
        now: UnixMillis,
    ) -> Option<Asked> {
        let state: [u8; STATE] = state.try_into().ok()?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, _) = all.get(&state)?;
        if asked.client != client || asked.user != user {
            return None;
        }
        let (asked, expires) = all.remove(&state)?;
        (expires > now).then_some(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn asked(user: &str) -> Asked {
        Asked {
            client: FrontId(1),
            user: user.to_owned(),
            login: None,
        }
    }

    #[test]
    fn a_state_is_good_once_for_its_client_and_user_and_for_a_time() {
        let all = Challenges::default();
        let state = all.open(asked("ada"), NOW);
        assert!(all.take(&state, FrontId(2), "ada", NOW).is_none());
        assert!(all.take(&state, FrontId(1), "bob", NOW).is_none());
        assert!(all.take(&state[..15], FrontId(1), "ada", NOW).is_none());
        assert!(all.take(&state, FrontId(1), "ada", NOW).is_some());
        assert!(all.take(&state, FrontId(1), "ada", NOW).is_none());
        let late = all.open(asked("ada"), NOW);
        assert!(
            all.take(&late, FrontId(1), "ada", NOW.plus_ms(LIFE_MS))
                .is_none()
        );
    }

    #[test]
    fn crowds_do_not_fill_memory() {
        let all = Challenges::default();
        let first = all.open(asked("ada"), NOW);
        for _ in 0..OPEN {
            all.open(asked("bob"), NOW.plus_ms(1));
        }
        assert_eq!(all.0.lock().unwrap().len(), OPEN);
        assert!(all.take(&first, FrontId(1), "ada", NOW).is_none());
    }
}
