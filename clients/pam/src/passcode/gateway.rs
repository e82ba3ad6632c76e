//! The gateway is asked, by a program of its own: nothing that talks to the network is in the process that lets people in.
//!
//! The program's environment is empty, its real user is root until it is nobody, and it has one question and few words. That the
//! gateway is away is its word alone: a program that was killed or stopped has said nothing, and nothing is a refusal.

use std::{
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Child, Command, Stdio},
};

use core::time::Duration;

use countersign_core::secret::SecretText;
use countersign_passcodes::gateway::{LONGEST_WORD, Question, Word};
use nix::poll::{PollFd, PollFlags, poll};
use pam::{
    items::{RHost, Service},
    module::PamHandle,
};
use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown},
};

use super::{NotRight, ended};
use crate::{
    account::Account,
    clock::Deadline,
    conversation::Conversation,
    ffi::Log,
    line::{LineError, next_slice},
    options::{Desktop, Options},
    places::Places,
    verdict::{Refused, Unavailable, Verdict},
};

/// The program ends by itself in time; so much later it is ended.
const GRACE: Duration = Duration::from_secs(2);

/// Asks for a passcode, or for nothing, and the gateway about it.
pub(crate) fn authenticate(
    pamh: &mut PamHandle,
    options: &Options,
    places: &Places,
    log: &Log,
) -> Verdict {
    let outcome = match Account::of(pamh, options) {
        Ok(account) => asked(pamh, &account, options, places),
        Err(verdict) => Err(verdict),
    };
    let outcome = outcome.map(|()| "accepted by the gateway");
    ended(pamh, options, log, outcome)
}

fn asked(
    pamh: &PamHandle,
    account: &Account,
    options: &Options,
    places: &Places,
) -> Result<(), Verdict> {
    let user = Conversation::new(pamh, options.words);
    let typed = match options.desktop {
        Desktop::AtOnce => SecretText::default(),
        Desktop::OnEmpty => user
            .passcode_or_desktop()
            .ok_or(refused(NotRight::Nothing))?,
    };
    let service = pamh.get_item::<Service<'_>>().ok().flatten();
    let remote_host = pamh.get_item::<RHost<'_>>().ok().flatten();
    let text = |item: &core::ffi::CStr| item.to_string_lossy().into_owned();
    let question = Question {
        user: account.asked.clone(),
        service: service.map_or_else(String::new, |service| text(service.0)),
        remote_host: remote_host.map_or_else(String::new, |host| text(host.0)),
        passcode: typed,
        seconds: u8::try_from(options.timeout.as_secs()).unwrap_or(u8::MAX),
    };
    let deadline = Deadline::after(options.timeout.saturating_add(GRACE));
    let mut program = Program::start(places)?;
    let word = program.ask(&question, deadline, &user);
    program.end();
    match word {
        Ok(Word::Accepted) => Ok(()),
        Ok(Word::Denied) => Err(refused(NotRight::Denied)),
        Ok(Word::Unavailable) => Err(Verdict::Unavailable(Unavailable::Gateway)),
        Ok(Word::NotAsked) => Err(refused(NotRight::GatewayAway)),
        Err(LineError::Interrupted) => Err(Verdict::Refused(Refused::Interrupted)),
        Ok(Word::Fault | Word::Asked(_)) | Err(_) => Err(refused(NotRight::GatewayFault)),
    }
}

const fn refused(why: NotRight) -> Verdict {
    Verdict::Refused(Refused::Passcode(why))
}

/// The running program and the line to it.
struct Program {
    child: Child,
    line: UnixStream,
}

impl Program {
    fn start(places: &Places) -> Result<Self, Verdict> {
        let fault = |_error| refused(NotRight::GatewayFault);
        // A socket and no pipe: writing to a pipe whose reader has ended would end the application.
        let (line, theirs) = UnixStream::pair().map_err(fault)?;
        let output = theirs.try_clone().map_err(fault)?;
        let mut command = Command::new(places.gateway_program.as_ref());
        command
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(OwnedFd::from(output)))
            .stderr(Stdio::null());
        if rustix::process::geteuid().is_root() {
            // The real uid as well: the user must not be able to send it signals.
            command.uid(0).gid(0);
        }
        let child = command.spawn().map_err(fault)?;
        // Its ends of the line are the program's alone, or its end would not be seen here.
        drop(command);
        Ok(Self { child, line })
    }

    /// Its last word.
    fn ask(
        &mut self,
        question: &Question,
        deadline: Deadline,
        user: &Conversation<'_>,
    ) -> Result<Word, LineError> {
        let bytes = question.encode().map_err(|_too_long| LineError::Frame)?;
        let mut left = bytes.expose();
        while !left.is_empty() {
            match send(&self.line, left, SendFlags::NOSIGNAL) {
                Ok(sent) => left = left.get(sent..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(_ended) => return Err(LineError::Closed),
            }
        }
        shutdown(&self.line, Shutdown::Write).map_err(|_ended| LineError::Closed)?;
        loop {
            let word = self.word(deadline)?;
            let Word::Asked(number) = word else {
                return Ok(word);
            };
            user.shown_by_the_gateway(number.as_deref());
        }
    }

    /// The next line, byte by byte: there are few.
    fn word(&self, deadline: Deadline) -> Result<Word, LineError> {
        let mut line = Vec::with_capacity(LONGEST_WORD);
        loop {
            let slice = next_slice(deadline)?;
            let mut descriptors = [PollFd::new(self.line.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, slice) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                Ok(_) => {}
                Err(_errno) => return Err(LineError::Closed),
            }
            let mut byte = [0_u8; 1];
            match recv(&self.line, &mut byte, RecvFlags::empty()) {
                Ok((_, 0)) => return Err(LineError::Closed),
                Ok(_) if byte == *b"\n" => {
                    let text = core::str::from_utf8(&line).map_err(|_no_text| LineError::Frame)?;
                    return text.parse().map_err(|_no_word| LineError::Frame);
                }
                Ok(_) => line.extend(byte),
                Err(Errno::INTR) => {}
                Err(_broken) => return Err(LineError::Closed),
            }
            if line.len() >= LONGEST_WORD {
                return Err(LineError::Frame);
            }
        }
    }

    /// Ends it, whatever it does.
    fn end(mut self) {
        // One that has ended needs no signal, and an application that waits for all its children has waited for it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
