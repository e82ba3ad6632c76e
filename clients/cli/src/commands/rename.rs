//! `countersign rename TOKEN NAME`: gives a token another name.

use serde::Serialize;

use super::session::Session;
use crate::{
    cli,
    exit::Failure,
    output::{Answer, Paint, Style, token::Token},
    text,
};

/// Renames it; the agent says which names are taken or not allowed.
pub(crate) async fn run(arguments: cli::Rename, session: &Session) -> Result<(), Failure> {
    let before = arguments.token.token;
    let reply = session
        .agent()
        .await?
        .rename_token(before, arguments.name)
        .await?;
    session.output.answer(&Renamed {
        token: reply.token.unwrap_or_default().into(),
    })
}

#[derive(Debug, Serialize)]
struct Renamed {
    token: Token,
}

impl Answer for Renamed {
    fn friendly(&self, style: &Style) -> String {
        let name = text::short(&self.token.name);
        format!(
            "The token is now called {}.\n",
            style.paint(Paint::Name, &name)
        )
    }

    fn bare(&self) -> String {
        format!("{}\n", text::short(&self.token.name))
    }
}
