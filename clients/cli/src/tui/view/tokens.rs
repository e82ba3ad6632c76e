//! The tokens, and the passcode of one.

use countersign_proto::agent::v1::{OtpMode, TokenState};
use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    Rows, Selected, Theme, center,
    lines::{clip, countdown, joined, margin, pair, spread},
};
use crate::{
    output::{Paint, words},
    tui::{
        event::Now,
        list::Keyed as _,
        state::{
            Detail, Filter, State,
            passcode::Passcode,
            token::{Push, Token},
        },
    },
};

/// Paints them, or that there are none.
pub(super) fn paint(state: &State, theme: Theme, now: Now, area: Rect, frame: &mut Frame<'_>) {
    let looked_for = state.filter.words();
    let rows: Vec<&Token> = state
        .tokens
        .rows()
        .iter()
        .filter(|token| token.has(looked_for))
        .collect();
    if rows.is_empty() {
        let words = if state.filter == Filter::Off {
            "There are no tokens. `countersign enroll` adds one."
        } else {
            "No token has that."
        };
        center(&[theme.line(Paint::Faint, words)], area, frame);
        return;
    }
    let selected = state
        .tokens
        .selected()
        .and_then(|selected| rows.iter().position(|token| token.key() == selected.key()));
    let columns = usize::from(area.width);
    let air = usize::from(usize::from(area.height) >= rows.len().saturating_mul(3));
    Rows::of(&rows, selected, |token, is_selected| {
        let mut lines = row(token, is_selected, theme, columns);
        let shown = state.passcode.as_ref().filter(|one| one.token == token.id);
        if let Some(passcode) = shown {
            lines.push(code(passcode, is_selected, theme, now, columns));
        }
        if is_selected == Selected::Yes && state.detail == Detail::Full {
            lines.extend(in_full(token, theme, columns));
        }
        lines.extend(core::iter::repeat_n(Line::default(), air));
        lines
    })
    .paint(area, frame);
}

fn row(token: &Token, selected: Selected, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let name = match selected {
        Selected::Yes => theme.heavy(Paint::Plain, token.name.as_str()),
        Selected::No => theme.span(Paint::Plain, token.name.as_str()),
    };
    let state = match token.state {
        TokenState::Active => theme.span(Paint::Plain, ""),
        TokenState::PinExhausted => theme.span(Paint::Bad, "erased: enroll again"),
        TokenState::Revoked => theme.span(Paint::Bad, "revoked"),
        TokenState::Unspecified => theme.span(Paint::Attention, "unknown state"),
    };
    let push = match token.push {
        Push::On => theme.span(Paint::Good, "push"),
        Push::Paused => theme.span(Paint::Attention, "push off"),
        Push::No | Push::Unknown => theme.span(Paint::Plain, ""),
    };
    let kind = match token.mode {
        OtpMode::Unspecified => "sealed",
        OtpMode::Time | OtpMode::Event | OtpMode::Challenge | OtpMode::Push | OtpMode::Sudo => {
            words::mode(token.mode)
        }
    };
    let right = joined(vec![state, push, theme.span(Paint::Faint, kind)], theme);
    let whose = joined(
        vec![
            theme.span(Paint::Faint, token.issuer.as_str()),
            theme.span(Paint::Faint, token.user.as_str()),
        ],
        theme,
    );
    let mut left = vec![
        margin(selected, theme),
        name,
        theme.span(Paint::Plain, "  "),
    ];
    left.extend(whose);
    vec![spread(left, right, columns)]
}

/// The passcode, and how long it is good for or stays.
fn code(
    passcode: &Passcode,
    selected: Selected,
    theme: Theme,
    now: Now,
    columns: usize,
) -> Line<'static> {
    let mut spans = vec![
        margin(selected, theme),
        theme.heavy(Paint::Good, passcode.grouped().as_str()),
        theme.span(Paint::Plain, "   "),
    ];
    spans.extend(countdown(
        passcode.hides.saturating_sub(now.at),
        passcode.whole,
        theme,
    ));
    let use_of_it = match passcode.mode {
        OtpMode::Event => "  good for one login",
        OtpMode::Challenge => "  answers this challenge only",
        OtpMode::Time | OtpMode::Push | OtpMode::Sudo | OtpMode::Unspecified => "",
    };
    spans.push(theme.span(Paint::Faint, use_of_it));
    Line::from(clip(spans, columns))
}

fn in_full(token: &Token, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    [
        ("Serial", &token.serial),
        ("Issuer", &token.issuer),
        ("User", &token.user),
        ("Service", &token.service),
    ]
    .into_iter()
    .filter(|(_, words)| !words.is_empty())
    .map(|(label, words)| pair(label, words.as_str(), Selected::Yes, theme, columns))
    .collect()
}
