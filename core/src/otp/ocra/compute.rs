//! The computation (RFC 6287 sections 5 and 7).

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use num_bigint::BigUint;

use super::{ChallengeError, ChallengeKind, Inputs, Response, Suite};
use crate::{
    otp::{Passcode, hotp::truncate, mac::hmac},
    secret::SecretBytes,
};

/// Length of the challenge in the hashed message, in bytes; padded with zeros on the right.
const QUESTION_LEN: usize = 128;

/// Why a passcode cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OcraError {
    /// The challenge does not fit the suite.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// The suite uses a counter and none was given.
    #[error("the OCRA suite needs a counter")]
    NoCounter,
    /// The suite uses a PIN and none was given.
    #[error("the OCRA suite needs the PIN")]
    NoPin,
    /// The hash of the PIN has not the length that the suite says.
    #[error("the PIN was hashed with another hash than the OCRA suite says")]
    PinHashLength,
    /// The suite uses session information and none was given.
    #[error("the OCRA suite needs session information")]
    NoSession,
    /// The session information is longer than the suite says.
    #[error("the session information is longer than the OCRA suite allows")]
    SessionTooLong,
    /// The suite uses the time and none was given.
    #[error("the OCRA suite needs the time")]
    NoTime,
}

impl Suite {
    /// One-way challenge-response and plain signatures (RFC 6287 sections 7.1 and 7.3).
    ///
    /// # Errors
    /// [`OcraError`]: an input is missing or does not fit the suite.
    pub fn compute(&self, key: &SecretBytes, inputs: &Inputs<'_>) -> Result<Passcode, OcraError> {
        self.check_challenge(inputs.challenge)?;
        self.response_to(key, inputs.challenge, inputs)
    }

    /// Mutual authentication and signatures with server authentication (RFC 6287 sections 7.2, 7.4).
    ///
    /// `inputs.challenge` is the challenge of the other party, `own` the one of the party that computes:
    /// the server answers over client, server; the client over server, client.
    ///
    /// # Errors
    /// [`OcraError`]: an input is missing or does not fit the suite.
    pub fn compute_mutual(
        &self,
        key: &SecretBytes,
        inputs: &Inputs<'_>,
        own: &str,
    ) -> Result<Passcode, OcraError> {
        self.check_challenge(inputs.challenge)?;
        self.check_challenge(own)?;
        let mut both = String::with_capacity(QUESTION_LEN);
        both.push_str(inputs.challenge);
        both.push_str(own);
        self.response_to(key, &both, inputs)
    }

    /// Suite, zero byte, then the inputs that the suite names, in its order.
    fn response_to(
        &self,
        key: &SecretBytes,
        question: &str,
        inputs: &Inputs<'_>,
    ) -> Result<Passcode, OcraError> {
        let counter = self.counter(inputs)?;
        let question = question_bytes(self.challenge_format().kind, question)?;
        let pin_hash = self.pin_bytes(inputs)?;
        let session = self.session(inputs)?;
        let time = self.time(inputs)?;
        let tag = hmac(
            self.hash(),
            key.expose(),
            &[
                self.as_str().as_bytes(),
                &[0],
                bytes_of(counter.as_ref()),
                &question,
                pin_hash,
                &session,
                bytes_of(time.as_ref()),
            ],
        );
        Ok(match self.response() {
            Response::Digits(digits) => truncate(&tag, digits),
            Response::WholeHmac => Passcode::new(HEXLOWER.encode(&tag)),
        })
    }

    fn counter(&self, inputs: &Inputs<'_>) -> Result<Option<[u8; 8]>, OcraError> {
        if !self.uses_counter() {
            return Ok(None);
        }
        inputs
            .counter
            .map(|counter| Some(counter.to_be_bytes()))
            .ok_or(OcraError::NoCounter)
    }

    fn pin_bytes<'a>(&self, inputs: &Inputs<'a>) -> Result<&'a [u8], OcraError> {
        let Some(hash) = self.uses_pin() else {
            return Ok(&[]);
        };
        let given = inputs.pin_hash.ok_or(OcraError::NoPin)?.expose();
        if given.len() == hash.output_len() {
            Ok(given)
        } else {
            Err(OcraError::PinHashLength)
        }
    }

    /// Zeros on the LEFT, as the reference code of RFC 6287 appendix A has it.
    fn session(&self, inputs: &Inputs<'_>) -> Result<Vec<u8>, OcraError> {
        let Some(length) = self.uses_session() else {
            return Ok(Vec::new());
        };
        let given = inputs.session.ok_or(OcraError::NoSession)?;
        let missing = length
            .checked_sub(given.len())
            .ok_or(OcraError::SessionTooLong)?;
        let mut session = vec![0; missing];
        session.extend_from_slice(given);
        Ok(session)
    }

    fn time(&self, inputs: &Inputs<'_>) -> Result<Option<[u8; 8]>, OcraError> {
        if self.uses_time().is_none() {
            return Ok(None);
        }
        inputs
            .time_step
            .map(|step| Some(step.to_be_bytes()))
            .ok_or(OcraError::NoTime)
    }
}

fn bytes_of(factor: Option<&[u8; 8]>) -> &[u8] {
    factor.map(<[u8; 8]>::as_slice).unwrap_or_default()
}

/// The challenge as 128 bytes, zeros on the RIGHT (RFC 6287 section 5.1 and appendix A).
///
/// A numeric challenge becomes the hex text of its number, without leading zeros; an odd number of hex
/// digits then puts the last one into the HIGH half of its byte.
fn question_bytes(kind: ChallengeKind, question: &str) -> Result<[u8; QUESTION_LEN], OcraError> {
    let bytes = match kind {
        ChallengeKind::Alphanumeric => question.as_bytes().to_vec(),
        ChallengeKind::Hex => hex_from_left(question.to_owned()).ok_or(ChallengeError::NotHex)?,
        ChallengeKind::Numeric => BigUint::parse_bytes(question.as_bytes(), 10)
            .and_then(|number| hex_from_left(number.to_str_radix(16)))
            .ok_or(ChallengeError::NotNumeric)?,
    };
    if bytes.len() > QUESTION_LEN {
        return Err(ChallengeError::TooLong { max: QUESTION_LEN }.into());
    }
    let mut question = [0; QUESTION_LEN];
    question
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = from);
    Ok(question)
}

fn hex_from_left(mut digits: String) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        digits.push('0');
    }
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of tests")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &[u8; 20] = b"12345678901234567890";

    fn suite(text: &str) -> Suite {
        text.parse().unwrap()
    }

    fn question(kind: ChallengeKind, text: &str) -> Vec<u8> {
        let bytes = question_bytes(kind, text).unwrap();
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        bytes[..used].to_vec()
    }

    #[test]
    fn an_odd_number_of_hex_digits_fills_the_high_half() {
        assert_eq!(
            question(ChallengeKind::Numeric, "99999999"),
            [0x5f, 0x5e, 0x0f, 0xf0]
        );
        assert!(question(ChallengeKind::Numeric, "00000000").is_empty());
        assert_eq!(question(ChallengeKind::Numeric, "00000001"), [0x10]);
        assert_eq!(
            question(ChallengeKind::Numeric, "16"),
            question(ChallengeKind::Numeric, "1")
        );
        assert_eq!(question(ChallengeKind::Hex, "abC"), [0xab, 0xc0]);
        assert_eq!(question(ChallengeKind::Hex, "00aB"), [0x00, 0xab]);
        assert_eq!(question(ChallengeKind::Alphanumeric, "SIG1"), *b"SIG1");
    }

    #[test]
    fn the_longest_challenges_fit() {
        let key = SecretBytes::from(*KEY);
        for (kind, symbol) in [("N", "9"), ("A", "z"), ("H", "f")] {
            let suite = suite(&format!("OCRA-1:HOTP-SHA1-6:Q{kind}64"));
            let longest = symbol.repeat(64);
            let inputs = Inputs {
                challenge: &longest,
                ..Inputs::default()
            };
            assert!(suite.compute(&key, &inputs).is_ok());
            assert!(suite.compute_mutual(&key, &inputs, &longest).is_ok());
            let longer = symbol.repeat(65);
            assert_eq!(
                suite.compute(
                    &key,
                    &Inputs {
                        challenge: &longer,
                        ..inputs
                    }
                ),
                Err(ChallengeError::TooLong { max: 64 }.into())
            );
            assert_eq!(
                suite.compute_mutual(&key, &inputs, &longer),
                Err(ChallengeError::TooLong { max: 64 }.into())
            );
        }
    }

    #[test]
    fn what_the_suite_names_must_be_there() {
        let key = SecretBytes::from(*KEY);
        let suite = suite("OCRA-1:HOTP-SHA1-6:C-QN08-PSHA1-S064-T1M");
        let pin_hash = SecretBytes::from([1; 20]);
        let long_hash = SecretBytes::from([1; 32]);
        let long_session = [1; 65];
        let full = Inputs {
            counter: Some(0),
            challenge: "1",
            pin_hash: Some(&pin_hash),
            session: Some(b""),
            time_step: Some(0),
        };
        assert!(suite.compute(&key, &full).is_ok());
        for (inputs, error) in [
            (
                Inputs {
                    counter: None,
                    ..full
                },
                OcraError::NoCounter,
            ),
            (
                Inputs {
                    pin_hash: None,
                    ..full
                },
                OcraError::NoPin,
            ),
            (
                Inputs {
                    pin_hash: Some(&long_hash),
                    ..full
                },
                OcraError::PinHashLength,
            ),
            (
                Inputs {
                    session: None,
                    ..full
                },
                OcraError::NoSession,
            ),
            (
                Inputs {
                    session: Some(&long_session),
                    ..full
                },
                OcraError::SessionTooLong,
            ),
            (
                Inputs {
                    time_step: None,
                    ..full
                },
                OcraError::NoTime,
            ),
            (
                Inputs {
                    challenge: "",
                    ..full
                },
                ChallengeError::Empty.into(),
            ),
        ] {
            assert_eq!(suite.compute(&key, &inputs), Err(error));
        }
    }

    #[test]
    fn what_the_suite_does_not_name_does_not_enter() {
        let key = SecretBytes::from(*KEY);
        let suite = suite("OCRA-1:HOTP-SHA1-6:QN08");
        let bare = Inputs {
            challenge: "00000000",
            ..Inputs::default()
        };
        let more = Inputs {
            counter: Some(7),
            session: Some(b"s"),
            time_step: Some(9),
            ..bare
        };
        assert_eq!(suite.compute(&key, &more), suite.compute(&key, &bare));
        assert_eq!(suite.compute(&key, &bare).unwrap().expose(), "237653");
    }

    #[test]
    fn without_truncation_the_whole_hmac_comes() {
        let key = SecretBytes::from(*KEY);
        let inputs = Inputs {
            challenge: "0",
            ..Inputs::default()
        };
        let whole = suite("OCRA-1:HOTP-SHA512-0:QN08")
            .compute(&key, &inputs)
            .unwrap();
        assert_eq!(whole.expose().len(), 128);
        assert!(whole.expose().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    proptest! {
        #[test]
        fn leading_zeros_of_a_number_do_not_matter(number in 0_u32..10_000) {
            prop_assert_eq!(
                question(ChallengeKind::Numeric, &format!("{number:08}")),
                question(ChallengeKind::Numeric, &number.to_string())
            );
        }

        #[test]
        fn no_challenge_makes_the_computation_panic(text in any::<String>(), kind in "[NAH]") {
            let suite = suite(&format!("OCRA-1:HOTP-SHA1-6:Q{kind}64"));
            let inputs = Inputs { challenge: &text, ..Inputs::default() };
            let computed = suite.compute(&SecretBytes::from(*KEY), &inputs);
            prop_assert_eq!(computed.is_ok(), suite.check_challenge(&text).is_ok());
        }
    }
}
