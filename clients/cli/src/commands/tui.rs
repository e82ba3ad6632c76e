//! `countersign tui`: the screen.

use std::io::{self, IsTerminal as _};

use super::{requests, session::Session};
use crate::{cli, exit::Failure, output::Reader, tui};

/// Shows the screen; plain lines if they are wanted.
pub(crate) async fn run(arguments: &cli::Tui, session: &Session) -> Result<(), Failure> {
    if arguments.plain {
        let watch = cli::Requests {
            check: false,
            history: false,
            watch: true,
        };
        return requests::run(&watch, session).await;
    }
    if session.output.reader() == Reader::Script {
        return Err(Failure::usage(
            "A screen is no JSON.",
            "`countersign requests --watch --json` gives one object a line.",
        ));
    }
    let is_dumb = session.screen().tty_type == "dumb";
    let kept = session
        .kept()
        .filter(|_| io::stdout().is_terminal() && !is_dumb);
    let Some(kept) = kept else {
        return Err(Failure::usage(
            "There is no terminal that a screen could be painted on.",
            "`countersign requests --watch` gives plain lines.",
        ));
    };
    // The screen alone needs the room; the other commands do not carry it.
    Box::pin(tui::run(session, kept)).await
}
