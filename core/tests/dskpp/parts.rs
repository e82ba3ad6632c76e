//! What the runs are made of.

use core::convert::Infallible;

use countersign_core::{
    dskpp::AuthenticationCode,
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::{
        BiometricPin, Exportable, KeyPackage, NumberMatching, PinEncoding, PinPolicy, TokenPin,
    },
    token::{PushPolicy, VerificationLevel},
};
use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};

pub(crate) const URL: &str = "https://gateway.example:8443/enroll/dskpp?sc=AbCdEf1234";
/// Repeatable bytes. Never outside tests.
pub(crate) struct TestRng {
    seed: u8,
    block: u64,
}

impl TestRng {
    pub(crate) const fn new(seed: u8) -> Self {
        Self { seed, block: 0 }
    }
}

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for chunk in to.chunks_mut(32) {
            self.block += 1;
            let hash = Sha256::new()
                .chain_update([self.seed])
                .chain_update(self.block.to_le_bytes());
            chunk.copy_from_slice(&hash.finalize()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}

pub(crate) fn code(short_code: &str, passphrase: &str) -> AuthenticationCode {
    AuthenticationCode::new(short_code, &passphrase.into()).unwrap()
}

pub(crate) fn right_code() -> AuthenticationCode {
    code("AbCdEf1234", "ABCD-EFGH-IJKLM")
}

pub(crate) fn modes() -> Vec<OtpMode> {
    let mut modes = Vec::new();
    for hash in [
        HashAlgorithm::Sha1,
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha512,
    ] {
        modes.push(OtpMode::Time {
            hash,
            digits: Digits::SIX,
            period: Period::THIRTY,
        });
        modes.push(OtpMode::Event {
            hash,
            digits: Digits::EIGHT,
        });
        let suite = format!("OCRA-1:HOTP-{hash}-6:QN08");
        modes.push(OtpMode::Challenge {
            suite: suite.parse().unwrap(),
        });
    }
    modes.push(OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA256-8:C-QA10".parse().unwrap(),
    });
    modes
}

pub(crate) fn package(mode: OtpMode) -> KeyPackage {
    KeyPackage {
        issuer: "Example & <Sons>".to_owned(),
        user: "alice, \"A\"".to_owned(),
        // Contains what our placeholder looks like.
        friendly_name: "A".repeat(60),
        pin: PinPolicy::Token(TokenPin {
            max_failed_attempts: 7,
            min_length: 6,
            max_length: 12,
            encoding: PinEncoding::Decimal,
            biometric: BiometricPin::Allowed,
        }),
        push: PushPolicy::Allowed(VerificationLevel::Pin),
        number_matching: NumberMatching::Required,
        policy_name: "standard".to_owned(),
        policy_level: "2".to_owned(),
        exportable: Exportable::No,
        ..KeyPackage::new("CS-0001", mode)
    }
}
