//! Between `countersign` and `countersign-desktop`, its child for one task: pictures are taken and read in it, never
//! beside tokens and never in the command line itself.
//!
//! The child gets its task as the one argument and what it works on as standard input, gives what it found on standard
//! output, and ends with 0 or the number of a [`Trouble`].

use core::fmt;

/// The name of the child's program; it lies beside the command line's own.
pub const PROGRAM: &str = "countersign-desktop";

/// What the child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Reads the QR codes of the picture on standard input; gives a [list of texts](encode_texts).
    ReadPicture,
    /// Gives what is in the clipboard, as [`Taken`].
    TakeClipboard,
    /// Gives a picture of the screen, or of the part that the user chooses.
    TakeScreen,
    /// Gives pictures of the camera as they come, [one behind the other](encode_texts), until nobody reads on.
    TakeCamera,
    /// Shows a notification: the first line of standard input, and the others below it.
    Tell,
}

impl Task {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::ReadPicture,
        Self::TakeClipboard,
        Self::TakeScreen,
        Self::TakeCamera,
        Self::Tell,
    ];

    /// The argument.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ReadPicture => "read-picture",
            Self::TakeClipboard => "take-clipboard",
            Self::TakeScreen => "take-screen",
            Self::TakeCamera => "take-camera",
            Self::Tell => "tell",
        }
    }

    /// The task of an argument.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.word() == word)
    }
}

/// Why the child has nothing to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Another argument than a task.
    Usage,
    /// Neither PNG nor JPEG.
    NotAPicture,
    /// More bytes or more dots than is looked at.
    TooLarge,
    /// It begins as a picture and does not go on as one.
    Damaged,
    /// The child could not take its powers off before it read.
    NotConfined,
    /// Neither a Wayland nor an X11 clipboard can be reached.
    NoClipboard,
    /// Neither a picture nor a text is in it.
    EmptyClipboard,
    /// No desktop portal takes pictures of the screen.
    NoPortal,
    /// The user, or the portal, did not allow the picture.
    Declined,
    /// No camera, or it gives no pictures that can be read.
    NoCamera,
    /// This build has no camera support.
    NotBuilt,
    /// No notification server.
    NoNotifications,
    /// The system failed.
    Failed,
}

impl Trouble {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::Usage,
        Self::NotAPicture,
        Self::TooLarge,
        Self::Damaged,
        Self::NotConfined,
        Self::NoClipboard,
        Self::EmptyClipboard,
        Self::NoPortal,
        Self::Declined,
        Self::NoCamera,
        Self::NotBuilt,
        Self::NoNotifications,
        Self::Failed,
    ];

    /// The child's exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::NotAPicture => 10,
            Self::TooLarge => 11,
            Self::Damaged => 12,
            Self::NotConfined => 13,
            Self::NoClipboard => 14,
            Self::EmptyClipboard => 15,
            Self::NoPortal => 16,
            Self::Declined => 17,
            Self::NoCamera => 18,
            Self::NotBuilt => 19,
            Self::NoNotifications => 20,
            Self::Failed => 21,
        }
    }

    /// The trouble of an exit code.
    #[must_use]
    pub fn from_exit_code(code: i32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|trouble| i32::from(trouble.exit_code()) == code)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usage => "countersign-desktop was asked for something that it does not do",
            Self::NotAPicture => "this is neither a PNG nor a JPEG picture",
            Self::TooLarge => "the picture is too large",
            Self::Damaged => "the picture is damaged or ends early",
            Self::NotConfined => "this system does not let the reader of pictures be confined",
            Self::NoClipboard => "no clipboard can be reached",
            Self::EmptyClipboard => "there is neither a picture nor a text in the clipboard",
            Self::NoPortal => "no desktop portal takes pictures of the screen here",
            Self::Declined => "no picture of the screen was taken",
            Self::NoCamera => "no camera gives pictures",
            Self::NotBuilt => "this build has no camera support",
            Self::NoNotifications => "no notification server is running in this session",
            Self::Failed => "the system failed",
        })
    }
}

/// What was in the clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A text follows.
    Text,
    /// A picture follows.
    Picture,
}

impl Taken {
    /// The byte before it.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Text => b't',
            Self::Picture => b'p',
        }
    }

    /// What a byte announces.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b't' => Some(Self::Text),
            b'p' => Some(Self::Picture),
            _ => None,
        }
    }
}

/// Bytes of a length before each text.
const LENGTH: usize = 4;

/// Each text behind its length, 32 bits, most significant first. A text that is longer than that can say is left out.
pub fn encode_texts<'a>(texts: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    for text in texts {
        if let Ok(length) = u32::try_from(text.len()) {
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(text);
        }
    }
}

/// The next text and what is behind it; nothing if it is longer than `most`, or not whole.
#[must_use]
pub fn next_text(bytes: &[u8], most: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    if length > most {
        return None;
    }
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_codes_are_told_apart() {
        for task in Task::ALL {
            assert_eq!(Task::from_word(task.word()), Some(task));
        }
        for trouble in Trouble::ALL {
            let code = i32::from(trouble.exit_code());
            assert_eq!(Trouble::from_exit_code(code), Some(trouble));
        }
        assert_eq!(Trouble::from_exit_code(0), None);
        assert_eq!(Trouble::from_exit_code(101), None, "a panic is none");
        assert_eq!(Task::from_word("--help"), None);
        for taken in [Taken::Text, Taken::Picture] {
            assert_eq!(Taken::from_byte(taken.byte()), Some(taken));
        }
    }

    #[test]
    fn texts_come_back_and_what_is_not_whole_does_not() {
        let mut bytes = Vec::new();
        encode_texts([b"one".as_slice(), b"", b"three"], &mut bytes);
        let (one, rest) = next_text(&bytes, 5).unwrap();
        let (empty, rest) = next_text(rest, 5).unwrap();
        let (three, rest) = next_text(rest, 5).unwrap();
        assert_eq!((one, empty, three), (&b"one"[..], &b""[..], &b"three"[..]));
        assert!(rest.is_empty());
        assert_eq!(next_text(rest, 5), None);
        assert_eq!(next_text(&bytes, 2), None, "longer than is taken");
        for cut in 0..7 {
            assert_eq!(next_text(&bytes[..cut], 5), None);
        }
    }
}
