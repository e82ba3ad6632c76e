//! The environment, read once at start.

use std::{env, ffi::OsString, path::PathBuf};

/// What the environment says.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// `XDG_RUNTIME_DIR`, if it is an absolute path (the base directory specification asks for one).
    pub(crate) runtime_folder: Option<PathBuf>,
    /// `NO_COLOR` is set to something (no-color.org), or `TERM` is `dumb`.
    pub(crate) plain: bool,
}

impl Environment {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let set = |value: &OsString| !value.is_empty();
        Self {
            runtime_folder: variable("XDG_RUNTIME_DIR")
                .map(PathBuf::from)
                .filter(|folder| folder.is_absolute()),
            plain: variable("NO_COLOR").as_ref().is_some_and(set)
                || variable("TERM").is_some_and(|term| term == "dumb"),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this program that reads the environment"
)]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}
