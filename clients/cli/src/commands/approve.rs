//! `countersign approve [ID]`: lets a login in.

use countersign_proto::agent::v1::Verdict;

use super::{
    answer::{self, Wish},
    session::Session,
};
use crate::{cli, exit::Failure};

/// Approves; the agent asks for a PIN or a finger if the token wants one.
pub(crate) async fn run(arguments: cli::Approve, session: &Session) -> Result<(), Failure> {
    let wish = Wish {
        verdict: Verdict::Approve,
        id: arguments.id,
        number: arguments.number,
        pin_stdin: arguments.pin.pin_stdin,
    };
    answer::run(wish, session).await
}
