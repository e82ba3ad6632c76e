//! A conversation over the program's stdin and stdout.

use std::{io, os::unix::net};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use zeroize::Zeroizing;

use super::assuan::{self, LONGEST_LINE, Refusal, Reply};
use crate::agent::ports::PinEntryError;

/// The longest that can be typed, in bytes: what pinentry itself holds.
const LONGEST_TYPED: usize = 2048;

/// The most lines of one answer. A program that goes on and on is broken.
const MOST_LINES: usize = 256;

/// What was typed, in memory that neither grows nor stays.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) times: Times,
}

/// How often the user typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    /// The program had a second field, and both agreed.
    Twice,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The program goes on.
    Refused(Refusal),
    /// It does not.
    Broken(&'static str),
}

impl From<Unanswered> for PinEntryError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Refused(refusal) => refusal.meaning(),
            Unanswered::Broken(words) => Self::Failed(words.to_owned()),
        }
    }
}

const ENDED: Unanswered = Unanswered::Broken("it ended early");
const STRANGE: Unanswered = Unanswered::Broken("it speaks another protocol");

/// The agent's end of the program's stdin and stdout.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    /// What was received, also of what was typed. Never grows: that would leave a copy behind.
    buffer: Zeroizing<Vec<u8>>,
    /// The end of what was received.
    filled: usize,
    /// The end of the line that was read last.
    read: usize,
}

impl Connection {
    pub(super) fn new(stream: net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream: UnixStream::from_std(stream)?,
            buffer: Zeroizing::new(vec![0; LONGEST_LINE]),
            filled: 0,
            read: 0,
        })
    }

    /// Sends a request and reads its answer.
    pub(super) async fn request(
        &mut self,
        command: &str,
        argument: &str,
    ) -> Result<Typed, Unanswered> {
        self.send(command, argument).await?;
        self.answer().await
    }

    /// Sends a request that a flavour may not know or refuse.
    pub(super) async fn suggest(
        &mut self,
        command: &str,
        argument: &str,
    ) -> Result<(), Unanswered> {
        match self.request(command, argument).await {
            Ok(_) | Err(Unanswered::Refused(_)) => Ok(()),
            Err(broken @ Unanswered::Broken(_)) => Err(broken),
        }
    }

    /// Sends a request and leaves its answer.
    pub(super) async fn send(&mut self, command: &str, argument: &str) -> Result<(), Unanswered> {
        let line = assuan::line(command, argument);
        self.stream.write_all(&line).await.map_err(|_closed| ENDED)
    }

    /// The lines up to `OK` or `ERR`.
    pub(super) async fn answer(&mut self) -> Result<Typed, Unanswered> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST_TYPED));
        let mut times = Times::Once;
        for _ in 0..MOST_LINES {
            match Reply::parse(self.next_line().await?) {
                Reply::Ok => return Ok(Typed { bytes, times }),
                Reply::Data(data) => assuan::unescape(data, &mut bytes).ok_or(STRANGE)?,
                Reply::Repeated => times = Times::Twice,
                Reply::Remark => {}
                Reply::Error(refusal) => return Err(Unanswered::Refused(refusal)),
                Reply::Strange => break,
            }
        }
        Err(STRANGE)
    }

    /// The next line, without its line feed.
    async fn next_line(&mut self) -> Result<&[u8], Unanswered> {
        self.buffer.copy_within(self.read..self.filled, 0);
        self.filled = self.filled.saturating_sub(self.read);
        self.read = 0;
        loop {
            let received = self.buffer.get(..self.filled).unwrap_or_default();
            if let Some(end) = received.iter().position(|byte| *byte == b'\n') {
                self.read = end.saturating_add(1);
                return Ok(self.buffer.get(..end).unwrap_or_default());
            }
            let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
            if room.is_empty() {
                return Err(STRANGE);
            }
            match self.stream.read(room).await {
                Ok(0) | Err(_) => return Err(ENDED),
                Ok(more) => self.filled = self.filled.saturating_add(more),
            }
        }
    }
}
