//! The lines of the Assuan protocol. Nothing here waits or remembers.

use countersign_core::text;

use crate::agent::ports::PinEntryError;

/// The longest line, in bytes, its line feed included. A longer one ends the program.
pub(super) const LONGEST_LINE: usize = 1000;

/// The most characters of words that were said about an error.
const MOST_WORDS: usize = 100;

/// Stands for what did not fit.
const ELLIPSIS: &str = "…";

/// `COMMAND ARGUMENT` as a line: escaped, and clipped so that neither a character nor an escape is cut.
pub(super) fn line(command: &str, argument: &str) -> Vec<u8> {
    let room = LONGEST_LINE.saturating_sub(command.len().saturating_add(" \n".len()));
    let mut escaped = String::new();
    // Where the text would be cut to leave room for the ellipsis.
    let mut cut = 0;
    for character in argument.chars() {
        if escaped.len().saturating_add(ELLIPSIS.len()) <= room {
            cut = escaped.len();
        }
        match character {
            '%' => escaped.push_str("%25"),
            '\n' => escaped.push_str("%0A"),
            '\r' => escaped.push_str("%0D"),
            other => escaped.push(other),
        }
        if escaped.len() > room {
            escaped.truncate(cut);
            escaped.push_str(ELLIPSIS);
            break;
        }
    }
    format!("{command} {escaped}\n").into_bytes()
}

/// A line of the program's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// Done.
    Ok,
    /// A part of what was typed, still escaped.
    Data(&'a [u8]),
    /// Both fields agreed.
    Repeated,
    /// Another status, or a comment.
    Remark,
    /// Not done.
    Error(Refusal),
    /// Nothing that a pinentry says.
    Strange,
}

impl<'a> Reply<'a> {
    /// `line` is without its line feed.
    pub(super) fn parse(line: &'a [u8]) -> Self {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (word, rest) = match line.iter().position(|byte| *byte == b' ') {
            Some(space) => {
                let (word, rest) = line.split_at(space);
                (word, rest.get(1..).unwrap_or_default())
            }
            None => (line, &[][..]),
        };
        match word {
            b"OK" => Self::Ok,
            b"D" => Self::Data(rest),
            b"S" if rest.trim_ascii() == b"PIN_REPEATED" => Self::Repeated,
            b"S" => Self::Remark,
            b"ERR" => Refusal::parse(rest).map_or(Self::Strange, Self::Error),
            _ if line.is_empty() || line.starts_with(b"#") => Self::Remark,
            _ => Self::Strange,
        }
    }
}

/// What follows `ERR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    code: u32,
    words: String,
}

/// The library's error codes (libgpg-error); above them is the source.
const CODE_BITS: u32 = 0xFFFF;
const TIMEOUT: u32 = 62;
const CANCELLED: u32 = 99;
const NOT_CONFIRMED: u32 = 114;
const FULLY_CANCELLED: u32 = 198;
// With the highest bit: numbers for an `errno`.
const NO_SUCH_DEVICE: u32 = 0x8050;
const NO_SUCH_FILE: u32 = 0x8051;
const NOT_A_TERMINAL: u32 = 0x8066;
const NO_SUCH_ADDRESS: u32 = 0x8068;

impl Refusal {
    fn parse(rest: &[u8]) -> Option<Self> {
        let rest = String::from_utf8_lossy(rest);
        let (number, words) = rest.split_once(' ').unwrap_or((&rest, ""));
        let number: u32 = number.parse().ok()?;
        Some(Self {
            code: number & CODE_BITS,
            words: text::display(words, MOST_WORDS),
        })
    }

    /// What it means for whoever asked.
    pub(super) fn meaning(self) -> PinEntryError {
        match self.code {
            CANCELLED | FULLY_CANCELLED | NOT_CONFIRMED => PinEntryError::Cancelled,
            TIMEOUT => PinEntryError::TimedOut,
            NOT_A_TERMINAL | NO_SUCH_ADDRESS | NO_SUCH_DEVICE | NO_SUCH_FILE => {
                PinEntryError::NoScreen
            }
            code if self.words.is_empty() => PinEntryError::Failed(format!("error {code}")),
            _ => PinEntryError::Failed(self.words),
        }
    }
}

/// Undoes the escapes of a `D` line into `typed`, which must not grow: a grown one leaves a copy behind.
///
/// Nothing if it does not fit, or if an escape is none.
pub(super) fn unescape(data: &[u8], typed: &mut Vec<u8>) -> Option<()> {
    let mut rest = data;
    while let Some((byte, after)) = rest.split_first() {
        if typed.len() >= typed.capacity() {
            return None;
        }
        if *byte == b'%' {
            let (digits, after) = after.split_first_chunk::<2>()?;
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            let value = high?.checked_mul(16)?.checked_add(low?)?;
            typed.push(value.try_into().ok()?);
            rest = after;
        } else {
            typed.push(*byte);
            rest = after;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unescaped(data: &[u8]) -> Option<Vec<u8>> {
        let mut typed = Vec::with_capacity(2000);
        unescape(data, &mut typed).map(|()| typed)
    }

    #[test]
    fn arguments_are_escaped() {
        assert_eq!(
            line("SETDESC", "100 %\r\nGrüße\n"),
            "SETDESC 100 %25%0D%0AGrüße%0A\n".as_bytes()
        );
        assert_eq!(line("SETDESC", ""), b"SETDESC \n");
    }

    #[test]
    fn a_long_argument_is_clipped_between_characters_and_escapes() {
        for (piece, bytes) in [("a", 1), ("%", 3), ("\n", 3), ("ü", 2), ("\u{1F511}", 4)] {
            let clipped = line("SETDESC", &piece.repeat(1200));
            assert!(clipped.len() <= LONGEST_LINE, "{piece}");
            assert!(clipped.len() > LONGEST_LINE - bytes, "{piece}");
            let text = String::from_utf8(clipped).unwrap();
            let argument = text.strip_prefix("SETDESC ").unwrap();
            let argument = argument.strip_suffix("…\n").unwrap();
            let typed = unescaped(argument.as_bytes()).unwrap();
            let back = String::from_utf8(typed).unwrap();
            assert!(back.chars().all(|c| piece.contains(c)), "{piece}");
        }
        // What just fits is left alone.
        let fits = "a".repeat(LONGEST_LINE - "SETDESC \n".len());
        assert_eq!(
            line("SETDESC", &fits),
            format!("SETDESC {fits}\n").as_bytes()
        );
        assert!(line("SETDESC", &format!("{fits}a")).ends_with("…\n".as_bytes()));
    }

    #[test]
    fn replies_are_read() {
        assert_eq!(Reply::parse(b"OK Pleased to meet you"), Reply::Ok);
        assert_eq!(Reply::parse(b"OK\r"), Reply::Ok);
        assert_eq!(Reply::parse(b"D 12%2534 "), Reply::Data(b"12%2534 "));
        assert_eq!(Reply::parse(b"D"), Reply::Data(b""));
        assert_eq!(Reply::parse(b"S PIN_REPEATED "), Reply::Repeated);
        assert_eq!(
            Reply::parse(b"S ERROR curses.isatty 83918950 "),
            Reply::Remark
        );
        assert_eq!(Reply::parse(b"# hello"), Reply::Remark);
        assert_eq!(Reply::parse(b""), Reply::Remark);
        for strange in [
            &b"INQUIRE QUALITY 1234"[..],
            b"OKAY",
            b"ERR x y",
            b"ERR",
            b"\xff",
        ] {
            assert_eq!(Reply::parse(strange), Reply::Strange, "{strange:?}");
        }
    }

    #[test]
    fn errors_are_known_by_their_low_bits() {
        let meaning = |line: &[u8]| {
            let Reply::Error(refusal) = Reply::parse(line) else {
                panic!("no error: {line:?}")
            };
            refusal.meaning()
        };
        for (line, expected) in [
            (
                &b"ERR 83886179 Operation cancelled <Pinentry>"[..],
                PinEntryError::Cancelled,
            ),
            (b"ERR 83886278 Fully cancelled", PinEntryError::Cancelled),
            (b"ERR 99", PinEntryError::Cancelled),
            (
                b"ERR 83886194 Not confirmed <Pinentry>",
                PinEntryError::Cancelled,
            ),
            (b"ERR 83886142 Timeout <Pinentry>", PinEntryError::TimedOut),
            (
                b"ERR 83918950 Inappropriate ioctl for device <Pinentry>",
                PinEntryError::NoScreen,
            ),
            (
                b"ERR 83886254 Unknown\x1b[31m option",
                PinEntryError::Failed("Unknown\u{FFFD}[31m option".to_owned()),
            ),
            (
                b"ERR 83886254",
                PinEntryError::Failed("error 174".to_owned()),
            ),
        ] {
            assert_eq!(meaning(line), expected);
        }
    }

    #[test]
    fn what_was_typed_is_unescaped_without_growing() {
        assert_eq!(unescaped(b"12%2534 %0a").unwrap(), b"12%34 \n");
        for broken in [&b"%"[..], b"%2", b"%zz", b"a%+1"] {
            assert_eq!(unescaped(broken), None, "{broken:?}");
        }
        let mut small = Vec::with_capacity(4);
        let room = small.capacity();
        assert_eq!(unescape(&vec![b'a'; room], &mut small), Some(()));
        assert_eq!(unescape(b"", &mut small), Some(()));
        assert_eq!(unescape(b"a", &mut small), None);
        assert_eq!(small.capacity(), room);
    }

    proptest! {
        #[test]
        fn a_line_is_one_short_line_of_text(argument in any::<String>()) {
            let line = line("SETDESC", &argument);
            prop_assert!(line.len() <= LONGEST_LINE);
            let text = String::from_utf8(line).unwrap();
            let text = text.strip_suffix('\n').unwrap();
            prop_assert!(!text.contains(['\n', '\r']));
        }

        #[test]
        fn any_line_can_be_parsed(line in any::<Vec<u8>>()) {
            let mut typed = Vec::with_capacity(100);
            if let Reply::Data(data) = Reply::parse(&line) {
                let _fits = unescape(data, &mut typed);
            }
        }
    }
}
