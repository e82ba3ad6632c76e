//! `--json`: one compact object on one line.
//!
//! Text from elsewhere stays exact, and yet no byte of it can act on a terminal: what
//! [`text::is_unsafe`] finds is written as `\uXXXX`, which means the same in JSON.

use std::io;

use serde::Serialize;
use serde_json::{Serializer, ser::Formatter};

use crate::text;

/// An object that stands alone under its key, one a line, on standard error.
pub(crate) trait Line: Serialize {
    /// The key.
    const KEY: &'static str;
}

/// The object in one line.
pub(crate) fn line(answer: &impl Serialize) -> String {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = Serializer::with_formatter(&mut bytes, Escaping);
    // Cannot fail: memory takes all, and our objects have only text keys. An empty object would be a
    // lie, so nothing at all is printed instead.
    if answer.serialize(&mut serializer).is_err() {
        return String::new();
    }
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}

/// `{"KEY": object}` in one line.
pub(crate) fn keyed<T: Line>(object: &T) -> String {
    line(&std::collections::BTreeMap::from([(T::KEY, object)]))
}

struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some((at, letter)) = rest
            .char_indices()
            .find(|(_, letter)| text::is_unsafe(*letter))
        {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            for unit in letter.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = after.strip_prefix(letter).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dangerous_characters_are_escaped_and_others_are_not() {
        assert_eq!(
            line(&"a\u{1b}\u{9b}\u{202e}\u{e0041}é\"\n"),
            "\"a\\u001b\\u009b\\u202e\\udb40\\udc41é\\\"\\n\"\n"
        );
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_and_nothing_acts_on_a_terminal(words in any::<String>()) {
            let shown = line(&words);
            prop_assert_eq!(shown.lines().count(), 1);
            prop_assert!(!shown.trim_end_matches('\n').chars().any(text::is_unsafe));
            let read: String = serde_json::from_str(&shown).unwrap();
            prop_assert_eq!(read, words);
        }
    }
}
