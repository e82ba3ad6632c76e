//! Challenges: their form, the check of a typed one, and random ones (RFC 6287 sections 5.1 and 6.3).

use rand_core::CryptoRng;

use super::Suite;

/// The alphabet of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeKind {
    /// Decimal digits (`QN`).
    Numeric,
    /// ASCII letters and digits (`QA`).
    Alphanumeric,
    /// Hex digits of either case (`QH`).
    Hex,
}

impl ChallengeKind {
    const fn allows(self, byte: u8) -> bool {
        match self {
            Self::Numeric => byte.is_ascii_digit(),
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Hex => byte.is_ascii_hexdigit(),
        }
    }

    /// What random challenges are drawn from; letters that look like digits are left out.
    const fn symbols(self) -> &'static [u8] {
        match self {
            Self::Numeric => b"0123456789",
            Self::Alphanumeric => b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789",
            Self::Hex => b"0123456789ABCDEF",
        }
    }
}

/// Does the last digit of a typed challenge guard the others?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDigit {
    /// It is a digit like the others.
    Absent,
    /// It is the Luhn digit of the others (RFC 6030 section 4.3.4, `CheckDigits`).
    Luhn,
}

/// What a challenge of one party must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeFormat {
    /// The alphabet.
    pub kind: ChallengeKind,
    /// Fewest characters.
    pub min: usize,
    /// Most characters: 4 to 64.
    pub max: usize,
    /// Is the last digit a check digit? Only numeric challenges have one.
    pub check_digit: CheckDigit,
}

/// Why a challenge is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// Nothing at all.
    #[error("the challenge is empty; type the one that the login page shows")]
    Empty,
    /// Shorter than the least length.
    #[error("the challenge is too short: it has at least {min} characters")]
    TooShort {
        /// Fewest characters.
        min: usize,
    },
    /// Longer than the suite allows.
    #[error("the challenge is too long: it has at most {max} characters")]
    TooLong {
        /// Most characters.
        max: usize,
    },
    /// A character that is no decimal digit.
    #[error("the challenge must have digits only")]
    NotNumeric,
    /// A character that is no ASCII letter or digit.
    #[error("the challenge must have letters and digits only")]
    NotAlphanumeric,
    /// A character that is no hex digit.
    #[error("the challenge must have the digits 0 to 9 and the letters A to F only")]
    NotHex,
    /// The check digit says that something was mistyped.
    #[error("the challenge is mistyped: its last digit does not fit the others; type it again")]
    CheckDigit,
}

impl ChallengeFormat {
    /// Up to `max` characters, no check digit: what a suite says.
    #[must_use]
    pub const fn up_to(kind: ChallengeKind, max: usize) -> Self {
        Self {
            kind,
            min: 1,
            max,
            check_digit: CheckDigit::Absent,
        }
    }

    /// Is this a challenge of this form?
    ///
    /// # Errors
    /// [`ChallengeError`] says what is wrong, in words for the one who typed it.
    pub fn check(&self, challenge: &str) -> Result<(), ChallengeError> {
        self.check_symbols(challenge)?;
        if challenge.len() < self.min {
            return Err(ChallengeError::TooShort { min: self.min });
        }
        if challenge.len() > self.max {
            return Err(ChallengeError::TooLong { max: self.max });
        }
        match self.check_digit {
            CheckDigit::Luhn if !luhn_holds(challenge) => Err(ChallengeError::CheckDigit),
            CheckDigit::Luhn | CheckDigit::Absent => Ok(()),
        }
    }

    /// Not empty, and of the right alphabet (which is ASCII, so bytes are characters from here on).
    pub(super) fn check_symbols(&self, challenge: &str) -> Result<(), ChallengeError> {
        if challenge.is_empty() {
            return Err(ChallengeError::Empty);
        }
        if challenge.bytes().all(|byte| self.kind.allows(byte)) {
            return Ok(());
        }
        Err(match self.kind {
            ChallengeKind::Numeric => ChallengeError::NotNumeric,
            ChallengeKind::Alphanumeric => ChallengeError::NotAlphanumeric,
            ChallengeKind::Hex => ChallengeError::NotHex,
        })
    }
}

impl Suite {
    /// Is this a challenge that one party of this suite may pose? For typed input; trim it first.
    ///
    /// # Errors
    /// [`ChallengeError`] says what is wrong, in words for the one who typed it.
    pub fn check_challenge(&self, challenge: &str) -> Result<(), ChallengeError> {
        self.challenge_format().check(challenge)
    }

    /// A random challenge of the full length of this suite, every symbol equally likely.
    pub fn random_challenge(&self, rng: &mut impl CryptoRng) -> String {
        let ChallengeFormat { kind, max, .. } = self.challenge_format();
        let mut challenge = String::with_capacity(max);
        while challenge.len() < max {
            let mut draw = [0_u8; 64];
            rng.fill_bytes(&mut draw);
            let missing = max.saturating_sub(challenge.len());
            challenge.extend(
                draw.into_iter()
                    .filter_map(|byte| symbol(kind, byte))
                    .take(missing),
            );
        }
        challenge
    }
}

/// The symbol of a random byte; none for the few highest bytes, which would favour the first symbols.
fn symbol(kind: ChallengeKind, byte: u8) -> Option<char> {
    let symbols = kind.symbols();
    let byte = usize::from(byte);
    let fair = 256_usize
        .checked_div(symbols.len())?
        .checked_mul(symbols.len())?;
    (byte < fair).then_some(())?;
    symbols
        .get(byte.checked_rem(symbols.len())?)
        .copied()
        .map(char::from)
}

/// ISO/IEC 7812-1 annex B: every second digit from the right doubled, the digit sums add up to a
/// multiple of ten.
fn luhn_holds(digits: &str) -> bool {
    let sum = digits
        .bytes()
        .rev()
        .map(|byte| u32::from(byte.wrapping_sub(b'0')))
        .enumerate()
        .fold(0_u32, |sum, (place, digit)| {
            sum.saturating_add(luhn_share(place, digit))
        });
    sum.is_multiple_of(10)
}

const fn luhn_share(place: usize, digit: u32) -> u32 {
    let doubled = digit.saturating_mul(2);
    match (place.is_multiple_of(2), doubled > 9) {
        (true, _) => digit,
        (false, false) => doubled,
        (false, true) => doubled.saturating_sub(9),
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rand_core::{TryCryptoRng, TryRng};

    use super::*;

    /// Not random: bytes that count up, so that every byte value comes.
    struct CountingBytes(u8);

    impl TryRng for CountingBytes {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            unreachable!("only bytes are drawn")
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            unreachable!("only bytes are drawn")
        }

        fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
            for byte in to {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
            Ok(())
        }
    }

    impl TryCryptoRng for CountingBytes {}

    fn suite(challenge: &str) -> Suite {
        format!("OCRA-1:HOTP-SHA1-6:{challenge}").parse().unwrap()
    }

    #[test]
    fn typed_challenges_are_checked() {
        let numeric = suite("QN08");
        assert_eq!(numeric.check_challenge("00000000"), Ok(()));
        assert_eq!(numeric.check_challenge("1"), Ok(()));
        assert_eq!(numeric.check_challenge(""), Err(ChallengeError::Empty));
        assert_eq!(
            numeric.check_challenge("123456789"),
            Err(ChallengeError::TooLong { max: 8 })
        );
        assert_eq!(
            numeric.check_challenge("1234 567"),
            Err(ChallengeError::NotNumeric)
        );
        assert_eq!(
            numeric.check_challenge("-1234567"),
            Err(ChallengeError::NotNumeric)
        );
        assert_eq!(
            numeric.check_challenge("١٢٣٤"),
            Err(ChallengeError::NotNumeric)
        );
        assert_eq!(
            suite("QA08").check_challenge("SIG1000!"),
            Err(ChallengeError::NotAlphanumeric)
        );
        assert_eq!(suite("QH08").check_challenge("12abCD"), Ok(()));
        assert_eq!(
            suite("QH08").check_challenge("12G4"),
            Err(ChallengeError::NotHex)
        );
    }

    #[test]
    fn a_check_digit_finds_a_mistyped_challenge() {
        let format = ChallengeFormat {
            kind: ChallengeKind::Numeric,
            min: 4,
            max: 11,
            check_digit: CheckDigit::Luhn,
        };
        assert_eq!(format.check("79927398713"), Ok(()));
        assert_eq!(format.check("79927398710"), Err(ChallengeError::CheckDigit));
        assert_eq!(format.check("79927389713"), Err(ChallengeError::CheckDigit));
        assert_eq!(
            format.check("018"),
            Err(ChallengeError::TooShort { min: 4 })
        );
    }

    #[test]
    fn every_symbol_is_equally_likely() {
        for kind in [
            ChallengeKind::Numeric,
            ChallengeKind::Alphanumeric,
            ChallengeKind::Hex,
        ] {
            let drawn: Vec<char> = (0..=255).filter_map(|byte| symbol(kind, byte)).collect();
            let distinct: BTreeSet<char> = drawn.iter().copied().collect();
            assert_eq!(distinct.len(), kind.symbols().len());
            for one in distinct {
                let times = drawn.iter().filter(|other| **other == one).count();
                assert_eq!(times, 256 / kind.symbols().len(), "{kind:?} {one}");
            }
        }
    }

    proptest! {
        #[test]
        fn random_challenges_have_full_length_and_pass_the_check(
            kind in "[NAH]", length in 4_usize..=64, start in any::<u8>(),
        ) {
            let suite = suite(&format!("Q{kind}{length:02}"));
            let challenge = suite.random_challenge(&mut CountingBytes(start));
            prop_assert_eq!(challenge.len(), length);
            prop_assert_eq!(suite.check_challenge(&challenge), Ok(()));
        }

        #[test]
        fn no_text_makes_the_check_panic(text in any::<String>(), kind in "[NAH]") {
            let format = ChallengeFormat { check_digit: CheckDigit::Luhn, ..suite(&format!("Q{kind}64")).challenge_format() };
            let _verdict = format.check(&text);
        }
    }
}
