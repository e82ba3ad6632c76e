//! The folders above what the module believes.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
};

use crate::error::Failure;

/// What a folder is for others: they may enter and look.
const OPEN: u32 = 0o755;

/// Makes those that are not there, in this order. One that is there stays as the administrator has it.
///
/// # Errors
///
/// [`Failure::MakeFolder`].
pub(crate) fn make(folders: &[&'static str]) -> Result<(), Failure> {
    for folder in folders {
        match DirBuilder::new().mode(OPEN).create(folder) {
            // Whatever root's umask says: `countersign doctor` looks at them without root's rights.
            Ok(()) => fs::set_permissions(folder, Permissions::from_mode(OPEN)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
        .map_err(|error| Failure::MakeFolder(folder, error))?;
    }
    Ok(())
}
