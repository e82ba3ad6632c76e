//! What becomes of a question of sudo, once the module has spoken or has gone.

use crate::login_request::{Closing, Phase, Verdict};

/// What the module said of the answer that it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judgement {
    /// It was an approval, and all was right with it.
    Accepted,
    /// The number that was typed is not the one on the terminal.
    WrongNumber,
    /// Something else was wrong with it.
    NotAccepted,
}

/// How a question has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// The account is proved.
    Proved,
    /// The user said no.
    Denied,
    /// The user typed another number than the terminal shows, which counts as a no.
    WrongNumber,
    /// sudo did not take the answer.
    NotAccepted,
    /// The user said yes, and sudo was there no more.
    TooLate,
    /// sudo went away, and nobody had answered.
    Withdrawn,
}

impl Ended {
    /// `judgement` is the module's last word, none where it has gone without one; `phase` is where the question stands
    /// here. The module's word goes first: it alone knows its number and root's file.
    #[must_use]
    pub const fn of(judgement: Option<Judgement>, phase: Phase) -> Self {
        match (judgement, phase) {
            (Some(Judgement::Accepted), _) => Self::Proved,
            (Some(Judgement::WrongNumber), _) => Self::WrongNumber,
            (Some(Judgement::NotAccepted), _) => Self::NotAccepted,
            // No answer follows a denial.
            (None, Phase::Decided(Verdict::Deny)) => Self::Denied,
            (None, Phase::Decided(Verdict::Approve)) => Self::TooLate,
            (None, Phase::Held | Phase::Shown | Phase::Verifying | Phase::Closed(_)) => {
                Self::Withdrawn
            }
        }
    }

    /// How the login request of the question is closed.
    #[must_use]
    pub const fn closing(self) -> Closing {
        match self {
            Self::Proved => Closing::Approved,
            Self::Denied | Self::WrongNumber => Closing::Denied,
            Self::NotAccepted | Self::TooLate => Closing::Refused,
            Self::Withdrawn => Closing::Cancelled,
        }
    }

    /// Why, for the history; empty where the closing says it all.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Proved | Self::Denied => "",
            Self::WrongNumber => "the number was not the one on the terminal",
            Self::NotAccepted => "sudo did not accept the answer",
            Self::TooLate => "sudo had gone before the answer came",
            Self::Withdrawn => "sudo has gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: [Phase; 3] = [Phase::Held, Phase::Shown, Phase::Verifying];
    const CLOSED: [Phase; 6] = [
        Phase::Closed(Closing::Approved),
        Phase::Closed(Closing::LoggedIn),
        Phase::Closed(Closing::Denied),
        Phase::Closed(Closing::Expired),
        Phase::Closed(Closing::Cancelled),
        Phase::Closed(Closing::Refused),
    ];
    const YES: Phase = Phase::Decided(Verdict::Approve);
    const NO: Phase = Phase::Decided(Verdict::Deny);

    #[test]
    fn the_modules_word_goes_first() {
        for (judgement, ended) in [
            (Judgement::Accepted, Ended::Proved),
            (Judgement::WrongNumber, Ended::WrongNumber),
            (Judgement::NotAccepted, Ended::NotAccepted),
        ] {
            for phase in OPEN.into_iter().chain(CLOSED).chain([YES, NO]) {
                assert_eq!(Ended::of(Some(judgement), phase), ended, "{phase:?}");
            }
        }
    }

    #[test]
    fn without_a_word_the_users_counts() {
        assert_eq!(Ended::of(None, NO), Ended::Denied);
        assert_eq!(Ended::of(None, YES), Ended::TooLate);
        for phase in OPEN.into_iter().chain(CLOSED) {
            assert_eq!(Ended::of(None, phase), Ended::Withdrawn, "{phase:?}");
        }
    }

    #[test]
    fn a_request_is_closed_as_its_question_has_ended() {
        for (ended, closing, why) in [
            (Ended::Proved, Closing::Approved, ""),
            (Ended::Denied, Closing::Denied, ""),
            (
                Ended::WrongNumber,
                Closing::Denied,
                "the number was not the one on the terminal",
            ),
            (
                Ended::NotAccepted,
                Closing::Refused,
                "sudo did not accept the answer",
            ),
            (
                Ended::TooLate,
                Closing::Refused,
                "sudo had gone before the answer came",
            ),
            (Ended::Withdrawn, Closing::Cancelled, "sudo has gone"),
        ] {
            assert_eq!((ended.closing(), ended.why()), (closing, why), "{ended:?}");
        }
    }
}
