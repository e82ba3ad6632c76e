//! Registers the handler of links with the desktop, and takes that back.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::say;

/// Opens `countersign://`.
pub(crate) const ENROLL: &str = "org.countersign.Enroll.desktop";
/// Opens `otpauth://`, which other programs open too: only where that is wished.
pub(crate) const OTPAUTH: &str = "org.countersign.Otpauth.desktop";

/// Keeps the desktop's list of who opens what.
const DATABASE: &str = "update-desktop-database";

/// Tells the desktop what lies in `folder` now.
///
/// # Errors
///
/// Standard output takes no more.
pub(crate) fn announce(folder: &Path) -> Result<()> {
    let told = Command::new(DATABASE).arg(folder).status();
    if told.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Ok(say::line(format_args!(
        "{DATABASE} (package desktop-file-utils) is not here: run it on {} so that links open Countersign",
        folder.display()
    ))?)
}

/// Removes files, those that are there, and says which.
///
/// # Errors
///
/// One cannot be removed.
pub(crate) fn remove(files: &[PathBuf]) -> Result<()> {
    for file in files {
        match fs::remove_file(file) {
            Ok(()) => say::line(format_args!("removed {}", file.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
        }
    }
    Ok(())
}
