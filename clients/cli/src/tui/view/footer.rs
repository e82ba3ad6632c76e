//! The last lines: what was done, which keys there are, how things stand.

use countersign_proto::agent::v1::{SessionState, VaultState};
use ratatui::text::{Line, Span};

use super::{
    Theme,
    lines::{clip, joined, spread},
};
use crate::{
    clock,
    output::Paint,
    tui::{
        event::{Call, Now},
        state::{
            Filter, Link, State, Tab,
            status::{Autosend, Contact, Status},
        },
    },
};

/// What was done, what is waited for, or what is looked for; `None` if there is nothing to say.
pub(super) fn notice(state: &State, theme: Theme, width: u16) -> Option<Line<'static>> {
    let columns = usize::from(width);
    if let Filter::Typing(words) = &state.filter {
        let spans = vec![
            theme.span(Paint::Name, " /"),
            theme.span(Paint::Plain, words.clone()),
            theme.span(Paint::Faint, "▏"),
        ];
        return Some(Line::from(clip(spans, columns)));
    }
    let (paint, words) = match (&state.waiting, &state.notice, &state.afterthought) {
        (Some(waiting), ..) => (Paint::Attention, waiting_for(&waiting.call)),
        (None, Some(notice), _) => (notice.paint, notice.words.clone()),
        (None, None, Some(thought)) => (Paint::Plain, format!("{} was denied.", thought.resource)),
        (None, None, None) => return None,
    };
    let mut right = Vec::new();
    if state.waiting.is_none() && state.afterthought.is_some() {
        right.push(theme.span(Paint::Plain, "Was it you? "));
        right.push(theme.heavy(Paint::Name, "r"));
        right.push(theme.span(Paint::Plain, ": It wasn't me! "));
    }
    let left = vec![Span::raw(" "), theme.span(paint, words)];
    Some(spread(left, right, columns))
}

fn waiting_for(call: &Call) -> String {
    let what = match call {
        Call::Answer(answer) => format!("Approving {}.", answer.resource),
        Call::Passcode(of) => format!("Asking for a passcode of {}.", of.name),
        Call::Unlock => "Unlocking the vault.".to_owned(),
        Call::Lock | Call::Autosend(_) | Call::AutosendOf(..) => return String::new(),
    };
    format!("{what} You may be asked for a PIN or a finger. Esc gives it up.")
}

/// The keys that mean something now.
pub(super) fn hints(state: &State, theme: Theme, width: u16) -> Line<'static> {
    let mut all: Vec<(&'static str, &'static str)> = Vec::new();
    if state.link == Link::Live {
        all.extend_from_slice(page_hints(state));
    }
    let ends = [("?", "help"), ("q", "quit")];
    let room = usize::from(width);
    let mut shown = Vec::new();
    let mut used = 1_usize;
    let ends_width: usize = ends.iter().map(|hint| hint_width(*hint)).sum();
    for hint in all {
        let behind = used.saturating_add(hint_width(hint));
        if behind.saturating_add(ends_width) > room {
            break;
        }
        used = behind;
        shown.push(hint);
    }
    let left = shown.into_iter().flat_map(|hint| key(hint, theme));
    let right = ends.into_iter().flat_map(|hint| key(hint, theme));
    spread(
        core::iter::once(Span::raw(" ")).chain(left).collect(),
        right.collect(),
        room,
    )
}

fn page_hints(state: &State) -> &'static [(&'static str, &'static str)] {
    let pending = state
        .requests
        .selected()
        .is_some_and(crate::tui::state::login_request::LoginRequest::is_pending);
    match (&state.filter, state.tab) {
        (Filter::Typing(_), _) => &[("Enter", "keep"), ("Esc", "all")],
        (_, Tab::Requests) if pending => &[
            ("a", "approve"),
            ("d", "deny"),
            ("r", "It wasn't me!"),
            ("Enter", "details"),
        ],
        (_, Tab::Requests) => &[("Tab", "pages"), ("o", "autosend"), ("^R", "ask now")],
        (_, Tab::Tokens) if state.passcode.is_some() => {
            &[("y", "copy"), ("c", "hide"), ("/", "search"), ("i", "info")]
        }
        (_, Tab::Tokens) => &[
            ("c", "passcode"),
            ("/", "search"),
            ("i", "info"),
            ("p", "autosend of it"),
        ],
        (_, Tab::History) => &[("Enter", "details"), ("r", "It wasn't me!")],
        (_, Tab::Log) => &[("j k", "go")],
    }
}

fn hint_width((key, word): (&str, &str)) -> usize {
    Span::raw(key)
        .width()
        .saturating_add(Span::raw(word).width())
        .saturating_add(3)
}

fn key((key, word): (&'static str, &'static str), theme: Theme) -> [Span<'static>; 2] {
    [
        theme.heavy(Paint::Name, key),
        theme.span(Paint::Plain, format!(" {word}  ")),
    ]
}

/// How things stand.
pub(super) fn status(state: &State, theme: Theme, now: Now, width: u16) -> Line<'static> {
    let columns = usize::from(width);
    let mut parts = Vec::new();
    match (&state.link, &state.status) {
        (Link::Away(_), _) => parts.push(theme.span(Paint::Bad, "agent away")),
        (Link::Begun, _) | (Link::Live, None) => {}
        (Link::Live, Some(status)) => {
            parts.push(vault(status, theme));
            if status.session == SessionState::Locked {
                parts.push(theme.span(Paint::Attention, "desktop locked"));
            }
            parts.extend(services(status, theme));
            parts.push(match (status.autosend, status.muted(now)) {
                (Autosend::Off, _) => theme.span(Paint::Attention, "autosend off"),
                (Autosend::On, muted) if !muted.is_empty() => {
                    theme.span(Paint::Attention, muted.to_lowercase())
                }
                (Autosend::On, _) => theme.span(Paint::Faint, "autosend on"),
            });
        }
    }
    let mut spans = vec![Span::raw(" ")];
    spans.extend(joined(parts, theme));
    Line::from(clip(spans, columns))
}

fn vault(status: &Status, theme: Theme) -> Span<'static> {
    match status.vault {
        VaultState::Unlocked => theme.span(Paint::Good, "vault unlocked"),
        VaultState::Locked => theme.span(Paint::Attention, "vault locked"),
        VaultState::Absent => theme.span(Paint::Attention, "no vault yet"),
        VaultState::Unusable => theme.span(Paint::Bad, "vault unusable"),
        VaultState::Unspecified => theme.span(Paint::Attention, "vault unknown"),
    }
}

/// Services that are there and that are not, and clocks that differ: trouble first.
fn services(status: &Status, theme: Theme) -> Vec<Span<'static>> {
    let mut parts = Vec::new();
    for service in &status.services {
        if let Some(behind) = service.behind {
            let by = clock::span(behind.unsigned_abs());
            let way = if behind > 0 { "behind" } else { "ahead of" };
            let words = format!("clock {by} {way} {}", service.name);
            parts.push(theme.span(Paint::Bad, words));
        }
    }
    let away: Vec<_> = status
        .services
        .iter()
        .filter(|service| service.contact != Contact::Connected)
        .collect();
    let connected = status.services.len().saturating_sub(away.len());
    match (away.as_slice(), status.services.as_slice()) {
        (_, []) => {}
        ([], [one]) => parts.push(theme.span(Paint::Good, format!("{} connected", one.name))),
        ([], _) => parts.push(theme.span(Paint::Good, format!("{connected} services connected"))),
        ([one], _) => {
            parts.push(theme.span(Paint::Bad, format!("{} not connected", one.name)));
        }
        (several, _) => {
            let words = format!("{} services not connected", several.len());
            parts.push(theme.span(Paint::Bad, words));
        }
    }
    parts
}
