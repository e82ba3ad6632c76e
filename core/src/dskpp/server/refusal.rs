//! The end of a run, as the client hears it.

use crate::{
    dskpp::{Status, message},
    xml::Node,
};

/// Which of the two responses carries a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    ServerHello,
    ServerFinished,
}

/// The end of a run: a status, and the message that says it. All secrets of the run are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub(super) status: Status,
    pub(super) answer: Answer,
    pub(super) session_id: Option<String>,
}

impl Refusal {
    /// What is said.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The body that says it: a response with attributes only.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let name = match self.answer {
            Answer::ServerHello => "dskpp:KeyProvServerHello",
            Answer::ServerFinished => "dskpp:KeyProvServerFinished",
        };
        response(name, self.session_id.as_deref(), self.status)
            .document()
            .into_bytes()
    }

    pub(super) const fn to_hello(status: Status) -> Self {
        Self {
            status,
            answer: Answer::ServerHello,
            session_id: None,
        }
    }

    pub(super) fn to_nonce(status: Status, session_id: &str) -> Self {
        Self {
            status,
            answer: Answer::ServerFinished,
            session_id: Some(session_id.to_owned()),
        }
    }
}

/// A response with its attributes.
pub(super) fn response(name: &'static str, session_id: Option<&str>, status: Status) -> Node {
    let node = message::root(name);
    let node = match session_id {
        Some(session_id) => node.with("SessionID", session_id),
        None => node,
    };
    node.with("Status", status.word())
}
