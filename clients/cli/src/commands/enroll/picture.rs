//! A picture's file, read within bounds and not looked into.

use std::{
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use countersign_proto::{agent::v1::Reason, limits::PICTURE_BYTES};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::{exit::Failure, secret_line::Secret, text};

/// Whether the name stands for standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// All of the file; a device or a pipe is waited for only where standard input is one.
///
/// # Errors
///
/// It cannot be read, is no file, or is too large.
pub(super) fn read(file: &Path) -> Result<Secret, Failure> {
    if is_stdin(file) {
        return bounded(io::stdin().lock());
    }
    let name = text::sentence(&file.to_string_lossy());
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(file)
        .map_err(|error| Failure::usage(format!("{name} cannot be read: {error}."), ""))?;
    if !opened.metadata().is_ok_and(|about| about.is_file()) {
        return Err(Failure::usage(
            format!("{name} is no file."),
            "Name a PNG or JPEG picture.",
        ));
    }
    bounded(opened)
}

fn bounded(from: impl Read) -> Result<Secret, Failure> {
    let most = u64::try_from(PICTURE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(Failure::Input)?;
    if bytes.len() > PICTURE_BYTES {
        return Err(Failure::refused(
            Reason::EnrollmentInvalid,
            "The picture is too large.",
            format!(
                "Cut it to the QR code; at most {} MB are looked at.",
                PICTURE_BYTES >> 20
            ),
        ));
    }
    Ok(bytes)
}
