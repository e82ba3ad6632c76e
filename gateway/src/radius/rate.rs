//! How much one client may send.

use countersign_core::time::UnixMillis;

/// What one packet costs, in milliseconds of credit: 200 packets a second.
const COST_MS: i64 = 5;
/// The most credit: 400 packets at once.
const MOST_MS: i64 = 2000;

/// A client's credit: grows with time, each packet takes from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    credit_ms: i64,
    at: UnixMillis,
}

impl Rate {
    pub(super) const fn new(now: UnixMillis) -> Self {
        Self {
            credit_ms: MOST_MS,
            at: now,
        }
    }

    /// Takes one packet; false: there is no credit for it.
    pub(super) fn take(&mut self, now: UnixMillis) -> bool {
        // A clock that was set back gives nothing.
        let grown = now.since_ms(self.at).max(0);
        self.at = now;
        self.credit_ms = self.credit_ms.saturating_add(grown).min(MOST_MS);
        let enough = self.credit_ms >= COST_MS;
        if enough {
            self.credit_ms = self.credit_ms.saturating_sub(COST_MS);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_spent_and_grows_up_to_its_bound() {
        let now = UnixMillis(1_000_000);
        let mut rate = Rate::new(now);
        let burst = |rate: &mut Rate, now| (0..1000).filter(|_| rate.take(now)).count();
        assert_eq!(burst(&mut rate, now), 400);
        assert_eq!(burst(&mut rate, now.plus_ms(50)), 10);
        assert_eq!(burst(&mut rate, now.plus_ms(3_600_000)), 400);
        assert_eq!(burst(&mut rate, now), 0);
    }
}
