//! A person at a terminal: sees what the program shows, types, and looks whether the echo is on.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    process::{Child, Command},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
};

use rustix::{
    fs::{Mode, OFlags},
    process::Signal,
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, OptionalActions, Winsize},
};

use crate::stage::{PATIENCE, PROGRAM, Stage};

/// How often a terminal is looked at until patience ends.
const LOOKS: u32 = 2_000;

/// The program with a controlling terminal, once a [`Typist`] starts it.
pub(crate) fn on_terminal(stage: &Stage, arguments: &[&str]) -> Command {
    let mut command = stage.place.command("/usr/bin/setsid");
    command.args(["--ctty", "--wait", PROGRAM]).args(arguments);
    command
}

/// Starts the program on a terminal.
pub(crate) fn start(stage: &Stage, arguments: &[&str]) -> Typist {
    Typist::start(on_terminal(stage, arguments))
}

/// Starts the program on a terminal without colours.
pub(crate) fn start_plain(stage: &Stage, arguments: &[&str]) -> Typist {
    let mut command = on_terminal(stage, arguments);
    command.env("NO_COLOR", "1");
    Typist::start(command)
}

/// A program on a terminal of 80 columns.
pub(crate) struct Typist {
    /// The path of the terminal.
    pub(crate) terminal: String,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    seen: String,
    child: Child,
}

impl Typist {
    /// Starts `program` with a controlling terminal of its own: `command` must run `setsid --ctty --wait`.
    pub(crate) fn start(mut command: Command) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = name.to_str().unwrap().to_owned();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let terminal = File::from(rustix::fs::open(name, flags, Mode::empty()).unwrap());
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&terminal, size).unwrap();
        let child = command
            .stdin(terminal.try_clone().unwrap())
            .stdout(terminal.try_clone().unwrap())
            .stderr(terminal)
            .spawn()
            .unwrap();
        // The command holds the last copies of the terminal's side; without them the screen ends.
        drop(command);
        let keyboard = File::from(master);
        let mut eyes = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        thread::spawn(move || {
            let mut part = [0; 1024];
            while let Ok(length @ 1..) = eyes.read(&mut part) {
                if sender.send(part[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            terminal: path,
            keyboard,
            screen,
            seen: String::new(),
            child,
        }
    }

    /// Waits until `words` are on the screen, and forgets all that came before their end.
    pub(crate) fn sees(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return core::mem::replace(&mut self.seen, rest);
            }
            match self.screen.recv_timeout(PATIENCE) {
                Ok(part) => self.seen.push_str(&String::from_utf8_lossy(&part)),
                Err(error) => panic!("{words:?} was never seen, but {:?}: {error}", self.seen),
            }
        }
    }

    /// What the program writes next; `None` if it writes nothing more.
    pub(crate) fn hears(&self) -> Option<Vec<u8>> {
        self.screen.recv_timeout(PATIENCE).ok()
    }

    /// Gives the terminal another size.
    pub(crate) fn resizes(&self, columns: u16, rows: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&self.keyboard, size).unwrap();
    }

    /// Sends a signal to the program that the terminal belongs to.
    pub(crate) fn signals(&self, signal: Signal) {
        let program = rustix::termios::tcgetpgrp(&self.keyboard).unwrap();
        rustix::process::kill_process(program, signal).unwrap();
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether what is typed is shown.
    pub(crate) fn echo(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.keyboard).unwrap();
        modes.local_modes.contains(LocalModes::ECHO)
    }

    /// Waits until a line is read that is not shown as it is typed.
    pub(crate) fn waits_until_unseen(&self) {
        // Nothing tells of it: it is looked at now and then.
        let (_held, never) = channel::<()>();
        for _ in 0..LOOKS {
            let modes = rustix::termios::tcgetattr(&self.keyboard).unwrap();
            let local = modes.local_modes;
            if local.contains(LocalModes::ICANON) && !local.contains(LocalModes::ECHO) {
                return;
            }
            never.recv_timeout(PATIENCE / LOOKS).unwrap_or_default();
        }
        panic!("a secret was never asked for");
    }

    /// Changes the terminal as a dialog program does that is drawn on it.
    pub(crate) fn hides_what_is_typed(&self) {
        let mut modes = rustix::termios::tcgetattr(&self.keyboard).unwrap();
        modes
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON);
        rustix::termios::tcsetattr(&self.keyboard, OptionalActions::Now, &modes).unwrap();
    }

    /// Waits for the end; gives the exit code and whether what is typed is shown again.
    ///
    /// A copy of the terminal's side stays open, so that its state outlives the program.
    pub(crate) fn echo_after_end(mut self) -> (i32, bool) {
        let code = self.child.wait().unwrap().code().unwrap();
        (code, self.echo())
    }

    /// Waits for the end; gives the exit code and the rest of the screen.
    pub(crate) fn ends(mut self) -> (i32, String) {
        loop {
            match self.screen.recv_timeout(PATIENCE) {
                Ok(part) => self.seen.push_str(&String::from_utf8_lossy(&part)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.child.kill().unwrap();
                    panic!("the program does not end; the screen shows {:?}", self.seen);
                }
            }
        }
        let code = self.child.wait().unwrap().code().unwrap();
        (code, self.seen)
    }
}
