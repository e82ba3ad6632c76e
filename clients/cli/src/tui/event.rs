//! What happens, and what is to be done about it.

use core::time::Duration;

use countersign_client::ClientError;
use countersign_proto::agent::v1::{self as api, Reason, Verdict};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{keys::Key, shown::Shown};
use crate::{output, secret_line::Secret};

/// What the clocks say as something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Since the screen was opened; it never goes back.
    pub(crate) at: Duration,
    /// The calendar; for words only.
    pub(crate) wall: Timestamp,
}

/// What happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Pasted(String),
    /// The terminal has another size or was something else for a while: it is painted anew.
    Repaint,
    /// The terminal is looked at, or is not.
    Looked(Looked),
    /// Something that was waited for may be due.
    Tick,
    /// The agent says something.
    News(News),
    /// A call has ended.
    Done(Call, Result<Reply, Refusal>),
    /// What [`Effect::Ask`] asked for; nothing if the user went back.
    Typed(Option<Secret>),
}

/// Is the terminal the one that the user looks at? Most terminals say so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Looked {
    #[default]
    At,
    Away,
}

/// What comes from the agent without being waited for.
#[derive(Debug)]
pub(crate) enum News {
    /// It cannot be reached. It is tried again.
    Away(Refusal),
    /// All pending login requests; the connection is new.
    Snapshot(Vec<api::LoginRequest>),
    /// One login request changed.
    Changed(Box<api::LoginRequest>),
    Status(Box<api::StatusReply>),
    Tokens(Vec<api::Token>),
    /// Login requests, also those that are over.
    History(Vec<api::LoginRequest>),
    /// What happened, newest first.
    Log(Vec<api::Event>),
    /// What was to be fetched was refused.
    Trouble(Refusal),
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The end.
    Quit,
    /// Stop until the shell wakes us.
    Suspend,
    /// Paint everything anew: somebody else wrote on the terminal.
    Repaint,
    /// Give the text to the terminal's clipboard.
    Copy(Zeroizing<String>),
    Fetch(Fetch),
    /// Ask the agent, with what was typed for it.
    Call(Call, Option<Secret>),
    /// No longer wait for the call that a person is asked about: its dialog goes.
    Cancel,
    /// Read what [`super::state::dialog::Dialog::Secret`] asks for, unseen.
    Ask,
}

/// What can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetch {
    Status,
    Tokens,
    History,
    Log,
    /// Ask the services for login requests now.
    Check,
}

/// What the agent is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Answer(Answer),
    Passcode(PasscodeOf),
    Unlock,
    Lock,
    /// For all.
    Autosend(bool),
    /// For one token, by its id.
    AutosendOf(String, bool),
}

/// An answer to a login request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The whole id.
    pub(crate) id: String,
    pub(crate) verdict: Verdict,
    /// What the resource shows, typed or chosen.
    pub(crate) number: String,
    pub(crate) resource: Shown,
    /// The token that answers, as the request names it.
    pub(crate) token: Shown,
}

/// A passcode that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PasscodeOf {
    /// The token's id.
    pub(crate) id: String,
    pub(crate) name: Shown,
    pub(crate) challenge: String,
}

impl Call {
    /// May it wait for a person? There is one such call at a time.
    pub(crate) const fn may_ask(&self) -> bool {
        match self {
            Self::Answer(answer) => matches!(answer.verdict, Verdict::Approve),
            Self::Passcode(_) | Self::Unlock => true,
            Self::Lock | Self::Autosend(_) | Self::AutosendOf(..) => false,
        }
    }
}

/// What the agent answered.
#[derive(Debug)]
pub(crate) enum Reply {
    Answered(Box<api::LoginRequest>),
    Passcode(api::GeneratePasscodeReply),
    /// It was done.
    Done,
}

/// Why not, in words that can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: Shown,
    pub(crate) hint: Shown,
}

impl From<&ClientError> for Refusal {
    fn from(error: &ClientError) -> Self {
        let message = Shown::sentence(&error.to_string());
        Self {
            reason: error.reason(),
            message: error.tries_left().map_or_else(
                || message.clone(),
                |tries| Shown::sentence(&output::with_tries(message.as_str(), tries)),
            ),
            hint: Shown::sentence(&error.hint()),
        }
    }
}
