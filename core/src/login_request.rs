//! A login request as the agent sees it: is it admitted, how long may it be answered, who may answer it how.
//!
//! The gateway's row is the truth; the agent's view is
//! Received -> Held or Shown -> Verifying -> Decided -> Closed (PROTOCOL: life of a login request).

use core::{ops::RangeInclusive, time::Duration};

use crate::{
    ids::{LoginRequestId, ServiceId, TokenId},
    time::{BootTime, UnixMillis},
};

/// The shortest and longest life that a service may give a request.
pub const TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(10);

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// A login at a protected resource.
    #[default]
    Login,
    /// The account of this computer's user is to be proved: sudo, su, a login here.
    Account,
}

/// A request whose signature was right, with its fields checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// Which request.
    pub id: LoginRequestId,
    /// What is asked for.
    pub subject: Subject,
    /// Of which service.
    pub service: ServiceId,
    /// The token that is asked.
    pub token: TokenId,
    /// Its serial.
    pub serial: String,
    /// SHA-256 of the signed bytes.
    pub hash: [u8; 32],
    /// OCRA challenge, empty for other modes.
    pub challenge: String,
    /// The service's own words about it; empty where the fields below say all.
    pub question: String,
    /// The protected resource.
    pub resource: String,
    /// The user's name at the service; may be empty.
    pub user: String,
    /// Where the login comes from; may be empty.
    pub client_address: String,
    /// Where that is; may be empty.
    pub place: String,
    /// What logs in; may be empty.
    pub program: String,
    /// Does the user give something that the resource shows?
    pub matching: NumberMatching,
    /// When it was made, the service's clock.
    pub created: UnixMillis,
    /// How long it lives from then.
    pub ttl: Duration,
}

/// What the user gives with the approval, beside a PIN or finger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberMatching {
    /// Nothing.
    Off,
    /// The resource shows a number; the user types it here; it is never sent to the agent.
    Typed,
    /// The resource shows one of these; the user picks it here. Never empty; as the service wrote them.
    Chosen(Vec<String>),
}

/// The most digits of a number that a resource shows.
pub const NUMBER_DIGITS: usize = 8;

/// Why what the user gave is not an answer. It is no denial: nothing has been sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// Nothing was given.
    #[error("this login request asks for the number that the login page shows")]
    Missing,
    /// Not a number of at most 8 digits.
    #[error("the number that the login page shows has digits only")]
    Malformed,
    /// Not one of the choices.
    #[error("this is none of the choices of this login request")]
    NotOffered,
}

impl NumberMatching {
    /// What goes out with the approval, if `given` can be an answer. Whether it is the right one, the service says.
    ///
    /// # Errors
    ///
    /// Every variant of [`MatchError`].
    pub fn answer(&self, given: Option<&str>) -> Result<String, MatchError> {
        match (self, given.map(str::trim)) {
            (Self::Off, _) => Ok(String::new()),
            (Self::Typed | Self::Chosen(_), None) => Err(MatchError::Missing),
            (Self::Typed, Some(digits)) => {
                let valid = (1..=NUMBER_DIGITS).contains(&digits.len())
                    && digits.bytes().all(|digit| digit.is_ascii_digit());
                if valid {
                    Ok(digits.to_owned())
                } else {
                    Err(MatchError::Malformed)
                }
            }
            (Self::Chosen(choices), Some(given)) => {
                let mut fits = choices
                    .iter()
                    .filter(|choice| choice.trim().eq_ignore_ascii_case(given));
                match (fits.next(), fits.next()) {
                    (Some(choice), None) => Ok(choice.clone()),
                    _ => Err(MatchError::NotOffered),
                }
            }
        }
    }
}

/// When a request can no longer be answered, on the clock that never jumps.
///
/// `age` is how long ago the service made it, by the service's clock (0 if that is not known). A wrong
/// clock can only make the deadline earlier than `ttl` from now, never later.
#[must_use]
pub fn deadline(received: BootTime, ttl: Duration, age_ms: i64) -> BootTime {
    let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
    received.plus(ttl.saturating_sub(age))
}

/// Where a request stands in the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The desktop session is locked: no text is shown, nothing can be approved.
    Held,
    /// Shown to the user.
    Shown,
    /// Approve was chosen; the factor is being checked.
    Verifying,
    /// The signed answer is durable and on its way.
    Decided(Verdict),
    /// Over.
    Closed(Closing),
}

/// The user's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was me.
    Approve,
    /// It was not, or not now.
    Deny,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The service accepted the approval.
    Approved,
    /// The resource let the user in.
    LoggedIn,
    /// The service took the denial.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The service took it back.
    Cancelled,
    /// The service did not accept the answer.
    Refused,
}

/// Why an answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Its time is over.
    #[error("the login request has expired")]
    Expired,
    /// An answer was given before.
    #[error("the login request was already answered")]
    Answered,
    /// An approval is under way elsewhere.
    #[error("the login request is being approved in another place")]
    InProgress,
    /// The session is locked.
    #[error("the session is locked")]
    SessionLocked,
    /// The service took it back.
    #[error("the login request was taken back by the service")]
    Cancelled,
}

impl Phase {
    /// Can it still be answered?
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Held | Self::Shown | Self::Verifying)
    }

    /// The user chose `verdict`: the next phase. Approve goes on to verification; a denial is decided
    /// at once, also while an approval is being verified.
    ///
    /// # Errors
    ///
    /// Every variant of [`AnswerError`].
    pub fn answer(
        self,
        verdict: Verdict,
        now: BootTime,
        deadline: BootTime,
    ) -> Result<Self, AnswerError> {
        match (self, verdict) {
            (Self::Closed(Closing::Expired), _) => Err(AnswerError::Expired),
            (Self::Closed(Closing::Cancelled), _) => Err(AnswerError::Cancelled),
            (Self::Closed(_) | Self::Decided(_), _) => Err(AnswerError::Answered),
            (Self::Held | Self::Shown | Self::Verifying, _) if now >= deadline => {
                Err(AnswerError::Expired)
            }
            (Self::Held, Verdict::Approve) => Err(AnswerError::SessionLocked),
            (Self::Verifying, Verdict::Approve) => Err(AnswerError::InProgress),
            (Self::Shown, Verdict::Approve) => Ok(Self::Verifying),
            (Self::Held | Self::Shown | Self::Verifying, Verdict::Deny) => {
                Ok(Self::Decided(Verdict::Deny))
            }
        }
    }

    /// The factor was right: the approval is decided, unless a denial came first.
    ///
    /// # Errors
    ///
    /// Every variant of [`AnswerError`] but `InProgress`.
    pub fn verified(self, now: BootTime, deadline: BootTime) -> Result<Self, AnswerError> {
        match self {
            Self::Verifying if now >= deadline => Err(AnswerError::Expired),
            Self::Verifying => Ok(Self::Decided(Verdict::Approve)),
            Self::Closed(Closing::Expired) => Err(AnswerError::Expired),
            Self::Closed(Closing::Cancelled) => Err(AnswerError::Cancelled),
            Self::Held => Err(AnswerError::SessionLocked),
            Self::Shown | Self::Decided(_) | Self::Closed(_) => Err(AnswerError::Answered),
        }
    }

    /// The factor was wrong or was not given: it is shown again, unless something else has happened.
    #[must_use]
    pub const fn verification_failed(self) -> Self {
        match self {
            Self::Verifying => Self::Shown,
            Self::Held | Self::Shown | Self::Decided(_) | Self::Closed(_) => self,
        }
    }

    /// The service did not take the answer and asks still: it is shown again.
    #[must_use]
    pub const fn not_taken(self) -> Self {
        match self {
            Self::Decided(_) => Self::Shown,
            Self::Held | Self::Shown | Self::Verifying | Self::Closed(_) => self,
        }
    }

    /// The session was locked: no text is shown, an approval under way is no more.
    #[must_use]
    pub const fn hold(self) -> Self {
        match self {
            Self::Shown | Self::Verifying => Self::Held,
            Self::Held | Self::Decided(_) | Self::Closed(_) => self,
        }
    }

    /// The session was unlocked: what was held is shown.
    #[must_use]
    pub const fn release(self) -> Self {
        match self {
            Self::Held => Self::Shown,
            Self::Shown | Self::Verifying | Self::Decided(_) | Self::Closed(_) => self,
        }
    }

    /// Its time is over: only what is not decided expires; the service judges a decision that is under way.
    #[must_use]
    pub const fn expire(self) -> Self {
        match self {
            Self::Held | Self::Shown | Self::Verifying => Self::Closed(Closing::Expired),
            Self::Decided(_) | Self::Closed(_) => self,
        }
    }

    /// The service says how it ended. `Approved` may be followed by `LoggedIn`; nothing else changes an end.
    #[must_use]
    pub const fn close(self, closing: Closing) -> Self {
        match (self, closing) {
            (Self::Closed(Closing::Approved), Closing::LoggedIn) => Self::Closed(Closing::LoggedIn),
            (Self::Closed(_), _) => self,
            (Self::Held | Self::Shown | Self::Verifying | Self::Decided(_), _) => {
                Self::Closed(closing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: BootTime = BootTime(Duration::from_secs(100));
    const END: BootTime = BootTime(Duration::from_secs(160));
    const ALL: [Phase; 11] = [
        Phase::Held,
        Phase::Shown,
        Phase::Verifying,
        Phase::Decided(Verdict::Approve),
        Phase::Decided(Verdict::Deny),
        Phase::Closed(Closing::Approved),
        Phase::Closed(Closing::LoggedIn),
        Phase::Closed(Closing::Denied),
        Phase::Closed(Closing::Expired),
        Phase::Closed(Closing::Cancelled),
        Phase::Closed(Closing::Refused),
    ];

    #[test]
    fn every_phase_and_answer() {
        use AnswerError::{Answered, Cancelled, Expired, InProgress, SessionLocked};
        let denied = Ok(Phase::Decided(Verdict::Deny));
        let expected = [
            (Err(SessionLocked), denied),
            (Ok(Phase::Verifying), denied),
            (Err(InProgress), denied),
            (Err(Answered), Err(Answered)),
            (Err(Answered), Err(Answered)),
            (Err(Answered), Err(Answered)),
            (Err(Answered), Err(Answered)),
            (Err(Answered), Err(Answered)),
            (Err(Expired), Err(Expired)),
            (Err(Cancelled), Err(Cancelled)),
            (Err(Answered), Err(Answered)),
        ];
        for (phase, (approve, deny)) in ALL.into_iter().zip(expected) {
            assert_eq!(
                phase.answer(Verdict::Approve, START, END),
                approve,
                "{phase:?}"
            );
            assert_eq!(phase.answer(Verdict::Deny, START, END), deny, "{phase:?}");
        }
    }

    #[test]
    fn nothing_is_answered_after_the_deadline() {
        for phase in ALL {
            for verdict in [Verdict::Approve, Verdict::Deny] {
                assert!(
                    phase.answer(verdict, END, END).is_err(),
                    "{phase:?} {verdict:?}"
                );
            }
            assert!(phase.verified(END, END).is_err(), "{phase:?}");
        }
    }

    #[test]
    fn a_denial_during_verification_wins() {
        let verifying = Phase::Shown.answer(Verdict::Approve, START, END).unwrap();
        let denied = verifying.answer(Verdict::Deny, START, END).unwrap();
        assert_eq!(denied.verified(START, END), Err(AnswerError::Answered));
        assert_eq!(denied.verification_failed(), denied);
        assert_eq!(denied.expire(), denied);
    }

    #[test]
    fn an_end_is_final_but_for_the_login_itself() {
        let approved = Phase::Decided(Verdict::Approve).close(Closing::Approved);
        assert_eq!(approved.close(Closing::Expired), approved);
        assert_eq!(
            approved.close(Closing::LoggedIn),
            Phase::Closed(Closing::LoggedIn)
        );
        assert_eq!(
            Phase::Closed(Closing::Denied).close(Closing::LoggedIn),
            Phase::Closed(Closing::Denied)
        );
    }

    #[test]
    fn only_what_can_be_an_answer_goes_out() {
        use MatchError::{Malformed, Missing, NotOffered};
        let chosen =
            NumberMatching::Chosen(vec!["A".to_owned(), "63".to_owned(), "red".to_owned()]);
        for (matching, given, answer) in [
            (&NumberMatching::Off, None, Ok("")),
            (&NumberMatching::Off, Some("42"), Ok("")),
            (&NumberMatching::Typed, None, Err(Missing)),
            (&NumberMatching::Typed, Some(" 42 "), Ok("42")),
            (&NumberMatching::Typed, Some("123456789"), Err(Malformed)),
            (&NumberMatching::Typed, Some("4 2"), Err(Malformed)),
            (&NumberMatching::Typed, Some(""), Err(Malformed)),
            (
                &NumberMatching::Typed,
                Some("\u{0664}\u{0662}"),
                Err(Malformed),
            ),
            (&chosen, None, Err(Missing)),
            (&chosen, Some("63"), Ok("63")),
            (&chosen, Some(" a"), Ok("A")),
            (&chosen, Some("RED"), Ok("red")),
            (&chosen, Some("6"), Err(NotOffered)),
            (&chosen, Some(""), Err(NotOffered)),
        ] {
            assert_eq!(
                matching.answer(given),
                answer.map(str::to_owned),
                "{matching:?} {given:?}"
            );
        }
        let twice = NumberMatching::Chosen(vec!["a".to_owned(), "A".to_owned()]);
        assert_eq!(twice.answer(Some("a")), Err(NotOffered));
    }

    #[test]
    fn a_wrong_clock_never_lengthens_a_request() {
        let ttl = Duration::from_mins(1);
        assert_eq!(deadline(START, ttl, -7_200_000), START.plus(ttl));
        assert_eq!(
            deadline(START, ttl, 20_000),
            START.plus(Duration::from_secs(40))
        );
        assert_eq!(deadline(START, ttl, i64::MAX), START);
    }
}
