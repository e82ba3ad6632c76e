//! A terminal with somebody in front of it: a pair of pseudo-terminals whose output is read and kept.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    num::NonZero,
    os::fd::OwnedFd,
};

use anyhow::{Context as _, Result};
use rustix::{
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};
use tokio::sync::watch;

use crate::{LOOK_EVERY, patiently};

/// Lines and columns.
const SIZE: (NonZero<u16>, NonZero<u16>) = match (NonZero::new(24), NonZero::new(80)) {
    (Some(lines), Some(columns)) => (lines, columns),
    _ => (NonZero::<u16>::MIN, NonZero::<u16>::MIN),
};

/// What somebody sees after this was written.
fn seen(written: &[u8]) -> String {
    let mut screen = vt100::Parser::new(SIZE.0, SIZE.1, 0);
    screen.process(written);
    screen.screen().contents()
}

fn seen_now(shown: &watch::Receiver<Vec<u8>>) -> String {
    seen(&shown.borrow())
}

/// The terminal. It is nobody's controlling terminal.
#[derive(Debug)]
pub struct Terminal {
    path: String,
    keyboard: File,
    shown: watch::Receiver<Vec<u8>>,
    /// As a shell would: the terminal stays when a program closes it.
    held_open: OwnedFd,
}

impl Terminal {
    /// Opens one of 80 columns and 24 lines.
    ///
    /// # Errors
    ///
    /// The system has none to give.
    pub fn open() -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = ptsname(&master, Vec::new())?.into_string()?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let held_open = rustix::fs::open(&path, flags, Mode::empty())?;
        tcsetwinsize(
            &master,
            Winsize {
                ws_row: SIZE.0.get(),
                ws_col: SIZE.1.get(),
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )?;
        let (sender, shown) = watch::channel(Vec::new());
        let mut screen = File::from(master.try_clone()?);
        // Ends when the last program has closed the terminal: reading fails then.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                sender.send_modify(|shown| {
                    shown.extend_from_slice(bytes.get(..read).unwrap_or_default());
                });
            }
        });
        Ok(Self {
            path,
            keyboard: File::from(master),
            shown,
            held_open,
        })
    }

    /// Its path, e.g. `/dev/pts/3`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Another hold of the side that programs see, for a program's standard streams.
    ///
    /// # Errors
    ///
    /// The system has none to give.
    pub fn device(&self) -> Result<OwnedFd> {
        Ok(self.held_open.try_clone()?)
    }

    /// Waits until `text` has been written `times` times.
    ///
    /// # Errors
    ///
    /// It is not, in time; the error says what is shown instead.
    pub fn wait_for(&mut self, text: &str, times: usize) -> Result<()> {
        let mut shown = self.shown.clone();
        let written =
            shown.wait_for(|shown| String::from_utf8_lossy(shown).matches(text).count() >= times);
        patiently(text, written)
            .with_context(|| self.shown())?
            .map(drop)
            .context("the terminal was closed")
    }

    /// Waits until what somebody sees on it is as wanted; gives its lines.
    ///
    /// # Errors
    ///
    /// It is not, in time; the error says what is seen instead.
    pub fn wait_until_seen(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let mut shown = self.shown.clone();
        let come = shown.wait_for(|shown| wanted(&seen(shown)));
        patiently(what, come)
            .with_context(|| seen_now(&self.shown))?
            .map(|shown| seen(&shown))
            .context("the terminal was closed")
    }

    /// Waits until these words are seen on it.
    ///
    /// # Errors
    ///
    /// As [`Terminal::wait_until_seen`].
    pub fn see(&mut self, words: &str) -> Result<()> {
        self.wait_until_seen(words, |seen| seen.contains(words))
            .map(drop)
    }

    /// All that was written to it, with the control sequences.
    #[must_use]
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.borrow()).into_owned()
    }

    /// How often `text` was written to it.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.shown().matches(text).count()
    }

    /// Waits until `text` has been written `times` times and what is typed is not echoed: a program waits
    /// for a secret.
    ///
    /// # Errors
    ///
    /// It is not, in time; the error says what is shown instead.
    pub fn wait_for_secret_prompt(&mut self, text: &str, times: usize) -> Result<()> {
        self.wait_for(text, times)?;
        self.wait_until_echo(false)
    }

    /// Waits until what is typed is echoed, or is not.
    ///
    /// # Errors
    ///
    /// The terminal does not come to that in time.
    pub fn wait_until_echo(&self, wanted: bool) -> Result<()> {
        let come = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while self.echoes()? != wanted {
                looks.tick().await;
            }
            anyhow::Ok(())
        };
        patiently("the terminal's echo", come)?
    }

    /// Whether what is typed is echoed.
    ///
    /// # Errors
    ///
    /// The terminal does not tell.
    pub fn echoes(&self) -> Result<bool> {
        let modes = tcgetattr(&self.keyboard)?.local_modes;
        Ok(modes.contains(LocalModes::ECHO | LocalModes::ICANON))
    }

    /// Presses keys.
    ///
    /// # Errors
    ///
    /// The terminal takes none.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        Ok(self.keyboard.write_all(keys.as_bytes())?)
    }
}
