//! The suite text (RFC 6287 section 6): `OCRA-1:HOTP-<hash>-<t>:[C-]QFxx[-PH][-Snnn][-TG]`.
//!
//! Strict: a text that is read differently here and at the service would only give wrong passcodes.

use core::str::FromStr;

use super::{
    ChallengeFormat, ChallengeKind,
    suite::{DataInput, Response, Suite},
};
use crate::otp::{Digits, HashAlgorithm};

/// Longest suite text, in bytes; the longest one possible today has 44.
const MAX_TEXT: usize = 64;

/// Longest session input, in bytes (RFC 6287 section 5.1).
const MAX_SESSION: usize = 512;

/// Length of a session input when the suite says only `S` (RFC 6287 section 6.3).
const DEFAULT_SESSION: usize = 64;

/// Time step when the suite says only `T`: one minute (RFC 6287 section 6.3).
const DEFAULT_TIME_STEP_SECS: u32 = 60;

/// Why a suite text is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuiteError {
    /// Longer than any suite can be.
    #[error("the OCRA suite is longer than any suite can be")]
    TooLong,
    /// Not three sections.
    #[error("an OCRA suite has three sections: algorithm, crypto function and data input")]
    Sections,
    /// Not version 1.
    #[error("only OCRA version 1 is known: the suite must begin with \"OCRA-1:\"")]
    Version,
    /// The second section is not `HOTP-H-t`.
    #[error("the crypto function of the OCRA suite must be HOTP with a hash and a length")]
    CryptoFunction,
    /// The hash of the second section.
    #[error("the hash of the OCRA suite must be SHA1, SHA256 or SHA512")]
    Hash,
    /// The length of the second section.
    #[error("the response length of the OCRA suite must be 0 or 4 to 10")]
    ResponseLength,
    /// No `Q`, or not in its place.
    #[error("the OCRA suite asks for no challenge where one is due")]
    NoChallenge,
    /// A `Q` that is not `Q`, `QNxx`, `QAxx` or `QHxx`.
    #[error("the challenge of the OCRA suite must be QN, QA or QH with a length of 04 to 64")]
    Challenge,
    /// A `P` with another hash.
    #[error("the PIN of the OCRA suite must be hashed with SHA1, SHA256 or SHA512")]
    PinHash,
    /// An `S` that is not `S` or `Snnn`.
    #[error("the session of the OCRA suite must have a length of three digits, 001 to 512")]
    Session,
    /// A `T` that is not one number and one unit, or out of its range.
    #[error("the time step of the OCRA suite must be 1 to 59 S, 1 to 59 M or 1 to 48 H")]
    TimeStep,
    /// `T0H`: the RFC as printed has it; erratum 3729 takes it out, since there is nothing to count.
    #[error("the OCRA suite has a time step of no length")]
    NoTime,
    /// A `T` such as `T1H30M`, which some servers accept.
    #[error("the time step of the OCRA suite mixes several units; only one unit is standard")]
    SeveralTimeUnits,
    /// A part that is unknown, repeated or out of the order C, Q, P, S, T.
    #[error(
        "the OCRA suite has an unknown, repeated or misplaced input; the order is C, Q, P, S, T"
    )]
    Input,
}

impl FromStr for Suite {
    type Err = SuiteError;

    /// # Errors
    /// [`SuiteError`] says which part is not understood. Case and leading zeros count: they are hashed.
    fn from_str(text: &str) -> Result<Self, SuiteError> {
        if text.len() > MAX_TEXT {
            return Err(SuiteError::TooLong);
        }
        let mut sections = text.split(':');
        let (Some(version), Some(function), Some(inputs), None) = (
            sections.next(),
            sections.next(),
            sections.next(),
            sections.next(),
        ) else {
            return Err(SuiteError::Sections);
        };
        if version != "OCRA-1" {
            return Err(SuiteError::Version);
        }
        let (hash, response) = crypto_function(function)?;
        Ok(Self {
            text: text.to_owned(),
            hash,
            response,
            inputs: data_input(inputs)?,
        })
    }
}

fn crypto_function(text: &str) -> Result<(HashAlgorithm, Response), SuiteError> {
    let (hash, length) = text
        .strip_prefix("HOTP-")
        .and_then(|rest| rest.split_once('-'))
        .ok_or(SuiteError::CryptoFunction)?;
    let response = match length {
        "0" => Response::WholeHmac,
        _ => Response::Digits(
            plain_number(length, 1..=2)
                .filter(|_| !length.starts_with('0'))
                .and_then(|count| u8::try_from(count).ok())
                .and_then(|count| Digits::try_from(count).ok())
                .ok_or(SuiteError::ResponseLength)?,
        ),
    };
    Ok((hash_name(hash).ok_or(SuiteError::Hash)?, response))
}

/// The hash by its one spelling; anything else would hash another text than the service does.
fn hash_name(text: &str) -> Option<HashAlgorithm> {
    match text {
        "SHA1" => Some(HashAlgorithm::Sha1),
        "SHA256" => Some(HashAlgorithm::Sha256),
        "SHA512" => Some(HashAlgorithm::Sha512),
        _ => None,
    }
}

fn data_input(text: &str) -> Result<DataInput, SuiteError> {
    let mut parts = text.split('-').peekable();
    let counter = parts.next_if_eq(&"C").is_some();
    let challenge = parts
        .next()
        .and_then(|part| part.strip_prefix('Q'))
        .ok_or(SuiteError::NoChallenge)
        .and_then(challenge_part)?;
    let pin_hash = parts
        .next_if(|part| part.starts_with('P'))
        .map(pin_part)
        .transpose()?;
    let session_len = parts
        .next_if(|part| part.starts_with('S'))
        .map(session_part)
        .transpose()?;
    let time_step_secs = parts
        .next_if(|part| part.starts_with('T'))
        .map(time_part)
        .transpose()?;
    if parts.next().is_some() {
        return Err(SuiteError::Input);
    }
    Ok(DataInput {
        counter,
        challenge,
        pin_hash,
        session_len,
        time_step_secs,
    })
}

/// What follows the `Q`; nothing stands for N08.
fn challenge_part(format: &str) -> Result<ChallengeFormat, SuiteError> {
    if format.is_empty() {
        return Ok(ChallengeFormat::up_to(ChallengeKind::Numeric, 8));
    }
    let kind = match format.chars().next() {
        Some('N') => ChallengeKind::Numeric,
        Some('A') => ChallengeKind::Alphanumeric,
        Some('H') => ChallengeKind::Hex,
        _ => return Err(SuiteError::Challenge),
    };
    let length = format
        .get(1..)
        .and_then(|length| plain_number(length, 2..=2))
        .filter(|length| (4..=64).contains(length))
        .ok_or(SuiteError::Challenge)?;
    Ok(ChallengeFormat::up_to(kind, length))
}

fn pin_part(part: &str) -> Result<HashAlgorithm, SuiteError> {
    match part.get(1..) {
        Some("") => Ok(HashAlgorithm::Sha1),
        Some(hash) => hash_name(hash).ok_or(SuiteError::PinHash),
        None => Err(SuiteError::PinHash),
    }
}

fn session_part(part: &str) -> Result<usize, SuiteError> {
    match part.get(1..) {
        Some("") => Ok(DEFAULT_SESSION),
        Some(length) => plain_number(length, 3..=3)
            .filter(|length| (1..=MAX_SESSION).contains(length))
            .ok_or(SuiteError::Session),
        None => Err(SuiteError::Session),
    }
}

fn time_part(part: &str) -> Result<u32, SuiteError> {
    let granularity = part.get(1..).ok_or(SuiteError::TimeStep)?;
    if granularity.is_empty() {
        return Ok(DEFAULT_TIME_STEP_SECS);
    }
    if granularity.matches(['S', 'M', 'H']).count() > 1 {
        return Err(SuiteError::SeveralTimeUnits);
    }
    let (count, unit_secs, most) = if let Some(count) = granularity.strip_suffix('S') {
        (count, 1, 59)
    } else if let Some(count) = granularity.strip_suffix('M') {
        (count, 60, 59)
    } else if let Some(count) = granularity.strip_suffix('H') {
        (count, 3600, 48)
    } else {
        return Err(SuiteError::TimeStep);
    };
    if granularity == "0H" {
        return Err(SuiteError::NoTime);
    }
    plain_number(count, 1..=2)
        .filter(|number| !count.starts_with('0') && *number <= most)
        .and_then(|number| u32::try_from(number).ok())
        .and_then(|number| number.checked_mul(unit_secs))
        .ok_or(SuiteError::TimeStep)
}

/// A number of ASCII digits only (no sign), with so many of them.
fn plain_number(text: &str, length: core::ops::RangeInclusive<usize>) -> Option<usize> {
    (length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn suite(inputs: &str) -> Result<Suite, SuiteError> {
        format!("OCRA-1:HOTP-SHA1-6:{inputs}").parse()
    }

    #[test]
    fn every_part_is_read() {
        let suite: Suite = "OCRA-1:HOTP-SHA512-10:C-QA10-PSHA256-S128-T30S"
            .parse()
            .unwrap();
        assert_eq!(suite.hash(), HashAlgorithm::Sha512);
        assert_eq!(suite.response().digits().map(Digits::count), Some(10));
        assert!(suite.uses_counter());
        assert_eq!(
            suite.challenge_format(),
            ChallengeFormat::up_to(ChallengeKind::Alphanumeric, 10)
        );
        assert_eq!(suite.uses_pin(), Some(HashAlgorithm::Sha256));
        assert_eq!(suite.uses_session(), Some(128));
        assert_eq!(suite.uses_time(), Some(30));
        assert_eq!(
            suite.to_string(),
            "OCRA-1:HOTP-SHA512-10:C-QA10-PSHA256-S128-T30S"
        );
    }

    #[test]
    fn bare_parts_take_their_defaults_and_the_text_stays() {
        let suite = suite("Q-P-S-T").unwrap();
        assert_eq!(
            suite.challenge_format(),
            ChallengeFormat::up_to(ChallengeKind::Numeric, 8)
        );
        assert_eq!(suite.uses_pin(), Some(HashAlgorithm::Sha1));
        assert_eq!(suite.uses_session(), Some(64));
        assert_eq!(suite.uses_time(), Some(60));
        assert_eq!(suite.as_str(), "OCRA-1:HOTP-SHA1-6:Q-P-S-T");
    }

    #[test]
    fn time_steps_have_one_unit_in_its_range() {
        for (part, secs) in [
            ("T1S", 1),
            ("T59S", 59),
            ("T1M", 60),
            ("T59M", 3540),
            ("T1H", 3600),
            ("T48H", 172_800),
        ] {
            assert_eq!(
                suite(&format!("QN08-{part}")).unwrap().uses_time(),
                Some(secs),
                "{part}"
            );
        }
        for (part, error) in [
            ("T0S", SuiteError::TimeStep),
            ("T60S", SuiteError::TimeStep),
            ("T60M", SuiteError::TimeStep),
            ("T49H", SuiteError::TimeStep),
            ("T0H", SuiteError::NoTime),
            ("T01M", SuiteError::TimeStep),
            ("T+1M", SuiteError::TimeStep),
            ("T1D", SuiteError::TimeStep),
            ("TM", SuiteError::TimeStep),
            ("T1H30M", SuiteError::SeveralTimeUnits),
        ] {
            assert_eq!(suite(&format!("QN08-{part}")), Err(error), "{part}");
        }
    }

    #[test]
    fn a_refused_suite_says_why() {
        for (text, error) in [
            ("", SuiteError::Sections),
            ("OCRA-1:HOTP-SHA1-6", SuiteError::Sections),
            ("OCRA-1:HOTP-SHA1-6:QN08:", SuiteError::Sections),
            ("OCRA-2:HOTP-SHA1-6:QN08", SuiteError::Version),
            ("ocra-1:HOTP-SHA1-6:QN08", SuiteError::Version),
            ("OCRA-1:TOTP-SHA1-6:QN08", SuiteError::CryptoFunction),
            ("OCRA-1:HOTP-SHA1:QN08", SuiteError::CryptoFunction),
            ("OCRA-1:HOTP-MD5-6:QN08", SuiteError::Hash),
            ("OCRA-1:HOTP-SHA-1-6:QN08", SuiteError::ResponseLength),
            ("OCRA-1:HOTP-sha1-6:QN08", SuiteError::Hash),
            ("OCRA-1:HOTP-SHA1-3:QN08", SuiteError::ResponseLength),
            ("OCRA-1:HOTP-SHA1-11:QN08", SuiteError::ResponseLength),
            ("OCRA-1:HOTP-SHA1-06:QN08", SuiteError::ResponseLength),
            ("OCRA-1:HOTP-SHA1-6:", SuiteError::NoChallenge),
            ("OCRA-1:HOTP-SHA1-6:C", SuiteError::NoChallenge),
            ("OCRA-1:HOTP-SHA1-6:PSHA1-QN08", SuiteError::NoChallenge),
            ("OCRA-1:HOTP-SHA1-6:QN8", SuiteError::Challenge),
            ("OCRA-1:HOTP-SHA1-6:QN03", SuiteError::Challenge),
            ("OCRA-1:HOTP-SHA1-6:QN65", SuiteError::Challenge),
            ("OCRA-1:HOTP-SHA1-6:QX08", SuiteError::Challenge),
            ("OCRA-1:HOTP-SHA1-6:Qé08", SuiteError::Challenge),
            ("OCRA-1:HOTP-SHA1-6:QN08-PMD5", SuiteError::PinHash),
            ("OCRA-1:HOTP-SHA1-6:QN08-S64", SuiteError::Session),
            ("OCRA-1:HOTP-SHA1-6:QN08-S000", SuiteError::Session),
            ("OCRA-1:HOTP-SHA1-6:QN08-S513", SuiteError::Session),
            ("OCRA-1:HOTP-SHA1-6:QN08-T1M-PSHA1", SuiteError::Input),
            ("OCRA-1:HOTP-SHA1-6:QN08-PSHA1-PSHA1", SuiteError::Input),
            ("OCRA-1:HOTP-SHA1-6:QN08-", SuiteError::Input),
            ("OCRA-1:HOTP-SHA1-6:QN08-X", SuiteError::Input),
        ] {
            assert_eq!(text.parse::<Suite>(), Err(error), "{text}");
        }
        assert_eq!("x".repeat(1000).parse::<Suite>(), Err(SuiteError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,70}|OCRA-1:HOTP-SHA(1|256)-[0-9]{1,2}:[CQPSTNAHM0-9-]{0,30}") {
            if let Ok(suite) = text.parse::<Suite>() {
                prop_assert_eq!(suite.to_string(), text);
            }
        }
    }
}
