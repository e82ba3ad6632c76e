//! The printed recovery code: 128 random bits in a form that a person can copy from paper.
//!
//! 26 characters of Crockford's base 32 (no I, L, O, U) and 2 that check them, in 7 groups of 4. Read liberally:
//! small letters, spaces, O for 0, I and L for 1.

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::{SecretBytes, SecretText};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Random bytes of a code.
pub const ENTROPY: usize = 16;
const CHARACTERS: usize = 26;
const CHECKS: usize = 2;
const GROUP: usize = 4;
/// The longest text that is read, in bytes.
const LONGEST: usize = 128;

/// Why a text is not a recovery code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryCodeError {
    /// Too long, too short, or with characters that none has.
    #[error("a recovery code has 28 letters and digits, in groups of four")]
    Form,
    /// A character was copied wrongly.
    #[error(
        "the recovery code was not copied right: its last two characters do not fit the others"
    )]
    Check,
}

/// A recovery code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryCode(SecretBytes);

impl RecoveryCode {
    /// From random bytes.
    #[must_use]
    pub fn new(random: [u8; ENTROPY]) -> Self {
        Self(random.into())
    }

    /// Reads what was printed.
    ///
    /// # Errors
    ///
    /// Every variant of [`RecoveryCodeError`].
    pub fn parse(text: &SecretBytes) -> Result<Self, RecoveryCodeError> {
        let text = text.as_text().ok_or(RecoveryCodeError::Form)?;
        if text.len() > LONGEST {
            return Err(RecoveryCodeError::Form);
        }
        let mut values = Zeroizing::new(Vec::with_capacity(LONGEST));
        for character in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            values.push(value(character).ok_or(RecoveryCodeError::Form)?);
        }
        if values.len() != CHARACTERS.saturating_add(CHECKS) {
            return Err(RecoveryCodeError::Form);
        }
        let (body, checks) = values
            .split_at_checked(CHARACTERS)
            .ok_or(RecoveryCodeError::Form)?;
        let mut bits = Zeroizing::new(0_u128);
        let (last, first) = body.split_last().ok_or(RecoveryCodeError::Form)?;
        for value in first {
            *bits = (*bits << 5) | u128::from(*value);
        }
        // 25 characters hold 125 bits; the last one gives 3 and two zeros.
        if last & 0b11 != 0 {
            return Err(RecoveryCodeError::Check);
        }
        *bits = (*bits << 3) | u128::from(last >> 2);
        let code = Self::new(bits.to_be_bytes());
        if code.checks().as_slice() == checks {
            Ok(code)
        } else {
            Err(RecoveryCodeError::Check)
        }
    }

    /// The text to print: `ABCD-EFGH-…`.
    #[must_use]
    pub fn text(&self) -> SecretText {
        let mut text = String::with_capacity(CHARACTERS.saturating_mul(2));
        let (values, checks) = (self.values(), self.checks());
        for (place, &value) in values.iter().chain(&checks).enumerate() {
            if place > 0 && place.is_multiple_of(GROUP) {
                text.push('-');
            }
            text.push(
                ALPHABET
                    .get(usize::from(value))
                    .copied()
                    .map_or('0', char::from),
            );
        }
        SecretText::new(text)
    }

    /// The random bytes.
    pub(crate) const fn secret(&self) -> &SecretBytes {
        &self.0
    }

    fn values(&self) -> Zeroizing<Vec<u8>> {
        let mut values = Zeroizing::new(Vec::with_capacity(CHARACTERS));
        let (mut pending, mut held) = (0_u16, 0_u32);
        for byte in self.0.expose() {
            pending = (pending << 8) | u16::from(*byte);
            held = held.saturating_add(8);
            while held >= 5 {
                held = held.saturating_sub(5);
                values.push(low_five(pending >> held));
            }
        }
        values.push(low_five(pending << 5_u32.saturating_sub(held)));
        values
    }

    fn checks(&self) -> [u8; CHECKS] {
        let digest = Sha256::new()
            .chain_update("countersign/recovery code check\0")
            .chain_update(self.0.expose())
            .finalize();
        let mut bytes = digest.iter().copied();
        [(); CHECKS].map(|()| bytes.next().unwrap_or(0) & 0b1_1111)
    }
}

fn low_five(bits: u16) -> u8 {
    u8::try_from(bits & 0b1_1111).unwrap_or(0)
}

fn value(character: char) -> Option<u8> {
    let character = match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let place = ALPHABET
        .iter()
        .position(|found| char::from(*found) == character)?;
    u8::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<RecoveryCode, RecoveryCodeError> {
        RecoveryCode::parse(&text.as_bytes().into())
    }

    #[test]
    fn the_printed_form_is_stable() {
        let code = RecoveryCode::new(*b"0123456789abcdef");
        assert_eq!(code.text().expose(), "60RK-4CSM-6MV3-EE1S-C5H6-6S35-CRV2");
        assert_eq!(format!("{code:?}"), "RecoveryCode([REDACTED])");
    }

    #[test]
    fn what_a_person_types_is_read() {
        let code = RecoveryCode::new([0; ENTROPY]);
        let text = code.text().expose().to_owned();
        assert_eq!(parse(&text.to_lowercase()), Ok(code.clone()));
        assert_eq!(parse(&text.replace('-', " ")), Ok(code.clone()));
        assert_eq!(parse(&text.replace('0', "o")), Ok(code));
        for wrong in [
            "",
            "1234",
            &text[1..],
            &format!("{text}0"),
            &"0".repeat(500),
        ] {
            assert_eq!(parse(wrong), Err(RecoveryCodeError::Form), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_code_is_read_back(random: [u8; ENTROPY]) {
            let code = RecoveryCode::new(random);
            prop_assert_eq!(parse(code.text().expose()), Ok(code));
        }

        #[test]
        fn one_wrong_character_is_nearly_always_found(random: [u8; ENTROPY], place in 0_usize..26, other in 0_usize..32) {
            let code = RecoveryCode::new(random);
            let mut text: Vec<char> = code.text().expose().replace('-', "").chars().collect();
            let wrong = char::from(ALPHABET[other]);
            prop_assume!(text[place] != wrong);
            text[place] = wrong;
            // Never another code's text taken for this one.
            prop_assert_ne!(parse(&text.into_iter().collect::<String>()), Ok(code));
        }
    }
}
