//! Login requests that are over.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    Rows, Selected, Theme, center,
    lines::{joined, margin, spread},
    requests::in_full,
};
use crate::{
    clock,
    output::{Paint, words},
    tui::{
        event::Now,
        state::{
            Detail, State,
            login_request::{LoginRequest, Report},
        },
    },
};

/// Paints them, or that there are none.
pub(super) fn paint(state: &State, theme: Theme, now: Now, area: Rect, frame: &mut Frame<'_>) {
    let rows = state.history.rows();
    if rows.is_empty() {
        center(
            &[theme.line(Paint::Faint, "Nothing has been asked yet.")],
            area,
            frame,
        );
        return;
    }
    let columns = usize::from(area.width);
    Rows::of(rows, state.history.position(), |request, selected| {
        let mut lines = vec![row(request, selected, theme, now, columns)];
        if selected == Selected::Yes && state.detail == Detail::Full {
            lines.extend(in_full(request, theme, now, columns));
        }
        lines
    })
    .paint(area, frame);
}

fn row(
    request: &LoginRequest,
    selected: Selected,
    theme: Theme,
    now: Now,
    columns: usize,
) -> Line<'static> {
    let (word, paint) = words::request_state(request.state);
    let when = clock::from_millis(request.created_ms)
        .map(|at| clock::local(at, now.wall))
        .unwrap_or_default();
    let name = match selected {
        Selected::Yes => theme.heavy(Paint::Plain, request.resource.as_str()),
        Selected::No => theme.span(Paint::Plain, request.resource.as_str()),
    };
    let mut left = vec![
        margin(selected, theme),
        theme.span(Paint::Faint, when),
        theme.span(Paint::Plain, "  "),
    ];
    left.extend(joined(
        vec![
            name,
            theme.span(Paint::Name, request.user.as_str()),
            theme.span(Paint::Faint, request.from()),
        ],
        theme,
    ));
    let mut right = vec![theme.span(paint, word)];
    if request.report == Report::Reported {
        right.push(theme.span(Paint::Attention, ", reported"));
    }
    spread(left, right, columns)
}
