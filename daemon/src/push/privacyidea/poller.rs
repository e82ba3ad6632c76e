//! The task of one token: asks, waits, posts answers.

use core::{ops::RangeInclusive, time::Duration};
use std::sync::Arc;

use countersign_core::ids::ServiceId;
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep_until},
};

use super::http::HttpClient;
use crate::{
    agent::ports::{Input, Pace, PollInput, PollSigner, PollWish, PushAnswer, TransportError},
    push::backoff,
};

/// Between two polls while the user is at it, in milliseconds.
const QUICK: RangeInclusive<u32> = 1_000..=3_000;
/// Between two polls else, in milliseconds.
const CALM: RangeInclusive<u32> = 10_000..=30_000;
/// An answer that a server has read: everything else is a failure.
const OK: u16 = 200;

pub(super) struct Poller {
    pub(super) service: ServiceId,
    pub(super) http: HttpClient,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) signer: Arc<dyn PollSigner>,
    pub(super) answers: mpsc::Receiver<PushAnswer>,
    pub(super) wake: Arc<Notify>,
}

/// Nobody listens any more: the agent is ending.
struct Over;

impl Poller {
    pub(super) async fn run(mut self) {
        // Most of it is connecting, which a sleeping task need not carry along.
        while Box::pin(self.rounds()).await.is_ok() {}
    }

    /// Polls until something wakes it; the failures in a row are forgotten then.
    async fn rounds(&mut self) -> Result<(), Over> {
        let mut failures = 0_u32;
        loop {
            let wish = self.signer.next_poll(self.service).await;
            let pause = match wish {
                PollWish::NotNow { why } => {
                    let retry_in = Duration::MAX;
                    self.tell(PollInput::Away { why, retry_in }).await?;
                    retry_in
                }
                PollWish::Ask { address, pace } => self.poll(&address, pace, &mut failures).await?,
            };
            if self.wait(pause, &mut failures).await? == Woken::ByRequest {
                return Ok(());
            }
        }
    }

    async fn poll(
        &mut self,
        address: &str,
        pace: Pace,
        failures: &mut u32,
    ) -> Result<Duration, Over> {
        let asked = self.http.get(address).await;
        let input = match asked {
            Ok(reply) => {
                let next_in = if reply.status == OK {
                    *failures = 0;
                    pause(pace, draw())
                } else {
                    failed(failures)
                };
                PollInput::Polled { reply, next_in }
            }
            Err(error) => away(&error, failed(failures)),
        };
        let next_in = match &input {
            PollInput::Polled { next_in, .. } => *next_in,
            PollInput::Away { retry_in, .. } => *retry_in,
            PollInput::Answered { .. } => Duration::ZERO,
        };
        self.tell(input).await?;
        Ok(next_in)
    }

    /// Until the time is over or somebody wakes it; answers go out meanwhile. One that does not get through makes the
    /// wait a short one: what was not sent is sent again after the next poll.
    async fn wait(&mut self, pause: Duration, failures: &mut u32) -> Result<Woken, Over> {
        // Beyond what the timer can name, only a request counts.
        let mut until = Instant::now().checked_add(pause);
        loop {
            let time = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => core::future::pending().await,
                }
            };
            tokio::select! {
                // An answer first: a poll that goes out before it would only say what is known.
                biased;
                answer = self.answers.recv() => {
                    let answer = answer.ok_or(Over)?;
                    match self.http.post(&answer.url, &answer.form).await {
                        Ok(reply) => {
                            let (request, verdict) = (answer.request, answer.verdict);
                            self.tell(PollInput::Answered { request, verdict, reply }).await?;
                        }
                        Err(error) => {
                            let retry_in = failed(failures);
                            until = Instant::now().checked_add(retry_in);
                            self.tell(away(&error, retry_in)).await?;
                        }
                    }
                }
                () = self.wake.notified() => return Ok(Woken::ByRequest),
                () = time => return Ok(Woken::ByTime),
            }
        }
    }

    async fn tell(&self, input: PollInput) -> Result<(), Over> {
        let service = self.service;
        let told = self.inputs.send(Input::Poll { service, input }).await;
        told.map_err(|_closed| Over)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    ByTime,
    ByRequest,
}

fn away(error: &TransportError, retry_in: Duration) -> PollInput {
    let why = error.to_string();
    PollInput::Away { why, retry_in }
}

fn failed(failures: &mut u32) -> Duration {
    *failures = failures.saturating_add(1);
    backoff::wait(*failures, draw())
}

/// Evenly anywhere in the pace's range: a thousand agents do not ask at the same moment.
fn pause(pace: Pace, draw: u32) -> Duration {
    let range = match pace {
        Pace::Quick => QUICK,
        Pace::Calm => CALM,
    };
    let span = u64::from(range.end().saturating_sub(*range.start()));
    let more = span
        .saturating_mul(u64::from(draw))
        .checked_shr(32)
        .unwrap_or(0);
    Duration::from_millis(u64::from(*range.start()).saturating_add(more))
}

/// For the jitter alone; a failing source only makes it less even.
fn draw() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_is_in_its_range(draw: u32) {
            let (quick, calm) = (pause(Pace::Quick, draw), pause(Pace::Calm, draw));
            prop_assert!((1_000..=3_000).contains(&quick.as_millis()));
            prop_assert!((10_000..=30_000).contains(&calm.as_millis()));
        }
    }

    #[test]
    fn failures_in_a_row_wait_longer() {
        let mut failures = 6;
        for _ in 0..100 {
            assert!(failed(&mut failures) < Duration::from_mins(1));
        }
        assert_eq!(failures, 106);
    }
}
