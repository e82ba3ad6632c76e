//! A new recovery code: shown once, set apart, with what to do with it.

use serde::{Serialize, Serializer};
use unicode_width::UnicodeWidthStr as _;
use zeroize::Zeroizing;

use super::{Paint, Style, table::paragraph};
use crate::text;

/// The code; wiped when dropped.
#[derive(Clone)]
pub(crate) struct RecoveryCode(Zeroizing<String>);

/// Between the frame and the code.
const PADDING: usize = 2;
/// Before the frame and the words below it.
const INDENT: &str = "  ";

impl RecoveryCode {
    /// The code of a reply, which is empty where none was made.
    pub(crate) fn of(reply: String) -> Option<Self> {
        (!reply.is_empty()).then(|| Self(Zeroizing::new(reply)))
    }

    /// The code in a line of its own.
    pub(crate) fn bare(&self) -> String {
        let mut line = text::sentence(&self.0);
        line.push('\n');
        line
    }

    /// The code in a frame, and how to keep it. A terminal that is too narrow gets no frame: the code is
    /// never broken or clipped.
    pub(crate) fn friendly(&self, style: &Style) -> String {
        let code = Zeroizing::new(text::sentence(&self.0));
        let title = "Recovery code";
        let inner = code.width().max(title.width());
        let frame = inner.saturating_add(PADDING.saturating_mul(2));
        let whole = frame.saturating_add(2).saturating_add(INDENT.len());
        let mut lines = String::from("\n");
        if whole <= style.width() {
            let bar = "─".repeat(frame);
            let pad = " ".repeat(PADDING);
            let side = style.paint(Paint::Faint, "│");
            let edge = |left: char, right: char| {
                let edge = style.paint(Paint::Faint, &format!("{left}{bar}{right}"));
                format!("{INDENT}{edge}\n")
            };
            let row = |words: &str, paint: Paint| {
                let gap = " ".repeat(inner.saturating_sub(words.width()));
                let words = style.paint(paint, words);
                format!("{INDENT}{side}{pad}{words}{gap}{pad}{side}\n")
            };
            lines.push_str(&edge('┌', '┐'));
            lines.push_str(&row(title, Paint::Faint));
            lines.push_str(&row(&code, Paint::Answer));
            lines.push_str(&edge('└', '┘'));
        } else {
            for line in [title, &style.paint(Paint::Answer, &code)] {
                lines.push_str(line);
                lines.push('\n');
            }
        }
        lines.push('\n');
        let advice = "Write it on paper and keep that away from this computer, not on this disk. It opens \
                      the vault when nothing else does. It is not shown again.";
        lines.push_str(&paragraph(advice, INDENT, style.width().min(74)));
        lines
    }
}

/// It is there to be printed, in this one answer.
impl Serialize for RecoveryCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl core::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(code: &str) -> RecoveryCode {
        RecoveryCode::of(code.to_owned()).unwrap()
    }

    #[test]
    fn it_stands_in_a_frame_that_fits_it() {
        assert_eq!(
            code("7KQF-2M9X-0001").friendly(&Style::new(false, 80)),
            concat!(
                "\n",
                "  ┌──────────────────┐\n",
                "  │  Recovery code   │\n",
                "  │  7KQF-2M9X-0001  │\n",
                "  └──────────────────┘\n",
                "\n",
                "  Write it on paper and keep that away from this computer, not on this\n",
                "  disk. It opens the vault when nothing else does. It is not shown again.\n",
            )
        );
    }

    #[test]
    fn it_is_never_broken_or_clipped() {
        let long = "7KQF-2M9X-".repeat(9);
        let shown = code(&long).friendly(&Style::new(false, 40));
        assert!(shown.contains(&format!("\n{long}\n")), "{shown}");
    }

    #[test]
    fn it_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", code("7KQF")), "[REDACTED]");
        assert!(RecoveryCode::of(String::new()).is_none());
    }
}
