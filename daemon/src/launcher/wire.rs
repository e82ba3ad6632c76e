//! What agent and launcher say to each other: one datagram each way, with one descriptor.

use core::mem::MaybeUninit;
use std::{
    ffi::{OsStr, OsString},
    io::{self, IoSlice, IoSliceMut},
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// The longest message, in bytes.
const LONGEST: usize = 16 * 1024;
/// The most texts in a request: program, arguments, variables.
const MOST_TEXTS: usize = 64;

/// The agent's: start this. The descriptor that comes along becomes its stdin and stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Comes back in the reply.
    pub(super) number: u32,
    pub(super) program: OsString,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl Request {
    /// The number, how many arguments there are, then program, arguments and `NAME=VALUE`, each ended by NUL.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = self.number.to_le_bytes().to_vec();
        bytes.push(self.arguments.len().try_into().ok()?);
        let variables = self.environment.iter().map(|(name, value)| {
            let mut variable = name.clone();
            variable.push("=");
            variable.push(value);
            variable
        });
        let texts = core::iter::once(self.program.clone())
            .chain(self.arguments.iter().cloned())
            .chain(variables);
        let mut count = 0_usize;
        for text in texts {
            if text.as_bytes().contains(&0) {
                return None;
            }
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(0);
            count = count.saturating_add(1);
        }
        (bytes.len() <= LONGEST && count <= MOST_TEXTS).then_some(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (arguments, rest) = rest.split_first()?;
        let mut texts = rest
            .strip_suffix(&[0])?
            .split(|byte| *byte == 0)
            .map(|text| OsString::from_vec(text.to_vec()));
        let program = texts.next()?;
        let arguments: Vec<_> = texts.by_ref().take(usize::from(*arguments)).collect();
        let environment = texts
            .map(|variable| split_variable(&variable))
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            number: u32::from_le_bytes(*number),
            program,
            arguments,
            environment,
        })
    }
}

fn split_variable(variable: &OsStr) -> Option<(OsString, OsString)> {
    let mut parts = variable.as_bytes().splitn(2, |byte| *byte == b'=');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let value = parts.next()?;
    Some((
        OsString::from_vec(name.to_vec()),
        OsString::from_vec(value.to_vec()),
    ))
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The descriptor that comes along is its pidfd.
    Started {
        id: u32,
    },
    NotThere,
    Refused,
}

/// The launcher's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) number: u32,
    pub(super) outcome: Outcome,
}

impl Reply {
    pub(super) fn encode(self) -> Vec<u8> {
        let (kind, id) = match self.outcome {
            Outcome::Started { id } => (0, id),
            Outcome::NotThere => (1, 0),
            Outcome::Refused => (2, 0),
        };
        let mut bytes = self.number.to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(&id.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let id = u32::from_le_bytes(rest.try_into().ok()?);
        let outcome = match kind {
            0 => Outcome::Started { id },
            1 => Outcome::NotThere,
            2 => Outcome::Refused,
            _ => return None,
        };
        Some(Self {
            number: u32::from_le_bytes(*number),
            outcome,
        })
    }
}

/// A datagram and the descriptor that came with it.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    pub(super) descriptor: Option<OwnedFd>,
}

pub(super) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.as_slice();
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    rustix::io::retry_on_intr(|| {
        sendmsg(
            socket,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
    })?;
    Ok(())
}

/// The next datagram; nothing when the other side has ended.
pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Message>> {
    let mut bytes = vec![0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    let descriptor = control
        .drain()
        .filter_map(|message| {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                Some(descriptors)
            } else {
                None
            }
        })
        .flatten()
        .last();
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::ErrorKind::InvalidData.into());
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(received.bytes);
    Ok(Some(Message { bytes, descriptor }))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;

    fn request() -> Request {
        Request {
            number: 7,
            program: "/usr/bin/pinentry".into(),
            arguments: vec!["--display".into(), String::new().into(), ":0".into()],
            environment: vec![
                ("DISPLAY".into(), ":0".into()),
                ("EMPTY".into(), String::new().into()),
                ("EQUALS".into(), "a=b".into()),
            ],
        }
    }

    #[test]
    fn requests_and_replies_arrive_as_they_were_sent() {
        let request = request();
        let bytes = request.encode().unwrap();
        assert_eq!(Request::decode(&bytes), Some(request));
        for outcome in [
            Outcome::Started { id: 4711 },
            Outcome::NotThere,
            Outcome::Refused,
        ] {
            let reply = Reply { number: 9, outcome };
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
    }

    #[test]
    fn what_does_not_fit_is_not_sent() {
        let with = |program: &str| Request {
            program: program.into(),
            ..request()
        };
        assert_eq!(with("a\0b").encode(), None);
        assert_eq!(with(&"a".repeat(LONGEST)).encode(), None);
        let many = Request {
            arguments: vec!["a".into(); MOST_TEXTS],
            ..request()
        };
        assert_eq!(many.encode(), None);
    }

    #[test]
    fn broken_messages_are_refused() {
        let bytes = request().encode().unwrap();
        for length in 0..5 {
            assert_eq!(Request::decode(&bytes[..length]), None);
        }
        assert_eq!(Request::decode(b"\x01\0\0\0\0/bin/true"), None);
        assert_eq!(Request::decode(b"\x01\0\0\0\0/bin/true\0NOVALUE\0"), None);
        assert_eq!(Request::decode(b"\x01\0\0\0\0/bin/true\0=x\0"), None);
        assert_eq!(Reply::decode(b"\x01\0\0\0\x03\0\0\0\0"), None);
        assert_eq!(Reply::decode(b"\x01\0\0\0\0\0\0\0"), None);
    }

    #[test]
    fn one_descriptor_comes_along() {
        let (one, other) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::SEQPACKET,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        send(one.as_fd(), b"a", Some(one.as_fd())).unwrap();
        send(one.as_fd(), b"b", None).unwrap();
        let message = receive(other.as_fd()).unwrap().unwrap();
        assert_eq!(message.bytes, b"a");
        let passed = message.descriptor.unwrap();
        assert_eq!(receive(other.as_fd()).unwrap().unwrap().bytes, b"b");
        drop(one);
        // The passed one is the sender's other handle: it keeps the connection.
        send(passed.as_fd(), b"c", None).unwrap();
        assert_eq!(receive(other.as_fd()).unwrap().unwrap().bytes, b"c");
        drop(passed);
        assert!(receive(other.as_fd()).unwrap().is_none());
    }
}
