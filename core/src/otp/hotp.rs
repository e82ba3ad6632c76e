//! Event-based passcodes: HOTP (RFC 4226 section 5).

use zeroize::Zeroizing;

use super::{Digits, HashAlgorithm, Passcode, mac::hmac};
use crate::secret::SecretBytes;

/// Most decimal digits of a truncated HMAC: 31 bits are below 2,147,483,648.
const TRUNCATED_DIGITS: usize = 10;

/// The passcode of one counter value (RFC 4226 section 5.3; the other hashes as RFC 6238 section 1.2).
///
/// Ten digits are allowed, but the first of them is then never above 2.
#[must_use]
pub fn hotp(key: &SecretBytes, counter: u64, hash: HashAlgorithm, digits: Digits) -> Passcode {
    truncate(&hmac(hash, key.expose(), &[&counter.to_be_bytes()]), digits)
}

/// Dynamic truncation (RFC 4226 section 5.3): four bytes where the low nibble of the last byte points
/// to, without the sign bit, as decimal text; of that the last `digits` digits.
pub(super) fn truncate(tag: &[u8], digits: Digits) -> Passcode {
    let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
    let word = tag
        .iter()
        .skip(offset)
        .take(4)
        .fold(0_u32, |word, byte| (word << 8) | u32::from(*byte));
    let decimal = Zeroizing::new(format!("{:010}", word & 0x7fff_ffff));
    let kept = usize::from(digits.count());
    let mut passcode = String::with_capacity(TRUNCATED_DIGITS);
    passcode.extend(decimal.chars().skip(TRUNCATED_DIGITS.saturating_sub(kept)));
    Passcode::new(passcode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(count: u8) -> Digits {
        Digits::try_from(count).unwrap()
    }

    /// The worked example of RFC 4226 section 5.4: 0x50ef7f19 is 1357872921.
    #[test]
    fn truncation_follows_the_worked_example() {
        let tag = [
            0x1f, 0x86, 0x98, 0x69, 0x0e, 0x02, 0xca, 0x16, 0x61, 0x85, 0x50, 0xef, 0x7f, 0x19,
            0xda, 0x8e, 0x94, 0x5b, 0x55, 0x5a,
        ];
        assert_eq!(truncate(&tag, digits(6)).expose(), "872921");
        assert_eq!(truncate(&tag, digits(4)).expose(), "2921");
        assert_eq!(truncate(&tag, digits(9)).expose(), "357872921");
        assert_eq!(truncate(&tag, digits(10)).expose(), "1357872921");
    }

    #[test]
    fn truncation_clears_the_sign_bit_and_keeps_leading_zeros() {
        let mut tag = [0_u8; 20];
        tag[0] = 0x80;
        tag[3] = 0x07;
        assert_eq!(truncate(&tag, digits(10)).expose(), "0000000007");
    }

    #[test]
    fn the_offset_reaches_the_end_of_every_hash() {
        for length in [20_usize, 32, 64] {
            let mut tag = vec![0_u8; length];
            tag[length - 1] = 0x0f;
            tag[15..19].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff]);
            assert_eq!(truncate(&tag, digits(10)).expose(), "2147483647");
        }
    }

    #[test]
    fn the_last_counter_has_a_passcode() {
        let key = SecretBytes::from(*b"12345678901234567890");
        let last = hotp(&key, u64::MAX, HashAlgorithm::Sha1, Digits::SIX);
        assert_eq!(last.expose().len(), 6);
        assert_ne!(last, hotp(&key, 0, HashAlgorithm::Sha1, Digits::SIX));
    }
}
