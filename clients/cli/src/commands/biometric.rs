//! `countersign biometric on|off [TOKEN]`: may a finger stand for the PIN?

use countersign_proto::agent::v1 as api;
use serde::Serialize;

use super::{
    secrets::{Fallback, Question, Secrets, Wanted},
    session::Session,
};
use crate::{
    cli::{self, Switch},
    exit::Failure,
    output::{Answer, Paint, Style, words},
    text,
};

/// Says it to the agent, which asks for the PIN before a finger stands for it.
pub(crate) async fn run(arguments: cli::Biometric, session: &Session) -> Result<(), Failure> {
    let on = arguments.switch == Switch::On;
    let token = arguments.token.unwrap_or_default();
    let mut wanted = Wanted {
        fallback: Fallback::Unavailable,
        ..Wanted::pin_of(&token)
    };
    if token.is_empty() {
        wanted.current = Some(Question::new("PIN", "PIN or passphrase of the vault"));
    }
    let mut secrets = Secrets::begin(arguments.pin.pin_stdin, &wanted)?;
    let mut agent = session.agent().await?;
    let reply = loop {
        let attempt = api::SetBiometricRequest {
            token: token.clone(),
            on,
            pin: secrets.current(),
        };
        match session.patiently(agent.set_biometric(attempt)).await {
            Ok(reply) => break reply,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    };
    session.output.answer(&Biometric {
        biometric: on,
        token: Some(reply.name).filter(|name| !name.is_empty()),
    })
}

#[derive(Debug, Serialize)]
struct Biometric {
    biometric: bool,
    token: Option<String>,
}

impl Answer for Biometric {
    fn friendly(&self, style: &Style) -> String {
        let paint = if self.biometric {
            Paint::Good
        } else {
            Paint::Attention
        };
        let word = style.paint(paint, words::on(self.biometric));
        let (whose, meaning) = match (&self.token, self.biometric) {
            (Some(name), on) => (
                format!(" for {}", style.paint(Paint::Name, &text::short(name))),
                if on {
                    "A finger may stand for its PIN."
                } else {
                    "Only its PIN counts."
                },
            ),
            (None, true) => (
                String::new(),
                "A finger may unlock the vault and confirm approvals.",
            ),
            (None, false) => (String::new(), "Fingers neither unlock nor approve."),
        };
        format!("Biometric is {word}{whose}. {meaning}\n")
    }

    fn bare(&self) -> String {
        String::new()
    }
}
