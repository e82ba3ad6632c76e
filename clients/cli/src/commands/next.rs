//! `countersign next TOKEN`: the next passcode of an event-based token.

use countersign_proto::agent::v1::{self as api, PasscodeRequestKind};

use super::{code, session::Session};
use crate::{cli, exit::Failure};

/// As `code`, but the agent refuses other modes.
pub(crate) async fn run(arguments: cli::Next, session: &Session) -> Result<(), Failure> {
    let request = api::GeneratePasscodeRequest {
        token: arguments.token.token,
        kind: PasscodeRequestKind::Next.into(),
        challenge: String::new(),
        pin: Vec::new(),
    };
    code::generate(request, arguments.pin.pin_stdin, session).await
}
