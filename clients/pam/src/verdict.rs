//! What a call comes to, and libpam's code for it.

use countersign_core::sudo::NotApproved;
use pam::constants::PamResultCode;

/// What a call comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The account is proved. `label` is the accepted key's.
    Proved { label: String },
    /// It is not: no other way may make up for it where the stack says so.
    Refused(Refused),
    /// Nobody could be asked, or nobody answered: the stack goes on to the password.
    Unavailable(Unavailable),
    /// The line does not concern this user, as the administrator has written. Nothing else gives this.
    NotConcerned,
}

/// Why an account is not proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the user said no")]
    Denied,
    #[error(transparent)]
    NotApproved(#[from] NotApproved),
    #[error("the file of accepted keys is not safe")]
    KeyFile,
    #[error("interrupted by the user")]
    Interrupted,
    #[error("the finger was not recognised")]
    Finger,
    #[error("passcode: {0}")]
    Passcode(#[from] crate::passcode::NotRight),
}

/// Why nobody was asked, or nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    #[error("an option of the module is wrong")]
    Options,
    #[error("the account is unknown")]
    Account,
    #[error("another user asks than the one to be proved")]
    OtherUser,
    #[error("the question comes from another host")]
    Remote,
    #[error("no key is accepted for this user")]
    NotEnrolled,
    #[error("the agent does not run")]
    NoAgent,
    #[error("what listens at the agent's place is not this user's")]
    Impostor,
    #[error("the agent is locked")]
    Locked,
    #[error("the desktop session is locked")]
    SessionLocked,
    #[error("the agent has none of the accepted keys")]
    KeyNotThere,
    #[error("another question is open")]
    Busy,
    #[error("too many questions lately")]
    TooOften,
    #[error("nobody answered in time")]
    TimedOut,
    #[error("there is nothing to show a question on")]
    Nobody,
    #[error("the user takes no requests now")]
    Muted,
    #[error("the agent was not understood, or did not understand")]
    Protocol,
    #[error("the system failed")]
    System,
    #[error("the fingerprint reader could not be used")]
    Reader,
    #[error("the gateway does not answer")]
    Gateway,
}

impl Verdict {
    /// libpam's code.
    pub(crate) const fn code(&self) -> PamResultCode {
        match self {
            Self::Proved { .. } => PamResultCode::PAM_SUCCESS,
            Self::Refused(_) => PamResultCode::PAM_AUTH_ERR,
            Self::Unavailable(_) => PamResultCode::PAM_AUTHINFO_UNAVAIL,
            Self::NotConcerned => PamResultCode::PAM_IGNORE,
        }
    }
}

impl Unavailable {
    /// What the user reads, and can do; nothing where it would not help.
    pub(crate) const fn words(self) -> Option<&'static str> {
        match self {
            Self::NoAgent => Some("Countersign does not run."),
            Self::Locked => Some("Countersign is locked; `countersign unlock` opens it."),
            Self::SessionLocked => Some("Your desktop is locked: Countersign shows nothing there."),
            Self::KeyNotThere => {
                Some("Countersign has not the key of this computer; see `countersign sudo status`.")
            }
            Self::Busy => Some("Countersign asks another question already."),
            Self::TooOften => Some("Countersign was asked too often; try again in a minute."),
            Self::TimedOut => Some("Countersign: nobody answered in time."),
            Self::Nobody => Some("Countersign has nothing to show a question on here."),
            Self::Muted => Some("Countersign takes no requests now; see `countersign status`."),
            Self::Reader => Some("Countersign: the fingerprint reader could not be used."),
            Self::Gateway => Some("Countersign: the gateway does not answer."),
            Self::Options
            | Self::Account
            | Self::OtherUser
            | Self::Remote
            | Self::NotEnrolled
            | Self::Impostor
            | Self::Protocol
            | Self::System => None,
        }
    }

    /// Is it worth a line of the log without `debug`? Who has enrolled nothing fills no log.
    pub(crate) const fn is_usual(self) -> bool {
        matches!(self, Self::NotEnrolled | Self::NoAgent | Self::OtherUser)
    }
}
