//! The lasting way to the agent: watches its login requests, and comes back after it was away.

use core::time::Duration;

use countersign_client::ClientError;
use countersign_proto::agent::v1::CallerScreen;
use tokio::{
    sync::mpsc::UnboundedSender,
    time::{Instant, sleep_until},
};

use super::event::{News, Refusal};
use crate::commands::Dialer;

/// The first and the longest pause between two tries.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// Tells what comes, until nobody listens any more.
pub(super) async fn keep(dialer: Dialer, inbox: UnboundedSender<News>) {
    let mut pause = PAUSES.0;
    loop {
        let refusal = match watch(&dialer, &inbox, &mut pause).await {
            // It was there, and went. Nothing was asked of it.
            Ok(()) | Err(ClientError::Lost) => Refusal::from(&ClientError::NotRunning {
                socket: dialer.socket(),
            }),
            Err(error) => Refusal::from(&error),
        };
        if inbox.send(News::Away(refusal)).is_err() {
            return;
        }
        sleep_until(after(pause)).await;
        pause = pause.saturating_mul(2).min(PAUSES.1);
    }
}

/// Watches until the agent ends it.
async fn watch(
    dialer: &Dialer,
    inbox: &UnboundedSender<News>,
    pause: &mut Duration,
) -> Result<(), ClientError> {
    let mut agent = dialer.dial(&CallerScreen::default()).await?;
    let mut watch = agent.watch_login_requests().await?;
    while let Some(change) = watch.next().await? {
        *pause = PAUSES.0;
        let news = match change.changed {
            Some(changed) => News::Changed(Box::new(changed)),
            None => News::Snapshot(change.snapshot),
        };
        if inbox.send(news).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn after(pause: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(pause).unwrap_or(now)
}
