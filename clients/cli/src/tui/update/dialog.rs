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
