//! `countersign delete TOKEN`: erases a token and its secrets.

use countersign_proto::agent::v1::Reason;
use serde::Serialize;

use super::session::Session;
use crate::{
    cli,
    exit::Failure,
    output::{Answer, Paint, Style},
    prompt, text,
};

/// Deletes it after a yes; what is deleted is exactly what was shown.
pub(crate) async fn run(arguments: cli::Delete, session: &Session) -> Result<(), Failure> {
    let mut agent = session.agent().await?;
    let mut token = arguments.token.token;
    if !arguments.yes {
        let terminal = prompt::or_refuse(
            session.terminal(),
            Reason::Usage,
            "Nobody confirmed the deletion, and there is no terminal to ask on.",
            "Add --yes if the token is to be deleted for good.",
        )?;
        let found = agent.describe_token(token).await?.token.unwrap_or_default();
        let question = format!(
            "Delete {} (serial {}) and its secrets for good?",
            text::short(&found.name),
            text::short(&found.serial)
        );
        if !terminal.confirm(&question).await? {
            return Err(Failure::cancelled("Nothing was deleted."));
        }
        token = found.id;
    }
    let reply = agent.delete_token(token).await?;
    session.output.answer(&Deleted {
        deleted: reply.name,
    })
}

#[derive(Debug, Serialize)]
struct Deleted {
    deleted: String,
}

impl Answer for Deleted {
    fn friendly(&self, style: &Style) -> String {
        let name = style.paint(Paint::Name, &text::short(&self.deleted));
        format!("{name} is deleted.\n")
    }

    fn bare(&self) -> String {
        String::new()
    }
}
