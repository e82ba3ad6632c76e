//! `countersign autosend on|off`: whether login requests may come at all.

use serde::Serialize;

use super::session::Session;
use crate::{
    cli::{self, Switch},
    exit::Failure,
    output::{Answer, Paint, Style, words},
    text,
};

/// Turns it on or off, for one token or for all.
pub(crate) async fn run(arguments: cli::Autosend, session: &Session) -> Result<(), Failure> {
    let on = arguments.switch == Switch::On;
    let token = arguments.token;
    session
        .agent()
        .await?
        .set_autosend(token.clone().unwrap_or_default(), on)
        .await?;
    session.output.answer(&Autosend {
        autosend: on,
        token,
    })
}

#[derive(Debug, Serialize)]
struct Autosend {
    autosend: bool,
    token: Option<String>,
}

impl Answer for Autosend {
    fn friendly(&self, style: &Style) -> String {
        let whose = self
            .token
            .as_ref()
            .map(|token| format!(" for {}", text::short(token)))
            .unwrap_or_default();
        let (paint, meaning) = if self.autosend {
            (Paint::Good, "Login requests come as notifications.")
        } else {
            (
                Paint::Attention,
                "No login requests come; log in with a passcode.",
            )
        };
        let word = style.paint(paint, words::on(self.autosend));
        format!("Autosend is {word}{whose}. {meaning}\n")
    }

    fn bare(&self) -> String {
        String::new()
    }
}
