//! All that the screen knows.

pub(crate) mod dialog;
pub(crate) mod login_request;
pub(crate) mod passcode;
pub(crate) mod status;
pub(crate) mod token;

use core::time::Duration;
use std::collections::BTreeSet;

use countersign_proto::agent::v1::{self as api, EventKind, VaultState};

use self::{
    dialog::Dialog, login_request::LoginRequest, passcode::Passcode, status::Status, token::Token,
};
use super::{
    event::{Call, Looked, Now, Refusal},
    list::{Keyed, List},
    shown::Shown,
};
use crate::output::Paint;

/// How often the status is asked for while somebody looks: nothing tells when it changes.
const STATUS_EVERY: Duration = Duration::from_secs(30);
/// How long a line about what was done stays.
const NOTICE: Duration = Duration::from_secs(12);
/// How long after a denial it is asked whether it was you.
pub(crate) const AFTERTHOUGHT: Duration = Duration::from_mins(2);

/// Everything.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tab: Tab,
    pub(crate) link: Link,
    pub(crate) status: Option<Status>,
    /// The pending ones.
    pub(crate) requests: List<LoginRequest>,
    pub(crate) tokens: List<Token>,
    pub(crate) filter: Filter,
    pub(crate) passcode: Option<Passcode>,
    pub(crate) history: List<LoginRequest>,
    pub(crate) log: List<LogLine>,
    /// The selected row is shown with all that is known.
    pub(crate) detail: Detail,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) notice: Option<Notice>,
    /// A denial that can still be reported with one key.
    pub(crate) afterthought: Option<Afterthought>,
    /// The call that may wait for a person.
    pub(crate) waiting: Option<Waiting>,
    /// The login requests that are being answered here, by their ids.
    pub(crate) answering: BTreeSet<String>,
    pub(crate) guard: Guard,
    pub(crate) looked: Looked,
    /// When the status was last asked for.
    pub(crate) status_asked: Duration,
}

impl State {
    /// Before the agent has said anything.
    pub(crate) fn new() -> Self {
        Self {
            tab: Tab::Requests,
            link: Link::Begun,
            status: None,
            requests: List::default(),
            tokens: List::default(),
            filter: Filter::Off,
            passcode: None,
            history: List::default(),
            log: List::default(),
            detail: Detail::Short,
            dialog: None,
            notice: None,
            afterthought: None,
            waiting: None,
            answering: BTreeSet::new(),
            guard: Guard::default(),
            looked: Looked::At,
            status_asked: Duration::ZERO,
        }
    }

    /// Says something below the page.
    pub(crate) fn say(&mut self, paint: Paint, words: impl Into<String>, now: Now) {
        self.notice = Some(Notice {
            paint,
            words: words.into(),
            until: now.at.saturating_add(NOTICE),
        });
    }

    /// When something is due next although nothing happens; `None` if nothing is.
    pub(crate) fn due(&self, now: Now) -> Option<Duration> {
        let counting = self.is_counting(now).map(|ends| next_second(now.at, ends));
        let passcode = self.passcode.as_ref().map(|passcode| passcode.hides);
        let notice = self.notice.as_ref().map(|notice| notice.until);
        let afterthought = self.afterthought.as_ref().map(|thought| thought.until);
        let status = (self.looked == Looked::At && self.link == Link::Live)
            .then(|| self.status_asked.saturating_add(STATUS_EVERY));
        [counting, passcode, notice, afterthought, status]
            .into_iter()
            .flatten()
            .min()
    }

    /// Is the status to be asked for?
    pub(crate) fn is_status_due(&self, now: Now) -> bool {
        self.looked == Looked::At
            && self.link == Link::Live
            && self.status_asked.saturating_add(STATUS_EVERY) <= now.at
    }

    /// May the agent have to ask for a PIN or a finger? Only if nothing is known that says no.
    pub(crate) fn may_need_a_dialog(&self, call: &Call) -> bool {
        if !call.may_ask() {
            return false;
        }
        let open = self
            .status
            .as_ref()
            .is_some_and(|status| status.vault == VaultState::Unlocked);
        let token = match call {
            Call::Answer(answer) => self
                .tokens
                .rows()
                .iter()
                .find(|token| token.name == answer.token),
            Call::Passcode(of) => self.tokens.find(&of.id),
            Call::Unlock | Call::Lock | Call::Autosend(_) | Call::AutosendOf(..) => None,
        };
        !(open && token.is_some_and(|token| token.asks == token::Asks::Never))
    }

    /// The end of a countdown that is on the screen.
    fn is_counting(&self, now: Now) -> Option<Duration> {
        let ends = match self.tab {
            Tab::Requests => self
                .requests
                .rows()
                .iter()
                .filter(|request| request.is_pending())
                .map(|request| request.ends)
                .find(|ends| *ends > now.at),
            Tab::Tokens => self.passcode.as_ref().map(|passcode| passcode.hides),
            Tab::History | Tab::Log => None,
        };
        ends.filter(|ends| *ends > now.at)
    }
}

/// When the seconds left until `ends` are one fewer.
fn next_second(at: Duration, ends: Duration) -> Duration {
    let rest = ends.saturating_sub(at).subsec_nanos();
    let step = if rest == 0 {
        Duration::from_secs(1)
    } else {
        Duration::from_nanos(u64::from(rest))
    };
    at.saturating_add(step)
}

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Requests,
    Tokens,
    History,
    Log,
}

impl Tab {
    /// In their order.
    pub(crate) const ALL: [Self; 4] = [Self::Requests, Self::Tokens, Self::History, Self::Log];

    /// What stands on it.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Requests => "Requests",
            Self::Tokens => "Tokens",
            Self::History => "History",
            Self::Log => "Log",
        }
    }
}

/// The way to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nothing is known yet.
    Begun,
    Live,
    /// It cannot be reached, for this reason.
    Away(Refusal),
}

/// How much of the selected row is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    Short,
    Full,
}

/// Which tokens are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    Off,
    /// Keys go into it.
    Typing(String),
    /// Those that have this.
    Kept(String),
}

impl Filter {
    /// What is looked for.
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Off => "",
            Self::Typing(words) | Self::Kept(words) => words,
        }
    }
}

/// A line about what was done or what went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) paint: Paint,
    /// Safe to show.
    pub(crate) words: String,
    pub(crate) until: Duration,
}

/// "Was it you?"
#[derive(Clone, Debug)]
pub(crate) struct Afterthought {
    /// The login request that was denied.
    pub(crate) id: String,
    pub(crate) resource: Shown,
    pub(crate) until: Duration,
}

/// A call that may wait for a person.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) call: Call,
    /// Was something typed here for it? Then the agent's dialog is not the way.
    pub(crate) typed: Typed,
}

/// Was something typed here?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Nothing,
    Secret,
}

/// Lets an answer out only if whoever answers can have seen what is answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guard {
    /// When another login request came under the selection without a key.
    moved: Option<Duration>,
    /// When a key that answers was last pressed.
    pressed: Option<Duration>,
}

impl Guard {
    /// How long a login request is to be seen before it is answered, and how long keys rest between two answers.
    const LOOK: Duration = Duration::from_millis(500);

    /// Another login request is selected now, and no key did it.
    pub(crate) const fn moved(&mut self, now: Now) {
        self.moved = Some(now.at);
    }

    /// A key that answers is pressed: does it count? A key that is held down never does.
    pub(crate) fn press(&mut self, now: Now) -> bool {
        let rests = |since: Option<Duration>| {
            since.is_none_or(|since| now.at.saturating_sub(since) >= Self::LOOK)
        };
        let counts = rests(self.moved) && rests(self.pressed);
        self.pressed = Some(now.at);
        counts
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    id: String,
    pub(crate) at_ms: i64,
    pub(crate) kind: EventKind,
    pub(crate) token: Shown,
    pub(crate) detail: Shown,
}

impl From<api::Event> for LogLine {
    fn from(event: api::Event) -> Self {
        Self {
            at_ms: event.at_ms,
            kind: event.kind(),
            token: Shown::name(&event.token),
            detail: Shown::words(&event.detail),
            id: event.id,
        }
    }
}

impl Keyed for LogLine {
    fn key(&self) -> &str {
        &self.id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::samples::{at, state};

    #[test]
    fn the_guard_wants_a_look_first_and_rest_between_keys() {
        let mut guard = Guard::default();
        assert!(guard.press(at(0)), "nothing has moved yet");
        guard.moved(at(1_000));
        assert!(!guard.press(at(1_499)));
        assert!(!guard.press(at(1_600)), "the key was not let go");
        assert!(guard.press(at(2_100)));
        for held in (2_130..9_000).step_by(30) {
            assert!(!guard.press(at(held)), "a key that is held down");
        }
        assert!(guard.press(at(10_000)));
    }

    #[test]
    fn nothing_is_due_while_nothing_counts() {
        let mut state = state();
        assert_eq!(state.due(at(1_000)), Some(STATUS_EVERY), "only the status");
        state.looked = Looked::Away;
        assert_eq!(state.due(at(1_000)), None);
        state.link = Link::Begun;
        state.looked = Looked::At;
        assert_eq!(state.due(at(1_000)), None);
    }

    #[test]
    fn a_countdown_is_due_as_its_second_changes() {
        assert_eq!(
            next_second(Duration::from_millis(1_300), Duration::from_secs(5)),
            Duration::from_secs(2)
        );
        assert_eq!(
            next_second(Duration::from_secs(2), Duration::from_secs(5)),
            Duration::from_secs(3)
        );
    }
}
