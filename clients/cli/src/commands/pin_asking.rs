//! `countersign pin ask TOKEN every-time|once-per-unlock`: how often a token's PIN is asked for.

use countersign_proto::agent::v1::{self as api, PinAsking};
use serde::Serialize;

use super::{
    secrets::{Fallback, Secrets, Wanted},
    session::Session,
};
use crate::{
    cli::{self, Asking},
    exit::Failure,
    output::{
        Answer, Paint, Style,
        words::{self, Word as _},
    },
    text,
};

/// Says it to the agent, which asks for the PIN where the token becomes less strict.
pub(crate) async fn run(arguments: cli::PinAsk, session: &Session) -> Result<(), Failure> {
    let token = arguments.token.token;
    let asking = match arguments.asking {
        Asking::EveryTime => PinAsking::EveryTime,
        Asking::OncePerUnlock => PinAsking::OncePerUnlock,
    };
    let wanted = Wanted {
        fallback: Fallback::Unavailable,
        ..Wanted::pin_of(&token)
    };
    let mut secrets = Secrets::begin(arguments.pin.pin_stdin, &wanted)?;
    let mut agent = session.agent().await?;
    let reply = loop {
        let attempt = api::SetPinAskingRequest {
            token: token.clone(),
            asking: asking.into(),
            pin: secrets.current(),
        };
        match session.patiently(agent.set_pin_asking(attempt)).await {
            Ok(reply) => break reply,
            Err(refusal) => secrets.after(refusal, &wanted, session).await?,
        }
    };
    session.output.answer(&Set {
        pin_asking: asking.word(),
        token: reply.name,
        kind: asking,
    })
}

#[derive(Debug, Serialize)]
struct Set {
    pin_asking: Option<String>,
    token: String,
    #[serde(skip)]
    kind: PinAsking,
}

impl Answer for Set {
    fn friendly(&self, style: &Style) -> String {
        let name = style.paint(Paint::Name, &text::short(&self.token));
        let often = words::pin_asking(self.kind);
        format!("The PIN of {name} is asked for {often}.\n")
    }

    fn bare(&self) -> String {
        String::new()
    }
}
