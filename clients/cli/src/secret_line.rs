//! Secrets that come in on standard input, one line each.

use std::io;

use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::exit::Failure;

/// Bytes that are wiped when dropped.
pub(crate) type Secret = Zeroizing<Vec<u8>>;

/// A secret is about to be in memory: no core dump and no other program of this user shall see it.
///
/// # Errors
///
/// The system does not allow it.
pub(crate) fn hide_process() -> Result<(), Failure> {
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(|errno| Failure::Input(errno.into()))
}

/// Reads one line, without its end, of at most `max` bytes.
///
/// Byte by byte past the standard buffer: what follows stays for the next secret, and no copy of this one
/// stays behind in a buffer that nobody wipes.
///
/// # Errors
///
/// Standard input ends before a line, cannot be read, or the line is empty or too long; `what` names the
/// secret in the message.
pub(crate) fn read(what: &str, max: usize) -> Result<Secret, Failure> {
    hide_process()?;
    let mut line: Secret = Zeroizing::new(Vec::with_capacity(max.saturating_add(1)));
    let mut byte = Zeroizing::new([0_u8; 1]);
    let input = io::stdin();
    loop {
        match rustix::io::read(&input, byte.as_mut_slice()) {
            Ok(0) => break,
            Ok(_) if byte.first() == Some(&b'\n') => break,
            Ok(_) if line.len() > max => return Err(too_long(what, max)),
            Ok(_) => line.extend_from_slice(byte.as_slice()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::Input(errno.into())),
        }
    }
    finish(what, line, max)
}

/// Reads all of standard input, at most `max` bytes; white space at its end is left out.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_all(what: &str, max: usize) -> Result<Secret, Failure> {
    let mut all = read_exactly_all(max.saturating_add(2))?;
    while all.last().is_some_and(u8::is_ascii_whitespace) {
        all.pop();
    }
    finish(what, all, max)
}

/// Reads all of standard input as it is; what lies beyond `max` bytes is not read.
///
/// # Errors
///
/// Standard input cannot be read.
pub(crate) fn read_exactly_all(max: usize) -> Result<Secret, Failure> {
    hide_process()?;
    let mut all: Secret = Zeroizing::new(vec![0; max]);
    let mut length = 0_usize;
    let input = io::stdin();
    while let Some(rest) = all.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match rustix::io::read(&input, rest) {
            Ok(0) => break,
            Ok(read) => length = length.saturating_add(read),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Failure::Input(errno.into())),
        }
    }
    all.truncate(length);
    Ok(all)
}

/// Takes a carriage return off, and refuses what is empty or too long.
pub(crate) fn finish(what: &str, line: Secret, max: usize) -> Result<Secret, Failure> {
    let line = finish_or_empty(what, line, max)?;
    if line.is_empty() {
        return Err(Failure::usage(
            format!("No {what} was given."),
            "It is one line that is not empty.",
        ));
    }
    Ok(line)
}

/// As [`finish`], but an empty line is an answer too.
pub(crate) fn finish_or_empty(what: &str, mut line: Secret, max: usize) -> Result<Secret, Failure> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.len() > max {
        return Err(too_long(what, max));
    }
    Ok(line)
}

fn too_long(what: &str, max: usize) -> Failure {
    Failure::usage(
        format!("The {what} is too long."),
        format!("It has at most {max} bytes."),
    )
}
