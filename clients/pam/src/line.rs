//! The line to the agent: connected as the user, spoken as root, bounded in time and length.

use std::{
    os::fd::{AsFd as _, OwnedFd},
    path::Path,
};

use core::time::Duration;

use countersign_proto::frame::{FrameError, Received};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::{Gid, Uid, setfsgid, setfsuid},
};
use prost::Message;
use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect,
        recv, send, socket_with, sockopt::socket_peercred,
    },
};

use crate::{account::Account, clock::Deadline, interrupt};

/// Why there is no line any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineError {
    /// Nothing listens there, or the way is closed.
    NoAgent,
    /// Whoever listens there is somebody else.
    Foreign,
    /// The other end has closed it.
    Closed,
    /// The time is over.
    Late,
    /// The user has pressed Ctrl-C.
    Interrupted,
    /// What comes is not the protocol.
    Frame,
}

impl From<FrameError> for LineError {
    fn from(_error: FrameError) -> Self {
        Self::Frame
    }
}

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Line {
    socket: OwnedFd,
    received: Received,
    deadline: Deadline,
}

impl Line {
    /// Connects to the agent of `account` at `path`, and makes sure that it is the user's.
    ///
    /// # Errors
    ///
    /// Every variant of [`LineError`] but [`LineError::Frame`].
    pub(crate) fn connect(
        path: &Path,
        account: &Account,
        deadline: Deadline,
    ) -> Result<Self, LineError> {
        let address = SocketAddrUnix::new(path).map_err(|_too_long| LineError::NoAgent)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(|_errno| LineError::NoAgent)?;
        loop {
            match as_user(account, || connect(&socket, &address)) {
                Ok(()) => break,
                // Its queue is full: it may come to us yet.
                Err(Errno::AGAIN) => wait_a_slice(deadline)?,
                Err(Errno::INTR) => {}
                Err(_absent) => return Err(LineError::NoAgent),
            }
        }
        let peer = socket_peercred(&socket).map_err(|_errno| LineError::Foreign)?;
        if peer.uid.as_raw() != account.uid {
            return Err(LineError::Foreign);
        }
        Ok(Self {
            socket,
            received: Received::default(),
            deadline,
        })
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// Every variant of [`LineError`].
    pub(crate) fn send(&self, message: &impl Message) -> Result<(), LineError> {
        let frame = countersign_proto::frame::encode(message)?;
        let mut left = frame.as_slice();
        while !left.is_empty() {
            // Only sudo ignores SIGPIPE.
            match send(&self.socket, left, SendFlags::NOSIGNAL) {
                Ok(sent) => left = left.get(sent..).unwrap_or_default(),
                Err(Errno::AGAIN) => self.wait(PollFlags::POLLOUT)?,
                Err(Errno::INTR) => {}
                Err(_closed) => return Err(LineError::Closed),
            }
        }
        Ok(())
    }

    /// Waits for the next frame.
    ///
    /// # Errors
    ///
    /// Every variant of [`LineError`].
    pub(crate) fn receive<M: Message + Default>(&mut self) -> Result<M, LineError> {
        loop {
            if let Some(message) = self.received.take()? {
                return Ok(message);
            }
            let mut piece = [0; 512];
            let most = self.received.wanted()?.clamp(1, piece.len());
            let piece = piece.get_mut(..most).unwrap_or_default();
            match recv(&self.socket, &mut *piece, RecvFlags::empty()) {
                Ok((_, 0)) => return Err(LineError::Closed),
                Ok((_, count)) => self.received.push(piece.get(..count).unwrap_or_default()),
                Err(Errno::AGAIN) => self.wait(PollFlags::POLLIN)?,
                Err(Errno::INTR) => {}
                Err(_broken) => return Err(LineError::Closed),
            }
            // One who drips is not waited for longer than one who is silent.
            if self.deadline.left().is_zero() {
                return Err(LineError::Late);
            }
        }
    }

    fn wait(&self, what: PollFlags) -> Result<(), LineError> {
        loop {
            let slice = next_slice(self.deadline)?;
            let mut descriptors = [PollFd::new(self.socket.as_fd(), what)];
            match poll(&mut descriptors, slice) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(_errno) => return Err(LineError::Closed),
            }
        }
    }
}

/// Does `what` with the user's rights in the file system, and root's everywhere else: the agent sees uid 0, and a link
/// that was laid to root's or somebody else's folder leads nowhere.
fn as_user<T>(account: &Account, what: impl FnOnce() -> T) -> T {
    // Without root there is nothing to give up.
    if !rustix::process::geteuid().is_root() {
        return what();
    }
    let group = setfsgid(Gid::from_raw(account.gid));
    let user = setfsuid(Uid::from_raw(account.uid));
    let done = what();
    setfsuid(user);
    setfsgid(group);
    done
}

fn wait_a_slice(deadline: Deadline) -> Result<(), LineError> {
    let slice = next_slice(deadline)?;
    // Nothing to wait for but time.
    let _over = poll(&mut [], slice).is_ok();
    Ok(())
}

/// How long to wait until the next look at Ctrl-C.
pub(crate) fn next_slice(deadline: Deadline) -> Result<PollTimeout, LineError> {
    if interrupt::is_pending() {
        return Err(LineError::Interrupted);
    }
    let left = deadline.left();
    if left.is_zero() {
        return Err(LineError::Late);
    }
    // Rounded up: a wait of less than a millisecond is none.
    let slice = left
        .min(interrupt::SLICE)
        .saturating_add(Duration::from_micros(999));
    Ok(PollTimeout::try_from(slice).unwrap_or(PollTimeout::ZERO))
}
