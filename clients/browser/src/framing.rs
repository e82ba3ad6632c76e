//! Native messaging's frames: a length of 32 bits in the machine's own byte order, then so many bytes of JSON.

use std::io::{self, Read};

use countersign_proto::limits::NATIVE_MESSAGE;
use zeroize::Zeroizing;

/// Bytes of a length.
const LENGTH: usize = 4;
/// The longest message that browsers take, in bytes.
pub const LONGEST_REPLY: usize = 1024 * 1024;

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It announces more than is taken. Nothing of it was read.
    #[error("A message has at most {NATIVE_MESSAGE} bytes.")]
    TooLong,
    /// The input ended within it.
    #[error("The message ends early.")]
    Cut,
    /// The input failed.
    #[error("The browser's pipe failed.")]
    Input(#[source] io::Error),
}

/// The next message; nothing at the end of the input.
///
/// # Errors
///
/// Every variant of [`FrameError`]. After one of them there is no place to go on from.
pub fn read(input: &mut impl Read) -> Result<Option<Zeroizing<Vec<u8>>>, FrameError> {
    let mut length = [0; LENGTH];
    match filled(input, &mut length)? {
        0 => return Ok(None),
        LENGTH => {}
        _ => return Err(FrameError::Cut),
    }
    let length =
        usize::try_from(u32::from_ne_bytes(length)).map_err(|_wide| FrameError::TooLong)?;
    if length > NATIVE_MESSAGE {
        return Err(FrameError::TooLong);
    }
    let mut message = Zeroizing::new(vec![0; length]);
    if filled(input, &mut message)? < length {
        return Err(FrameError::Cut);
    }
    Ok(Some(message))
}

/// Reads until `buffer` is full or the input has ended; returns how much there was.
fn filled(input: &mut impl Read, buffer: &mut [u8]) -> Result<usize, FrameError> {
    let mut done = 0_usize;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(more) => done = done.saturating_add(more),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FrameError::Input(error)),
        }
    }
    Ok(done)
}

/// A message behind its length; nothing for one that no browser takes.
#[must_use]
pub fn framed(message: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if message.len() > LONGEST_REPLY {
        return None;
    }
    let length = u32::try_from(message.len()).ok()?;
    let mut frame = Zeroizing::new(Vec::with_capacity(message.len().saturating_add(LENGTH)));
    frame.extend_from_slice(&length.to_ne_bytes());
    frame.extend_from_slice(message);
    Some(frame)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives a few bytes at a time, as a pipe may.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = self.1.min(buffer.len());
            self.0.read(&mut buffer[..most])
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_its_bytes() {
        for length in [
            NATIVE_MESSAGE + 1,
            1 << 20,
            (1 << 20) + 1,
            usize::try_from(u32::MAX).unwrap(),
        ] {
            let bytes = u32::try_from(length).unwrap().to_ne_bytes();
            let refused = read(&mut bytes.as_slice());
            assert!(matches!(refused, Err(FrameError::TooLong)), "{length}");
        }
        let whole = [vec![b' '; NATIVE_MESSAGE], Vec::new()].concat();
        let frame = framed(&whole).unwrap();
        assert_eq!(
            read(&mut frame.as_slice()).unwrap().unwrap().len(),
            NATIVE_MESSAGE
        );
    }

    #[test]
    fn an_end_within_a_frame_is_no_end() {
        let frame = framed(b"{\"id\":1}").unwrap();
        for cut in 1..frame.len() {
            assert!(
                matches!(read(&mut &frame[..cut]), Err(FrameError::Cut)),
                "{cut}"
            );
        }
        assert!(read(&mut [].as_slice()).unwrap().is_none());
    }

    #[test]
    fn what_no_browser_takes_is_not_framed() {
        assert!(framed(&vec![0; LONGEST_REPLY]).is_some());
        assert!(framed(&vec![0; LONGEST_REPLY + 1]).is_none());
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
            step in 1_usize..9,
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|message| framed(message).unwrap().to_vec()).collect();
            let mut input = Trickle(&bytes, step);
            for message in &messages {
                prop_assert_eq!(&*read(&mut input).unwrap().unwrap(), message);
            }
            prop_assert!(read(&mut input).unwrap().is_none());
        }

        #[test]
        fn no_bytes_make_it_panic_or_keep_more_than_the_bound(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut input = bytes.as_slice();
            while let Ok(Some(message)) = read(&mut input) {
                prop_assert!(message.len() <= NATIVE_MESSAGE);
            }
        }
    }
}
