//! The environment, read once at start.

use std::{env, ffi::OsString, io, os::fd::AsFd, path::PathBuf};

use countersign_proto::agent::v1::CallerScreen;

/// The longest value that is told to the agent, in bytes.
const LONGEST: usize = 256;

/// What the environment says.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// `XDG_RUNTIME_DIR`, if it is an absolute path (the base directory specification asks for one).
    pub(crate) runtime_folder: Option<PathBuf>,
    /// `NO_COLOR` is set to something (no-color.org), or `TERM` is `dumb`.
    pub(crate) plain: bool,
    /// `HOME`, if it is an absolute path.
    pub(crate) home: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, if it is an absolute path.
    pub(crate) config_home: Option<PathBuf>,
    /// Where the agent can show a dialog to whoever runs this; what is not known is empty.
    pub(crate) screen: CallerScreen,
}

impl Environment {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let set = |value: &OsString| !value.is_empty();
        let folder = |name| {
            variable(name)
                .map(PathBuf::from)
                .filter(|folder| folder.is_absolute())
        };
        Self {
            runtime_folder: folder("XDG_RUNTIME_DIR"),
            home: folder("HOME"),
            config_home: folder("XDG_CONFIG_HOME"),
            plain: variable("NO_COLOR").as_ref().is_some_and(set)
                || variable("TERM").is_some_and(|term| term == "dumb"),
            screen: screen(),
        }
    }
}

/// The screen and terminal, as gpg tells them to its agent.
fn screen() -> CallerScreen {
    let tty = terminal().unwrap_or_default();
    // The type of a terminal that is not there means nothing.
    let tty_type = if tty.is_empty() {
        String::new()
    } else {
        first_of(&["TERM"])
    };
    CallerScreen {
        tty,
        tty_type,
        display: first_of(&["DISPLAY"]),
        wayland_display: first_of(&["WAYLAND_DISPLAY"]),
        xauthority: first_of(&["XAUTHORITY"]),
        lc_ctype: first_of(&["LC_ALL", "LC_CTYPE", "LANG"]),
        lc_messages: first_of(&["LC_ALL", "LC_MESSAGES", "LANG"]),
    }
}

/// The path of the controlling terminal, by whichever standard stream is connected to it.
fn terminal() -> Option<String> {
    // `/dev/tty` would be of no use: it names each process's own terminal, and the agent has none.
    named(io::stdin())
        .or_else(|| named(io::stdout()))
        .or_else(|| named(io::stderr()))
}

fn named(stream: impl AsFd) -> Option<String> {
    // Answered only for the terminal that controls this process.
    rustix::termios::tcgetsid(&stream).ok()?;
    let path = rustix::termios::ttyname(&stream, Vec::new()).ok()?;
    told(path.into_string().ok()?)
}

/// The first of the variables that is set to something, as POSIX has it for locales.
fn first_of(names: &[&str]) -> String {
    names
        .iter()
        .filter_map(|name| variable(name))
        .find(|value| !value.is_empty())
        .and_then(|value| value.into_string().ok())
        .and_then(told)
        .unwrap_or_default()
}

/// The value, unless it is none that a screen or a terminal could have.
fn told(value: String) -> Option<String> {
    (value.len() <= LONGEST && !value.chars().any(char::is_control)).then_some(value)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this program that reads the environment"
)]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_screen_can_be_called_is_told() {
        assert_eq!(told(":0".to_owned()).as_deref(), Some(":0"));
        assert_eq!(told("x".repeat(LONGEST)).map(|told| told.len()), Some(256));
        assert_eq!(told("x".repeat(LONGEST + 1)), None);
        for hostile in ["a\nb", "a\0b", "\u{1b}[2J", "\u{9b}2J", "a\tb"] {
            assert_eq!(told(hostile.to_owned()), None, "{hostile:?}");
        }
    }
}
