//! The life of a login request at the gateway: which change of its state is allowed.
//!
//! The gateway's row is the truth, and each change of it is one compare-and-set: the store reads the
//! state, asks [`transition`], and writes only if the state is still the one that it read. So whoever
//! comes first decides, and whoever comes later learns what was decided.

use core::{fmt, str::FromStr};

/// Why a login request was denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenyReason {
    /// The user said no.
    User,
    /// A rule of the user's said no: autosend off, muted, blocked.
    Rule,
    /// The number that the user typed is not the one that the resource shows.
    WrongNumber,
}

/// Why an approval was not accepted. Each ends the login request and was counted before the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailReason {
    /// The passcode that came with the approval is wrong.
    Passcode,
    /// The server PIN that came with the approval is wrong.
    ServerPin,
    /// The user was verified less surely than the token's policy demands.
    LevelTooLow,
}

/// Where a login request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody has answered yet.
    Pending,
    /// Approved; the front that opened it may consume it for a while.
    Approved,
    /// Denied.
    Denied(DenyReason),
    /// An approval came that was not good enough.
    Failed(FailReason),
    /// Nobody answered in time.
    Expired,
    /// The front or an administrator took it back.
    Cancelled,
    /// The front has let the user in. At most once.
    Consumed,
    /// Approved, and never consumed in time.
    Lapsed,
}

impl State {
    /// Every state, for tables.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Approved,
        Self::Denied(DenyReason::User),
        Self::Denied(DenyReason::Rule),
        Self::Denied(DenyReason::WrongNumber),
        Self::Failed(FailReason::Passcode),
        Self::Failed(FailReason::ServerPin),
        Self::Failed(FailReason::LevelTooLow),
        Self::Expired,
        Self::Cancelled,
        Self::Consumed,
        Self::Lapsed,
    ];

    /// The one word that the store keeps.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied(DenyReason::User) => "denied",
            Self::Denied(DenyReason::Rule) => "denied_by_rule",
            Self::Denied(DenyReason::WrongNumber) => "denied_wrong_number",
            Self::Failed(FailReason::Passcode) => "failed_passcode",
            Self::Failed(FailReason::ServerPin) => "failed_server_pin",
            Self::Failed(FailReason::LevelTooLow) => "failed_level",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Consumed => "consumed",
            Self::Lapsed => "lapsed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no state: the row was written by a newer version, or is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a login request is in a state that this version does not know")]
pub struct UnknownState;

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or(UnknownState)
    }
}

/// What somebody wants to do to a login request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A decision that passed every check approves.
    Approve,
    /// A decision denies.
    Deny(DenyReason),
    /// A decision approves, and one of its checks failed.
    Fail(FailReason),
    /// Its time is over.
    Expire,
    /// The front or an administrator takes it back.
    Cancel,
    /// The user typed a good passcode at the resource instead, which has let them in.
    Type,
    /// The front that opened it lets the user in.
    Consume,
    /// The time to consume an approval is over.
    Lapse,
}

impl Event {
    /// Every event, for tables.
    pub const ALL: [Self; 12] = [
        Self::Approve,
        Self::Deny(DenyReason::User),
        Self::Deny(DenyReason::Rule),
        Self::Deny(DenyReason::WrongNumber),
        Self::Fail(FailReason::Passcode),
        Self::Fail(FailReason::ServerPin),
        Self::Fail(FailReason::LevelTooLow),
        Self::Expire,
        Self::Cancel,
        Self::Type,
        Self::Consume,
        Self::Lapse,
    ];
}

/// The state does not allow this event; it is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the login request is already {state}")]
pub struct TransitionError {
    /// What the state is.
    pub state: State,
}

/// The state after `event`.
///
/// # Errors
///
/// [`TransitionError`] with the unchanged state where the event is not allowed. In particular nothing
/// leaves `Denied`, `Failed`, `Expired`, `Cancelled`, `Consumed` and `Lapsed`.
pub const fn transition(state: State, event: Event) -> Result<State, TransitionError> {
    match (state, event) {
        (State::Pending, Event::Approve) => Ok(State::Approved),
        (State::Pending, Event::Deny(reason)) => Ok(State::Denied(reason)),
        (State::Pending, Event::Fail(reason)) => Ok(State::Failed(reason)),
        (State::Pending, Event::Expire) => Ok(State::Expired),
        (State::Pending, Event::Cancel) => Ok(State::Cancelled),
        (State::Pending, Event::Type) | (State::Approved, Event::Consume) => Ok(State::Consumed),
        (State::Approved, Event::Lapse) => Ok(State::Lapsed),
        (state, _) => Err(TransitionError { state }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_state_and_every_event() {
        let allowed = |state, event| match (state, event) {
            (State::Pending, Event::Approve) => Some("approved"),
            (State::Pending, Event::Deny(DenyReason::User)) => Some("denied"),
            (State::Pending, Event::Deny(DenyReason::Rule)) => Some("denied_by_rule"),
            (State::Pending, Event::Deny(DenyReason::WrongNumber)) => Some("denied_wrong_number"),
            (State::Pending, Event::Fail(FailReason::Passcode)) => Some("failed_passcode"),
            (State::Pending, Event::Fail(FailReason::ServerPin)) => Some("failed_server_pin"),
            (State::Pending, Event::Fail(FailReason::LevelTooLow)) => Some("failed_level"),
            (State::Pending, Event::Expire) => Some("expired"),
            (State::Pending, Event::Cancel) => Some("cancelled"),
            (State::Pending, Event::Type) | (State::Approved, Event::Consume) => Some("consumed"),
            (State::Approved, Event::Lapse) => Some("lapsed"),
            _ => None,
        };
        for state in State::ALL {
            for event in Event::ALL {
                match (transition(state, event), allowed(state, event)) {
                    (Ok(next), Some(word)) => assert_eq!(next.as_str(), word),
                    (Err(error), None) => assert_eq!(error.state, state),
                    (result, word) => panic!("{state:?} x {event:?}: {result:?}, not {word:?}"),
                }
            }
        }
    }

    #[test]
    fn the_stored_word_names_the_state() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert_eq!("open".parse::<State>(), Err(UnknownState));
    }

    proptest! {
        #[test]
        fn it_is_answered_and_consumed_at_most_once(
            events in prop::collection::vec(prop::sample::select(Event::ALL.to_vec()), 0..40),
        ) {
            let mut state = State::Pending;
            let mut way = Vec::new();
            for event in events {
                if let Ok(next) = transition(state, event) {
                    way.push((state, next));
                    state = next;
                }
            }
            prop_assert!(way.iter().filter(|(from, _)| *from == State::Pending).count() <= 1);
            prop_assert!(way.iter().filter(|(_, to)| *to == State::Consumed).count() <= 1);
        }
    }
}
