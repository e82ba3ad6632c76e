//! `countersign-desktop`, a child for one task: it takes pictures and reads their codes, so that no decoder and no bus is
//! in a program that talks to the agent, and a picture that brings a decoder down ends that child alone.

use core::time::Duration;
use std::{
    env, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use countersign_proto::{
    desktop::{PROGRAM, Task, Trouble, next_text},
    limits::{ENROLLMENT_TEXT, PICTURE_BYTES, QR_CODES},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
    time::timeout,
};
use zeroize::Zeroizing;

/// How long the reader of a picture may take.
pub const READING: Duration = Duration::from_mins(1);
/// Where a distribution puts programs that only other programs start.
const ELSEWHERE: [&str; 2] = ["/usr/libexec", "/usr/lib/countersign"];

/// Why the child gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum DesktopError {
    /// Its program is not there.
    #[error("{PROGRAM} is not installed beside this program.")]
    Missing,
    /// It says why.
    #[error("{PROGRAM} says: {0}.")]
    Trouble(Trouble),
    /// It was ended, or took too long. Of a picture: its reader gave up.
    #[error("{PROGRAM} gave up.")]
    GaveUp,
    /// The system did not start it, or its pipes failed.
    #[error("{PROGRAM} could not be run.")]
    System(#[source] io::Error),
}

/// The texts of the QR codes of a picture, as many and as long as an enrollment can have.
///
/// # Errors
///
/// Every variant of [`DesktopError`].
pub async fn read_codes(picture: &[u8]) -> Result<Vec<Zeroizing<Vec<u8>>>, DesktopError> {
    let given = perform(Task::ReadPicture, picture, PICTURE_BYTES, READING).await?;
    let mut rest = given.as_slice();
    let mut codes = Vec::new();
    while codes.len() < QR_CODES {
        let Some((code, behind)) = next_text(rest, ENROLLMENT_TEXT) else {
            break;
        };
        codes.push(Zeroizing::new(code.to_vec()));
        rest = behind;
    }
    Ok(codes)
}

/// Has a task done with `input`; at most `most` bytes are taken, for at most `within`.
///
/// # Errors
///
/// Every variant of [`DesktopError`].
pub async fn perform(
    task: Task,
    input: &[u8],
    most: usize,
    within: Duration,
) -> Result<Zeroizing<Vec<u8>>, DesktopError> {
    let mut child = start(task)?;
    let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let give = async {
        if let Some(stdin) = &mut stdin {
            // A child that reads no further says why with its exit code.
            drop(stdin.write_all(input).await);
            drop(stdin.shutdown().await);
        }
        drop(stdin.take());
    };
    let take = async {
        let mut given = Zeroizing::new(Vec::new());
        if let Some(stdout) = stdout {
            let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
            stdout
                .take(limit)
                .read_to_end(&mut given)
                .await
                .map_err(DesktopError::System)?;
        }
        Ok::<_, DesktopError>(given)
    };
    let done = timeout(within, async {
        let ((), given) = tokio::join!(give, take);
        let given = given?;
        if given.len() > most {
            return Err(DesktopError::Trouble(Trouble::TooLarge));
        }
        let status = child.wait().await.map_err(DesktopError::System)?;
        if status.success() {
            Ok(given)
        } else {
            Err(ended(status.code()))
        }
    });
    done.await.unwrap_or(Err(DesktopError::GaveUp))
}

/// Starts it; killed when it is dropped. Whoever reads pictures gets no environment.
///
/// # Errors
///
/// [`DesktopError::Missing`], [`DesktopError::System`].
pub fn start(task: Task) -> Result<Child, DesktopError> {
    let mut command = Command::new(program()?);
    command
        .arg(task.word())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if task == Task::ReadPicture {
        command.env_clear();
    }
    command.spawn().map_err(DesktopError::System)
}

/// What the exit code of the child means; one that was killed, or that gave up by itself, has none of ours.
#[must_use]
pub fn ended(code: Option<i32>) -> DesktopError {
    let trouble = code.and_then(Trouble::from_exit_code);
    trouble.map_or(DesktopError::GaveUp, DesktopError::Trouble)
}

/// The child's program lies beside this one.
fn program() -> Result<PathBuf, DesktopError> {
    let own = env::current_exe().map_err(DesktopError::System)?;
    own.parent()
        .into_iter()
        .chain(ELSEWHERE.map(Path::new))
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .ok_or(DesktopError::Missing)
}
