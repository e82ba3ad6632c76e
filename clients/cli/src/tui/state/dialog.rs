//! What is asked in front of the page.

use super::login_request::Choice;
use crate::tui::{
    event::{Answer, Call, PasscodeOf},
    shown::Shown,
};

/// A question, or something to read. Keys go to it.
#[derive(Clone, Debug)]
pub(crate) enum Dialog {
    /// The keys.
    Help,
    /// The number that the resource shows.
    Number(Answer, Field),
    /// One of several that the resource may show; none is chosen before somebody chooses.
    Choice(Answer, Vec<Choice>, Option<usize>),
    /// What is to be typed on the login page.
    Code(Shown, Shown),
    /// Is it certain that it was not the user?
    Report(Answer),
    /// An event-based token generates its next passcode: each counts.
    NextPasscode(PasscodeOf),
    /// What a challenge-response token answers.
    Challenge(PasscodeOf, Field),
    /// A secret, typed unseen; and what the agent said.
    Secret(Secret),
}

/// A secret that is asked for here, because the agent can ask nobody.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    /// What waits for it.
    pub(crate) call: Call,
    /// The name of the secret, e.g. `PIN`.
    pub(crate) what: &'static str,
    /// How it is asked for; safe to show.
    pub(crate) question: String,
    /// Why it is asked for.
    pub(crate) message: Shown,
}

/// A line that is typed and shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Field {
    text: String,
    takes: Takes,
}

/// What a field takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Takes {
    #[default]
    Anything,
    Digits,
}

/// The most letters of a field.
const LONGEST: usize = 128;

impl Field {
    /// An empty one.
    pub(crate) const fn new(takes: Takes) -> Self {
        Self {
            text: String::new(),
            takes,
        }
    }

    /// Takes a letter, unless it is none that can be shown or is not taken here.
    pub(crate) fn push(&mut self, letter: char) {
        let taken = match self.takes {
            Takes::Anything => !crate::text::is_unsafe(letter),
            Takes::Digits => letter.is_ascii_digit(),
        };
        if taken && self.text.chars().count() < LONGEST {
            self.text.push(letter);
        }
    }

    /// Takes the last letter away.
    pub(crate) fn pop(&mut self) {
        self.text.pop();
    }

    /// Takes all away.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
    }

    /// What was typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Dialog {
    /// The line that is typed into, if there is one.
    pub(crate) const fn field(&mut self) -> Option<&mut Field> {
        match self {
            Self::Number(_, field) | Self::Challenge(_, field) => Some(field),
            Self::Help
            | Self::Choice(..)
            | Self::Code(..)
            | Self::Report(_)
            | Self::NextPasscode(_)
            | Self::Secret(_) => None,
        }
    }
}
