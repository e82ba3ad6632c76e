//! `countersign info TOKEN`: all there is to know about a token.

use super::session::Session;
use crate::{cli, exit::Failure, output::token::Token};

/// Describes it; secrets are not part of a description.
pub(crate) async fn run(arguments: cli::TokenName, session: &Session) -> Result<(), Failure> {
    let reply = session
        .agent()
        .await?
        .describe_token(arguments.token)
        .await?;
    session
        .output
        .answer(&Token::from(reply.token.unwrap_or_default()))
}
