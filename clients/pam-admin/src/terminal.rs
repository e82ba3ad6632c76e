//! Standard input and output.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use countersign_core::{
    secret::{SecretBytes, SecretText},
    text::display,
};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use zeroize::Zeroizing;

use crate::error::Failure;

/// Longest line that is read, in bytes: a link with the longest names.
const LONGEST_LINE: usize = 16 * 1024;
/// Longest name shown, in characters.
const LONGEST_NAME: usize = 128;

/// One line of answer.
pub(crate) fn say(line: &str) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// A line for people, where somebody reads.
pub(crate) fn tell(line: &str) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        say(line)?;
    }
    Ok(())
}

pub(crate) fn complain(error: &Failure) {
    // A standard error that is gone has nobody behind it.
    drop(writeln!(io::stderr(), "countersign-pam: {error}"));
}

/// What is asked for, where somebody types.
pub(crate) fn prompt(text: &str) {
    if io::stdin().is_terminal() {
        drop(write!(io::stderr(), "{text}"));
    }
}

/// Asks for a yes, on standard input.
pub(crate) fn confirmed(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    prompt(question);
    let mut line = String::new();
    io::stdin().lock().take(64).read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Text of others, safe for the terminal.
pub(crate) fn shown(text: &str) -> String {
    display(text, LONGEST_NAME)
}

/// The first line of standard input.
pub(crate) fn secret_line() -> Result<SecretText, Failure> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST_LINE));
    let mut byte = Zeroizing::new([0_u8; 1]);
    let mut input = io::stdin().lock();
    loop {
        match input.read(byte.as_mut_slice()) {
            Ok(0) => break,
            Ok(_) if *byte == *b"\n" => break,
            Ok(_) if line.len() < LONGEST_LINE => line.extend_from_slice(byte.as_slice()),
            Ok(_) => return Err(Failure::Input("the line is too long")),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Failure::Input("cannot be read")),
        }
    }
    let line = SecretBytes::from(line.as_slice());
    let text = line.as_text().ok_or(Failure::Input("it is no text"))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Failure::Input("there was nothing"));
    }
    Ok(SecretText::from(text))
}

/// The picture of a link, where somebody looks.
pub(crate) fn picture(link: &SecretText) -> Result<(), Failure> {
    if !io::stdout().is_terminal() {
        return Ok(());
    }
    // A link that is too long for a picture can still be copied.
    let Ok(code) = QrCode::with_error_correction_level(link.expose(), EcLevel::L) else {
        return Ok(());
    };
    let picture = Zeroizing::new(code.render::<Dense1x2>().build());
    say(&picture)
}
