//! Text of others (a service's, a user's, a web page's) on its way to a screen.
//!
//! Invariant: what [`display`] returns cannot move the cursor, turn the reading direction, hide a
//! character or start a new line, on a terminal or in a notification. A removed character leaves a mark,
//! so that a text that tried looks like it did.

/// Stands for a character that may not be shown.
const REMOVED: char = '\u{FFFD}';

/// Stands for the clipped end.
const ELLIPSIS: char = '…';

/// The text on one line, safe to show, at most `max_chars` characters long (the ellipsis included).
///
/// Line breaks and tabs become one space each run; control, direction and invisible characters become
/// U+FFFD. White space at both ends goes.
#[must_use]
pub fn display(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut left = max_chars;
    let mut source = text.trim().chars().peekable();
    while let Some(character) = source.next() {
        if left == 0 {
            shown.pop();
            if max_chars > 0 {
                shown.push(ELLIPSIS);
            }
            break;
        }
        if breaks_line(character) {
            while source.next_if(|next| breaks_line(*next)).is_some() {}
            shown.push(' ');
        } else if is_invisible(character) {
            shown.push(REMOVED);
        } else {
            shown.push(character);
        }
        left = left.saturating_sub(1);
    }
    shown
}

/// The text with `& < > ' "` as entities: for notification servers that read markup (always after
/// [`display`]) and for HTML text and quoted attributes.
#[must_use]
pub fn markup_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&#39;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Line feed, carriage return and their kin, and the tabs: white space that moves the cursor.
const fn breaks_line(character: char) -> bool {
    matches!(character, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Shows nothing of its own, or changes how its neighbours are shown: the C0 and C1 controls and the
/// default-ignorable code points of Unicode 16 (`DerivedCoreProperties`), which include the bidirectional
/// controls, the zero-width characters and the tag characters; also the interlinear annotations.
pub(crate) const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{0}'..='\u{1F}'
            | '\u{7F}'..='\u{9F}'
            | '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_stays() {
        for text in ["Payroll (Zürich)", "給与システム", "שכר", "a b  c", ""] {
            assert_eq!(display(text, 100), text);
        }
    }

    #[test]
    fn line_breaks_become_one_space() {
        assert_eq!(
            display("one\r\n\r\ntwo\u{2028}three\tfour\n", 100),
            "one two three four"
        );
    }

    #[test]
    fn what_hides_or_turns_text_leaves_a_mark() {
        assert_eq!(display("pay\u{202E}llor", 100), "pay\u{FFFD}llor");
        assert_eq!(
            display("a\u{200B}b\u{2066}c\u{AD}d", 100),
            "a\u{FFFD}b\u{FFFD}c\u{FFFD}d"
        );
        assert_eq!(display("\u{1B}[2J", 100), "\u{FFFD}[2J");
        assert_eq!(
            display("\u{9B}2J\u{7F}\0", 100),
            "\u{FFFD}2J\u{FFFD}\u{FFFD}"
        );
        assert_eq!(display("x\u{E0041}", 100), "x\u{FFFD}");
    }

    #[test]
    fn long_text_is_clipped_with_an_ellipsis() {
        assert_eq!(display("abcdef", 6), "abcdef");
        assert_eq!(display("abcdefg", 6), "abcde…");
        assert_eq!(display("ééééé", 3), "éé…");
        assert_eq!(display("ab", 1), "…");
        assert_eq!(display("ab", 0), "");
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(
            markup_escaped(r#"<a href="x">Tom & 'Jerry'</a>"#),
            "&lt;a href=&quot;x&quot;&gt;Tom &amp; &#39;Jerry&#39;&lt;/a&gt;"
        );
    }

    proptest! {
        #[test]
        fn nothing_shown_is_invisible_or_too_long(text in any::<String>(), max in 0_usize..80) {
            let shown = display(&text, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.chars().any(|c| is_invisible(c) || c.is_control()));
        }

        #[test]
        fn showing_twice_changes_nothing(text in any::<String>(), max in 0_usize..80) {
            let once = display(&text, max);
            prop_assert_eq!(display(&once, max), once);
        }

        #[test]
        fn escaped_markup_has_no_markup(text in any::<String>()) {
            let escaped = markup_escaped(&text);
            prop_assert!(!escaped.contains(['<', '>', '\'', '"']));
        }
    }
}
