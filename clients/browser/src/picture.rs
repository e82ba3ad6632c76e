//! A picture of the page, in pieces, and the code on it: read by `countersign-desktop`, a child that has given up its
//! powers, and never here.

use countersign_client::desktop::{self, DesktopError};
use countersign_proto::{agent::v1::Reason, desktop::Trouble};
use zeroize::Zeroizing;

/// A picture on its way.
#[derive(Debug)]
pub struct Picture {
    /// The request that it belongs to.
    pub id: u64,
    size: usize,
    bytes: Zeroizing<Vec<u8>>,
}

/// What became of a picture with another piece.
#[derive(Debug)]
pub enum Grown {
    /// More is to come.
    Part(Picture),
    /// It is whole.
    Whole(Picture),
    /// More came than was said.
    TooLong,
}

impl Picture {
    /// Of so many bytes, none of them here.
    #[must_use]
    pub fn new(id: u64, size: usize) -> Self {
        Self {
            id,
            size,
            bytes: Zeroizing::new(Vec::new()),
        }
    }

    /// With a piece more.
    #[must_use]
    pub fn with(mut self, piece: &[u8]) -> Grown {
        if piece.len() > self.size.saturating_sub(self.bytes.len()) {
            return Grown::TooLong;
        }
        self.bytes.extend_from_slice(piece);
        if self.bytes.len() == self.size {
            Grown::Whole(self)
        } else {
            Grown::Part(self)
        }
    }

    /// The link on it.
    ///
    /// # Errors
    ///
    /// [`NoCode`].
    pub async fn link(self) -> Result<Zeroizing<Vec<u8>>, NoCode> {
        let mut links = desktop::read_codes(&self.bytes).await?;
        links.retain(|code| is_link(code));
        match (links.pop(), links.is_empty()) {
            (Some(link), true) => Ok(link),
            (None, _) => Err(NoCode::None),
            (Some(_), false) => Err(NoCode::Several),
        }
    }
}

/// Other codes on a page are none of ours.
fn is_link(code: &[u8]) -> bool {
    const SCHEMES: [&[u8]; 4] = [b"countersign:", b"otpauth:", b"otpauth-migration:", b"pia:"];
    SCHEMES.iter().any(|scheme| {
        code.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum NoCode {
    /// No code that adds a token.
    #[error("There is no code on the page that adds a token.")]
    None,
    /// More than one.
    #[error("There are several codes on the page that add tokens.")]
    Several,
    /// The reader of pictures has none.
    #[error(transparent)]
    Reader(#[from] DesktopError),
}

impl NoCode {
    /// For the extension.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Several => Reason::EnrollmentAmbiguous,
            Self::Reader(DesktopError::Missing | DesktopError::Trouble(Trouble::NotConfined)) => {
                Reason::EnrollmentUnsupported
            }
            Self::None | Self::Reader(_) => Reason::EnrollmentInvalid,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::None => "Show the whole code, and try again.",
            Self::Several => "Show one of them only.",
            Self::Reader(DesktopError::Missing) => "Install all programs of Countersign.",
            Self::Reader(_) => "Use the link or the text beside the code.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_grows_to_its_size_and_no_further() {
        let picture = Picture::new(1, 5);
        let Grown::Part(picture) = picture.with(b"abc") else {
            panic!("not part");
        };
        assert!(matches!(Picture::new(2, 5).with(b"abcdef"), Grown::TooLong));
        let Grown::Whole(picture) = picture.with(b"de") else {
            panic!("not whole");
        };
        assert_eq!(picture.bytes.as_slice(), b"abcde");
    }

    #[test]
    fn only_what_adds_a_token_is_a_link() {
        assert!(is_link(b"OTPAUTH://totp/x"));
        assert!(is_link(b"countersign://enroll?data=x"));
        assert!(!is_link(b"https://example.com"));
        assert!(!is_link(b"otp"));
    }
}
