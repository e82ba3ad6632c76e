//! The terminal: painted on, read from, lent to others, and put back on every way out.

use std::io::{self, BufWriter, Stdout, Write as _};

use crossterm::{
    clipboard::CopyToClipboard,
    cursor::Show,
    event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange},
    execute, queue,
    style::ResetColor,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    layout::{Position, Rect},
};
use rustix::termios::QueueSelector;
use tokio_stream::StreamExt as _;
use zeroize::Zeroizing;

use super::{event::Event, event::Looked, keys::Key, listening::Listening};
use crate::prompt::Kept;

type Painter = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

/// The terminal while the screen is on it.
pub(super) struct Screen {
    painter: Painter,
    /// Keys, while they are ours to read.
    keys: Option<Listening>,
    /// The modes from before; dropped after all else was put back.
    _kept: Kept,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// It cannot be changed or written to.
    pub(super) fn open(kept: Kept) -> io::Result<Self> {
        let painter = Terminal::new(CrosstermBackend::new(BufWriter::new(io::stdout())))?;
        let mut screen = Self {
            painter,
            keys: None,
            _kept: kept,
        };
        screen.enter()?;
        Ok(screen)
    }

    /// Is it ours to paint and read?
    pub(super) const fn is_ours(&self) -> bool {
        self.keys.is_some()
    }

    /// Takes the terminal, in whatever state it is.
    ///
    /// # Errors
    ///
    /// As [`Screen::open`].
    pub(super) fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(
            self.painter.backend_mut(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange
        )?;
        self.painter.hide_cursor()?;
        // Not `clear`: it asks the terminal where its cursor is, and waits for the answer.
        let size = self.painter.size()?;
        self.painter.resize(Rect::from((Position::ORIGIN, size)))?;
        forget_what_was_typed();
        self.keys = Some(Listening::new());
        Ok(())
    }

    /// Gives the terminal back as it was.
    ///
    /// # Errors
    ///
    /// It cannot be changed or written to.
    pub(super) fn leave(&mut self) -> io::Result<()> {
        self.keys = None;
        let written = execute!(
            self.painter.backend_mut(),
            DisableFocusChange,
            DisableBracketedPaste,
            ResetColor,
            LeaveAlternateScreen,
            Show
        );
        disable_raw_mode().and(written)
    }

    /// Lends the terminal: what is painted stays, and whoever has it finds usual modes.
    ///
    /// # Errors
    ///
    /// As [`Screen::leave`].
    pub(super) fn lend(&mut self) -> io::Result<()> {
        // Returns when nobody here reads any more.
        self.keys = None;
        // Focus and pastes are told in sequences that others do not know.
        let written = execute!(
            self.painter.backend_mut(),
            DisableFocusChange,
            DisableBracketedPaste,
            Show
        );
        forget_what_was_typed();
        disable_raw_mode().and(written)
    }

    /// Puts the cursor where others can go on writing without much harm: on the last line.
    ///
    /// # Errors
    ///
    /// The terminal cannot be written to.
    pub(super) fn point_to_the_end(&mut self) -> io::Result<()> {
        let last = self.painter.size()?.height.saturating_sub(1);
        self.painter.set_cursor_position(Position::new(0, last))
    }

    /// Paints; only what has changed is written.
    ///
    /// # Errors
    ///
    /// The terminal cannot be written to.
    pub(super) fn paint(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.painter.draw(view).map(drop)
    }

    /// The next event of the terminal; never, while it is lent.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is gone.
    pub(super) async fn event(&mut self) -> io::Result<Event> {
        loop {
            let Some(keys) = &mut self.keys else {
                return core::future::pending().await;
            };
            let event = keys
                .next()
                .await
                .unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()))?;
            if let Some(event) = known(event) {
                return Ok(event);
            }
        }
    }

    /// Gives a text to the terminal's clipboard (OSC 52).
    ///
    /// # Errors
    ///
    /// The terminal cannot be written to.
    pub(super) fn copy(&mut self, text: &Zeroizing<String>) -> io::Result<()> {
        let backend = self.painter.backend_mut();
        queue!(backend, CopyToClipboard::to_clipboard_from(text.as_bytes()))?;
        backend.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        drop(self.leave());
    }
}

/// What was typed for something else is no key here.
fn forget_what_was_typed() {
    // Where it cannot be taken back, the guard of the answers holds.
    rustix::termios::tcflush(io::stdin(), QueueSelector::IFlush).unwrap_or_default();
}

fn known(event: crossterm::event::Event) -> Option<Event> {
    use crossterm::event::Event as Told;
    match event {
        Told::Key(key) => Key::of(&key).map(Event::Key),
        Told::Paste(text) => Some(Event::Pasted(text)),
        Told::Resize(..) => Some(Event::Repaint),
        Told::FocusGained => Some(Event::Looked(Looked::At)),
        Told::FocusLost => Some(Event::Looked(Looked::Away)),
        Told::Mouse(_) => None,
    }
}
