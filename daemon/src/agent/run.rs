//! The agent at work: what the outside does comes in on one queue, deadlines wake one timer, nothing polls.

use std::sync::Arc;

use core::time::Duration;

use tokio::{sync::mpsc, time::Instant};
use tracing::info;

use super::{
    Agent, Start,
    ports::{Input, NoticeChoice},
};

impl Agent {
    /// Serves inputs and deadlines until `inputs` is closed.
    pub async fn run(self: Arc<Self>, mut inputs: mpsc::Receiver<Input>) {
        self.remember_mute().await;
        self.unlock_at_start().await;
        self.start.send_replace(Start::Over);
        loop {
            tokio::select! {
                input = inputs.recv() => match input {
                    Some(input) => Arc::clone(&self).serve(input).await,
                    None => break,
                },
                () = self.next_deadline() => {
                    self.expire_login_requests().await;
                    self.lock_when_due().await;
                    self.expire_fingers().await;
                    self.end_mute().await;
                    Arc::clone(&self).sync_due_containers();
                    self.forget_import_when_due();
                }
            }
        }
        info!("no more inputs");
    }

    async fn serve(self: Arc<Self>, input: Input) {
        match input {
            Input::Push { service, input } => self.on_push(service, input).await,
            Input::Poll { service, input } => self.on_poll(service, input).await,
            Input::Session(event) => self.on_session_event(event).await,
            Input::KeyringOpened => self.on_keyring_opened().await,
            Input::NetworkChanged => self.on_network_changed().await,
            Input::Notice {
                choice: NoticeChoice::Dismissed,
                ..
            } => {}
            // An answer waits for the service's word, which comes on this very queue.
            Input::Notice { id, choice } => {
                tokio::spawn(async move { self.on_notice(id, choice).await });
            }
        }
    }

    fn next_deadline_of(&self) -> Option<countersign_core::time::BootTime> {
        let lock_after = self.settings().lock_after;
        self.state.facts().next_deadline(lock_after)
    }

    /// Ready when something may have ended by itself, or when the deadlines changed.
    async fn next_deadline(&self) {
        let next = self.next_deadline_of();
        let Some(next) = next else {
            self.deadlines.notified().await;
            return;
        };
        // The boot clock goes on in suspend and tokio's does not: what is late is seen at the next wake-up,
        // and every answer checks the boot clock itself.
        let left = next
            .since(self.ports.clock.boot())
            .saturating_add(Duration::from_millis(1));
        tokio::select! {
            () = self.deadlines.notified() => {}
            () = tokio::time::sleep_until(after(left)) => {}
        }
    }
}

fn after(left: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(left).unwrap_or(now)
}
