//! A finger that root asks for itself: the agent is the user's program, and its word on fingers is the user's word.
//!
//! Done by fprintd's own program, with a clean environment and root's real uid, because a client of the bus has threads.

use std::{
    io::Read as _,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
};

use nix::poll::{PollFd, PollFlags, poll};

use crate::{
    account::Account,
    clock::Deadline,
    line::{LineError, next_slice},
    places::Places,
    verdict::{Refused, Unavailable, Verdict},
};

/// The most that the program may say, in bytes.
const OUTPUT: u64 = 4096;
/// What it says of the right finger (fprintd's `verify-match`).
const MATCH: &str = "verify-match";
const NO_MATCH: &str = "verify-no-match";

/// Asks the user for a finger.
///
/// # Errors
///
/// [`Verdict::Refused`] for a wrong finger and for Ctrl-C, [`Verdict::Unavailable`] where no finger could be asked for.
pub(crate) fn verify(
    account: &Account,
    places: &Places,
    deadline: Deadline,
) -> Result<(), Verdict> {
    let reader = Verdict::Unavailable(Unavailable::Reader);
    let mut command = Command::new(places.fprintd_verify.as_ref());
    command
        .arg(&account.asked)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        // The real uid as well: the user must not be able to send it signals.
        command.uid(0).gid(0);
    }
    let mut child = command.spawn().map_err(|_absent| reader.clone())?;
    let said = said_by(&mut child, deadline);
    if said.is_err() {
        drop(child.kill());
    }
    let ended = child.wait();
    match said {
        Err(LineError::Interrupted) => Err(Verdict::Refused(Refused::Interrupted)),
        Err(LineError::Late) => Err(Verdict::Unavailable(Unavailable::TimedOut)),
        Ok(said) if said.contains(NO_MATCH) => Err(Verdict::Refused(Refused::Finger)),
        Ok(said) if said.contains(MATCH) && ended.is_ok_and(|status| status.success()) => Ok(()),
        Ok(_) | Err(_) => Err(reader),
    }
}

/// All that the program says, until it ends.
fn said_by(child: &mut Child, deadline: Deadline) -> Result<String, LineError> {
    let mut output = child.stdout.take().ok_or(LineError::Closed)?;
    let mut said = Vec::new();
    loop {
        let slice = next_slice(deadline)?;
        let mut descriptors = [PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, slice) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
            Ok(_) => {}
            Err(_errno) => return Err(LineError::Closed),
        }
        let mut piece = [0; 256];
        match output.read(&mut piece) {
            Ok(0) => return Ok(String::from_utf8_lossy(&said).into_owned()),
            Ok(count) => said.extend_from_slice(piece.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_broken) => return Err(LineError::Closed),
        }
        if u64::try_from(said.len()).unwrap_or(u64::MAX) > OUTPUT {
            return Err(LineError::Frame);
        }
    }
}
