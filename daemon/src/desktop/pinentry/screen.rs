//! Where a dialog is shown: what a caller says of its screen is checked first.

use std::{
    ffi::OsString,
    path::{Component, Path},
};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use tracing::warn;

use crate::agent::ports::CallerScreen;

/// The longest field, in bytes.
const LONGEST: usize = 256;

/// Variables of the session that programs with windows look at, beside those that a place has.
const SESSION_VARIABLES: [&str; 3] = ["XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "XDG_DATA_DIRS"];

/// The agent's own session, as its environment had it at the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    search_path: String,
    home: String,
    runtime_folder: String,
    bus: String,
    /// `SESSION_VARIABLES` that are set.
    variables: Vec<(&'static str, String)>,
    /// The session's display and language; it has no terminal.
    session: CallerScreen,
}

/// A place that a dialog can be shown at: a display, a terminal, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place(CallerScreen);

impl Surroundings {
    /// Asks `variable` for each variable of the environment that counts.
    pub fn from_variables(variable: impl Fn(&'static str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let value = |name| set(name).unwrap_or_default();
        // setlocale(3): LC_ALL over the category over LANG.
        let language = |category| {
            set("LC_ALL")
                .or_else(|| set(category))
                .or_else(|| set("LANG"))
                .unwrap_or_default()
        };
        let runtime_folder = value("XDG_RUNTIME_DIR");
        let bus = set("DBUS_SESSION_BUS_ADDRESS").unwrap_or_else(|| {
            if runtime_folder.is_empty() {
                String::new()
            } else {
                format!("unix:path={runtime_folder}/bus")
            }
        });
        Self {
            search_path: value("PATH"),
            home: value("HOME"),
            runtime_folder,
            bus,
            variables: SESSION_VARIABLES
                .into_iter()
                .filter_map(|name| Some((name, set(name)?)))
                .collect(),
            session: CallerScreen {
                tty: String::new(),
                tty_type: String::new(),
                display: value("DISPLAY"),
                wayland_display: value("WAYLAND_DISPLAY"),
                xauthority: value("XAUTHORITY"),
                lc_ctype: language("LC_CTYPE"),
                lc_messages: language("LC_MESSAGES"),
            },
        }
    }

    pub(super) fn search_path(&self) -> &str {
        &self.search_path
    }

    /// Where a caller's dialog goes: to its own screen if it has one, else to the session's. Nothing if
    /// neither has any.
    pub(super) fn place(&self, caller: &CallerScreen) -> Option<Place> {
        let mut screen = checked(caller);
        let has_own = [&screen.tty, &screen.display, &screen.wayland_display]
            .iter()
            .any(|field| !field.is_empty());
        if !has_own {
            screen.display.clone_from(&self.session.display);
            screen
                .wayland_display
                .clone_from(&self.session.wayland_display);
        }
        if screen.xauthority.is_empty() && screen.display == self.session.display {
            screen.xauthority.clone_from(&self.session.xauthority);
        }
        if screen.lc_ctype.is_empty() {
            screen.lc_ctype.clone_from(&self.session.lc_ctype);
        }
        if screen.lc_ctype.is_empty() {
            // Service managers often know no language; a PIN may have any letter all the same.
            "C.UTF-8".clone_into(&mut screen.lc_ctype);
        }
        if screen.lc_messages.is_empty() {
            screen.lc_messages.clone_from(&self.session.lc_messages);
        }
        if !screen.tty.is_empty() && screen.tty_type.is_empty() {
            // What every terminal of today understands.
            "vt100".clone_into(&mut screen.tty_type);
        }
        let place = Place(screen);
        (place.has_windows() || !place.0.tty.is_empty()).then_some(place)
    }

    /// The program's whole environment.
    pub(super) fn environment(&self, place: &Place) -> Vec<(&'static str, OsString)> {
        let screen = &place.0;
        let mut variables = vec![
            ("PATH", &self.search_path),
            ("HOME", &self.home),
            ("GPG_TTY", &screen.tty),
            ("TERM", &screen.tty_type),
            ("LC_CTYPE", &screen.lc_ctype),
            ("LC_MESSAGES", &screen.lc_messages),
        ];
        // Whoever asks from a terminal elsewhere shall not get an answer from the session's desktop, where
        // the bus leads: pinentry-gnome3 takes the bus for a screen.
        if place.has_windows() {
            variables.extend([
                ("DISPLAY", &screen.display),
                ("WAYLAND_DISPLAY", &screen.wayland_display),
                ("XAUTHORITY", &screen.xauthority),
                ("XDG_RUNTIME_DIR", &self.runtime_folder),
                ("DBUS_SESSION_BUS_ADDRESS", &self.bus),
            ]);
            variables.extend(self.variables.iter().map(|(name, value)| (*name, value)));
        }
        variables
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, value.into()))
            .collect()
    }
}

impl Place {
    const fn has_windows(&self) -> bool {
        !self.0.display.is_empty() || !self.0.wayland_display.is_empty()
    }

    /// The program's arguments, as gpg-agent gives them.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        if self.0.display.is_empty() {
            return Vec::new();
        }
        vec!["--display".into(), self.0.display.clone().into()]
    }

    /// Names and values of options; one without a value is a switch.
    pub(super) fn options(&self) -> Vec<(&'static str, &str)> {
        let fields = [
            ("ttyname", &self.0.tty),
            ("ttytype", &self.0.tty_type),
            ("lc-ctype", &self.0.lc_ctype),
            ("lc-messages", &self.0.lc_messages),
        ];
        let set = fields.into_iter().filter(|(_, value)| !value.is_empty());
        // What is typed goes to no other window.
        core::iter::once(("grab", ""))
            .chain(set.map(|(name, value)| (name, value.as_str())))
            .collect()
    }
}

/// The fields that are what they should be; the others are left empty.
fn checked(caller: &CallerScreen) -> CallerScreen {
    let field = |name: &'static str, value: &str, is_right: fn(&str) -> bool| {
        if value.is_empty() || (is_fit(value) && is_right(value)) {
            return value.to_owned();
        }
        warn!(
            field = name,
            "a caller's screen is not used: not what it should be"
        );
        String::new()
    };
    let anything = |_: &str| true;
    CallerScreen {
        tty: field("tty", &caller.tty, is_own_terminal),
        tty_type: field("tty_type", &caller.tty_type, anything),
        display: field("display", &caller.display, anything),
        wayland_display: field("wayland_display", &caller.wayland_display, anything),
        xauthority: field("xauthority", &caller.xauthority, |path| {
            Path::new(path).is_absolute()
        }),
        lc_ctype: field("lc_ctype", &caller.lc_ctype, anything),
        lc_messages: field("lc_messages", &caller.lc_messages, anything),
    }
}

fn is_fit(value: &str) -> bool {
    value.len() <= LONGEST && !value.chars().any(char::is_control)
}

/// A character device of this user's under `/dev`. Looked at through a handle that opens no device.
fn is_own_terminal(path: &str) -> bool {
    let path = Path::new(path);
    let plain = path.starts_with("/dev")
        && !path
            .components()
            .any(|part| matches!(part, Component::ParentDir));
    if !plain {
        return false;
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let found = open(path, flags, Mode::empty()).and_then(fstat);
    found.is_ok_and(|found| {
        FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
            && found.st_uid == rustix::process::geteuid().as_raw()
    })
}

#[cfg(test)]
mod tests;
