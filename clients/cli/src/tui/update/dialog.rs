//! Keys while something is asked in front of the page.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys mean nothing in most places"
)]

use super::{call, page};
use crate::{
    output::Paint,
    tui::{
        event::{Answer, Call, Effect, Now, PasscodeOf},
        keys::Key,
        state::{
            State,
            dialog::{Dialog, Field},
            login_request::Choice,
        },
    },
};

/// Takes a key for the dialog that was open; whatever stays open is put back.
pub(super) fn pressed(state: &mut State, dialog: Dialog, key: Key, now: Now) -> Vec<Effect> {
    match dialog {
        Dialog::Help => match key {
            Key::Char('q' | '?') | Key::Escape | Key::Enter => Vec::new(),
            // Whoever knows the key again need not close the page of keys first. An answer is none of them.
            Key::Char('1'..='4') | Key::Tab | Key::BackTab => page::pressed(state, key, now),
            _ => {
                state.dialog = Some(Dialog::Help);
                Vec::new()
            }
        },
        Dialog::Number(answer, field) => number(state, answer, field, key, now),
        Dialog::Choice(answer, choices, chosen) => choice(state, answer, choices, chosen, key, now),
        Dialog::Code(code, resource) => match key {
            Key::Escape | Key::Enter | Key::Char('q') => Vec::new(),
            _ => {
                state.dialog = Some(Dialog::Code(code, resource));
                Vec::new()
            }
        },
        Dialog::Report(answer) => match key {
            Key::Char('y' | 'Y') | Key::Enter => call(state, Call::Answer(answer), now),
            Key::Char('n' | 'N') | Key::Escape => Vec::new(),
            _ => {
                state.dialog = Some(Dialog::Report(answer));
                Vec::new()
            }
        },
        Dialog::NextPasscode(of) => match key {
            Key::Char('y' | 'Y') | Key::Enter => call(state, Call::Passcode(of), now),
            Key::Char('n' | 'N') | Key::Escape => Vec::new(),
            _ => {
                state.dialog = Some(Dialog::NextPasscode(of));
                Vec::new()
            }
        },
        Dialog::Challenge(of, field) => challenge(state, of, field, key, now),
        // Its keys do not come here: they are read unseen.
        Dialog::Secret(secret) => {
            state.dialog = Some(Dialog::Secret(secret));
            Vec::new()
        }
    }
}

fn number(state: &mut State, answer: Answer, mut field: Field, key: Key, now: Now) -> Vec<Effect> {
    match key {
        Key::Escape => Vec::new(),
        Key::Enter if !field.text().is_empty() => {
            let number = field.text().to_owned();
            call(state, Call::Answer(Answer { number, ..answer }), now)
        }
        _ => {
            edit(&mut field, key);
            state.dialog = Some(Dialog::Number(answer, field));
            Vec::new()
        }
    }
}

fn choice(
    state: &mut State,
    answer: Answer,
    choices: Vec<Choice>,
    chosen: Option<usize>,
    key: Key,
    now: Now,
) -> Vec<Effect> {
    let last = choices.len().saturating_sub(1);
    let chosen = match key {
        Key::Escape => return Vec::new(),
        Key::Enter => {
            if let Some(choice) = chosen.and_then(|at| choices.get(at)) {
                let number = choice.value.clone();
                return call(state, Call::Answer(Answer { number, ..answer }), now);
            }
            chosen
        }
        Key::Char(letter) => only_one_that_begins_with(&choices, letter)
            .or_else(|| stepped(chosen, key, last))
            .or(chosen),
        _ => stepped(chosen, key, last).or(chosen),
    };
    state.dialog = Some(Dialog::Choice(answer, choices, chosen));
    Vec::new()
}

/// The choice that a letter means, if it means one.
fn only_one_that_begins_with(choices: &[Choice], letter: char) -> Option<usize> {
    let mut found = choices.iter().enumerate().filter(|(_, choice)| {
        let first = choice.value.chars().next();
        first.is_some_and(|first| first.to_lowercase().eq(letter.to_lowercase()))
    });
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Some(at),
        _ => None,
    }
}

fn stepped(chosen: Option<usize>, key: Key, last: usize) -> Option<usize> {
    match key {
        Key::Right | Key::Down | Key::Tab | Key::Char('j' | 'l') => {
            Some(chosen.map_or(0, |at| at.saturating_add(1).min(last)))
        }
        Key::Left | Key::Up | Key::BackTab | Key::Char('k' | 'h') => {
            Some(chosen.map_or(last, |at| at.saturating_sub(1)))
        }
        _ => None,
    }
}

fn challenge(
    state: &mut State,
    of: PasscodeOf,
    mut field: Field,
    key: Key,
    now: Now,
) -> Vec<Effect> {
    match key {
        Key::Escape => Vec::new(),
        Key::Enter if !field.text().is_empty() => {
            let challenge = field.text().to_owned();
            call(state, Call::Passcode(PasscodeOf { challenge, ..of }), now)
        }
        _ => {
            if key == Key::Enter {
                state.say(Paint::Faint, "Type what the login shows.", now);
            }
            edit(&mut field, key);
            state.dialog = Some(Dialog::Challenge(of, field));
            Vec::new()
        }
    }
}

fn edit(field: &mut Field, key: Key) {
    match key {
        Key::Char(letter) => field.push(letter),
        Key::Backspace => field.pop(),
        Key::Control('u') => field.clear(),
        _ => {}
    }
}
