//! Questions on the controlling terminal.
//!
//! Answers are read from `/dev/tty`, so that standard input may carry something else, over a descriptor
//! of our own, so that no other program sees it change. Questions go to standard error. What is typed
//! unseen is wiped, and the terminal is put back on every way out.

use std::{
    io::{self, IsTerminal as _},
    os::fd::{AsFd, OwnedFd},
};

use countersign_proto::agent::v1::Reason;
use rustix::{
    fs::{Mode, OFlags},
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios},
};
use tokio::net::unix::pipe::Receiver;
use zeroize::Zeroizing;

use crate::{
    exit::Failure,
    interrupts::Interrupts,
    output,
    secret_line::{self, Secret},
};

/// The longest line that a person types where it is shown, in bytes.
const LINE: usize = 1024;
/// How often a question is put again after an answer that is none.
const ATTEMPTS: u32 = 3;

/// A terminal with a person before it.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// A pipe to tokio: the same readiness, and its type is the safe way to watch a descriptor of ours.
    tty: Receiver,
}

impl Terminal {
    /// The controlling terminal; `None` if there is none, or nobody would see a question.
    pub(crate) fn open(interrupts: &Interrupts) -> Option<Self> {
        if !io::stderr().is_terminal() {
            return None;
        }
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let tty = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        interrupts.arm().ok()?;
        Some(Self {
            tty: Receiver::from_owned_fd_unchecked(tty).ok()?,
        })
    }

    /// Asks for a line that is shown as it is typed. What was typed ahead counts.
    ///
    /// # Errors
    ///
    /// The terminal is gone, or the user ends the input.
    pub(crate) async fn ask(&self, question: &str) -> Result<String, Failure> {
        output::note(question);
        let line = self.line(LINE).await?;
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }

    /// Asks a question that is answered with yes or no; anything but yes is no.
    ///
    /// # Errors
    ///
    /// The terminal is gone, or the user ends the input.
    pub(crate) async fn confirm(&self, question: &str) -> Result<bool, Failure> {
        let answer = self.ask(&format!("{question} [y/N] ")).await?;
        Ok(answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"))
    }

    /// Offers something that most take; only a no is no.
    ///
    /// # Errors
    ///
    /// The terminal is gone, or the user ends the input.
    pub(crate) async fn offer(&self, question: &str) -> Result<bool, Failure> {
        let answer = self.ask(&format!("{question} [Y/n] ")).await?;
        Ok(!answer.eq_ignore_ascii_case("n") && !answer.eq_ignore_ascii_case("no"))
    }

    /// Asks for a secret, not shown as it is typed, of at most `max` bytes. What was typed ahead is
    /// thrown away: it was shown.
    ///
    /// # Errors
    ///
    /// The terminal is gone, the user ends the input, or the secret is empty or too long.
    pub(crate) async fn ask_hidden(
        &self,
        what: &str,
        question: &str,
        max: usize,
    ) -> Result<Secret, Failure> {
        let line = self.hidden_line(question, max).await?;
        secret_line::finish(what, line, max)
    }

    /// Reads a secret where the cursor is, not shown as it is typed, of at most `max` bytes. The question stands
    /// there already. Nothing if the user goes back: with Esc, Ctrl-C, Ctrl-D or an empty line.
    ///
    /// # Errors
    ///
    /// The terminal is gone, or the secret is too long.
    pub(crate) async fn read_hidden(
        &self,
        what: &str,
        max: usize,
    ) -> Result<Option<Secret>, Failure> {
        let quiet = Quiet::begin(&self.tty, Back::Keys)?;
        let line = self.line(max.saturating_add(1)).await;
        drop(quiet);
        let line = match line {
            Ok(line) => line,
            Err(failure) if failure.reason() == Reason::Cancelled => return Ok(None),
            Err(failure) => return Err(failure),
        };
        if line.is_empty() || line.iter().any(|byte| [ESCAPE, INTERRUPT].contains(byte)) {
            return Ok(None);
        }
        secret_line::finish(what, line, max).map(Some)
    }

    /// Asks for a new secret twice, until both are the same.
    ///
    /// # Errors
    ///
    /// As [`Terminal::ask_hidden`], or the two differ every time.
    pub(crate) async fn ask_new(&self, what: &str, max: usize) -> Result<Secret, Failure> {
        let question = format!("New {what}");
        let first = self.ask_hidden(what, &question, max).await?;
        self.repeated(first, what, &question, max).await
    }

    /// As [`Terminal::ask_new`] with another first question; an empty line chooses none.
    ///
    /// # Errors
    ///
    /// As [`Terminal::ask_new`].
    pub(crate) async fn ask_new_or_none(
        &self,
        what: &str,
        question: &str,
        max: usize,
    ) -> Result<Option<Secret>, Failure> {
        let line = self.hidden_line(question, max).await?;
        let first = secret_line::finish_or_empty(what, line, max)?;
        if first.is_empty() {
            return Ok(None);
        }
        let again = format!("New {what}");
        self.repeated(first, what, &again, max).await.map(Some)
    }

    /// The same secret again; if it is another one, both are asked for again.
    async fn repeated(
        &self,
        mut first: Secret,
        what: &str,
        question: &str,
        max: usize,
    ) -> Result<Secret, Failure> {
        for attempt in 1..=ATTEMPTS {
            let second = self
                .ask_hidden(what, &format!("The same {what} again"), max)
                .await?;
            if first == second {
                return Ok(first);
            }
            output::note("These are not the same.\n");
            if attempt < ATTEMPTS {
                first = self.ask_hidden(what, question, max).await?;
            }
        }
        Err(Failure::cancelled(format!(
            "The {what} was not typed twice the same."
        )))
    }

    /// One line that is not shown as it is typed.
    async fn hidden_line(&self, question: &str, max: usize) -> Result<Secret, Failure> {
        let quiet = Quiet::begin(&self.tty, Back::Signals)?;
        output::note(&format!("{question}: "));
        let line = self.line(max).await;
        drop(quiet);
        output::note("\n");
        line
    }

    /// One line without its end. Canonical mode: the terminal driver edits, `read` gives whole lines.
    async fn line(&self, max: usize) -> Result<Secret, Failure> {
        let mut line: Secret = Zeroizing::new(Vec::with_capacity(max.saturating_add(256)));
        let mut part = Zeroizing::new([0_u8; 256]);
        loop {
            self.tty.readable().await.map_err(Failure::Input)?;
            let length = match self.tty.try_read(part.as_mut_slice()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                read => read.map_err(Failure::Input)?,
            };
            let read = part.get(..length).unwrap_or_default();
            let (text, ended) = match read.strip_suffix(b"\n") {
                Some(text) => (text, true),
                // A key that goes back ends a line too, where it is one.
                None => (
                    read,
                    matches!(read.last(), None | Some(&(ESCAPE | INTERRUPT))),
                ),
            };
            if line.len().saturating_add(text.len()) > max {
                return Err(Failure::usage("That was too long.", ""));
            }
            line.extend_from_slice(text);
            if read.is_empty() && line.is_empty() {
                return Err(Failure::cancelled("Nothing was typed."));
            }
            if ended {
                return Ok(line);
            }
        }
    }
}

/// The modes of the controlling terminal, put back when this is dropped.
///
/// The agent's dialog may be drawn on this terminal by another program, which is ended when this one is: then nobody else
/// puts the modes back that it has changed.
pub(crate) struct Kept {
    tty: OwnedFd,
    before: Termios,
}

impl Kept {
    /// Keeps them; `None` if there is no controlling terminal.
    pub(crate) fn begin(interrupts: &Interrupts) -> Option<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let tty = rustix::fs::open("/dev/tty", flags, Mode::empty()).ok()?;
        let before = rustix::termios::tcgetattr(&tty).ok()?;
        interrupts.arm().ok()?;
        Some(Self { tty, before })
    }

    /// Whether the terminal is ours to change: in the background it is somebody else's, and touching it
    /// would stop us.
    fn is_ours(&self) -> bool {
        rustix::termios::tcgetpgrp(&self.tty)
            .is_ok_and(|foreground| foreground == rustix::process::getpgrp())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let changed = rustix::termios::tcgetattr(&self.tty).is_ok_and(|now| {
            now.local_modes != self.before.local_modes
                || now.input_modes != self.before.input_modes
                || now.output_modes != self.before.output_modes
        });
        if changed && self.is_ours() {
            put_back(&self.tty, &self.before);
        }
    }
}

/// The terminal, or why the command cannot go on without one.
pub(crate) fn or_refuse(
    terminal: Option<Terminal>,
    reason: Reason,
    message: &str,
    hint: &str,
) -> Result<Terminal, Failure> {
    terminal.ok_or_else(|| Failure::refused(reason, message, hint))
}

/// The keys that go back where a secret is asked for on a screen.
const ESCAPE: u8 = 0x1b;
const INTERRUPT: u8 = 0x03;

/// How somebody goes back who is asked for a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Back {
    /// With a signal, which ends the command.
    Signals,
    /// With a key, which ends the line and is in it.
    Keys,
}

/// Echo is off until this is dropped.
struct Quiet<'tty> {
    tty: &'tty Receiver,
    before: Termios,
}

impl<'tty> Quiet<'tty> {
    fn begin(tty: &'tty Receiver, back: Back) -> Result<Self, Failure> {
        let failed = |errno: rustix::io::Errno| Failure::Input(errno.into());
        secret_line::hide_process()?;
        let before = rustix::termios::tcgetattr(tty).map_err(failed)?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK | LocalModes::ECHONL);
        quiet
            .local_modes
            .insert(LocalModes::ICANON | LocalModes::ISIG);
        if back == Back::Keys {
            quiet.local_modes.remove(LocalModes::ISIG);
            quiet.special_codes[SpecialCodeIndex::VEOL] = ESCAPE;
            quiet.special_codes[SpecialCodeIndex::VEOL2] = INTERRUPT;
        }
        // No Ctrl-Z here: the shell would come back to a terminal without echo. 0 is _POSIX_VDISABLE.
        quiet.special_codes[SpecialCodeIndex::VSUSP] = 0;
        rustix::termios::tcsetattr(tty, OptionalActions::Flush, &quiet).map_err(failed)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        put_back(self.tty, &self.before);
    }
}

/// What was typed in the meantime is thrown away: it was for a question that is over.
fn put_back(tty: impl AsFd, before: &Termios) {
    let back = rustix::termios::tcsetattr(tty, OptionalActions::Flush, before);
    if back.is_err() {
        output::note("The terminal could not be put back; `stty sane` does it.\n");
    }
}
