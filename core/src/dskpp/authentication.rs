//! The authentication code and the data that proves it (RFC 6063, section 3.4).

use core::fmt::Write as _;

use data_encoding::HEXUPPER;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::Prf;
use crate::secret::{SecretBytes, SecretText};

/// Rounds of PBKDF2 that we use: the least that the RFC allows.
pub(super) const ITERATIONS: u32 = 100_000;
/// Most rounds that a server does for a client.
pub(super) const MAX_ITERATIONS: u32 = 200_000;
/// Length of the MAC in authentication data, in bytes.
pub(super) const MAC_LEN: usize = 16;
/// Most hex digits of one part, from its two-digit length.
const MAX_PART: usize = 0xff;

/// The authentication code of one activation: who enrolls, and a password for one use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticationCode {
    client_id: String,
    password: SecretText,
}

/// A text that cannot be part of an authentication code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationCodeError {
    /// Nothing there.
    #[error("the short code and the passphrase must not be empty")]
    Empty,
    /// Longer than 127 characters (255 if it is hex already).
    #[error("the short code or the passphrase is too long")]
    TooLong,
    /// Something else than printable ASCII: no service of ours issues it, and `SASLprep` would be needed.
    #[error("the short code and the passphrase must have printable ASCII characters only")]
    NotAscii,
    /// Not a sequence of type, length and value with a client ID and a password.
    #[error("not an authentication code")]
    NotACode,
}

impl AuthenticationCode {
    /// The code of an activation string: its short code and passphrase, exactly as issued.
    ///
    /// A text of upper-case hex digits stands for itself, any other becomes the upper-case hex of its bytes.
    ///
    /// # Errors
    /// [`AuthenticationCodeError`] if one of them is empty, too long or not printable ASCII.
    pub fn new(short_code: &str, passphrase: &SecretText) -> Result<Self, AuthenticationCodeError> {
        Ok(Self {
            client_id: part(short_code)?,
            password: SecretText::new(part(passphrase.expose())?),
        })
    }

    /// The client ID, as hex.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The code as users see it in other products: a hex digit of type, two of length, the value; client ID (1),
    /// then password (2). No checksum.
    #[must_use]
    pub fn to_text(&self) -> SecretText {
        let (id, password) = (&self.client_id, self.password.expose());
        let mut text =
            String::with_capacity(id.len().saturating_add(password.len()).saturating_add(6));
        // Writing to a string cannot fail.
        let written = write!(
            text,
            "1{:02X}{id}2{:02X}{password}",
            id.len(),
            password.len()
        );
        debug_assert!(written.is_ok(), "a string takes every text");
        SecretText::new(text)
    }

    /// Reads [`AuthenticationCode::to_text`]. A checksum (3) and types of vendors (8 to F) are ignored.
    ///
    /// # Errors
    /// [`AuthenticationCodeError::NotACode`].
    pub fn from_text(text: &str) -> Result<Self, AuthenticationCodeError> {
        const WRONG: AuthenticationCodeError = AuthenticationCodeError::NotACode;
        if !text.bytes().all(is_hex) {
            return Err(WRONG);
        }
        let (mut client_id, mut password) = (None, None);
        let mut rest = text;
        while !rest.is_empty() {
            let (kind, after) = rest.split_at_checked(1).ok_or(WRONG)?;
            let (length, after) = after.split_at_checked(2).ok_or(WRONG)?;
            let length = usize::from_str_radix(length, 16).map_err(|_not_hex| WRONG)?;
            let (value, after) = after.split_at_checked(length).ok_or(WRONG)?;
            rest = after;
            let place = match kind {
                "1" => &mut client_id,
                "2" => &mut password,
                "3" | "8" | "9" | "A" | "B" | "C" | "D" | "E" | "F" => continue,
                _ => return Err(WRONG),
            };
            if value.is_empty() || place.replace(value).is_some() {
                return Err(WRONG);
            }
        }
        Ok(Self {
            client_id: client_id.ok_or(WRONG)?.to_owned(),
            password: password.ok_or(WRONG)?.into(),
        })
    }

    /// The MAC of authentication data: key `K_AC` = PBKDF2-HMAC-SHA-1(password, `R_C || K`, rounds, 16), over
    /// `ClientID || URL_S || R_C || R_S`; no `R_S` in two passes.
    pub(super) fn mac(&self, prf: Prf, rounds: u32, proof: &ProofInput<'_>) -> SecretBytes {
        let key = authentication_key(self.password.expose().as_bytes(), rounds, proof);
        prf.compute(
            key.as_slice(),
            &[
                self.client_id.as_bytes(),
                proof.url.as_bytes(),
                proof.r_c.expose(),
                proof.r_s,
            ],
            MAC_LEN,
        )
    }
}

/// What both sides know when the client proves its code.
#[derive(Debug)]
pub(super) struct ProofInput<'a> {
    /// Exactly as the client was given it.
    pub(super) url: &'a str,
    pub(super) r_c: &'a SecretBytes,
    pub(super) r_s: &'a [u8],
    /// K: DER `SubjectPublicKeyInfo` of the server; in two passes the key that both sides have.
    pub(super) k: &'a [u8],
}

fn authentication_key(password: &[u8], rounds: u32, proof: &ProofInput<'_>) -> Zeroizing<[u8; 16]> {
    let salt = Zeroizing::new([proof.r_c.expose(), proof.k].concat());
    let mut key = Zeroizing::new([0; 16]);
    pbkdf2_hmac::<Sha1>(password, &salt, rounds, key.as_mut_slice());
    key
}

const fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'F')
}

fn part(text: &str) -> Result<String, AuthenticationCodeError> {
    if text.is_empty() {
        return Err(AuthenticationCodeError::Empty);
    }
    if text.len() > MAX_PART {
        return Err(AuthenticationCodeError::TooLong);
    }
    if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(AuthenticationCodeError::NotAscii);
    }
    let part = if text.bytes().all(is_hex) {
        text.to_owned()
    } else {
        HEXUPPER.encode(text.as_bytes())
    };
    if part.len() > MAX_PART {
        Err(AuthenticationCodeError::TooLong)
    } else {
        Ok(part)
    }
}

#[cfg(test)]
pub(super) fn authentication_key_for_test(
    password: &str,
    rounds: u32,
    proof: &ProofInput<'_>,
) -> [u8; 16] {
    *authentication_key(password.as_bytes(), rounds, proof)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_cannot_be_a_part_is_refused() {
        let new = |short_code: &str| AuthenticationCode::new(short_code, &"1234".into());
        assert_eq!(new(""), Err(AuthenticationCodeError::Empty));
        assert_eq!(new("gr\u{fc}n"), Err(AuthenticationCodeError::NotAscii));
        assert_eq!(new("a\n"), Err(AuthenticationCodeError::NotAscii));
        assert_eq!(new(&"x".repeat(128)), Err(AuthenticationCodeError::TooLong));
        assert!(new(&"x".repeat(127)).is_ok());
        assert!(new(&"A".repeat(255)).is_ok());
        // Lower-case hex is not hex: it would become another code when written as it stands.
        assert_eq!(new("ab").map(|code| code.client_id), Ok("6162".to_owned()));
    }

    #[test]
    fn codes_that_are_none_are_refused() {
        for text in [
            "",
            "1",
            "101",
            "1024",
            "101A",
            "201A",
            "101A201B1",
            "101A101A201B",
            "401A",
            "100201B",
            "101a201B",
        ] {
            assert_eq!(
                AuthenticationCode::from_text(text),
                Err(AuthenticationCodeError::NotACode),
                "{text}"
            );
        }
        // A checksum and a type of a vendor do not matter.
        assert!(AuthenticationCode::from_text("101A201B304ABCD901F").is_ok());
    }

    proptest! {
        #[test]
        fn codes_survive_their_text(short_code in "[ -~]{1,100}", passphrase in "[ -~]{1,100}") {
            let code = AuthenticationCode::new(&short_code, &SecretText::new(passphrase)).unwrap();
            prop_assert_eq!(AuthenticationCode::from_text(code.to_text().expose()), Ok(code));
        }

        #[test]
        fn no_text_panics(text in "[0-9A-F]{0,30}|.{0,20}") {
            drop(AuthenticationCode::from_text(&text));
        }
    }
}
