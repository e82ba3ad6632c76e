//! `countersign-desktop`, a child for one task: it takes pictures and reads their codes, so that no decoder and no bus is
//! in this program, and a picture that brings a decoder down ends that child alone.

use core::time::Duration;
use std::{
    env,
    path::{Path, PathBuf},
    process::Stdio,
};

use countersign_proto::{
    agent::v1::Reason,
    desktop::{PROGRAM, Taken, Task, Trouble, next_text},
    limits::{ENROLLMENT_TEXT, PICTURE_BYTES, QR_CODES},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use zeroize::Zeroizing;

use crate::{exit::Failure, secret_line::Secret};

/// How long the reader of a picture may take.
const READING: Duration = Duration::from_mins(1);
/// How long a person may choose a part of the screen, or hold a code before the camera.
const CHOOSING: Duration = Duration::from_mins(3);
/// Where a distribution puts programs that only other programs start.
const ELSEWHERE: [&str; 2] = ["/usr/libexec", "/usr/lib/countersign"];

/// What was in the clipboard.
pub(crate) enum FromClipboard {
    /// A text.
    Text(Secret),
    /// A picture, undecoded.
    Picture(Secret),
}

/// The texts of the QR codes of a picture.
///
/// # Errors
///
/// It is none, damaged, too large, or the reader cannot be confined.
pub(crate) async fn read_codes(picture: &Secret) -> Result<Vec<Secret>, Failure> {
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

/// What the user copied.
///
/// # Errors
///
/// No clipboard can be reached, or it holds neither text nor picture.
pub(crate) async fn take_clipboard() -> Result<FromClipboard, Failure> {
    let mut given = take(Task::TakeClipboard).await?;
    let taken = given.first().copied().and_then(Taken::from_byte);
    let rest = Zeroizing::new(given.drain(..).skip(1).collect::<Vec<_>>());
    match taken {
        Some(Taken::Text) => Ok(FromClipboard::Text(rest)),
        Some(Taken::Picture) => Ok(FromClipboard::Picture(rest)),
        None => Err(told(Trouble::Failed)),
    }
}

/// A picture, undecoded.
///
/// # Errors
///
/// Those of the task.
pub(crate) async fn take(task: Task) -> Result<Secret, Failure> {
    let most = PICTURE_BYTES.saturating_add(1);
    perform(task, &Zeroizing::new(Vec::new()), most, CHOOSING).await
}

/// Looks at pictures of the camera until one shows a code.
///
/// # Errors
///
/// There is no camera, or no code came in time.
pub(crate) async fn watch_camera() -> Result<Vec<Secret>, Failure> {
    let mut child = start(Task::TakeCamera)?;
    let mut pictures = child.stdout.take().ok_or_else(|| told(Trouble::Failed))?;
    let watch = async {
        loop {
            let Some(picture) = next_picture(&mut pictures).await else {
                return Err(ended(&mut child).await);
            };
            let codes = read_codes(&picture).await?;
            if !codes.is_empty() {
                return Ok(codes);
            }
        }
    };
    timeout(CHOOSING, watch).await.unwrap_or_else(|_late| {
        Err(Failure::refused(
            Reason::Deadline,
            "No QR code came before the camera in time.",
            "",
        ))
    })
}

/// Shows a notification without buttons.
///
/// # Errors
///
/// No notification server answers.
pub(crate) async fn tell(heading: &str, words: &str) -> Result<(), Failure> {
    let text = Zeroizing::new(format!("{heading}\n{words}").into_bytes());
    perform(Task::Tell, &text, 0, READING).await.map(drop)
}

async fn perform(
    task: Task,
    input: &Secret,
    most: usize,
    within: Duration,
) -> Result<Secret, Failure> {
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
                .map_err(Failure::Input)?;
        }
        Ok::<_, Failure>(given)
    };
    let done = timeout(within, async {
        let ((), given) = tokio::join!(give, take);
        let given = given?;
        if given.len() > most {
            return Err(told(Trouble::TooLarge));
        }
        let status = child.wait().await.map_err(Failure::Input)?;
        if status.success() {
            Ok(given)
        } else {
            Err(broken(task, status.code()))
        }
    });
    done.await.unwrap_or_else(|_late| Err(broken(task, None)))
}

/// Killed when it is dropped. Whoever reads pictures gets no environment.
fn start(task: Task) -> Result<Child, Failure> {
    let program = program()?;
    let mut command = Command::new(program);
    command
        .arg(task.word())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    if task == Task::ReadPicture {
        command.env_clear();
    }
    command.spawn().map_err(Failure::Input)
}

/// The child's program lies beside this one.
fn program() -> Result<PathBuf, Failure> {
    let own = env::current_exe().map_err(Failure::Input)?;
    own.parent()
        .into_iter()
        .chain(ELSEWHERE.map(Path::new))
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .ok_or_else(|| {
            Failure::refused(
                Reason::EnrollmentUnsupported,
                format!("{PROGRAM} is not installed beside this program."),
                "It reads pictures and the clipboard; install all programs of Countersign.",
            )
        })
}

async fn next_picture(pictures: &mut ChildStdout) -> Option<Secret> {
    let length = pictures.read_u32().await.ok()?;
    let length = usize::try_from(length).ok()?;
    if length > PICTURE_BYTES {
        return None;
    }
    let mut picture = Zeroizing::new(vec![0; length]);
    pictures.read_exact(&mut picture).await.ok()?;
    Some(picture)
}

async fn ended(child: &mut Child) -> Failure {
    match child.wait().await {
        Ok(status) => broken(Task::TakeCamera, status.code()),
        Err(error) => Failure::Input(error),
    }
}

/// What the exit code of the child means; a child that was killed, or that gave up by itself, has none of ours.
fn broken(task: Task, code: Option<i32>) -> Failure {
    match code.and_then(Trouble::from_exit_code) {
        Some(trouble) => told(trouble),
        None if task == Task::ReadPicture => Failure::refused(
            Reason::EnrollmentInvalid,
            "The picture could not be read: its reader gave up.",
            "Cut the picture to the QR code, or take another one.",
        ),
        None => told(Trouble::Failed),
    }
}

fn told(trouble: Trouble) -> Failure {
    let (reason, hint) = match trouble {
        Trouble::NotAPicture => (
            Reason::EnrollmentInvalid,
            "Save it as PNG or JPEG.".to_owned(),
        ),
        Trouble::TooLarge => (
            Reason::EnrollmentInvalid,
            format!(
                "Cut it to the QR code; at most {} MB and 40 million dots are looked at.",
                PICTURE_BYTES >> 20
            ),
        ),
        Trouble::Damaged => (
            Reason::EnrollmentInvalid,
            "Save or copy the picture again.".to_owned(),
        ),
        Trouble::EmptyClipboard => (
            Reason::EnrollmentInvalid,
            "Copy the picture of the code, or the string, first.".to_owned(),
        ),
        Trouble::NoClipboard | Trouble::NoPortal | Trouble::NoCamera | Trouble::NotBuilt => (
            Reason::EnrollmentUnsupported,
            "Save a picture of the code, and give it with --image.".to_owned(),
        ),
        Trouble::NotConfined => (
            Reason::EnrollmentUnsupported,
            "Give the string instead of its picture.".to_owned(),
        ),
        Trouble::Declined => (Reason::Cancelled, String::new()),
        Trouble::NoNotifications | Trouble::Usage | Trouble::Failed => {
            (Reason::Internal, String::new())
        }
    };
    Failure::refused(reason, trouble.to_string(), hint)
}
