//! Colours and bars, on terminals that want them.

/// What a colour means. Colour never carries a meaning alone: the words say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Paint {
    /// As the terminal has it.
    #[default]
    Plain,
    /// What was asked for: a passcode.
    Answer,
    /// A name.
    Name,
    /// Less important.
    Faint,
    /// As it should be.
    Good,
    /// Needs a look.
    Attention,
    /// Not as it should be.
    Bad,
}

impl Paint {
    /// The parameters of "select graphic rendition" (ECMA-48, 8.3.117).
    const fn parameters(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Answer => "1",
            Self::Name => "36",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Attention => "33",
            Self::Bad => "1;31",
        }
    }
}

/// How a stream is painted and how wide it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    colours: bool,
    width: usize,
}

/// Cells of a countdown bar.
const BAR: u64 = 10;

impl Style {
    /// With colours or without, for lines of `width` columns.
    pub(crate) const fn new(colours: bool, width: usize) -> Self {
        Self { colours, width }
    }

    /// Columns of a line.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// Whether there are any colours.
    pub(crate) const fn has_colours(&self) -> bool {
        self.colours
    }

    /// `words`, painted.
    pub(crate) fn paint(&self, paint: Paint, words: &str) -> String {
        if self.colours && paint != Paint::Plain && !words.is_empty() {
            format!("\u{1b}[{}m{words}\u{1b}[0m", paint.parameters())
        } else {
            words.to_owned()
        }
    }

    /// A bar that shows how much of `whole` is left.
    pub(crate) fn countdown(&self, left: u64, whole: u64) -> String {
        let (full, rest, paint) = Self::bar(left, whole);
        let full = self.paint(paint, &full);
        let rest = self.paint(Paint::Faint, &rest);
        format!("{full}{rest}")
    }

    /// The two parts of such a bar, and how urgent it is.
    pub(crate) fn bar(left: u64, whole: u64) -> (String, String, Paint) {
        let (filled, paint) = countdown(left, whole);
        let empty = BAR.saturating_sub(filled);
        let cells = |count: u64, cell: &str| cell.repeat(usize::try_from(count).unwrap_or(0));
        (cells(filled, "━"), cells(empty, "╌"), paint)
    }
}

/// How many cells are filled, and how urgent that is. A rest is rounded up: an empty bar means over.
fn countdown(left: u64, whole: u64) -> (u64, Paint) {
    let left = left.min(whole);
    let filled = left.saturating_mul(BAR).div_ceil(whole.max(1)).min(BAR);
    let paint = match filled {
        0..=2 => Paint::Bad,
        3..=4 => Paint::Attention,
        _ => Paint::Good,
    };
    (filled, paint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_there_is_no_escape_character() {
        let style = Style::new(false, 80);
        assert_eq!(style.paint(Paint::Bad, "no"), "no");
        assert_eq!(style.countdown(15, 30), "━━━━━╌╌╌╌╌");
    }

    #[test]
    fn with_colours_each_painted_word_is_put_back() {
        let style = Style::new(true, 80);
        assert_eq!(style.paint(Paint::Bad, "no"), "\u{1b}[1;31mno\u{1b}[0m");
        assert_eq!(style.paint(Paint::Plain, "no"), "no");
        assert_eq!(style.paint(Paint::Bad, ""), "");
    }

    #[test]
    fn a_bar_is_empty_only_when_time_is_over() {
        assert_eq!(countdown(0, 30).0, 0);
        assert_eq!(countdown(1, 30).0, 1);
        assert_eq!(countdown(30, 30).0, BAR);
        assert_eq!(countdown(31, 30).0, BAR);
        assert_eq!(countdown(u64::MAX, 0).0, 0);
    }
}
