//! What happens changes the state, and says what is to be done. Pure: the clock is an argument.

mod dialog;
mod done;
mod news;
mod page;

use super::{
    event::{Call, Effect, Event, Fetch, Looked, Now},
    keys::Key,
    list::{List, Selection},
    state::{Link, State, Tab, Typed, Waiting, token::Token},
};
use crate::{output::Paint, secret_line::Secret};

/// Takes one event.
pub(crate) fn update(state: &mut State, event: Event, now: Now) -> Vec<Effect> {
    let mut effects = match event {
        Event::Key(key) => pressed(state, key, now),
        Event::Pasted(text) => {
            pasted(state, &text);
            Vec::new()
        }
        Event::Repaint | Event::Tick => Vec::new(),
        Event::Looked(looked) => {
            state.looked = looked;
            match looked {
                Looked::At => refreshed(state),
                Looked::Away => Vec::new(),
            }
        }
        Event::News(news) => news::take(state, news, now),
        Event::Done(call, end) => done::take(state, &call, end, now),
        Event::Typed(secret) => typed(state, secret, now),
    };
    expire(state, now);
    let mut asks = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Fetch(Fetch::Status)));
    if !asks && state.is_status_due(now) {
        effects.push(Effect::Fetch(Fetch::Status));
        asks = true;
    }
    if asks {
        state.status_asked = now.at;
    }
    effects
}

/// What was to go by itself goes.
fn expire(state: &mut State, now: Now) {
    if state
        .passcode
        .as_ref()
        .is_some_and(|passcode| passcode.hides <= now.at)
    {
        state.passcode = None;
    }
    if state
        .notice
        .as_ref()
        .is_some_and(|notice| notice.until <= now.at)
    {
        state.notice = None;
    }
    if state
        .afterthought
        .as_ref()
        .is_some_and(|thought| thought.until <= now.at)
    {
        state.afterthought = None;
    }
}

fn pressed(state: &mut State, key: Key, now: Now) -> Vec<Effect> {
    if key == Key::Control('c') {
        return vec![Effect::Quit];
    }
    if key == Key::Control('z') {
        return vec![Effect::Suspend];
    }
    match state.dialog.take() {
        Some(dialog) => dialog::pressed(state, dialog, key, now),
        None => page::pressed(state, key, now),
    }
}

/// What was pasted goes into the line that is typed, and nowhere else: no pasted letter is a key.
fn pasted(state: &mut State, text: &str) {
    let letters = text.lines().next().unwrap_or_default().chars();
    if let Some(field) = state.dialog.as_mut().and_then(|dialog| dialog.field()) {
        letters.for_each(|letter| field.push(letter));
    } else if let super::state::Filter::Typing(words) = &mut state.filter {
        words.extend(letters.filter(|letter| !crate::text::is_unsafe(*letter)));
        look_among_tokens(state);
    }
}

/// The secret that was asked for here, or the user went back.
fn typed(state: &mut State, secret: Option<Secret>, now: Now) -> Vec<Effect> {
    let Some(super::state::dialog::Dialog::Secret(asked)) = state.dialog.take() else {
        return Vec::new();
    };
    if let Some(secret) = secret {
        return call_with(state, asked.call, Some(secret), now);
    }
    state.say(Paint::Faint, "Nothing was sent.", now);
    Vec::new()
}

/// Asks the agent, once what may ask a person is over.
fn call(state: &mut State, call: Call, now: Now) -> Vec<Effect> {
    call_with(state, call, None, now)
}

fn call_with(state: &mut State, call: Call, secret: Option<Secret>, now: Now) -> Vec<Effect> {
    if state.link != Link::Live {
        state.say(
            Paint::Attention,
            "The agent is away; nothing was sent.",
            now,
        );
        return Vec::new();
    }
    if call.may_ask() {
        if state.waiting.is_some() {
            state.say(
                Paint::Attention,
                "One after the other: something still waits for you. Esc gives it up.",
                now,
            );
            return Vec::new();
        }
        state.waiting = Some(Waiting {
            call: call.clone(),
            typed: if secret.is_some() {
                Typed::Secret
            } else {
                Typed::Nothing
            },
        });
    }
    if let Call::Answer(answer) = &call {
        state.answering.insert(answer.id.clone());
    }
    state.notice = None;
    vec![Effect::Call(call, secret)]
}

/// What is on the page, asked for anew.
fn refreshed(state: &State) -> Vec<Effect> {
    if state.link != Link::Live {
        return Vec::new();
    }
    let mut effects = vec![Effect::Fetch(Fetch::Status)];
    effects.extend(page_fetch(state.tab).map(Effect::Fetch));
    effects
}

/// What a page shows beside the pending login requests.
const fn page_fetch(tab: Tab) -> Option<Fetch> {
    match tab {
        Tab::Requests => None,
        Tab::Tokens => Some(Fetch::Tokens),
        Tab::History => Some(Fetch::History),
        Tab::Log => Some(Fetch::Log),
    }
}

/// Selects the first token that is looked for, if the selected one is none.
fn look_among_tokens(state: &mut State) {
    let words = state.filter.words().to_owned();
    let fits = |token: &Token| token.has(&words);
    if !state.tokens.selected().is_some_and(fits) {
        state.tokens.step(super::list::Step::First, fits);
    }
}

/// Rows changed without a key: another login request may be under the selection now.
fn watch_selection(state: &mut State, selection: Selection, now: Now) {
    if selection == Selection::Another {
        state.guard.moved(now);
    }
}

/// Takes the rows of a page.
fn rows<T: super::list::Keyed>(list: &mut List<T>, rows: impl Iterator<Item = T>) -> Selection {
    list.replace(rows.collect())
}

#[cfg(test)]
mod tests;
