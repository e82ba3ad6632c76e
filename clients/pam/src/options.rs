//! The words behind `pam_countersign.so` in a service's file.

use std::ffi::CStr;

use core::time::Duration;

use countersign_core::{
    pam_passcode::Window,
    sudo::{Finger, Least},
};
use countersign_proto::limits;

/// What the line of the service's file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What is asked for.
    pub mode: Mode,
    /// How long it may take in all.
    pub timeout: Duration,
    /// Does the terminal show a number that is typed into the agent?
    pub number: Number,
    /// The least that is accepted, whatever the key's line says.
    pub least: Least,
    /// Does root ask for a finger, whatever the key's line says?
    pub finger: Finger,
    /// `window=N`: passcodes around the expected one that are right too.
    pub window: Window,
    /// When the gateway asks the user's desktop.
    pub desktop: Desktop,
    /// Whose agent is asked.
    pub account: Account,
    /// Is a question from another host put to the user?
    pub remote: Remote,
    /// Whom it concerns; nobody else is asked, and nothing is said about them. Empty: everybody.
    pub only: Vec<Who>,
    /// What the user reads.
    pub words: Words,
    /// What the log says.
    pub log: LogAmount,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The agent's approval.
    #[default]
    Approval,
    /// `passcode`: a passcode, checked against root's record of the user.
    Passcode,
    /// `gateway`: a passcode, or the user's desktop, checked by the gateway of `gateway.toml`.
    Gateway,
}

/// When does the gateway ask the user's desktop?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Desktop {
    /// When nothing is typed where a passcode is asked for.
    #[default]
    OnEmpty,
    /// `push`: at once; nothing is asked for here.
    AtOnce,
}

/// Does the terminal show a number?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Number {
    /// No.
    #[default]
    Off,
    /// `number`
    Shown,
}

/// Whose agent is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Account {
    /// That of the account to be proved; nobody where another user asks.
    #[default]
    Proved,
    /// `ask=caller`: that of the user who asks. For su and `targetpw`, where an administrator wants that.
    Caller,
}

/// Is a question from another host put to the user?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Remote {
    /// No: whoever knows a name could have its owner asked, from anywhere.
    #[default]
    NotAsked,
    /// `remote`: where something else stands before the line.
    Asked,
}

/// Whom a line concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// `user=NAME`
    User(String),
    /// `group=NAME`
    Group(String),
}

/// What the user reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// One line: where to approve, or why not.
    #[default]
    Some,
    /// `quiet`: nothing, but a number where one is shown.
    Quiet,
}

/// What the log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogAmount {
    /// How each question ended.
    #[default]
    Endings,
    /// `debug`: also why nobody was asked.
    Everything,
}

/// A word that is not understood. Nobody is asked then: a mistake must not weaken a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// Not one of ours.
    #[error("the option {0:?} is unknown")]
    Unknown(String),
    /// Its value is out of bounds.
    #[error("the option {0:?} has a value that is not allowed")]
    Value(String),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            timeout: Duration::from_secs(30),
            number: Number::default(),
            least: Least::Presence,
            finger: Finger::default(),
            window: Window::DEFAULT,
            desktop: Desktop::default(),
            account: Account::default(),
            remote: Remote::default(),
            only: Vec::new(),
            words: Words::default(),
            log: LogAmount::default(),
        }
    }
}

impl Options {
    /// Reads the words.
    ///
    /// # Errors
    ///
    /// Every variant of [`OptionsError`].
    pub fn parse(arguments: &[&CStr]) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        for argument in arguments {
            let text = argument.to_string_lossy();
            options.take(&text)?;
        }
        Ok(options)
    }

    /// Does it make a difference who asks, beside whose account is to be proved?
    pub(crate) fn minds_who_asks(&self) -> bool {
        match self.mode {
            Mode::Approval => true,
            // `ask=caller` means the caller's passcodes.
            Mode::Passcode | Mode::Gateway => self.account == Account::Caller,
        }
    }

    fn take(&mut self, text: &str) -> Result<(), OptionsError> {
        let wrong = || OptionsError::Value(text.to_owned());
        match text.split_once('=').unwrap_or((text, "")) {
            // Both words: the passcode is the gateway's.
            ("passcode", "") if self.mode == Mode::Gateway => {}
            ("passcode", "") => self.mode = Mode::Passcode,
            ("gateway", "") => self.mode = Mode::Gateway,
            ("push", "") => self.desktop = Desktop::AtOnce,
            ("window", size) => self.window = size.parse().map_err(|_bounds| wrong())?,
            ("number", "") => self.number = Number::Shown,
            ("remote", "") => self.remote = Remote::Asked,
            ("quiet", "") => self.words = Words::Quiet,
            ("debug", "") => self.log = LogAmount::Everything,
            ("timeout", seconds) => {
                let seconds: u32 = seconds.parse().map_err(|_not_a_number| wrong())?;
                if !limits::SUDO_WAIT_SECONDS.contains(&seconds) {
                    return Err(wrong());
                }
                self.timeout = Duration::from_secs(seconds.into());
            }
            ("verify", word) => self.least = Least::from_word(word).ok_or_else(wrong)?,
            ("finger", "root") => self.finger = Finger::ByRoot,
            ("ask", "caller") => self.account = Account::Caller,
            ("user", name) if !name.is_empty() => self.only.push(Who::User(name.to_owned())),
            ("group", name) if !name.is_empty() => self.only.push(Who::Group(name.to_owned())),
            ("finger" | "ask" | "user" | "group", _) => return Err(wrong()),
            _ => return Err(OptionsError::Unknown(text.to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    fn parse(words: &str) -> Result<Options, OptionsError> {
        let words: Vec<_> = words
            .split_ascii_whitespace()
            .map(|word| CString::new(word).unwrap())
            .collect();
        let words: Vec<_> = words.iter().map(CString::as_c_str).collect();
        Options::parse(&words)
    }

    #[test]
    fn every_option_is_understood() {
        let options = parse("timeout=20 number verify=pin finger=root ask=caller remote user=alice group=wheel quiet debug passcode window=3 push").unwrap();
        assert_eq!(
            options,
            Options {
                mode: Mode::Passcode,
                timeout: Duration::from_secs(20),
                number: Number::Shown,
                least: Least::Pin,
                finger: Finger::ByRoot,
                window: Window::new(3).unwrap(),
                desktop: Desktop::AtOnce,
                account: Account::Caller,
                remote: Remote::Asked,
                only: vec![Who::User("alice".into()), Who::Group("wheel".into())],
                words: Words::Quiet,
                log: LogAmount::Everything,
            }
        );
        assert_eq!(parse("").unwrap(), Options::default());
        for both in ["passcode gateway", "gateway passcode", "gateway"] {
            assert_eq!(parse(both).unwrap().mode, Mode::Gateway);
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in [
            "timeout=4",
            "timeout=121",
            "timeout=",
            "timeout",
            "timeout=-5",
            "window=21",
            "window=",
            "window",
            "verify=click",
            "verify",
            "finger",
            "finger=agent",
            "ask=target",
            "user=",
            "group",
        ] {
            assert_eq!(parse(wrong), Err(OptionsError::Value(wrong.to_owned())));
        }
        for unknown in ["nullok", "number=3", "quiet=yes", "Timeout=20"] {
            assert_eq!(
                parse(unknown),
                Err(OptionsError::Unknown(unknown.to_owned()))
            );
        }
    }
}
