//! Words to the person at the terminal. The only place of this program that writes to stdout.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// Writes one line.
pub(crate) fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Writes the heading of a step.
pub(crate) fn heading(text: impl Display) -> io::Result<()> {
    line(format_args!("\n== {text}"))
}
