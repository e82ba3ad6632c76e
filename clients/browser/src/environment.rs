//! The environment that the browser gives, read once at start.

use std::{env, ffi::OsString, path::PathBuf};

use countersign_client::SocketPath;
use countersign_proto::agent::v1::CallerScreen;

/// The longest value that is told to the agent, in bytes.
const LONGEST: usize = 256;

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where the agent is looked for.
    pub socket: SocketPath,
    /// Where the agent shows its dialogs. No terminal: a browser has none.
    pub screen: CallerScreen,
}

impl Environment {
    /// Reads it.
    #[must_use]
    pub fn read() -> Self {
        let folder = variable("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute());
        Self {
            socket: SocketPath::in_runtime_folder(&folder.unwrap_or_else(usual_runtime_folder)),
            screen: CallerScreen {
                tty: String::new(),
                tty_type: String::new(),
                display: first_of(&["DISPLAY"]),
                wayland_display: first_of(&["WAYLAND_DISPLAY"]),
                xauthority: first_of(&["XAUTHORITY"]),
                lc_ctype: first_of(&["LC_ALL", "LC_CTYPE", "LANG"]),
                lc_messages: first_of(&["LC_ALL", "LC_MESSAGES", "LANG"]),
            },
        }
    }
}

/// Where systemd makes it, for a browser that hands on little of its environment. Who owns it is checked before use.
fn usual_runtime_folder() -> PathBuf {
    PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()))
}

/// The first of the variables that is set to something, as POSIX has it for locales.
fn first_of(names: &[&str]) -> String {
    names
        .iter()
        .filter_map(|name| variable(name))
        .find(|value| !value.is_empty())
        .and_then(|value| value.into_string().ok())
        .filter(|value| value.len() <= LONGEST && !value.chars().any(char::is_control))
        .unwrap_or_default()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place of this program that reads the environment"
)]
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}
