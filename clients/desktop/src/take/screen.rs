//! A picture of the screen, through the desktop portal: its dialog lets the user choose what is taken.

use std::{
    fs::{self, File, OpenOptions},
    io::Read as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use ashpd::{
    Error as PortalError,
    desktop::{ResponseError, screenshot::Screenshot},
};
use countersign_proto::{desktop::Trouble, limits::PICTURE_BYTES};
use rustix::fs::OFlags;
use url::Url;
use zeroize::Zeroizing;

/// Asks the portal, reads the file that it wrote, and removes it: a code on it is a secret.
///
/// # Errors
///
/// [`Trouble::NoPortal`], [`Trouble::Declined`], [`Trouble::TooLarge`].
pub(crate) fn take() -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_error| Trouble::Failed)?;
    let place = runtime.block_on(ask())?;
    let picture = read(&place);
    // What cannot be removed was not ours alone; the picture was taken all the same.
    drop(fs::remove_file(&place));
    picture
}

async fn ask() -> Result<PathBuf, Trouble> {
    let request = Screenshot::request().interactive(true).modal(true);
    let answer = request.send().await.map_err(|error| trouble(&error))?;
    let screenshot = answer.response().map_err(|error| trouble(&error))?;
    let place = Url::parse(screenshot.uri().as_str()).map_err(|_strange| Trouble::NoPortal)?;
    place.to_file_path().map_err(|()| Trouble::NoPortal)
}

fn trouble(error: &PortalError) -> Trouble {
    if let PortalError::Response(ResponseError::Cancelled | ResponseError::Other) = error {
        Trouble::Declined
    } else {
        Trouble::NoPortal
    }
}

fn read(place: &Path) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags).map_err(|_over| Trouble::Failed)?)
        .open(place)
        .map_err(|_error| Trouble::Failed)?;
    if !file.metadata().is_ok_and(|about| about.is_file()) {
        return Err(Trouble::Failed);
    }
    let limit = u64::try_from(PICTURE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|_error| Trouble::Failed)?;
    if bytes.len() > PICTURE_BYTES {
        return Err(Trouble::TooLarge);
    }
    Ok(bytes)
}
