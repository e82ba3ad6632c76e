//! The table that is printed, and how its figures are written.

use core::{fmt::Write as _, time::Duration};
use std::io::{self, Write as _};

use anyhow::Result;

/// How the table looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Columns, for a terminal.
    Aligned,
    /// For a document.
    Markdown,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    value: String,
    note: String,
}

impl Row {
    pub(crate) fn new(what: &str, value: String, note: &str) -> Self {
        Self {
            what: what.to_owned(),
            value,
            note: note.to_owned(),
        }
    }
}

/// What is being done, for who waits.
pub(crate) fn say(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "megabytes for people"
)]
pub(crate) fn megabytes(kib: u64) -> String {
    format!("{:.1} MB", kib as f64 / 1024.0)
}

pub(crate) fn print(rows: &[Row], style: Style) -> Result<()> {
    let widths = |of: fn(&Row) -> &str| rows.iter().map(|row| of(row).len()).max().unwrap_or(0);
    let (what, value) = (widths(|row| &row.what), widths(|row| &row.value));
    let mut text = String::new();
    if style == Style::Markdown {
        writeln!(text, "| what | median | note |\n|---|---:|---|")?;
    }
    for row in rows {
        match style {
            Style::Aligned => {
                writeln!(
                    text,
                    "{:what$}  {:>value$}  {}",
                    row.what, row.value, row.note
                )?;
            }
            Style::Markdown => {
                writeln!(text, "| {} | {} | {} |", row.what, row.value, row.note)?;
            }
        }
    }
    Ok(io::stdout().write_all(text.as_bytes())?)
}
