//! Starts dialog programs outside of the agent's own restrictions.
//!
//! What the agent forbids itself when it hardens (new privileges, parts of the file system) its children
//! would inherit, and a dialog needs fonts, a screen and a bus. So a second, idle process of the same program
//! is made before that: it starts programs on request, hands over a handle (pidfd) for each, and ends with
//! its socket, whatever became of the agent; its children then end with it. Invariants: no name in the
//! file system leads to it, only the socket that its parent made; what is typed flows between dialog and
//! agent and never through it.

mod process;
mod wire;

use core::time::Duration;
use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, Shutdown, SocketFlags, SocketType, sockopt},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

pub use process::run;
use wire::Outcome;

/// The first argument that makes `countersignd` the launcher. A private word: for nobody to type.
pub const WORD: &str = "launch-dialogs";

/// The program that is running, also after its file was replaced.
pub const OWN_PROGRAM: &str = "/proc/self/exe";

/// A launcher that says nothing for so long does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long it may take to end its dialogs and itself.
const END_WITHIN: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};

/// What is to be started. Nothing else is inherited: no variable, no descriptor, and `/` as the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its absolute path.
    pub path: PathBuf,
    /// Without its name.
    pub arguments: Vec<OsString>,
    /// Its whole environment.
    pub environment: Vec<(&'static str, OsString)>,
}

/// A program that was started.
#[derive(Debug)]
pub struct Launched {
    /// Readable when it has ended; signals go through it.
    pub process: OwnedFd,
    /// Its process id, for the log.
    pub id: u32,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// There is no such program, or it is none that this user can run.
    #[error("there is no such program")]
    NotThere,
    /// Longer than any request is, or with a NUL inside.
    #[error("the program's arguments and environment cannot be passed on")]
    Unfit,
    /// The system refused, or too many dialogs are open.
    #[error("the program could not be started")]
    Refused,
    /// The launcher has ended: restart the agent.
    #[error("the launcher of dialogs has ended; restart the agent")]
    Gone(#[source] io::Error),
}

/// The agent's side. Ends the launcher, and with it the dialogs, when dropped.
#[derive(Debug)]
pub struct Launcher {
    socket: OwnedFd,
    /// The number of the last request. Held during an exchange.
    last: Mutex<u32>,
    child: Child,
}

impl Launcher {
    /// Starts the launcher: `program` is [`OWN_PROGRAM`] for everybody but a test. To be called before
    /// [`crate::hardening::harden`].
    ///
    /// # Errors
    ///
    /// The system refuses a socket or a process.
    pub fn start(program: &Path) -> io::Result<Self> {
        let (socket, its_end) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(ANSWER_WITHIN))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(ANSWER_WITHIN))?;
        let child = Command::new(program)
            .arg0("countersignd")
            .arg(WORD)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(its_end))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            socket,
            last: Mutex::new(0),
            child,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts `program` with `stdio` as its stdin and stdout; its stderr goes nowhere. Blocks for as long as
    /// that takes: milliseconds.
    ///
    /// # Errors
    ///
    /// Every variant of [`LaunchError`].
    pub fn launch(&self, program: &Program, stdio: &OwnedFd) -> Result<Launched, LaunchError> {
        // A panic elsewhere leaves a number that was used: the next one is another.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = last.wrapping_add(1);
        let request = wire::Request {
            number: *last,
            program: program.path.clone().into_os_string(),
            arguments: program.arguments.clone(),
            environment: program
                .environment
                .iter()
                .map(|(name, value)| ((*name).into(), value.clone()))
                .collect(),
        };
        let bytes = request.encode().ok_or(LaunchError::Unfit)?;
        wire::send(self.socket.as_fd(), &bytes, Some(stdio.as_fd())).map_err(LaunchError::Gone)?;
        loop {
            let received = wire::receive(self.socket.as_fd()).map_err(LaunchError::Gone)?;
            let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
            let message = received.ok_or_else(|| LaunchError::Gone(ended()))?;
            let reply = wire::Reply::decode(&message.bytes).ok_or(LaunchError::Refused)?;
            if reply.number != *last {
                // The late answer to a request that was given up.
                if let Some(process) = message.descriptor {
                    let _ended = pidfd_send_signal(&process, Signal::KILL).is_err();
                }
                continue;
            }
            return match (reply.outcome, message.descriptor) {
                (Outcome::Started { id }, Some(process)) => Ok(Launched { process, id }),
                (Outcome::NotThere, None) => Err(LaunchError::NotThere),
                _ => Err(LaunchError::Refused),
            };
        }
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        let _ended = rustix::net::shutdown(&self.socket, Shutdown::Both).is_err();
        let ended = || {
            let process = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).ok()?;
            let mut fds = [PollFd::new(&process, PollFlags::IN)];
            poll(&mut fds, Some(&END_WITHIN)).ok().filter(|n| *n > 0)
        };
        if ended().is_none() {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}
