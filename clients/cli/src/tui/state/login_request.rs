//! A login request as the screen has it.

use core::time::Duration;

use countersign_proto::agent::v1::{self as api, LoginOrigin, LoginRequestState};

use crate::{
    output::Paint,
    tui::{event::Now, list::Keyed, shown::Shown},
};

/// No login request is open for longer; an age beyond it is a wrong clock.
const LONGEST: u64 = 600_000;

/// More are not offered: nobody could look through them.
const CHOICES: usize = 30;

/// A login request.
#[derive(Clone, Debug)]
pub(crate) struct LoginRequest {
    /// As the agent has it; only sent back.
    pub(crate) id: String,
    pub(crate) token: Shown,
    pub(crate) service: Shown,
    pub(crate) resource: Shown,
    pub(crate) user: Shown,
    pub(crate) client_address: Shown,
    pub(crate) place: Shown,
    pub(crate) program: Shown,
    /// Where that is, beside this computer.
    pub(crate) origin: LoginOrigin,
    /// The service's own words.
    pub(crate) question: Shown,
    /// What is typed on the login page after an approval.
    pub(crate) display_code: Shown,
    pub(crate) created_ms: i64,
    /// When it is over, by our clock.
    pub(crate) ends: Duration,
    /// How long it is open in all.
    pub(crate) whole: Duration,
    pub(crate) state: LoginRequestState,
    pub(crate) detail: Shown,
    pub(crate) report: Report,
    pub(crate) proof: Proof,
}

/// Was it said that it was not the user?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    None,
    Reported,
}

/// What an approval needs beside a yes: something that the resource shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Nothing,
    /// A number, typed.
    Number,
    /// One of these.
    Choice(Vec<Choice>),
}

/// Something that the resource may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// As the agent has it; only sent back.
    pub(crate) value: String,
    pub(crate) shown: Shown,
}

impl Choice {
    fn new(value: String) -> Self {
        Self {
            shown: Shown::name(&value),
            value,
        }
    }
}

impl LoginRequest {
    /// As the agent tells it now.
    pub(crate) fn new(request: api::LoginRequest, now: Now) -> Self {
        let (state, origin) = (request.state(), request.origin());
        let left = u64::from(request.left_ms);
        let age = now
            .wall
            .as_millisecond()
            .checked_sub(request.created_ms)
            .and_then(|age| u64::try_from(age).ok())
            .filter(|age| *age <= LONGEST)
            .unwrap_or(0);
        Self {
            token: Shown::name(&request.token),
            service: Shown::name(&request.service),
            resource: Shown::name(&request.resource),
            user: Shown::name(&request.user),
            client_address: Shown::name(&request.client_address),
            place: Shown::name(&request.place),
            program: Shown::name(&request.program),
            origin,
            question: Shown::words(&request.question),
            display_code: Shown::name(&request.display_code),
            created_ms: request.created_ms,
            ends: now.at.saturating_add(Duration::from_millis(left)),
            whole: Duration::from_millis(left.saturating_add(age)),
            state,
            detail: Shown::sentence(&request.detail),
            report: if request.reported {
                Report::Reported
            } else {
                Report::None
            },
            proof: match (request.number_required, request.choices.is_empty()) {
                (false, _) => Proof::Nothing,
                (true, true) => Proof::Number,
                (true, false) => {
                    let choices = request.choices.into_iter().take(CHOICES);
                    Proof::Choice(choices.map(Choice::new).collect())
                }
            },
            id: request.id,
        }
    }

    /// Can it be answered?
    pub(crate) const fn is_pending(&self) -> bool {
        matches!(self.state, LoginRequestState::Pending)
    }

    /// Does it belong on the page of what is open?
    pub(crate) const fn is_open(&self) -> bool {
        matches!(
            self.state,
            LoginRequestState::Pending | LoginRequestState::Sending
        )
    }

    /// The time that is left.
    pub(crate) const fn left(&self, now: Now) -> Duration {
        self.ends.saturating_sub(now.at)
    }

    /// Where it comes from beside this computer, in words, and whether that needs a look.
    pub(crate) const fn beside(&self) -> (&'static str, Paint) {
        match self.origin {
            LoginOrigin::Unspecified | LoginOrigin::Unknown => ("", Paint::Plain),
            LoginOrigin::ThisComputer => ("from this computer", Paint::Good),
            LoginOrigin::SameNetwork => ("from your network", Paint::Good),
            LoginOrigin::OtherAddress => ("from another address", Paint::Attention),
        }
    }

    /// Address and place.
    pub(crate) fn from(&self) -> String {
        match (self.client_address.some(), self.place.some()) {
            (Some(address), Some(place)) => format!("{address} ({place})"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => String::new(),
        }
    }
}

impl Keyed for LoginRequest {
    fn key(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::{api_request, at};

    #[test]
    fn the_bar_begins_when_the_request_did_unless_the_clocks_differ_by_far() {
        let now = at(0);
        let mut told = api_request("00", "Portal");
        told.left_ms = 20_000;
        told.created_ms = now.wall.as_millisecond() - 40_000;
        assert_eq!(
            LoginRequest::new(told.clone(), now).whole,
            Duration::from_mins(1)
        );
        for wrong in [-3_600_000, 3_600_000, i64::MIN / 2, i64::MAX] {
            told.created_ms = now.wall.as_millisecond().saturating_sub(wrong);
            assert_eq!(
                LoginRequest::new(told.clone(), now).whole,
                Duration::from_secs(20),
                "{wrong}"
            );
        }
    }
}
