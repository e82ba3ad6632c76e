//! `countersign move TOKEN`: gives a token another place in the list.

use countersign_proto::agent::v1::{self as api, TokenPlace};
use serde::Serialize;

use super::session::Session;
use crate::{
    cli,
    exit::Failure,
    output::{Answer, Paint, Style, token::Token},
    text,
};

/// Moves it; the agent keeps the order.
pub(crate) async fn run(arguments: cli::Move, session: &Session) -> Result<(), Failure> {
    let (place, beside) = arguments.place();
    let request = api::MoveTokenRequest {
        token: arguments.token.token,
        place: place.into(),
        beside: beside.clone(),
    };
    let reply = session.agent().await?.move_token(request).await?;
    session.output.answer(&Moved {
        token: reply.token.unwrap_or_default().into(),
        place,
        beside,
    })
}

#[derive(Debug, Serialize)]
struct Moved {
    token: Token,
    #[serde(skip)]
    place: TokenPlace,
    #[serde(skip)]
    beside: String,
}

impl Answer for Moved {
    fn friendly(&self, style: &Style) -> String {
        let name = style.paint(Paint::Name, &text::short(&self.token.name));
        let beside = style.paint(Paint::Name, &text::short(&self.beside));
        match self.place {
            TokenPlace::Before => format!("{name} now stands before {beside}.\n"),
            TokenPlace::After => format!("{name} now stands after {beside}.\n"),
            TokenPlace::Last => format!("{name} is now the last one.\n"),
            TokenPlace::First | TokenPlace::Unspecified => {
                format!("{name} is now the first one.\n")
            }
        }
    }

    fn bare(&self) -> String {
        String::new()
    }
}
