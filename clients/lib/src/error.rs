//! What can go wrong between a client and the agent.

use std::{error::Error as _, io, path::PathBuf, time::Duration};

use countersign_proto::{
    agent::v1::{ErrorDetail, Reason},
    reason::detail_of,
};

use crate::SocketProblem;

/// Why a call to the agent gave no answer. The text of each says what failed; [`ClientError::hint`] says
/// what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error("The Countersign agent is not running.")]
    NotRunning {
        /// Where it was looked for.
        socket: PathBuf,
    },
    /// The socket, its folder or the program behind it is not ours alone. Nothing was sent.
    #[error("{} is not to be trusted: {problem}.", path.display())]
    Untrusted {
        /// The socket or its folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: SocketProblem,
    },
    /// The socket cannot be reached.
    #[error("{} cannot be used.", path.display())]
    Socket {
        /// The socket or its folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The agent is there and says nothing.
    #[error("The agent did not answer within {} s.", waited.as_secs_f32())]
    Deadline {
        /// How long it was waited for.
        waited: Duration,
    },
    /// The connection ended before the answer; what was asked may or may not have happened.
    #[error("The agent closed the connection before it answered.")]
    Lost,
    /// The agent does not know the call: it is older or newer than this program.
    #[error("The agent is of another version and does not know this call.")]
    VersionMismatch,
    /// The agent refused and says why.
    #[error("{}", .0.message)]
    Refused(ErrorDetail),
    /// The agent refused in words that are not ours.
    #[error("The agent refused without saying why ({code}).")]
    Unexplained {
        /// The gRPC code.
        code: tonic::Code,
    },
}

impl ClientError {
    /// Which of the closed list of reasons this is; it gives the exit code.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Untrusted { .. } => Reason::PermissionDenied,
            Self::Socket { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Reason::PermissionDenied
            }
            Self::NotRunning { .. } | Self::Lost | Self::Socket { .. } => Reason::AgentNotRunning,
            Self::Deadline { .. } => Reason::Deadline,
            Self::VersionMismatch => Reason::AgentVersion,
            Self::Refused(detail) if detail.reason() != Reason::Unspecified => detail.reason(),
            Self::Refused(_) | Self::Unexplained { .. } => Reason::Internal,
        }
    }

    /// What to do next, one sentence; empty when there is nothing to say.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotRunning { .. } => {
                "Start it with `systemctl --user start countersignd.socket`, or run `countersignd`."
                    .to_owned()
            }
            Self::Untrusted { .. } => {
                "The agent makes its folder with mode 0700 and its socket with mode 0600, both yours; \
                 run this as the user who runs the agent."
                    .to_owned()
            }
            Self::Socket { source, .. } => format!("The system says: {source}."),
            Self::Deadline { .. } => {
                "Look at `systemctl --user status countersignd` and try again.".to_owned()
            }
            Self::Lost => {
                "Look at `journalctl --user -u countersignd`, then check with `countersign status` \
                 what was done."
                    .to_owned()
            }
            Self::VersionMismatch => {
                "Restart the agent after an update: `systemctl --user restart countersignd`.".to_owned()
            }
            Self::Refused(detail) => detail.hint.clone(),
            Self::Unexplained { .. } => {
                "Look at `journalctl --user -u countersignd` for what happened.".to_owned()
            }
        }
    }

    /// How many tries a wrong PIN has left, where the agent says so.
    #[must_use]
    pub fn tries_left(&self) -> Option<u32> {
        match self {
            Self::Refused(detail) => detail.tries_left,
            Self::NotRunning { .. }
            | Self::Untrusted { .. }
            | Self::Socket { .. }
            | Self::Deadline { .. }
            | Self::Lost
            | Self::VersionMismatch
            | Self::Unexplained { .. } => None,
        }
    }

    /// What a failed gRPC call means.
    pub(crate) fn from_status(status: &tonic::Status) -> Self {
        if let Some(detail) = detail_of(status) {
            return Self::Refused(detail);
        }
        // A status with a source was made here, of a broken connection; the agent did not send it.
        if status.source().is_some() {
            return Self::Lost;
        }
        let code = status.code();
        if code == tonic::Code::Unimplemented {
            Self::VersionMismatch
        } else {
            Self::Unexplained { code }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_reason_message_hint_and_tries() {
        let detail = ErrorDetail {
            reason: Reason::PinWrong.into(),
            message: "The PIN is wrong.".to_owned(),
            hint: "Try again.".to_owned(),
            tries_left: Some(2),
        };
        let error = ClientError::Refused(detail);
        assert_eq!(error.reason(), Reason::PinWrong);
        assert_eq!(error.to_string(), "The PIN is wrong.");
        assert_eq!(error.hint(), "Try again.");
        assert_eq!(error.tries_left(), Some(2));
    }

    #[test]
    fn a_call_that_the_agent_does_not_know_is_a_matter_of_versions() {
        let error = ClientError::from_status(&tonic::Status::unimplemented("no such method"));
        assert_eq!(error.reason(), Reason::AgentVersion);
    }

    #[test]
    fn an_error_without_detail_is_never_shown_in_the_peers_words() {
        let error = ClientError::from_status(&tonic::Status::internal("\u{1b}[2J secret"));
        assert_eq!(error.reason(), Reason::Internal);
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn a_reason_from_the_future_is_internal() {
        let error = ClientError::Refused(ErrorDetail {
            reason: 250,
            ..ErrorDetail::default()
        });
        assert_eq!(error.reason(), Reason::Internal);
    }
}
