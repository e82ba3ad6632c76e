//! A person who looks at a whole screen, as a terminal makes it of what a program writes.

use std::{num::NonZero, process::Command};

use rustix::process::Signal;
use vt100::Parser;

use crate::{
    stage::{Place, Stage},
    typist::{Typist, on_terminal},
};

/// The program, and the screen that it paints on.
pub(crate) struct Viewer {
    pub(crate) typist: Typist,
    terminal: Parser,
    /// All that was written.
    pub(crate) written: Vec<u8>,
}

/// `countersign tui` on a terminal of 80 columns and 24 lines, on which alone a dialog could be shown.
pub(crate) fn opens(stage: &Stage) -> Viewer {
    Viewer::of(on_terminal(stage, &["tui"]))
}

/// As [`opens`], where there are windows too.
pub(crate) fn opens_beside_windows(stage: &Stage) -> Viewer {
    let mut command = on_terminal(stage, &["tui"]);
    command.env("DISPLAY", ":77");
    Viewer::of(command)
}

/// As [`opens`], where there may be no agent.
pub(crate) fn opens_at(place: &Place) -> Viewer {
    let mut command = place.command("/usr/bin/setsid");
    command.args(["--ctty", "--wait", crate::stage::PROGRAM, "tui"]);
    Viewer::of(command)
}

impl Viewer {
    pub(crate) fn of(command: Command) -> Self {
        Self {
            typist: Typist::start(command),
            terminal: Parser::new(size(24), size(80), 0),
            written: Vec::new(),
        }
    }

    /// The lines of the screen.
    pub(crate) fn screen(&self) -> String {
        self.terminal.screen().contents()
    }

    /// The terminal.
    pub(crate) fn terminal(&self) -> &vt100::Screen {
        self.terminal.screen()
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn waits_until(&mut self, wanted: impl Fn(&vt100::Screen) -> bool) {
        while !wanted(self.terminal.screen()) {
            let Some(part) = self.typist.hears() else {
                panic!("this stays on the screen:\n{}", self.screen());
            };
            self.written.extend_from_slice(&part);
            self.terminal.process(&part);
        }
    }

    /// Waits until these words are on the screen.
    pub(crate) fn sees(&mut self, words: &str) {
        self.waits_until(|screen| screen.contents().contains(words));
    }

    /// Waits until these words are no longer on the screen.
    pub(crate) fn sees_no(&mut self, words: &str) {
        self.waits_until(|screen| !screen.contents().contains(words));
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.typist.types(keys);
    }

    pub(crate) fn resizes(&mut self, columns: u16, rows: u16) {
        self.terminal
            .screen_mut()
            .set_size(size(rows), size(columns));
        self.typist.resizes(columns, rows);
    }

    pub(crate) fn signals(&self, signal: Signal) {
        self.typist.signals(signal);
    }

    /// Waits for the end: gives the exit code and what the terminal is like then.
    pub(crate) fn ends(mut self) -> (i32, End) {
        self.waits_until(|screen| !screen.alternate_screen());
        self.waits_until(|screen| !screen.hide_cursor());
        let pasting = self.terminal.screen().bracketed_paste();
        let (code, echo) = self.typist.echo_after_end();
        (code, End { echo, pasting })
    }
}

fn size(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap()
}

/// What a terminal is like after a program.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) echo: bool,
    pub(crate) pasting: bool,
}

/// As it was before.
pub(crate) const RESTORED: End = End {
    echo: true,
    pasting: false,
};
