//! What happened.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    Rows, Selected, Theme, center,
    lines::{clip, margin, wrap},
};
use crate::{
    clock,
    output::{Paint, words},
    tui::{
        event::Now,
        state::{LogLine, State},
    },
};

/// Paints it, newest first.
pub(super) fn paint(state: &State, theme: Theme, now: Now, area: Rect, frame: &mut Frame<'_>) {
    let rows = state.log.rows();
    if rows.is_empty() {
        center(
            &[theme.line(Paint::Faint, "Nothing has happened yet.")],
            area,
            frame,
        );
        return;
    }
    let columns = usize::from(area.width);
    Rows::of(rows, state.log.position(), |line, selected| {
        row(line, selected, theme, now, columns)
    })
    .paint(area, frame);
}

/// One line; the selected one says all.
fn row(
    line: &LogLine,
    selected: Selected,
    theme: Theme,
    now: Now,
    columns: usize,
) -> Vec<Line<'static>> {
    let when = clock::from_millis(line.at_ms)
        .map(|at| clock::local(at, now.wall))
        .unwrap_or_default();
    let mut spans = vec![
        margin(selected, theme),
        theme.span(Paint::Faint, when),
        theme.span(Paint::Plain, "  "),
        theme.span(words::event_paint(line.kind), words::event(line.kind)),
    ];
    if let Some(token) = line.token.some() {
        spans.push(theme.span(Paint::Plain, "  "));
        spans.push(theme.span(Paint::Name, token));
    }
    let mut lines = Vec::new();
    match selected {
        Selected::No => {
            spans.push(theme.span(Paint::Plain, "  "));
            spans.push(theme.span(Paint::Faint, line.detail.as_str()));
            lines.push(Line::from(clip(spans, columns)));
        }
        Selected::Yes => {
            lines.push(Line::from(clip(spans, columns)));
            let room = columns.saturating_sub(4);
            lines.extend(wrap(line.detail.as_str(), room).into_iter().map(|words| {
                Line::from(vec![
                    margin(selected, theme),
                    theme.span(Paint::Plain, format!("  {words}")),
                ])
            }));
        }
    }
    lines
}
