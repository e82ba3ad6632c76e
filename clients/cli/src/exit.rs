//! How a command ends: the exit code and the words on standard error.

use std::{borrow::Cow, io, process::ExitCode};

use clap::error::ErrorKind;
use countersign_client::ClientError;
use countersign_proto::agent::v1::Reason;
use serde::Serialize;

use crate::{
    output::{Output, json},
    text,
};

/// Why a command gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The agent refused or cannot be reached.
    #[error(transparent)]
    Agent(#[from] ClientError),
    /// Found here, before or after the agent was asked.
    #[error("{message}")]
    Refused {
        /// Gives the exit code.
        reason: Reason,
        /// What failed.
        message: String,
        /// What to do next.
        hint: String,
    },
    /// Standard input or the terminal cannot be read.
    #[error("What was to be read could not be read.")]
    Input(#[source] io::Error),
    /// Standard output takes no more, for instance because a disk is full.
    #[error("The answer could not be written.")]
    Write(#[source] io::Error),
    /// Whoever read standard output has seen enough; not an error.
    #[error("The reader has gone.")]
    ReaderGone,
    /// A signal came while something was asked.
    #[error("Interrupted.")]
    Interrupted {
        /// Its number.
        signal: u8,
    },
}

impl Failure {
    /// A failure found here.
    pub(crate) fn refused(
        reason: Reason,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Refused {
            reason,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// The command line was used wrongly in a way that only shows after it was parsed.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::refused(Reason::Usage, message, hint)
    }

    /// The user said no.
    pub(crate) fn cancelled(message: impl Into<String>) -> Self {
        Self::refused(Reason::Cancelled, message, "")
    }

    /// The reason; it gives the exit code and the word in `--json`.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Agent(error) => error.reason(),
            Self::Refused { reason, .. } => *reason,
            Self::Input(_) | Self::Write(_) => Reason::Internal,
            Self::ReaderGone | Self::Interrupted { .. } => Reason::Cancelled,
        }
    }

    fn hint(&self) -> Cow<'_, str> {
        match self {
            Self::Agent(error) => error.hint().into(),
            Self::Refused { hint, .. } => hint.into(),
            Self::Input(error) | Self::Write(error) => format!("The system says: {error}.").into(),
            Self::ReaderGone | Self::Interrupted { .. } => "".into(),
        }
    }

    /// What failed and what to do next, as one line.
    pub(crate) fn said(&self) -> String {
        let message = text::polished(&self.to_string());
        match text::polished(&self.hint()) {
            hint if hint.is_empty() => message,
            hint => format!("{message} {hint}"),
        }
    }

    /// The exit code: the reason's number, or 128 and the signal's, as shells have it.
    fn code(&self) -> u8 {
        match self {
            Self::ReaderGone => 0,
            Self::Interrupted { signal } => 128_u8.saturating_add(*signal),
            Self::Agent(_) | Self::Refused { .. } | Self::Input(_) | Self::Write(_) => {
                self.reason().exit_code()
            }
        }
    }

    /// Says on standard error what failed and what to do next, and gives the exit code.
    pub(crate) fn report(&self, output: &Output) -> ExitCode {
        if matches!(self, Self::Interrupted { .. }) {
            // The shell's prompt shall not stand behind the question.
            output.remark("");
        } else if !matches!(self, Self::ReaderGone) {
            let tries_left = match self {
                Self::Agent(error) => error.tries_left(),
                Self::Refused { .. }
                | Self::Input(_)
                | Self::Write(_)
                | Self::ReaderGone
                | Self::Interrupted { .. } => None,
            };
            let body = ErrorBody {
                reason: self.reason().snake_case(),
                exit_code: self.code(),
                message: text::sentence(&self.to_string()),
                hint: text::sentence(&self.hint()),
                tries_left,
            };
            output.failure(&body);
        }
        ExitCode::from(self.code())
    }
}

/// What failed, as standard error shows it.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody {
    /// The reason in `snake_case`.
    pub(crate) reason: String,
    /// The exit code of the program.
    pub(crate) exit_code: u8,
    /// What failed, one sentence.
    pub(crate) message: String,
    /// What to do next, one sentence, may be empty.
    pub(crate) hint: String,
    /// How many tries a wrong PIN has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tries_left: Option<u32>,
}

/// Shows what is wrong with the command line, or the help that was asked for.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    let asked_for = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if !asked_for && std::env::args_os().any(|argument| argument == "--json") {
        let message = error.kind().to_string();
        let body = ErrorBody {
            reason: Reason::Usage.snake_case(),
            exit_code: Reason::Usage.exit_code(),
            message: text::sentence(&sentence_of(&message)),
            hint: "See `countersign help`.".to_owned(),
            tries_left: None,
        };
        Output::json_only().failure(&body);
        return ExitCode::from(Reason::Usage.exit_code());
    }
    // A reader that is gone has seen enough.
    drop(error.print());
    if asked_for {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Reason::Usage.exit_code())
    }
}

/// The first letter large, a full stop at the end.
fn sentence_of(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first
        .into_iter()
        .chain(letters)
        .chain(core::iter::once('.'))
        .collect()
}

impl json::Line for ErrorBody {
    const KEY: &'static str = "error";
}

#[cfg(test)]
mod tests {
    use countersign_proto::agent::v1::ErrorDetail;

    use super::*;

    #[test]
    fn every_reason_is_its_own_exit_code() {
        for reason in Reason::all() {
            let failure = Failure::Agent(ClientError::Refused(ErrorDetail {
                reason: reason.into(),
                ..ErrorDetail::default()
            }));
            assert_eq!(i32::from(failure.code()), i32::from(reason));
            assert_ne!(failure.code(), 0);
        }
    }

    #[test]
    fn a_signal_ends_as_shells_have_it() {
        assert_eq!(Failure::Interrupted { signal: 2 }.code(), 130);
        assert_eq!(Failure::Interrupted { signal: 15 }.code(), 143);
        assert_eq!(Failure::ReaderGone.code(), 0);
    }
}
