//! Slows down who guesses passwords: after five wrong ones in a row each further try must wait longer.
//!
//! Kept in memory, bounded: names that do not exist are counted as others are, so that waiting tells nothing.

use core::fmt;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use countersign_core::time::UnixMillis;

const FREE_TRIES: u32 = 5;
const LONGEST_MS: i64 = 60_000;
/// Names that are remembered; the one that was tried longest ago makes room.
const NAMES: usize = 10_000;

/// Wrong tries by name.
#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<String, Tries>>);

#[derive(Clone, Copy)]
struct Tries {
    wrong: u32,
    last: UnixMillis,
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Throttle")
    }
}

impl Throttle {
    /// How long `name` must wait before the next try, in milliseconds; 0: not at all.
    pub(super) fn wait_ms(&self, name: &str, now: UnixMillis) -> i64 {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.get(name).map_or(0, |tries| {
            let over = tries.wrong.saturating_sub(FREE_TRIES.saturating_sub(1));
            let pause = if over == 0 {
                0
            } else {
                1000_i64
                    .saturating_mul(1 << over.min(7))
                    .saturating_div(2)
                    .min(LONGEST_MS)
            };
            // A clock that was set back must not lock anybody out for longer than the pause.
            pause.saturating_sub(now.since_ms(tries.last).max(0)).max(0)
        })
    }

    /// Counts a try before its outcome is known, so that parallel guesses are not free.
    pub(super) fn count(&self, name: &str, now: UnixMillis) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= NAMES && !all.contains_key(name) {
            let oldest = all
                .iter()
                .min_by_key(|(_, tries)| tries.last)
                .map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                all.remove(&oldest);
            }
        }
        let tries = all.entry(name.to_owned()).or_insert(Tries {
            wrong: 0,
            last: now,
        });
        tries.wrong = tries.wrong.saturating_add(1);
        tries.last = now;
    }

    /// The password was right.
    pub(super) fn forget(&self, name: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_after_five_wrong_tries_and_ends() {
        let throttle = Throttle::default();
        let now = UnixMillis(1_000_000);
        for _ in 0..4 {
            throttle.count("ada", now);
            assert_eq!(throttle.wait_ms("ada", now), 0);
        }
        throttle.count("ada", now);
        assert_eq!(throttle.wait_ms("ada", now), 1000);
        assert_eq!(throttle.wait_ms("ada", now.plus_ms(1000)), 0);
        assert_eq!(throttle.wait_ms("ada", now.plus_ms(-50_000)), 1000);
        for _ in 0..20 {
            throttle.count("ada", now);
        }
        assert_eq!(throttle.wait_ms("ada", now), LONGEST_MS);
        assert_eq!(throttle.wait_ms("bob", now), 0);
        throttle.forget("ada");
        assert_eq!(throttle.wait_ms("ada", now), 0);
    }

    #[test]
    fn names_that_come_in_crowds_do_not_fill_memory() {
        let throttle = Throttle::default();
        for n in 0..NAMES + 10 {
            throttle.count(&n.to_string(), UnixMillis(i64::try_from(n).unwrap()));
        }
        assert_eq!(throttle.0.lock().unwrap().len(), NAMES);
    }
}
