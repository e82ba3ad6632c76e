//! Lines that fit.

use core::time::Duration;

use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{Selected, Theme};
use crate::{
    output::{Paint, Style},
    tui::event::Refusal,
};

/// Stands for what did not fit.
const ELLIPSIS: &str = "…";

/// The beginning of `spans` that fits in `columns`, with a mark if something is missing.
pub(super) fn clip(spans: Vec<Span<'static>>, columns: usize) -> Vec<Span<'static>> {
    let whole: usize = spans.iter().map(Span::width).sum();
    if whole <= columns {
        return spans;
    }
    let mut room = columns.saturating_sub(ELLIPSIS.width());
    let mut shown = Vec::with_capacity(spans.len());
    for span in spans {
        let width = span.width();
        if width <= room {
            room = room.saturating_sub(width);
            shown.push(span);
            continue;
        }
        let mut words = String::new();
        for letter in span.content.chars() {
            let wide = letter.width().unwrap_or(0);
            if wide > room {
                break;
            }
            room = room.saturating_sub(wide);
            words.push(letter);
        }
        if columns > 0 {
            words.push_str(ELLIPSIS);
        }
        shown.push(Span::styled(words, span.style));
        break;
    }
    shown
}

/// `left` at the left and `right` at the right; `left` gives way.
pub(super) fn spread(
    left: Vec<Span<'static>>,
    right: Vec<Span<'static>>,
    columns: usize,
) -> Line<'static> {
    let right = clip(right, columns);
    let taken: usize = right.iter().map(Span::width).sum();
    let gap = usize::from(taken > 0);
    let room = columns.saturating_sub(taken).saturating_sub(gap);
    let mut spans = clip(left, room);
    let used: usize = spans.iter().map(Span::width).sum();
    let between = columns.saturating_sub(taken).saturating_sub(used);
    spans.push(Span::raw(" ".repeat(between)));
    spans.extend(right);
    Line::from(spans)
}

/// `words` in lines of at most `columns`, broken between words where that is possible.
pub(super) fn wrap(words: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let Some(line) = lines.last_mut() else {
            return lines;
        };
        let gap = usize::from(!line.is_empty());
        if line
            .width()
            .saturating_add(gap)
            .saturating_add(word.width())
            <= columns
        {
            if gap > 0 {
                line.push(' ');
            }
            line.push_str(word);
            continue;
        }
        let mut rest = if line.is_empty() {
            core::mem::take(line)
        } else {
            String::new()
        };
        let begins = lines.last().is_some_and(|line| !line.is_empty());
        for letter in word.chars() {
            let wide = letter.width().unwrap_or(0);
            if rest.width().saturating_add(wide) > columns && !rest.is_empty() {
                lines.push(core::mem::take(&mut rest));
            }
            rest.push(letter);
        }
        if begins || lines.len() > 1 {
            lines.push(rest);
        } else {
            lines = vec![rest];
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// A bar that shrinks, and the seconds that are left.
pub(super) fn countdown(left: Duration, whole: Duration, theme: Theme) -> Vec<Span<'static>> {
    let (left, whole) = (millis(left), millis(whole));
    let (full, empty, paint) = Style::bar(left, whole);
    let seconds = left.div_ceil(1_000);
    let words = match seconds {
        0..1_000 => format!("{seconds:>3} s"),
        _ => format!("{:>3} m", seconds / 60),
    };
    vec![
        theme.span(paint, full),
        theme.span(Paint::Faint, empty),
        theme.span(
            if seconds <= 10 { paint } else { Paint::Plain },
            format!(" {words}"),
        ),
    ]
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The bar before a line of a row.
pub(super) fn margin(selected: Selected, theme: Theme) -> Span<'static> {
    match selected {
        Selected::Yes => theme.span(Paint::Name, "▌ "),
        Selected::No => theme.span(Paint::Plain, "  "),
    }
}

/// Words with something between them that divides them.
pub(super) fn joined(parts: Vec<Span<'static>>, theme: Theme) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for part in parts.into_iter().filter(|part| !part.content.is_empty()) {
        if !spans.is_empty() {
            spans.push(theme.span(Paint::Faint, " · "));
        }
        spans.push(part);
    }
    spans
}

/// A faint label and what it says, aligned.
pub(super) fn pair(
    label: &'static str,
    words: &str,
    selected: Selected,
    theme: Theme,
    columns: usize,
) -> Line<'static> {
    let spans = vec![
        margin(selected, theme),
        theme.span(Paint::Faint, format!("{label:<9}")),
        theme.span(Paint::Plain, words),
    ];
    Line::from(clip(spans, columns))
}

/// Why the agent is away, and what helps.
pub(super) fn away(refusal: &Refusal, theme: Theme, columns: u16) -> Vec<Line<'static>> {
    let columns = usize::from(columns).saturating_sub(4).min(70);
    let mut lines: Vec<_> = wrap(refusal.message.as_str(), columns)
        .into_iter()
        .map(|line| theme.line(Paint::Bad, line))
        .collect();
    lines.extend(
        wrap(refusal.hint.as_str(), columns)
            .into_iter()
            .map(|line| theme.line(Paint::Plain, line)),
    );
    lines.push(theme.line(Paint::Faint, "This screen comes back by itself."));
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const THEME: Theme = Theme::new(&Style::new(false, 80));

    fn plain(words: &str) -> Vec<Span<'static>> {
        vec![THEME.span(Paint::Plain, words)]
    }

    #[test]
    fn what_does_not_fit_is_marked() {
        let text = |spans: Vec<Span<'static>>| Line::from(spans).to_string();
        assert_eq!(text(clip(plain("abcdef"), 6)), "abcdef");
        assert_eq!(text(clip(plain("abcdef"), 5)), "abcd…");
        assert_eq!(text(clip(plain("重要な"), 5)), "重要…");
        assert_eq!(text(clip(plain("重要な"), 4)), "重…");
        assert_eq!(text(clip(plain("abc"), 0)), "");
        assert_eq!(
            spread(plain("left"), plain("right"), 12).to_string(),
            "left   right"
        );
        assert_eq!(
            spread(plain("left"), plain("right"), 8).to_string(),
            "l… right"
        );
    }

    #[test]
    fn sentences_break_between_words() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("extraordinary x", 6), ["extrao", "rdinar", "y x"]);
        assert_eq!(wrap("a extraordinary", 6), ["a", "extrao", "rdinar", "y"]);
        assert!(wrap("", 6).is_empty());
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_its_room(left in "\\PC{0,60}", right in "\\PC{0,30}", columns in 0_usize..90) {
            prop_assert!(spread(plain(&left), plain(&right), columns).width() <= columns);
        }

        #[test]
        fn wrapping_loses_no_letter(words in "[a-z重 ]{0,80}", columns in 2_usize..40) {
            let lines = wrap(&words, columns);
            for line in &lines {
                prop_assert!(line.width() <= columns, "{lines:?}");
            }
            let letters = |text: &str| text.chars().filter(|letter| *letter != ' ').collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&words));
        }
    }
}
