//! What goes into one computation besides the key (RFC 6287 section 5.1).

use hmac::digest::Digest as _;
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use super::Suite;
use crate::{
    otp::HashAlgorithm,
    secret::{SecretBytes, SecretText},
};

/// The inputs of one computation. An input that the suite does not use may be given; it does not enter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// `C`: the event counter.
    pub counter: Option<u64>,
    /// `Q`: the challenge, or the text that is signed.
    pub challenge: &'a str,
    /// `P`: the hash of the PIN, from [`Suite::pin_hash`].
    pub pin_hash: Option<&'a SecretBytes>,
    /// `S`: information about the session; zeros are put before it up to the length of the suite.
    pub session: Option<&'a [u8]>,
    /// `T`: the time step, counted in units of [`Suite::uses_time`] since 1970.
    pub time_step: Option<u64>,
}

impl Suite {
    /// The hash of a PIN as this suite wants it; none where no PIN enters.
    ///
    /// A wrong PIN gives a wrong passcode, never an error: only the service finds out.
    #[must_use]
    pub fn pin_hash(&self, pin: &SecretText) -> Option<SecretBytes> {
        let pin = pin.expose().as_bytes();
        Some(SecretBytes::new(match self.uses_pin()? {
            HashAlgorithm::Sha1 => Sha1::digest(pin).to_vec(),
            HashAlgorithm::Sha256 => Sha256::digest(pin).to_vec(),
            HashAlgorithm::Sha512 => Sha512::digest(pin).to_vec(),
        }))
    }

    /// The time step of this suite at a time (seconds since 1970); none where no time enters.
    #[must_use]
    pub fn time_step(&self, unix_secs: u64) -> Option<u64> {
        unix_secs.checked_div(u64::from(self.uses_time()?))
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn suite(inputs: &str) -> Suite {
        format!("OCRA-1:HOTP-SHA512-8:{inputs}").parse().unwrap()
    }

    /// RFC 6287 appendix C gives the hash of "1234" and the minute 0x132d0b6.
    #[test]
    fn pin_and_time_follow_the_suite() {
        let pin = SecretText::from("1234");
        let hash = suite("QN08-PSHA1").pin_hash(&pin).unwrap();
        assert_eq!(
            HEXLOWER.encode(hash.expose()),
            "7110eda4d09e062aa5e4a390b0a572ac0d2c0220"
        );
        assert_eq!(suite("QN08-PSHA256").pin_hash(&pin).unwrap().len(), 32);
        assert_eq!(suite("QN08-PSHA512").pin_hash(&pin).unwrap().len(), 64);
        assert_eq!(suite("QN08").pin_hash(&pin), None);
        assert_eq!(
            suite("QN08-T1M").time_step(0x0132_d0b6 * 60 + 59),
            Some(0x0132_d0b6)
        );
        assert_eq!(suite("QN08-T48H").time_step(172_800), Some(1));
        assert_eq!(suite("QN08").time_step(172_800), None);
    }

    #[test]
    fn inputs_never_print_the_pin() {
        let hash = SecretBytes::from([7; 20]);
        let inputs = Inputs {
            pin_hash: Some(&hash),
            ..Inputs::default()
        };
        assert!(format!("{inputs:?}").contains("[REDACTED]"));
    }
}
