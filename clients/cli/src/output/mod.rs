//! How answers are shown. The only place that writes to standard output and standard error, but for the
//! screen of `crate::tui`.

pub(crate) mod colour;
pub(crate) mod container;
pub(crate) mod json;
pub(crate) mod login_request;
pub(crate) mod recovery_code;
pub(crate) mod table;
pub(crate) mod token;
pub(crate) mod words;

use std::io::{self, IsTerminal as _, Write};

use serde::Serialize;
use zeroize::Zeroizing;

pub(crate) use self::colour::{Paint, Style};
use crate::{environment::Environment, exit::ErrorBody, exit::Failure, text};

/// The narrowest and the widest terminal that is laid out for, in columns.
const WIDTH: core::ops::RangeInclusive<usize> = 40..=160;

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A person at a terminal.
    Person,
    /// A pipe or a file: the bare answer.
    Pipe,
    /// A script that asked for `--json`.
    Script,
}

/// An answer that can be shown in each form. Serialised, it is the `--json` object.
pub(crate) trait Answer: Serialize {
    /// Whole lines for a person.
    fn friendly(&self, style: &Style) -> String;
    /// The bare answer in whole lines; empty if there is nothing to say.
    fn bare(&self) -> String;
}

/// Standard output and standard error.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    reader: Reader,
    style: Style,
    error_style: Style,
    /// Standard error is a terminal.
    is_watched: bool,
}

impl Output {
    /// Looks at where the two streams go.
    pub(crate) fn new(json: bool, environment: &Environment) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let is_watched = io::stderr().is_terminal();
        let reader = match (json, is_terminal) {
            (true, _) => Reader::Script,
            (false, true) => Reader::Person,
            (false, false) => Reader::Pipe,
        };
        Self {
            reader,
            style: Style::new(is_terminal && !environment.plain, width(is_terminal)),
            error_style: Style::new(is_watched && !environment.plain, 80),
            is_watched,
        }
    }

    /// For a command line that was not understood but asks for JSON.
    pub(crate) fn json_only() -> Self {
        Self {
            reader: Reader::Script,
            style: Style::new(false, 80),
            error_style: Style::new(false, 80),
            is_watched: false,
        }
    }

    /// Whom answers are for.
    pub(crate) const fn reader(&self) -> Reader {
        self.reader
    }

    /// Gives the answer, in one write.
    ///
    /// # Errors
    ///
    /// Standard output takes no more.
    pub(crate) fn answer(&self, answer: &impl Answer) -> Result<(), Failure> {
        let shown = Zeroizing::new(match self.reader {
            Reader::Person => answer.friendly(&self.style),
            Reader::Pipe => answer.bare(),
            Reader::Script => json::line(answer),
        });
        raw(shown.as_bytes())
    }

    /// How standard output is painted.
    pub(crate) const fn style(&self) -> &Style {
        &self.style
    }

    /// How standard error is painted, for questions.
    pub(crate) const fn error_style(&self) -> &Style {
        &self.error_style
    }

    /// A faint line for the person who watches standard error; nobody else gets it.
    pub(crate) fn remark(&self, words: &str) {
        if self.is_watched {
            note(&format!(
                "{}\n",
                self.error_style.paint(Paint::Faint, words)
            ));
        }
    }

    /// Warns, on standard error.
    pub(crate) fn warn(&self, words: &str) {
        let line = match self.reader {
            Reader::Script => json::keyed(&Warning { message: words }),
            Reader::Person | Reader::Pipe => {
                let label = self.error_style.paint(Paint::Attention, "warning:");
                format!("{label} {}\n", text::sentence(words))
            }
        };
        note(&line);
    }

    /// Says what failed and what to do next, on standard error.
    pub(crate) fn failure(&self, body: &ErrorBody) {
        let lines = match self.reader {
            Reader::Script => json::keyed(body),
            Reader::Person | Reader::Pipe => {
                let label = self.error_style.paint(Paint::Bad, "countersign:");
                let message = text::polished(&body.message);
                let message = body
                    .tries_left
                    .map_or_else(|| message.clone(), |tries| with_tries(&message, tries));
                let hint = match text::polished(&body.hint) {
                    hint if hint.is_empty() => hint,
                    hint => format!("{} {hint}\n", self.error_style.paint(Paint::Name, "hint:")),
                };
                format!("{label} {message}\n{hint}")
            }
        };
        note(&lines);
    }
}

/// What failed, and how many tries are left.
pub(crate) fn with_tries(message: &str, tries: u32) -> String {
    let tries = words::count(u64::from(tries), "try", "tries");
    format!("{} ({tries} left).", message.trim_end_matches('.'))
}

/// Writes bytes as they are.
///
/// # Errors
///
/// Standard output takes no more.
pub(crate) fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                Failure::ReaderGone
            } else {
                Failure::Write(error)
            }
        })
}

/// Says something to the person at the terminal that is not the answer: a question, a remark.
pub(crate) fn note(words: &str) {
    // A standard error that is gone has nobody behind it.
    drop(io::stderr().lock().write_all(words.as_bytes()));
}

#[derive(Serialize)]
struct Warning<'a> {
    message: &'a str,
}

impl json::Line for Warning<'_> {
    const KEY: &'static str = "warning";
}

fn width(is_terminal: bool) -> usize {
    let columns = if is_terminal {
        rustix::termios::tcgetwinsize(io::stdout())
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0)
    } else {
        None
    };
    columns.unwrap_or(80).clamp(*WIDTH.start(), *WIDTH.end())
}
