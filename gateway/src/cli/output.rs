//! What commands print.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use anyhow::{Context as _, bail};
use countersign_core::{secret::SecretText, text};
use serde::Serialize;
use zeroize::Zeroizing;

/// The longest line that is read as a secret, in bytes.
const SECRET_LINE: u64 = 1024;

/// Prints an answer.
///
/// # Errors
///
/// Standard output is closed.
pub(super) fn answer(line: &str) -> anyhow::Result<()> {
    writeln!(io::stdout().lock(), "{line}").context("the answer cannot be printed")
}

/// Prints an answer as one JSON object.
///
/// # Errors
///
/// Standard output is closed.
pub(super) fn json<T: Serialize>(value: &T) -> anyhow::Result<()> {
    answer(&serde_json::to_string(value)?)
}

/// Explains something to a person; programs hear nothing.
pub(super) fn explain(lines: &str) {
    if io::stdout().is_terminal() {
        warn(lines);
    }
}

/// Says something that must be known.
pub(super) fn warn(lines: &str) {
    // Who closed standard error does not want to know.
    drop(writeln!(io::stderr().lock(), "{lines}"));
}

/// Says what failed, why, and why that.
pub(super) fn failure(error: &anyhow::Error) {
    warn(&format!("countersign-gateway: {error:#}"));
}

/// A table with aligned columns; the first row names them. Cells come from rows that others may have
/// filled: control characters are made visible.
///
/// # Errors
///
/// Standard output is closed.
pub(super) fn table(rows: &[Vec<String>]) -> anyhow::Result<()> {
    let mut widths: Vec<usize> = Vec::new();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| text::display(cell, 80)).collect())
        .collect();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let padding = width.saturating_sub(cell.chars().count()).saturating_add(2);
            line.push_str(cell);
            line.extend(core::iter::repeat_n(' ', padding));
        }
        answer(line.trim_end())?;
    }
    Ok(())
}

/// Facts about one thing, a line each, values aligned. They come from rows as the cells of a table do.
///
/// # Errors
///
/// Standard output is closed.
pub(super) fn facts(facts: &[(&str, String)]) -> anyhow::Result<()> {
    let width = facts
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0)
        .saturating_add(2);
    for (name, value) in facts {
        let value = text::display(value, 200);
        answer(format!("{name:width$}{value}").trim_end())?;
    }
    Ok(())
}

/// One line of standard input, without its end.
///
/// # Errors
///
/// There is none, it is too long, or not UTF-8.
pub(super) fn secret_line() -> anyhow::Result<SecretText> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(2048));
    io::stdin()
        .lock()
        .take(SECRET_LINE.saturating_add(2))
        .read_to_end(&mut bytes)
        .context("standard input cannot be read")?;
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if u64::try_from(line.len())? > SECRET_LINE {
        bail!("the line on standard input is longer than {SECRET_LINE} bytes");
    }
    let line = core::str::from_utf8(line).context("standard input is not UTF-8 text")?;
    Ok(SecretText::from(line))
}

/// A time for people: `2026-11-24 02:17:04 UTC`.
pub(super) fn time(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms).map_or_else(
        |_out_of_range| unix_ms.to_string(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}
