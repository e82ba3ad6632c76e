//! What colours mean, in the terminal's own colours.

use ratatui::{
    style::{Color, Modifier, Style},
    text::{Line, Span},
};

use crate::output::{self, Paint};

/// With colours or without. Backgrounds are never painted: light and dark terminals keep theirs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    colours: bool,
}

impl Theme {
    /// As standard output is painted.
    pub(crate) const fn new(style: &output::Style) -> Self {
        Self {
            colours: style.has_colours(),
        }
    }

    /// How something is painted. Without colours weight and lines are left.
    pub(super) fn style(self, paint: Paint) -> Style {
        let (colour, modifier) = match paint {
            Paint::Plain => (None, Modifier::empty()),
            Paint::Answer => (None, Modifier::BOLD),
            Paint::Name => (Some(Color::Cyan), Modifier::empty()),
            Paint::Faint => (None, Modifier::DIM),
            Paint::Good => (Some(Color::Green), Modifier::empty()),
            // Heavy: a thin yellow is hard to read on light terminals.
            Paint::Attention => (Some(Color::Yellow), Modifier::BOLD),
            Paint::Bad => (Some(Color::Red), Modifier::BOLD),
        };
        let style = Style::new().add_modifier(modifier);
        match colour.filter(|_| self.colours) {
            Some(colour) => style.fg(colour),
            None => style,
        }
    }

    /// Painted words.
    pub(super) fn span(self, paint: Paint, words: impl Into<String>) -> Span<'static> {
        Span::styled(words.into(), self.style(paint))
    }

    /// Painted and heavy words.
    pub(super) fn heavy(self, paint: Paint, words: impl Into<String>) -> Span<'static> {
        Span::styled(words.into(), self.style(paint).add_modifier(Modifier::BOLD))
    }

    /// A painted line.
    pub(super) fn line(self, paint: Paint, words: impl Into<String>) -> Line<'static> {
        Line::from(self.span(paint, words))
    }
}
