//! `countersign deny [ID] [--report|--mine]`: keeps a login out.

use countersign_proto::agent::v1::Verdict;

use super::{
    answer::{self, Wish},
    session::Session,
};
use crate::{cli, exit::Failure};

/// Denies; needs no PIN and no unlocked vault.
pub(crate) async fn run(arguments: cli::Deny, session: &Session) -> Result<(), Failure> {
    let wish = Wish {
        verdict: match (arguments.report, arguments.mine) {
            (true, _) => Verdict::Report,
            (false, true) => Verdict::Cancel,
            (false, false) => Verdict::Deny,
        },
        id: arguments.id,
        number: None,
        pin_stdin: false,
    };
    answer::run(wish, session).await
}
