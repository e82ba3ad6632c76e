//! Frames: a message after its length, u32 big-endian. For sockets that speak no gRPC.
//!
//! Pure: whoever has the socket brings the bytes as they come. Nothing is set aside for a length before it was
//! found to be in bounds.

use prost::Message;

use crate::limits;

/// The length before each message, in bytes.
const PREFIX: usize = 4;

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// It says that it is longer than [`limits::SUDO_FRAME`], or empty. The connection is of no more use.
    Length,
    /// It is no message of the expected kind. The connection is of no more use.
    Message,
}

impl core::fmt::Display for FrameError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Length => "a frame has an impossible length",
            Self::Message => "a frame was not understood",
        })
    }
}

impl core::error::Error for FrameError {}

/// The bytes of one frame.
///
/// # Errors
///
/// [`FrameError::Length`]: it would be longer than the other end takes.
pub fn encode(message: &impl Message) -> Result<Vec<u8>, FrameError> {
    let length = message.encoded_len();
    if length == 0 || length > limits::SUDO_FRAME {
        return Err(FrameError::Length);
    }
    let prefix = u32::try_from(length).map_err(|_longer| FrameError::Length)?;
    let mut frame = Vec::with_capacity(PREFIX.saturating_add(length));
    frame.extend_from_slice(&prefix.to_be_bytes());
    message
        .encode(&mut frame)
        .map_err(|_full| FrameError::Length)?;
    Ok(frame)
}

/// What has come of a stream of frames so far.
#[derive(Clone, Debug, Default)]
pub struct Received(Vec<u8>);

impl Received {
    /// How many bytes are worth reading before the next [`Received::take`]. Never more than a frame.
    ///
    /// # Errors
    ///
    /// [`FrameError::Length`].
    pub fn wanted(&self) -> Result<usize, FrameError> {
        let whole = self
            .length()?
            .map_or(PREFIX, |length| PREFIX.saturating_add(length));
        Ok(whole.saturating_sub(self.0.len()))
    }

    /// Bytes that have come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Has nothing come of the next frame?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next message, if it is there whole.
    ///
    /// # Errors
    ///
    /// Every variant of [`FrameError`].
    pub fn take<M: Message + Default>(&mut self) -> Result<Option<M>, FrameError> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let end = PREFIX.saturating_add(length);
        let Some(body) = self.0.get(PREFIX..end) else {
            return Ok(None);
        };
        let message = M::decode(body).map_err(|_malformed| FrameError::Message)?;
        self.0.drain(..end);
        Ok(Some(message))
    }

    fn length(&self) -> Result<Option<usize>, FrameError> {
        let Some(prefix) = self.0.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length =
            usize::try_from(u32::from_be_bytes(*prefix)).map_err(|_longer| FrameError::Length)?;
        if length == 0 || length > limits::SUDO_FRAME {
            return Err(FrameError::Length);
        }
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sudo::v1::{ModuleFrame, Outcome, module_frame::Frame};

    fn outcome(ending: i32) -> ModuleFrame {
        ModuleFrame {
            frame: Some(Frame::Outcome(Outcome { ending })),
        }
    }

    #[test]
    fn frames_come_whole_however_they_are_cut() {
        let stream = [encode(&outcome(1)).unwrap(), encode(&outcome(2)).unwrap()].concat();
        for step in 1..=stream.len() {
            let (mut received, mut found) = (Received::default(), Vec::new());
            for piece in stream.chunks(step) {
                received.push(piece);
                while let Some(message) = received.take::<ModuleFrame>().unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, [outcome(1), outcome(2)]);
            assert!(received.is_empty());
        }
    }

    #[test]
    fn a_length_out_of_bounds_ends_it_before_anything_is_set_aside() {
        for prefix in [0, u32::MAX, 0x4001] {
            let mut received = Received::default();
            received.push(&prefix.to_be_bytes());
            assert_eq!(received.wanted(), Err(FrameError::Length));
            assert_eq!(received.take::<ModuleFrame>(), Err(FrameError::Length));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let mut received = Received::default();
        received.push(&[0, 0, 0, 2, 0xff, 0xff]);
        assert_eq!(received.take::<ModuleFrame>(), Err(FrameError::Message));
    }

    #[test]
    fn as_much_is_read_as_the_frame_has() {
        let frame = encode(&outcome(1)).unwrap();
        let mut received = Received::default();
        assert_eq!(received.wanted(), Ok(4));
        received.push(&frame[..4]);
        assert_eq!(received.wanted(), Ok(frame.len() - 4));
        received.push(&frame[4..]);
        assert_eq!(received.wanted(), Ok(0));
    }
}
