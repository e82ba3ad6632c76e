//! Pictures and the clipboard, through the child that takes and reads them ([`countersign_client::desktop`]), and what is
//! said when there are none.

use core::time::Duration;

use countersign_client::desktop::{self, DesktopError, READING};
use countersign_proto::{
    agent::v1::Reason,
    desktop::{PROGRAM, Taken, Task, Trouble},
    limits::PICTURE_BYTES,
};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, ChildStdout},
    time::timeout,
};
use zeroize::Zeroizing;

use crate::{exit::Failure, secret_line::Secret};

/// How long a person may choose a part of the screen, or hold a code before the camera.
const CHOOSING: Duration = Duration::from_mins(3);

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
    let codes = desktop::read_codes(picture).await;
    codes.map_err(|error| failed(Task::ReadPicture, &error))
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
    let started = desktop::start(Task::TakeCamera);
    let mut child = started.map_err(|error| failed(Task::TakeCamera, &error))?;
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
    let given = desktop::perform(task, input, most, within).await;
    given.map_err(|error| failed(task, &error))
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
        Ok(status) => failed(Task::TakeCamera, &desktop::ended(status.code())),
        Err(error) => Failure::Input(error),
    }
}

fn failed(task: Task, error: &DesktopError) -> Failure {
    match error {
        DesktopError::Trouble(trouble) => told(*trouble),
        DesktopError::Missing => Failure::refused(
            Reason::EnrollmentUnsupported,
            format!("{PROGRAM} is not installed beside this program."),
            "It reads pictures and the clipboard; install all programs of Countersign.",
        ),
        DesktopError::GaveUp if task == Task::ReadPicture => Failure::refused(
            Reason::EnrollmentInvalid,
            "The picture could not be read: its reader gave up.",
            "Cut the picture to the QR code, or take another one.",
        ),
        DesktopError::GaveUp | DesktopError::System(_) => told(Trouble::Failed),
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
