//! Keys on the pages.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys mean nothing in most places"
)]

use countersign_proto::agent::v1::{OtpMode, TokenState, VaultState, Verdict};

use super::{call, look_among_tokens, refreshed};
use crate::{
    output::Paint,
    tui::{
        event::{Answer, Call, Effect, Fetch, Now, PasscodeOf},
        keys::Key,
        list::Step,
        state::{
            Detail, Filter, Link, State, Tab,
            dialog::{Dialog, Field, Takes},
            login_request::{LoginRequest, Proof, Report},
            status::Autosend,
            token::{Push, Token},
        },
    },
};

/// Takes a key.
pub(super) fn pressed(state: &mut State, key: Key, now: Now) -> Vec<Effect> {
    if let Filter::Typing(words) = &state.filter {
        let words = words.clone();
        return look_for(state, words, key);
    }
    if let Some(effects) = everywhere(state, key, now) {
        return effects;
    }
    match state.tab {
        Tab::Requests => on_requests(state, key, now),
        Tab::Tokens => on_tokens(state, key, now),
        Tab::History => on_history(state, key, now),
        Tab::Log => Vec::new(),
    }
}

/// Keys that mean the same on each page.
fn everywhere(state: &mut State, key: Key, now: Now) -> Option<Vec<Effect>> {
    let effects = match key {
        Key::Char('q') => vec![Effect::Quit],
        Key::Char('?') => {
            state.dialog = Some(Dialog::Help);
            Vec::new()
        }
        Key::Char(digit @ '1'..='4') => {
            let at = digit.to_digit(10).and_then(|at| usize::try_from(at).ok());
            let tab = at.and_then(|at| Tab::ALL.get(at.saturating_sub(1)));
            turn(state, tab.copied())
        }
        Key::Tab | Key::Right | Key::Char('l') => turn(state, neighbour(state.tab, Way::Right)),
        Key::BackTab | Key::Left | Key::Char('h') => turn(state, neighbour(state.tab, Way::Left)),
        Key::Escape => back(state, now),
        Key::Char('o') => switch_autosend(state, now),
        Key::Char('L') => lock_or_unlock(state, now),
        Key::Control('l') => vec![Effect::Repaint],
        Key::Control('r') => {
            let mut effects = refreshed(state);
            if !effects.is_empty() {
                state.say(Paint::Faint, "Asking the services.", now);
                effects.push(Effect::Fetch(Fetch::Check));
            }
            effects
        }
        // The afterthought is over as soon as something else is done.
        Key::Char('r') if state.afterthought.is_some() => report_the_denied(state, now),
        _ => {
            step(state, step_of(key)?);
            Vec::new()
        }
    };
    Some(effects)
}

#[derive(Clone, Copy)]
enum Way {
    Left,
    Right,
}

/// The page beside a page; after the last comes the first.
fn neighbour(tab: Tab, way: Way) -> Option<Tab> {
    let at = Tab::ALL.iter().position(|other| *other == tab)?;
    let count = Tab::ALL.len();
    let to = match way {
        Way::Right => at.saturating_add(1),
        Way::Left => at.saturating_add(count).saturating_sub(1),
    };
    Tab::ALL.get(to.checked_rem(count)?).copied()
}

/// Another page. What is secret on this one goes.
fn turn(state: &mut State, tab: Option<Tab>) -> Vec<Effect> {
    let Some(tab) = tab.filter(|tab| *tab != state.tab) else {
        return Vec::new();
    };
    state.tab = tab;
    state.detail = Detail::Short;
    state.filter = Filter::Off;
    state.passcode = None;
    refreshed(state)
}

/// Takes the last thing back that was opened.
fn back(state: &mut State, now: Now) -> Vec<Effect> {
    if state.waiting.take().is_some() {
        state.say(Paint::Faint, "No longer waiting.", now);
        return vec![Effect::Cancel, Effect::Fetch(Fetch::Status)];
    }
    if state.passcode.take().is_some() {
        return Vec::new();
    }
    state.detail = Detail::Short;
    state.filter = Filter::Off;
    state.notice = None;
    state.afterthought = None;
    Vec::new()
}

const fn step_of(key: Key) -> Option<Step> {
    Some(match key {
        Key::Down | Key::Char('j') => Step::Next,
        Key::Up | Key::Char('k') => Step::Previous,
        Key::PageDown | Key::Control('d' | 'f') => Step::PageDown,
        Key::PageUp | Key::Control('u' | 'b') => Step::PageUp,
        Key::Home | Key::Char('g') => Step::First,
        Key::End | Key::Char('G') => Step::Last,
        Key::Char(_)
        | Key::Control(_)
        | Key::Enter
        | Key::Escape
        | Key::Backspace
        | Key::Tab
        | Key::BackTab
        | Key::Left
        | Key::Right => return None,
    })
}

fn step(state: &mut State, step: Step) {
    state.afterthought = None;
    match state.tab {
        Tab::Requests => state.requests.step(step, |_| true),
        Tab::Tokens => {
            let words = state.filter.words().to_owned();
            state.tokens.step(step, |token| token.has(&words))
        }
        Tab::History => state.history.step(step, |_| true),
        Tab::Log => state.log.step(step, |_| true),
    };
}

fn toggle_detail(state: &mut State) -> Vec<Effect> {
    state.detail = match state.detail {
        Detail::Short => Detail::Full,
        Detail::Full => Detail::Short,
    };
    Vec::new()
}

fn on_requests(state: &mut State, key: Key, now: Now) -> Vec<Effect> {
    match key {
        Key::Enter => toggle_detail(state),
        Key::Char('a') => answer(state, Verdict::Approve, now),
        Key::Char('d') => answer(state, Verdict::Deny, now),
        Key::Char('r') => answer(state, Verdict::Report, now),
        _ => Vec::new(),
    }
}

/// Answers the selected login request, once it was there to be seen.
fn answer(state: &mut State, verdict: Verdict, now: Now) -> Vec<Effect> {
    let Some(request) = state.requests.selected().filter(|one| one.is_pending()) else {
        return Vec::new();
    };
    let (answer, proof) = (answer_to(request, verdict), request.proof.clone());
    if !state.guard.press(now) {
        let words = format!(
            "Look first: this is {}. Then press it again.",
            answer.resource
        );
        state.say(Paint::Attention, words, now);
        return Vec::new();
    }
    state.afterthought = None;
    match (verdict, proof) {
        (Verdict::Report, _) => {
            state.dialog = Some(Dialog::Report(answer));
            Vec::new()
        }
        (Verdict::Approve, Proof::Number) => {
            state.dialog = Some(Dialog::Number(answer, Field::new(Takes::Digits)));
            Vec::new()
        }
        (Verdict::Approve, Proof::Choice(choices)) => {
            state.dialog = Some(Dialog::Choice(answer, choices, None));
            Vec::new()
        }
        (Verdict::Approve | Verdict::Deny | Verdict::Cancel | Verdict::Unspecified, _) => {
            call(state, Call::Answer(answer), now)
        }
    }
}

fn answer_to(request: &LoginRequest, verdict: Verdict) -> Answer {
    Answer {
        id: request.id.clone(),
        verdict,
        number: String::new(),
        resource: request.resource.clone(),
        token: request.token.clone(),
    }
}

fn report_the_denied(state: &mut State, now: Now) -> Vec<Effect> {
    let Some(denied) = state.afterthought.take() else {
        return Vec::new();
    };
    let report = Answer {
        id: denied.id,
        verdict: Verdict::Report,
        number: String::new(),
        resource: denied.resource,
        token: crate::tui::shown::Shown::default(),
    };
    call(state, Call::Answer(report), now)
}

fn on_history(state: &mut State, key: Key, now: Now) -> Vec<Effect> {
    match key {
        Key::Enter => toggle_detail(state),
        Key::Char('r') => {
            match state.history.selected() {
                Some(request) if request.report == Report::None => {
                    state.dialog = Some(Dialog::Report(answer_to(request, Verdict::Report)));
                }
                Some(_) => state.say(Paint::Faint, "It is reported already.", now),
                None => {}
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn on_tokens(state: &mut State, key: Key, now: Now) -> Vec<Effect> {
    match key {
        Key::Enter | Key::Char('c') => passcode(state, now),
        Key::Char('y') => copy(state, now),
        Key::Char('i') => toggle_detail(state),
        Key::Char('p') => switch_autosend_of_one(state, now),
        Key::Char('/') => {
            state.filter = Filter::Typing(state.filter.words().to_owned());
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Shows the passcode of the selected token, or takes it away.
fn passcode(state: &mut State, now: Now) -> Vec<Effect> {
    let Some(token) = selected_token(state) else {
        return Vec::new();
    };
    let of = PasscodeOf {
        id: token.id.clone(),
        name: token.name.clone(),
        challenge: String::new(),
    };
    let (mode, token_state) = (token.mode, token.state);
    match token_state {
        TokenState::Active | TokenState::Unspecified => {}
        TokenState::PinExhausted => {
            state.say(
                Paint::Bad,
                format!("{} was erased after wrong PINs; enroll it again.", of.name),
                now,
            );
            return Vec::new();
        }
        TokenState::Revoked => {
            state.say(Paint::Bad, format!("{} was revoked.", of.name), now);
            return Vec::new();
        }
    }
    let shown = state.passcode.take();
    match mode {
        _ if shown.is_some_and(|shown| shown.token == of.id) => Vec::new(),
        OtpMode::Event => {
            state.dialog = Some(Dialog::NextPasscode(of));
            Vec::new()
        }
        OtpMode::Challenge => {
            state.dialog = Some(Dialog::Challenge(of, Field::new(Takes::Anything)));
            Vec::new()
        }
        OtpMode::Push => {
            let words = format!("{} has no passcodes: it answers login requests.", of.name);
            state.say(Paint::Attention, words, now);
            Vec::new()
        }
        OtpMode::Sudo => {
            let words = format!("{} has no passcodes: it answers sudo.", of.name);
            state.say(Paint::Attention, words, now);
            Vec::new()
        }
        // Sealed: what it is shows once the vault is open.
        OtpMode::Unspecified => call(state, Call::Unlock, now),
        OtpMode::Time => call(state, Call::Passcode(of), now),
    }
}

fn selected_token(state: &State) -> Option<&Token> {
    let words = state.filter.words();
    state.tokens.selected().filter(|token| token.has(words))
}

fn copy(state: &mut State, now: Now) -> Vec<Effect> {
    let selected = selected_token(state).map(|token| token.id.clone());
    let shown = state
        .passcode
        .as_ref()
        .filter(|passcode| Some(&passcode.token) == selected.as_ref());
    let Some(passcode) = shown else {
        state.say(Paint::Faint, "Show the passcode first: c.", now);
        return Vec::new();
    };
    let copied = passcode.digits.clone();
    state.say(Paint::Good, "Given to the terminal's clipboard.", now);
    vec![Effect::Copy(copied)]
}

fn look_for(state: &mut State, mut words: String, key: Key) -> Vec<Effect> {
    match key {
        Key::Char(letter) if !crate::text::is_unsafe(letter) && words.chars().count() < 64 => {
            words.push(letter);
            state.filter = Filter::Typing(words);
        }
        Key::Backspace => {
            words.pop();
            state.filter = Filter::Typing(words);
        }
        Key::Control('u') => state.filter = Filter::Typing(String::new()),
        Key::Enter if words.is_empty() => state.filter = Filter::Off,
        Key::Enter => state.filter = Filter::Kept(words),
        Key::Escape => state.filter = Filter::Off,
        Key::Up => step(state, Step::Previous),
        Key::Down => step(state, Step::Next),
        _ => {}
    }
    look_among_tokens(state);
    Vec::new()
}

fn switch_autosend(state: &mut State, now: Now) -> Vec<Effect> {
    match state.status.as_ref().map(|status| status.autosend) {
        Some(Autosend::On) => call(state, Call::Autosend(false), now),
        Some(Autosend::Off) => call(state, Call::Autosend(true), now),
        None => Vec::new(),
    }
}

fn switch_autosend_of_one(state: &mut State, now: Now) -> Vec<Effect> {
    let Some(token) = selected_token(state) else {
        return Vec::new();
    };
    let id = token.id.clone();
    match token.push {
        Push::On => call(state, Call::AutosendOf(id, false), now),
        Push::Paused => call(state, Call::AutosendOf(id, true), now),
        Push::No => {
            let words = format!("{} takes no login requests.", token.name);
            state.say(Paint::Faint, words, now);
            Vec::new()
        }
        Push::Unknown => Vec::new(),
    }
}

fn lock_or_unlock(state: &mut State, now: Now) -> Vec<Effect> {
    let Some(status) = state.status.as_ref().filter(|_| state.link == Link::Live) else {
        return Vec::new();
    };
    match status.vault {
        VaultState::Unlocked => call(state, Call::Lock, now),
        VaultState::Locked => call(state, Call::Unlock, now),
        VaultState::Absent => {
            state.say(
                Paint::Attention,
                "There is no vault yet: `countersign setup` makes it.",
                now,
            );
            Vec::new()
        }
        VaultState::Unusable => {
            let words = format!("The vault cannot be used. {}", status.vault_message);
            state.say(Paint::Bad, words, now);
            Vec::new()
        }
        VaultState::Unspecified => Vec::new(),
    }
}
