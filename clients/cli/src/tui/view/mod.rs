//! The state as a picture. Nothing is decided here.

mod big;
mod dialog;
mod footer;
mod header;
mod history;
mod lines;
mod log;
mod requests;
mod theme;
mod tokens;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Position, Rect},
    text::Line,
    widgets::Paragraph,
};

pub(crate) use self::theme::Theme;
use super::{
    event::Now,
    state::{Link, State, Tab},
};
use crate::output::Paint;

/// From this height on there is room for lines that only divide.
const ROOMY: u16 = 16;
/// From this height on the line about what was done has its own place.
const USUAL: u16 = 12;

/// Paints everything.
pub(crate) fn paint(state: &State, theme: Theme, now: Now, frame: &mut Frame<'_>) {
    let whole = frame.area();
    let rule = u16::from(whole.height >= ROOMY);
    let own_notice = u16::from(whole.height >= USUAL);
    let [head, upper, body, lower, notice, hints, status] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rule),
        Constraint::Min(0),
        Constraint::Length(rule),
        Constraint::Length(own_notice),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(whole);
    put(header::line(state, theme, head.width), head, frame);
    for rule in [upper, lower] {
        let line = "─".repeat(rule.width.into());
        put(theme.line(Paint::Faint, line), rule, frame);
    }
    // Nothing of a page touches the right border.
    let body = Rect {
        width: body.width.saturating_sub(1),
        ..body
    };
    page(state, theme, now, body, frame);
    let hint_line = footer::hints(state, theme, hints.width);
    match footer::notice(state, theme, notice.width.max(hints.width)) {
        Some(line) if own_notice == 0 => put(line, hints, frame),
        Some(line) => {
            put(line, notice, frame);
            put(hint_line, hints, frame);
        }
        None => put(hint_line, hints, frame),
    }
    put(
        footer::status(state, theme, now, status.width),
        status,
        frame,
    );
    if let Some(dialog) = &state.dialog {
        dialog::paint(dialog, theme, whole, frame);
    }
}

fn page(state: &State, theme: Theme, now: Now, area: Rect, frame: &mut Frame<'_>) {
    match &state.link {
        Link::Begun => center(
            &[theme.line(Paint::Faint, "Looking for the agent.")],
            area,
            frame,
        ),
        Link::Away(refusal) => center(&lines::away(refusal, theme, area.width), area, frame),
        Link::Live => match state.tab {
            Tab::Requests => requests::paint(state, theme, now, area, frame),
            Tab::Tokens => tokens::paint(state, theme, now, area, frame),
            Tab::History => history::paint(state, theme, now, area, frame),
            Tab::Log => log::paint(state, theme, now, area, frame),
        },
    }
}

/// Puts a line at the head of an area.
fn put(line: Line<'static>, area: Rect, frame: &mut Frame<'_>) {
    if !area.is_empty() {
        frame.render_widget(line, Rect { height: 1, ..area });
    }
}

/// Puts lines in the middle of an area.
fn center(lines: &[Line<'static>], area: Rect, frame: &mut Frame<'_>) {
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let above = area.height.saturating_sub(height) / 2;
    let area = Rect {
        y: area.y.saturating_add(above),
        height: area.height.saturating_sub(above),
        ..area
    };
    let centered: Vec<_> = lines.iter().cloned().map(Line::centered).collect();
    frame.render_widget(Paragraph::new(centered), area);
}

/// Rows of several lines each, as many as there is room for around the selected one.
struct Rows {
    /// The lines of each row.
    rows: Vec<Vec<Line<'static>>>,
    selected: Option<usize>,
}

/// How many rows are laid out before and behind the selected one: more never fit.
const AROUND: usize = 200;

impl Rows {
    /// Lays out the rows around the selected one.
    fn of<T>(
        all: &[T],
        selected: Option<usize>,
        mut lay_out: impl FnMut(&T, Selected) -> Vec<Line<'static>>,
    ) -> Self {
        let first = selected.unwrap_or(0).saturating_sub(AROUND);
        let rows = all
            .iter()
            .enumerate()
            .skip(first)
            .take(AROUND.saturating_mul(2))
            .map(|(at, row)| {
                let is_selected = if selected == Some(at) {
                    Selected::Yes
                } else {
                    Selected::No
                };
                lay_out(row, is_selected)
            })
            .collect();
        Self {
            rows,
            selected: selected.map(|at| at.saturating_sub(first)),
        }
    }

    fn paint(self, area: Rect, frame: &mut Frame<'_>) {
        let height = usize::from(area.height);
        let selected = self.selected.unwrap_or(0);
        let length = |row: &Vec<Line<'static>>| row.len();
        let before: usize = self.rows.iter().take(selected).map(length).sum();
        let own = self.rows.get(selected).map_or(0, length);
        // The selected row is wholly to be seen; its head, if it is higher than the area.
        let skip = before
            .saturating_add(own)
            .saturating_sub(height)
            .min(before);
        let lines: Vec<_> = self
            .rows
            .into_iter()
            .flatten()
            .skip(skip)
            .take(height)
            .collect();
        frame.render_widget(Paragraph::new(lines), area);
    }
}

/// Is it the selected row?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Selected {
    Yes,
    No,
}

/// Puts the cursor into an area, if it is in it.
fn cursor(x: u16, y: u16, area: Rect, frame: &mut Frame<'_>) {
    let position = Position::new(x, y);
    if area.contains(position) {
        frame.set_cursor_position(position);
    }
}

#[cfg(test)]
mod tests;
