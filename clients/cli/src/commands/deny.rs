//! `countersign deny [ID] [--report]`: keeps a login out.

use countersign_proto::agent::v1::Verdict;

use super::{
    answer::{self, Wish},
    session::Session,
};
use crate::{cli, exit::Failure};

/// Denies; needs no PIN and no unlocked vault.
pub(crate) async fn run(arguments: cli::Deny, session: &Session) -> Result<(), Failure> {
    let wish = Wish {
        verdict: if arguments.report {
            Verdict::Report
        } else {
            Verdict::Deny
        },
        id: arguments.id,
        number: None,
        pin_stdin: false,
    };
    answer::run(wish, session).await
}
