//! The pages, and which one this is.

use ratatui::{
    style::Modifier,
    text::{Line, Span},
};

use super::{Theme, lines::clip};
use crate::{
    output::Paint,
    tui::state::{State, Tab},
};

/// The first line.
pub(super) fn line(state: &State, theme: Theme, width: u16) -> Line<'static> {
    let columns = usize::from(width);
    let named = [theme.heavy(Paint::Name, " Countersign"), Span::raw("  ")];
    let tabs = tabs(state, theme);
    let wide: usize = named.iter().chain(&tabs).map(Span::width).sum();
    // In a narrow pane the pages matter more than the name.
    let spans = if wide <= columns {
        named.into_iter().chain(tabs).collect()
    } else {
        tabs
    };
    Line::from(clip(spans, columns))
}

fn tabs(state: &State, theme: Theme) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for tab in Tab::ALL {
        spans.push(Span::raw(" "));
        let style = if tab == state.tab {
            theme
                .style(Paint::Answer)
                .add_modifier(Modifier::UNDERLINED)
        } else {
            theme.style(Paint::Plain)
        };
        spans.push(Span::styled(tab.title(), style));
        let pending = state.requests.rows().len();
        if tab == Tab::Requests && pending > 0 {
            spans.push(theme.heavy(Paint::Attention, format!(" {pending}")));
        }
        spans.push(Span::raw(" "));
    }
    spans
}
