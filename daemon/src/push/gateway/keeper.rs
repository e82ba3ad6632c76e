//! Keeps one stream open: what happens when it ends, and when the next try is.

use core::time::Duration;
use std::sync::Arc;

use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::{Frames, conversation::Conversation};
use crate::{
    agent::ports::{ChannelProfile, HelloSigner, Input, PushInput},
    push::backoff,
};

/// A stream that has lived this long starts the back-off anew.
const HEALTHY: Duration = Duration::from_mins(1);
/// The longest pause that a gateway may ask for.
const LONGEST_DRAIN: Duration = Duration::from_mins(5);

/// The task of one service.
pub(super) struct Keeper {
    pub(super) profile: ChannelProfile,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) signer: Arc<dyn HelloSigner>,
    pub(super) outgoing: Frames,
    pub(super) reconnect: Arc<Notify>,
    pub(super) keep_alive: Duration,
}

/// Why a stream ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// We were told to connect anew.
    Told,
    /// The gateway asked for a pause.
    Drained(Duration),
    /// No key has been opened yet.
    NoKey,
    /// Connecting, the gateway or the network; one display-safe sentence.
    Failed(String),
    /// The agent is ending.
    NobodyListens,
}

/// When the next try is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    AtOnce,
    After(Duration),
    /// Not before somebody asks for it.
    WhenTold,
    Never,
}

impl Keeper {
    /// Runs until the agent ends, or is dropped.
    pub(super) async fn keep(self) {
        let mut failures = 0;
        loop {
            let started = Instant::now();
            let ended = tokio::select! {
                ended = self.stream() => ended,
                () = self.reconnect.notified() => Ended::Told,
            };
            self.outgoing.set(None);
            let lived = Instant::now().saturating_duration_since(started);
            let next = next(&ended, lived, &mut failures, draw());
            let why = match ended {
                Ended::Drained(_) => "the service is being restarted".to_owned(),
                Ended::NoKey => "the vault has not been unlocked yet".to_owned(),
                Ended::Failed(why) => why,
                Ended::Told | Ended::NobodyListens => String::new(),
            };
            let retry_in = match next {
                Next::AtOnce => continue,
                Next::Never => return,
                Next::After(pause) => pause,
                Next::WhenTold => Duration::MAX,
            };
            let service = self.profile.service;
            let input = PushInput::Down { why, retry_in };
            if self
                .inputs
                .send(Input::Push { service, input })
                .await
                .is_err()
            {
                return;
            }
            if self.pause(next).await == Woken::ByRequest {
                failures = 0;
            }
        }
    }

    async fn stream(&self) -> Ended {
        let conversation = Conversation {
            profile: &self.profile,
            inputs: &self.inputs,
            signer: self.signer.as_ref(),
            outgoing: &self.outgoing,
            keep_alive: self.keep_alive,
        };
        // Most of it is connecting, which a task that sleeps in a stream need not carry along.
        Box::pin(conversation.hold()).await
    }

    async fn pause(&self, next: Next) -> Woken {
        // Beyond what the timer can name, only the request counts.
        let until = match next {
            Next::After(pause) => Instant::now().checked_add(pause),
            Next::AtOnce | Next::WhenTold | Next::Never => None,
        };
        let Some(until) = until else {
            self.reconnect.notified().await;
            return Woken::ByRequest;
        };
        tokio::select! {
            () = sleep_until(until) => Woken::ByTime,
            () = self.reconnect.notified() => Woken::ByRequest,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    ByTime,
    ByRequest,
}

/// What to do after a stream that `lived` so long; `failures` counts those in a row that did not live long.
fn next(ended: &Ended, lived: Duration, failures: &mut u32, draw: u32) -> Next {
    if lived >= HEALTHY {
        *failures = 0;
    }
    match ended {
        Ended::NobodyListens => Next::Never,
        Ended::NoKey => Next::WhenTold,
        Ended::Told => {
            *failures = 0;
            Next::AtOnce
        }
        Ended::Failed(_) => {
            *failures = failures.saturating_add(1);
            Next::After(backoff::wait(*failures, draw))
        }
        // A gateway that sends everybody away at once must not be asked in a tight loop.
        Ended::Drained(pause) => {
            let least = if lived >= HEALTHY {
                Duration::ZERO
            } else {
                *failures = failures.saturating_add(1);
                backoff::wait(*failures, draw)
            };
            Next::After((*pause).min(LONGEST_DRAIN).max(least))
        }
    }
}

/// For the jitter alone; a failing source only makes it less even.
fn draw() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn failed() -> Ended {
        Ended::Failed("away".to_owned())
    }

    #[test]
    fn failures_in_a_row_wait_longer_until_a_stream_has_lived() {
        let mut failures = 0;
        let mut pauses = Vec::new();
        for lived in [SHORT, SHORT, SHORT, HEALTHY, SHORT] {
            pauses.push(next(&failed(), lived, &mut failures, u32::MAX));
        }
        let after = |ms| Next::After(MS(ms));
        assert_eq!(
            pauses,
            [
                after(999),
                after(1_999),
                after(3_999),
                after(999),
                after(1_999)
            ]
        );
    }

    #[test]
    fn a_request_to_reconnect_forgets_the_failures() {
        let mut failures = 9;
        assert_eq!(next(&Ended::Told, SHORT, &mut failures, 0), Next::AtOnce);
        assert_eq!(failures, 0);
    }

    #[test]
    fn a_pause_that_the_gateway_asks_for_is_bounded_on_both_sides() {
        let mut failures = 0;
        let mut drained =
            |pause, lived| next(&Ended::Drained(pause), lived, &mut failures, u32::MAX);
        assert_eq!(drained(MS(1_500), HEALTHY), Next::After(MS(1_500)));
        assert_eq!(drained(Duration::MAX, HEALTHY), Next::After(LONGEST_DRAIN));
        assert_eq!(drained(Duration::ZERO, SHORT), Next::After(MS(999)));
        assert_eq!(drained(Duration::ZERO, SHORT), Next::After(MS(1_999)));
    }

    #[test]
    fn without_a_key_nothing_is_tried() {
        assert_eq!(next(&Ended::NoKey, SHORT, &mut 3, 0), Next::WhenTold);
        assert_eq!(next(&Ended::NobodyListens, SHORT, &mut 3, 0), Next::Never);
    }
}
