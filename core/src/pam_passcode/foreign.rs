//! Passcode files of other PAM modules: `pam_oath`'s users file, `pam_google_authenticator`'s file of one user.
//!
//! What these modules have accepted is used up here too, as far as their files say it.

use data_encoding::HEXLOWER_PERMISSIVE;

use super::{Record, RecordError, TryLimit};
use crate::{
    otp::{Digits, HashAlgorithm, OtpMode, Period, time_step},
    otpauth::base32_secret,
    pam_passcode::Factor,
    secret::SecretBytes,
    time::UnixMillis,
};

/// Longest file that is read, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// Why an entry is not taken over. Nothing of it is repeated: it holds a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForeignError {
    /// Longer than any such file.
    #[error("the file is longer than {MAX_FILE} bytes")]
    TooLong,
    /// It has not the fields of its kind.
    #[error("it is not understood")]
    Form,
    /// A kind of passcode other than HOTP and TOTP with 6 to 8 digits.
    #[error("its kind of passcode is not known")]
    Kind,
    /// `pam_oath` asks for a PIN before the passcode.
    #[error("it asks for a PIN or password beside the passcode; set that up with another module")]
    Pin,
    /// The secret cannot be read.
    #[error("its secret is damaged")]
    Secret,
    /// Too weak.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The entries of a users file of `pam_oath`: number of the line, user, and the record or why there is none.
///
/// # Errors
/// [`ForeignError::TooLong`].
pub fn users_oath(text: &str, now: UnixMillis) -> Result<Vec<Entry<'_>>, ForeignError> {
    if text.len() > MAX_FILE {
        return Err(ForeignError::TooLong);
    }
    let lines = text.lines().zip(1_usize..);
    let entries = lines.filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(entries
        .map(|(line, number)| Entry {
            line: number,
            user: line.split_ascii_whitespace().nth(1).unwrap_or_default(),
            record: users_oath_line(line, now),
        })
        .collect())
}

/// One line of a users file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number, from one.
    pub line: usize,
    /// Whose it is; any text.
    pub user: &'a str,
    /// What becomes of it.
    pub record: Result<Record, ForeignError>,
}

/// `type user pin hexkey [counter [last passcode [time]]]`
fn users_oath_line(line: &str, now: UnixMillis) -> Result<Record, ForeignError> {
    let mut fields = line.split_ascii_whitespace();
    let kind = fields.next().ok_or(ForeignError::Form)?;
    let _user = fields.next().ok_or(ForeignError::Form)?;
    let pin = fields.next().ok_or(ForeignError::Form)?;
    let key = fields.next().ok_or(ForeignError::Form)?;
    let mode = users_oath_mode(kind)?;
    if pin != "-" {
        return Err(ForeignError::Pin);
    }
    let seed = HEXLOWER_PERMISSIVE
        .decode(key.as_bytes())
        .map_err(|_damaged| ForeignError::Secret)?;
    let counter = match fields.next() {
        Some(counter) => counter
            .parse::<u64>()
            .map_err(|_no_number| ForeignError::Form)?,
        None => 0,
    };
    // The file keeps the counter of the last passcode beside that passcode, before the first one the counter to begin with.
    let next = match fields.next() {
        Some(_last_passcode) => counter.saturating_add(1),
        None => counter,
    };
    taken_over(mode, SecretBytes::new(seed), next, now)
}

/// `HOTP`, `HOTP/E/6`, `HOTP/T30`, `HOTP/T30/8`.
fn users_oath_mode(kind: &str) -> Result<OtpMode, ForeignError> {
    let mut parts = kind.split('/');
    if parts.next() != Some("HOTP") {
        return Err(ForeignError::Kind);
    }
    let factor = parts.next().unwrap_or("E");
    let digits = match parts.next() {
        Some(count) => count
            .parse()
            .ok()
            .and_then(|count: u8| Digits::try_from(count).ok())
            .ok_or(ForeignError::Kind)?,
        None => Digits::SIX,
    };
    if parts.next().is_some() {
        return Err(ForeignError::Kind);
    }
    let hash = HashAlgorithm::Sha1;
    if factor == "E" {
        return Ok(OtpMode::Event { hash, digits });
    }
    let secs = factor
        .strip_prefix('T')
        .and_then(|secs| secs.parse::<u32>().ok());
    let period = secs.and_then(|secs| Period::try_from(secs).ok());
    Ok(OtpMode::Time {
        hash,
        digits,
        period: period.ok_or(ForeignError::Kind)?,
    })
}

/// The file of one user of `pam_google_authenticator`. Its emergency codes are not taken over.
///
/// # Errors
/// [`ForeignError`].
pub fn google_authenticator(text: &str, now: UnixMillis) -> Result<Record, ForeignError> {
    if text.len() > MAX_FILE {
        return Err(ForeignError::TooLong);
    }
    let mut lines = text.lines();
    let secret = lines.next().ok_or(ForeignError::Form)?;
    let seed = base32_secret(secret.trim()).map_err(|_damaged| ForeignError::Secret)?;
    let (mut period, mut next, mut by_time) = (Period::THIRTY, None, false);
    for option in lines.filter_map(|line| line.strip_prefix("\" ")) {
        let (word, value) = option.split_once(' ').unwrap_or((option, ""));
        match word.trim() {
            "TOTP_AUTH" => by_time = true,
            "HOTP_COUNTER" => {
                let counter = value.trim().parse::<u64>();
                next = Some(counter.map_err(|_no_number| ForeignError::Form)?);
            }
            "STEP_SIZE" => {
                let secs = value.trim().parse().ok();
                period = secs
                    .and_then(|secs: u32| Period::try_from(secs).ok())
                    .ok_or(ForeignError::Form)?;
            }
            _ => {}
        }
    }
    let (hash, digits) = (HashAlgorithm::Sha1, Digits::SIX);
    let mode = match (by_time, next) {
        (true, None) => OtpMode::Time {
            hash,
            digits,
            period,
        },
        (false, Some(_)) => OtpMode::Event { hash, digits },
        (true, Some(_)) | (false, None) => return Err(ForeignError::Kind),
    };
    taken_over(mode, seed, next.unwrap_or(0), now)
}

/// Of a clock's passcodes the ones until now are used up: nobody knows which the other module has accepted.
fn taken_over(
    mode: OtpMode,
    seed: SecretBytes,
    next: u64,
    now: UnixMillis,
) -> Result<Record, ForeignError> {
    let mut record = Record::new(mode, seed, next, TryLimit::DEFAULT)?;
    if let Factor::Time {
        parameters, state, ..
    } = &mut record.factor
    {
        state.last = Some(time_step(now.secs(), parameters.period));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::otp::validation::TimeState;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const KEY: &str = "3132333435363738393031323334353637383930";

    #[test]
    fn a_users_file_is_taken_over_with_what_was_used() {
        let text = format!(
            "# comment\n\nHOTP alice - {KEY}\nHOTP/E/8 bob - {KEY} 7 123456 2026-01-01T00:00:00L\n\
             HOTP/T60/6\tcarol\t-\t{KEY}\nHOTP dora 1234 {KEY}\nOCRA erin - {KEY}\nHOTP fred\nHOTP gina - 31\nHOTP hugo - zz"
        );
        let entries = users_oath(&text, NOW).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| {
                let record = entry.record.as_ref().map(|record| record.factor.clone());
                (entry.line, entry.user, record.map_err(|error| *error))
            })
            .collect();
        let hash = HashAlgorithm::Sha1;
        let event = |digits, next| Factor::Event {
            hash,
            digits,
            next,
            far_off: None,
        };
        let Ok(Factor::Time { state, .. }) = &found[2].2 else {
            panic!("carol's go by the time");
        };
        assert_eq!(
            *state,
            TimeState {
                drift: 0,
                last: Some(30_000_000)
            }
        );
        assert_eq!(found[0], (3, "alice", Ok(event(Digits::SIX, 0))));
        assert_eq!(found[1], (4, "bob", Ok(event(Digits::EIGHT, 8))));
        let refused: Vec<_> = found[3..].iter().map(|entry| entry.2.clone()).collect();
        assert_eq!(
            refused,
            [
                Err(ForeignError::Pin),
                Err(ForeignError::Kind),
                Err(ForeignError::Form),
                Err(ForeignError::Record(RecordError::Seed)),
                Err(ForeignError::Secret),
            ]
        );
    }

    #[test]
    fn a_google_authenticator_file_is_taken_over() {
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let record =
            |options: &str| google_authenticator(&format!("{secret}\n{options}12345678\n"), NOW);
        let time =
            record("\" RATE_LIMIT 3 30\n\" WINDOW_SIZE 17\n\" DISALLOW_REUSE\n\" TOTP_AUTH\n")
                .unwrap();
        assert_eq!(time.seed().expose(), b"12345678901234567890");
        assert_eq!(time.mode().to_string(), "TOTP SHA1, 6 digits, 30 s");
        let event = record("\" HOTP_COUNTER 9\n").unwrap();
        assert!(matches!(event.factor, Factor::Event { next: 9, .. }));
        assert_eq!(record(""), Err(ForeignError::Kind));
        assert_eq!(record("\" STEP_SIZE x\n"), Err(ForeignError::Form));
        assert_eq!(
            google_authenticator("1!\n\" TOTP_AUTH\n", NOW),
            Err(ForeignError::Secret)
        );
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(text in any::<String>(), fields in "(HOTP(/[ET0-9]{0,4}){0,3}[ \t][a-z -]{0,9} [0-9a-f]{0,40} ?[0-9]{0,22}\n){0,4}") {
            let _read = users_oath(&text, NOW);
            let _read = users_oath(&fields, NOW);
            let _read = google_authenticator(&text, NOW);
        }
    }
}
