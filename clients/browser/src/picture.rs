//! A picture of the page, in pieces, and the code on it: read by `countersign-desktop`, a child that has given up its
//! powers, and never here.

use core::time::Duration;
use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use countersign_proto::{
    agent::v1::Reason,
    desktop::{PROGRAM, Task, Trouble, next_text},
    limits::{ENROLLMENT_TEXT, PICTURE_BYTES, QR_CODES},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
    time::timeout,
};
use zeroize::Zeroizing;

/// How long the reader may take.
const READING: Duration = Duration::from_mins(1);
/// Where a distribution puts programs that only other programs start.
const ELSEWHERE: [&str; 2] = ["/usr/libexec", "/usr/lib/countersign"];

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
        let given = timeout(READING, read(&self.bytes)).await;
        let given = given.unwrap_or(Err(NoCode::Trouble(Trouble::Failed)))?;
        let mut rest = given.as_slice();
        let mut links = Vec::new();
        for _ in 0..QR_CODES {
            let Some((code, behind)) = next_text(rest, ENROLLMENT_TEXT) else {
                break;
            };
            if is_link(code) {
                links.push(Zeroizing::new(code.to_vec()));
            }
            rest = behind;
        }
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCode {
    /// No code that adds a token.
    #[error("there is no code on the page that adds a token")]
    None,
    /// More than one.
    #[error("there are several codes on the page that add tokens")]
    Several,
    /// The reader of pictures is not there.
    #[error("{PROGRAM} is not installed beside this program")]
    NotInstalled,
    /// The reader gave up.
    #[error("{0}")]
    Trouble(Trouble),
}

impl NoCode {
    /// For the extension.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Several => Reason::EnrollmentAmbiguous,
            Self::NotInstalled | Self::Trouble(Trouble::NotConfined) => {
                Reason::EnrollmentUnsupported
            }
            Self::None | Self::Trouble(_) => Reason::EnrollmentInvalid,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn hint(self) -> &'static str {
        match self {
            Self::None => "show the whole code, and try again",
            Self::Several => "show one of them only",
            Self::NotInstalled => "install all programs of Countersign",
            Self::Trouble(_) => "use the link or the text beside the code",
        }
    }
}

/// The texts of all codes, as the child gives them.
async fn read(picture: &[u8]) -> Result<Zeroizing<Vec<u8>>, NoCode> {
    let failed = |_error| NoCode::Trouble(Trouble::Failed);
    let program = program().ok_or(NoCode::NotInstalled)?;
    let mut child = Command::new(program)
        .arg(Task::ReadPicture.word())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let give = async {
        if let Some(mut stdin) = stdin {
            // A child that reads no further says why with its exit code.
            drop(stdin.write_all(picture).await);
        }
    };
    let take = async {
        let mut given = Zeroizing::new(Vec::new());
        if let Some(stdout) = stdout {
            let most = u64::try_from(PICTURE_BYTES).unwrap_or(u64::MAX);
            stdout
                .take(most)
                .read_to_end(&mut given)
                .await
                .map_err(failed)?;
        }
        Ok(given)
    };
    let ((), given) = tokio::join!(give, take);
    let given = given?;
    let status = child.wait().await.map_err(failed)?;
    if status.success() {
        return Ok(given);
    }
    let trouble = status.code().and_then(Trouble::from_exit_code);
    Err(NoCode::Trouble(trouble.unwrap_or(Trouble::Damaged)))
}

/// The child's program lies beside this one.
fn program() -> Option<PathBuf> {
    let own = env::current_exe().ok()?;
    own.parent()
        .into_iter()
        .chain(ELSEWHERE.map(Path::new))
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
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
