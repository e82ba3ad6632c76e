//! Text from elsewhere, made safe to show: no character of it can move the cursor, change the terminal,
//! hide, or reorder what stands around it.

use unicode_width::UnicodeWidthChar as _;

/// Stands for what was taken out, so that nothing disappears unseen.
const REPLACEMENT: char = '\u{fffd}';
/// Marks a clipped end.
const ELLIPSIS: char = '…';
/// Marks that may stand on one letter; some scripts need two, nobody needs a tower of them.
const MARKS: usize = 2;

/// `text` on one line, at most `max` characters, with each unsafe character replaced visibly.
pub(crate) fn display(text: &str, max: usize) -> String {
    let mut marks: usize = 0;
    let mut safe = text.chars().map(|letter| {
        if is_unsafe(letter) {
            return REPLACEMENT;
        }
        marks = if letter.width() == Some(0) {
            marks.saturating_add(1)
        } else {
            0
        };
        if marks > MARKS { REPLACEMENT } else { letter }
    });
    let mut shown: String = safe.by_ref().take(max).collect();
    if safe.next().is_some() {
        shown.pop();
        shown.push(ELLIPSIS);
    }
    shown
}

/// As [`display`], for a name or another short text.
pub(crate) fn short(text: &str) -> String {
    display(text, 64)
}

/// As [`display`], for a sentence.
pub(crate) fn sentence(text: &str) -> String {
    display(text, 500)
}

/// As [`sentence`], with a large first letter and a full stop: what the agent says comes in either form.
/// A first word that is a name (of a host, a program, an option) is left alone.
pub(crate) fn polished(text: &str) -> String {
    let text = sentence(text);
    let first = text.split(' ').next().unwrap_or_default();
    let is_word =
        first.bytes().all(|byte| byte.is_ascii_lowercase()) && !first.contains("countersign");
    let mut letters = text.chars();
    let mut polished = String::with_capacity(text.len().saturating_add(1));
    polished.extend(letters.next().map(|letter| {
        if is_word {
            letter.to_ascii_uppercase()
        } else {
            letter
        }
    }));
    polished.push_str(letters.as_str());
    if polished.ends_with(|end: char| end.is_alphanumeric() || matches!(end, '`' | ')' | '"')) {
        polished.push('.');
    }
    polished
}

/// Whether a character may reach a terminal or a script's line only in an escaped or replaced form.
pub(crate) fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            // Marks, embeddings, overrides and isolates that change the direction of text.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            // What takes no room: joiners, fillers, variation selectors, the byte order mark, tags.
            | '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2065}'
            | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
            // Line and paragraph separators.
            | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_texts_lose_their_power_and_leave_a_mark() {
        assert_eq!(display("a\u{1b}[2Jb", 64), "a\u{fffd}[2Jb");
        assert_eq!(display("a\nb\tc", 64), "a\u{fffd}b\u{fffd}c");
        assert_eq!(display("a\u{9b}31m", 64), "a\u{fffd}31m", "C1 is a control");
        assert_eq!(display("bank\u{202e}moc", 64), "bank\u{fffd}moc");
        assert_eq!(display("a\u{200b}b", 64), "a\u{fffd}b");
        assert_eq!(
            display("e\u{301}\u{302}\u{303}\u{304}", 64),
            "e\u{301}\u{302}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn ordinary_texts_stay_as_they_are() {
        for text in [
            "",
            "Work VPN",
            "Müller & Söhne",
            "重要なサービス",
            "Ελλάδα",
            "e\u{301}",
        ] {
            assert_eq!(display(text, 64), text);
        }
    }

    #[test]
    fn what_the_agent_says_reads_as_a_sentence() {
        for (said, shown) in [
            ("", ""),
            ("the PIN is wrong", "The PIN is wrong."),
            ("The vault is locked.", "The vault is locked."),
            ("run `countersign unlock`", "Run `countersign unlock`."),
            (
                "gateway.example:8443 is away",
                "gateway.example:8443 is away.",
            ),
            ("countersignd is too old", "countersignd is too old."),
            ("is it?", "Is it?"),
            ("é", "é."),
        ] {
            assert_eq!(polished(said), shown);
        }
    }

    #[test]
    fn a_long_text_is_clipped_and_says_so() {
        assert_eq!(display("abcdef", 6), "abcdef");
        assert_eq!(display("abcdef", 5), "abcd…");
        assert_eq!(display("abcdef", 1), "…");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_comes_out(text in any::<String>(), max in 1_usize..200) {
            let shown = display(&text, max);
            prop_assert!(!shown.chars().any(is_unsafe));
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(shown.chars().count() <= text.chars().count());
        }

        #[test]
        fn showing_twice_changes_nothing(text in any::<String>()) {
            let shown = display(&text, 64);
            prop_assert_eq!(display(&shown, 64), shown);
        }

        #[test]
        fn escape_sequences_never_survive(before in "[a-z]{0,8}", sequence in "\u{1b}[\\[\\]PX^_][ -~]{0,20}") {
            let shown = display(&format!("{before}{sequence}"), 200);
            prop_assert_eq!(shown.find('\u{1b}'), None);
            prop_assert!(shown.starts_with(&before));
        }
    }
}
