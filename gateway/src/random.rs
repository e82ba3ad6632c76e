//! Random bytes from the system.

use core::convert::Infallible;

use data_encoding::{BASE32_NOPAD, Encoding};
use rand_core::{TryCryptoRng, TryRng};

/// The system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl SystemRandom {
    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>() -> [u8; N] {
        let mut bytes = [0; N];
        fill(&mut bytes);
        bytes
    }

    /// `symbols` random symbols of `A-Z2-7`, five bits each.
    #[must_use]
    pub fn base32(symbols: usize) -> String {
        Self::text(&BASE32_NOPAD, symbols)
    }

    /// `symbols` random symbols of `encoding`.
    fn text(encoding: &Encoding, symbols: usize) -> String {
        let mut bytes = vec![0; symbols];
        fill(&mut bytes);
        let mut text = encoding.encode(&bytes);
        text.truncate(symbols);
        text
    }

    /// A random number below `bound` (0 for a bound of 0), without bias.
    #[must_use]
    pub fn below(bound: u32) -> u32 {
        loop {
            let number = u32::from_le_bytes(Self::bytes());
            let Some(remainder) = number.checked_rem(bound) else {
                return 0;
            };
            // Reject the last, incomplete run of `bound` numbers.
            if number.wrapping_sub(remainder) <= u32::MAX.wrapping_sub(bound).wrapping_add(1) {
                return remainder;
            }
        }
    }
}

/// A gateway that gets no random numbers must not go on: every key and nonce would be guessable.
fn fill(buffer: &mut [u8]) {
    if let Err(error) = getrandom::fill(buffer) {
        tracing::error!(%error, "the system's random source does not answer; stopping");
        std::process::abort();
    }
}

impl TryRng for SystemRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(Self::bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(Self::bytes()))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        fill(buffer);
        Ok(())
    }
}

impl TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_asked_length_and_alphabet() {
        for symbols in [0, 1, 7, 8, 13] {
            let text = SystemRandom::base32(symbols);
            assert_eq!(text.len(), symbols);
            assert!(
                text.bytes()
                    .all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b))
            );
        }
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        assert_eq!(SystemRandom::below(0), 0);
        for bound in [1, 2, 3, 90, 100, u32::MAX] {
            for _ in 0..200 {
                assert!(SystemRandom::below(bound) < bound);
            }
        }
    }
}
