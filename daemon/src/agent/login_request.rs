//! Login requests: one comes, is shown, answered, and what became of it is told.
//!
//! Invariants: nothing of an unverified request is shown. A decision is durable before it is sent, and is
//! sent again byte for byte until its outcome is known. A denial waits for nothing.

mod answer;
mod arrival;
mod browser;
mod gateway;
mod holding;
mod outcome;
mod privacyidea;
mod showing;
mod view;
mod words;

use countersign_core::login_request::{AnswerError as PhaseError, MatchError};
use countersign_proto::agent::v1::Reason;

pub use self::view::{RequestView, Standing};
pub(super) use self::{outcome::Word, words::Denial};
use super::{
    explain::Explain, passcode::PasscodeError, ports::RandomError, session::SessionError,
    verification::VerificationError,
};
use crate::vault::VaultError;

/// Which login request is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestSelector {
    /// The only pending one.
    Only,
    /// The newest pending one.
    Newest,
    /// 32 hex digits, or a unique beginning of at least 4.
    Id(String),
}

/// What the user wants.
#[derive(Debug)]
pub enum AnswerWish {
    /// Approve it.
    Approve {
        /// The number that the resource shows, if it shows one.
        number: Option<String>,
    },
    /// Deny it.
    Deny,
    /// It was the user, who does not want it any more: deny it, with that reason where the service takes one.
    Cancel,
    /// "It wasn't me!": deny it if that is still possible, and report.
    Report,
}

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// No request of that id, or none pending.
    #[error("{0}")]
    Unknown(UnknownRequest),
    /// Several are pending, or the beginning of the id fits several.
    #[error("several login requests fit")]
    Ambiguous,
    /// It cannot be answered any more.
    #[error(transparent)]
    Phase(#[from] PhaseError),
    /// The number that the resource shows was not given, or cannot be it. Nothing was sent.
    #[error(transparent)]
    Number(#[from] MatchError),
    /// The dialog for it was closed, or nobody answered it. The request stays open.
    #[error("the number that the login page shows was not given")]
    NotApproved,
    /// The user could not be verified.
    #[error(transparent)]
    Verification(#[from] VerificationError),
    /// No passcode could be made.
    #[error(transparent)]
    Passcode(#[from] PasscodeError),
    /// The service did not accept the answer.
    #[error("{0}")]
    Refused(String),
    /// The service did not take the answer, and asks still.
    #[error("the service did not take this answer; the login request is still open")]
    NotTaken,
    /// The answer is durable but the service has not said anything yet.
    #[error("your answer is kept, but the service has not confirmed it yet")]
    OutcomeUnknown,
    /// The vault could not be opened for it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Which request is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownRequest {
    /// Nothing is pending.
    NonePending,
    /// Nothing has that id.
    NoSuchId,
}

impl core::fmt::Display for UnknownRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NonePending => "no login request is pending",
            Self::NoSuchId => "there is no login request with that id",
        })
    }
}

impl AnswerError {
    /// Tries left, where one was just lost.
    #[must_use]
    pub const fn tries_left(&self) -> Option<u32> {
        if let Self::Verification(error) = self {
            error.tries_left()
        } else {
            None
        }
    }
}

impl AnswerError {
    /// Could nobody be asked at all? Nobody has said no, then.
    #[must_use]
    pub(super) fn nobody_asked(&self) -> bool {
        matches!(
            self.reason(),
            Reason::PinRequired | Reason::NumberRequired | Reason::VaultLocked
        )
    }
}

impl Explain for AnswerError {
    fn reason(&self) -> Reason {
        match self {
            Self::Unknown(_) => Reason::LoginRequestUnknown,
            Self::Ambiguous => Reason::LoginRequestAmbiguous,
            Self::Phase(PhaseError::Expired) => Reason::LoginRequestExpired,
            Self::Phase(PhaseError::Answered | PhaseError::InProgress) => {
                Reason::LoginRequestAnswered
            }
            Self::Phase(PhaseError::SessionLocked) => Reason::SessionLocked,
            Self::Phase(PhaseError::Cancelled) | Self::NotApproved => Reason::Cancelled,
            Self::Number(MatchError::Missing) => Reason::NumberRequired,
            Self::Number(MatchError::Malformed | MatchError::NotOffered) | Self::NotTaken => {
                Reason::NumberWrong
            }
            Self::Verification(error) => error.reason(),
            Self::Passcode(error) => error.reason(),
            Self::Refused(_) => Reason::LoginRequestRefused,
            Self::OutcomeUnknown => Reason::OutcomeUnknown,
            Self::Session(error) => error.reason(),
            Self::Vault(error) => error.reason(),
            Self::Random(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Unknown(_) => "`countersign requests --history` shows what came before".to_owned(),
            Self::Ambiguous => "give the id that `countersign requests` shows".to_owned(),
            Self::Phase(PhaseError::Expired | PhaseError::Cancelled) => {
                "start the login again if it was you".to_owned()
            }
            Self::Phase(PhaseError::Answered) => {
                "`countersign requests --history` shows what became of it".to_owned()
            }
            Self::Phase(PhaseError::SessionLocked) => "unlock your desktop first".to_owned(),
            Self::Phase(PhaseError::InProgress) | Self::Random(_) => String::new(),
            Self::NotApproved => "the login request is still open; answer it again".to_owned(),
            Self::Number(_) => {
                "run `countersign approve --number N` with the number on the page".to_owned()
            }
            Self::Verification(error) => error.hint(),
            Self::Passcode(error) => error.hint(),
            Self::NotTaken => {
                "look at the login page again, and answer with what it shows".to_owned()
            }
            Self::Refused(_) => "start the login again, or type a passcode on the login page".to_owned(),
            Self::OutcomeUnknown => {
                "it is sent again as soon as the service answers; `countersign status` shows the connection"
                    .to_owned()
            }
            Self::Session(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}
