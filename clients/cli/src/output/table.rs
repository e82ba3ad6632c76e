//! Columns that line up, also with wide characters and in narrow terminals.

use unicode_width::UnicodeWidthStr as _;

use super::{Paint, Style};
use crate::text;

/// Between two columns.
const GAP: &str = "  ";
/// No column is made narrower than this to fit the terminal.
const NARROWEST: usize = 6;

/// One cell: safe text, and what its colour means.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    paint: Paint,
    /// Already painted text of this many columns, shown as it is.
    drawn: Option<(String, usize)>,
}

impl Cell {
    /// Text from anywhere; made safe here.
    pub(crate) fn new(paint: Paint, words: &str) -> Self {
        Self {
            text: text::short(words),
            paint,
            drawn: None,
        }
    }

    /// A plain cell.
    pub(crate) fn plain(words: &str) -> Self {
        Self::new(Paint::Plain, words)
    }

    /// A plain sentence from anywhere; made safe here.
    pub(crate) fn long(words: &str) -> Self {
        Self::painted_long(Paint::Plain, words)
    }

    /// A sentence from anywhere; made safe here.
    pub(crate) fn painted_long(paint: Paint, words: &str) -> Self {
        Self {
            text: text::sentence(words),
            paint,
            drawn: None,
        }
    }

    /// A cell that is painted already, for instance a bar, `columns` wide.
    pub(crate) fn drawn(painted: String, columns: usize) -> Self {
        Self {
            text: String::new(),
            paint: Paint::Plain,
            drawn: Some((painted, columns)),
        }
    }

    /// Whether it shows nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.width() == 0
    }

    fn width(&self) -> usize {
        match &self.drawn {
            Some((_, columns)) => *columns,
            None => self.text.width(),
        }
    }

    /// The cell in exactly `columns` columns, or at most that many if it is the last of its row.
    fn shown(&self, columns: usize, last: bool, style: &Style) -> String {
        let text = fitted(&self.text, columns);
        let (mut shown, width) = self
            .drawn
            .clone()
            .unwrap_or_else(|| (style.paint(self.paint, &text), text.width()));
        if !last {
            shown.extend(core::iter::repeat_n(' ', columns.saturating_sub(width)));
        }
        shown
    }
}

/// The beginning of `words` that fits in `columns`, with a mark if something is missing.
fn fitted(words: &str, columns: usize) -> String {
    if words.width() <= columns {
        return words.to_owned();
    }
    let mut shown = words.to_owned();
    while shown.width() >= columns && shown.pop().is_some() {}
    shown.push('…');
    shown
}

/// Rows under a faint heading. Columns without anything in them are left out.
pub(crate) fn table(heading: &[&str], rows: &[Vec<Cell>], style: &Style) -> String {
    let cell = |row: &Vec<Cell>, column: usize| row.get(column).map_or(0, Cell::width);
    let mut widths: Vec<usize> = heading
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let widest = rows.iter().map(|row| cell(row, column)).max().unwrap_or(0);
            if widest == 0 {
                0
            } else {
                widest.max(title.width())
            }
        })
        .collect();
    narrow(&mut widths, style.width());
    let heading: Vec<Cell> = heading
        .iter()
        .map(|title| Cell::new(Paint::Faint, title))
        .collect();
    let mut lines = line(&heading, &widths, style);
    for row in rows {
        lines.push_str(&line(row, &widths, style));
    }
    lines
}

/// Takes columns from the widest until the whole fits, as far as that goes.
fn narrow(widths: &mut [usize], limit: usize) {
    loop {
        let shown = widths.iter().filter(|width| **width > 0).count();
        let gaps = GAP.len().saturating_mul(shown.saturating_sub(1));
        let total = widths
            .iter()
            .fold(gaps, |sum, width| sum.saturating_add(*width));
        let widest = widths.iter_mut().max_by_key(|width| **width);
        match widest {
            Some(widest) if total > limit && *widest > NARROWEST => {
                *widest = widest.saturating_sub(1);
            }
            _ => return,
        }
    }
}

fn line(row: &[Cell], widths: &[usize], style: &Style) -> String {
    let shown: Vec<(&Cell, usize)> = row
        .iter()
        .zip(widths.iter().copied())
        .filter(|(_, width)| *width > 0)
        .collect();
    let last = shown
        .iter()
        .rposition(|(cell, _)| cell.width() > 0)
        .unwrap_or(0);
    let cells: Vec<String> = shown
        .iter()
        .take(last.saturating_add(1))
        .enumerate()
        .map(|(column, (cell, width))| cell.shown(*width, column == last, style))
        .collect();
    let mut line = cells.join(GAP);
    line.push('\n');
    line
}

/// Pairs of a faint label and what it says, aligned.
pub(crate) fn pairs(rows: &[(&str, Cell)], style: &Style) -> String {
    let label = rows
        .iter()
        .map(|(label, _)| label.width())
        .max()
        .unwrap_or(0);
    let rest = style
        .width()
        .saturating_sub(label.saturating_add(GAP.len()))
        .max(NARROWEST);
    let mut lines = String::new();
    for (name, cell) in rows {
        let name = Cell::new(Paint::Faint, name);
        lines.push_str(&name.shown(label, false, style));
        lines.push_str(GAP);
        lines.push_str(&cell.shown(rest, true, style));
        lines.push('\n');
    }
    lines
}

/// `words` in lines of at most `columns`, broken between words where that is possible, each after `indent`.
pub(crate) fn paragraph(words: &str, indent: &str, columns: usize) -> String {
    let mut lines = String::new();
    let mut used = 0_usize;
    for word in text::sentence(words).split(' ') {
        let with_it = used.saturating_add(word.width()).saturating_add(1);
        if lines.is_empty() || with_it > columns {
            if !lines.is_empty() {
                lines.push('\n');
            }
            lines.push_str(indent);
            used = indent.width().saturating_add(word.width());
        } else {
            lines.push(' ');
            used = with_it;
        }
        lines.push_str(word);
    }
    lines.push('\n');
    lines
}

/// One row for scripts: safe fields with a tab between them.
pub(crate) fn tabbed(fields: &[&str]) -> String {
    let mut line = fields
        .iter()
        .map(|field| text::sentence(field))
        .collect::<Vec<_>>()
        .join("\t");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells(words: &[&str]) -> Vec<Cell> {
        words.iter().map(|words| Cell::plain(words)).collect()
    }

    #[test]
    fn columns_line_up_with_wide_characters_and_empty_ones_are_left_out() {
        let rows = [cells(&["重要", "", "x"]), cells(&["Work VPN", "", ""])];
        assert_eq!(
            table(&["NAME", "GAP", "LAST"], &rows, &Style::new(false, 80)),
            "NAME      LAST\n重要      x\nWork VPN\n"
        );
    }

    #[test]
    fn sentences_break_between_words() {
        assert_eq!(paragraph("one two three", " ", 8), " one two\n three\n");
        assert_eq!(paragraph("extraordinary x", "", 4), "extraordinary\nx\n");
        assert_eq!(paragraph("", "", 4), "\n");
    }

    #[test]
    fn a_field_cannot_make_another_field_or_line() {
        assert_eq!(tabbed(&["a\tb\nc", "d"]), "a\u{fffd}b\u{fffd}c\td\n");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            words in proptest::collection::vec(proptest::collection::vec("\\PC{0,80}", 3), 1..5),
            width in 40_usize..120,
        ) {
            let rows: Vec<Vec<Cell>> = words
                .iter()
                .map(|row| row.iter().map(|words| Cell::plain(words)).collect())
                .collect();
            for line in table(&["A", "B", "C"], &rows, &Style::new(false, width)).lines() {
                prop_assert!(line.width() <= width, "{line:?}");
            }
        }
    }
}
