//! How a login ends that lets nobody in.

use crate::service::{DenyReason, FailReason, LoginState};

/// How a login ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// It was denied.
    Denied(DenyReason),
    /// The approval was not good enough.
    Failed(FailReason),
    /// Nobody answered in time.
    Expired,
    /// It was approved, and the page did not take it up in time.
    Lapsed,
    /// It was taken back.
    Cancelled,
    /// Its approval has let somebody in already.
    Used,
}

/// What the page does about a login's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Wait.
    Open,
    /// Take the approval.
    Approved,
    /// Tell how it ended.
    Ended(Ending),
}

impl From<LoginState> for Standing {
    fn from(state: LoginState) -> Self {
        Self::Ended(match state {
            LoginState::Pending => return Self::Open,
            LoginState::Approved => return Self::Approved,
            LoginState::Denied(reason) => Ending::Denied(reason),
            LoginState::Failed(reason) => Ending::Failed(reason),
            LoginState::Expired => Ending::Expired,
            LoginState::Lapsed => Ending::Lapsed,
            LoginState::Cancelled => Ending::Cancelled,
            LoginState::Consumed => Ending::Used,
        })
    }
}

impl Ending {
    /// The word for scripts: `denied`, `failed` or `expired`.
    pub(super) const fn state(self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Failed(_) | Self::Cancelled | Self::Used => "failed",
            Self::Expired | Self::Lapsed => "expired",
        }
    }

    /// Why, in one word for scripts.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Denied(DenyReason::User) => "user",
            Self::Denied(DenyReason::Rule) => "rule",
            Self::Denied(DenyReason::WrongNumber) => "wrong_number",
            Self::Failed(FailReason::Passcode) => "passcode",
            Self::Failed(FailReason::ServerPin) => "server_pin",
            Self::Failed(FailReason::LevelTooLow) => "level",
            Self::Expired => "unanswered",
            Self::Lapsed => "lapsed",
            Self::Cancelled => "cancelled",
            Self::Used => "used",
        }
    }
}
