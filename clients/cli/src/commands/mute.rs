//! `countersign mute SPAN|off`: no login requests for a time.

use serde::Serialize;

use super::session::Session;
use crate::{
    cli::{self, MuteSpan},
    clock,
    exit::Failure,
    output::{Answer, Paint, Style},
};

/// Mutes, or ends it.
pub(crate) async fn run(arguments: &cli::Mute, session: &Session) -> Result<(), Failure> {
    let seconds = match arguments.span {
        MuteSpan::Off => 0,
        MuteSpan::For(span) => u32::try_from(span.as_secs()).unwrap_or(u32::MAX),
    };
    let reply = session.agent().await?.mute_login_requests(seconds).await?;
    session.output.answer(&Muted {
        muted_until: reply.muted_until,
    })
}

#[derive(Debug, Serialize)]
struct Muted {
    muted_until: Option<i64>,
}

impl Answer for Muted {
    fn friendly(&self, style: &Style) -> String {
        match self.muted_until.and_then(clock::from_seconds) {
            Some(until) => format!(
                "Login requests are {} until {}. Log in with a passcode.\n",
                style.paint(Paint::Attention, "muted"),
                clock::local(until, clock::now())
            ),
            None => format!(
                "Login requests {}.\n",
                style.paint(Paint::Good, "are not muted")
            ),
        }
    }

    fn bare(&self) -> String {
        String::new()
    }
}
