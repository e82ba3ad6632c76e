//! One-time codes of the helpdesk: for a user whose desktop is lost, broken or locked out.
//!
//! A code has 60 random bits, so that no lock of typing has to hold for it: it is the way out of one. It is kept as a
//! MAC, good once and for a stated time, and the next one ends the one before.

use countersign_core::{secret::SecretText, time::UnixMillis};

use super::{Operator, ServiceError};
use crate::{
    random::SystemRandom,
    store::{AuditEvent, Redeemed, Rows, StoreError, UserId},
};

/// Crockford's base 32: nothing in it is taken for another when it is read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Symbols of a code.
const SYMBOLS: usize = 12;
/// Symbols of a group, as it is written.
const GROUP: usize = 4;
/// So many codes for one user in [`WINDOW_MS`].
const CODES: usize = 3;
/// In milliseconds.
const WINDOW_MS: i64 = 3_600_000;
/// The longest a code may be good, in minutes.
const LONGEST_MINUTES: u32 = 24 * 60;

/// A code, to be told to the user.
#[derive(Debug)]
pub struct HelpdeskCode {
    /// In groups: `7K2M-PQ9X-3DTF`.
    pub code: SecretText,
    /// Good until then.
    pub expires: UnixMillis,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub enum HelpdeskError {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The time is none, or too long.
    #[error("a code is good for 1 to 1440 minutes")]
    Validity,
    /// Too many were issued.
    #[error(
        "{CODES} codes were issued for this user within an hour; find out why before the next one"
    )]
    TooMany {
        /// When the next one may be issued.
        again: UnixMillis,
    },
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Operator {
    /// Issues a code for a user; the one before is good no longer.
    ///
    /// # Errors
    ///
    /// Every variant of [`HelpdeskError`].
    pub async fn issue_helpdesk_code(
        &self,
        user: &str,
        minutes: u32,
    ) -> Result<HelpdeskCode, HelpdeskError> {
        if !(1..=LONGEST_MINUTES).contains(&minutes) {
            return Err(HelpdeskError::Validity);
        }
        let now = self.service().now();
        let expires = now.plus_ms(i64::from(minutes).saturating_mul(60_000));
        let code = random_code();
        let kept = code.clone();
        let (name, issuer) = (user.to_owned(), self.name().to_owned());
        self.service()
            .store()
            .write(move |rows| {
                let Some(user) = rows.user_id(&name)? else {
                    return Ok(Err(HelpdeskError::UnknownUser));
                };
                let lately = rows.helpdesk_codes_since(user, now.plus_ms(-WINDOW_MS))?;
                if let Some(oldest) = lately.first()
                    && lately.len() >= CODES
                {
                    let detail = format!("too many; asked by {issuer}");
                    rows.audit(now, AuditEvent::HelpdeskCodeRefused, &name, &detail)?;
                    let again = oldest.plus_ms(WINDOW_MS);
                    return Ok(Err(HelpdeskError::TooMany { again }));
                }
                rows.put_helpdesk_code(user, &kept, now, expires)?;
                let detail = format!("by {issuer}, for {minutes} minutes");
                rows.audit(now, AuditEvent::HelpdeskCodeIssued, &name, &detail)?;
                Ok(Ok(()))
            })
            .await
            .map_err(ServiceError)??;
        Ok(HelpdeskCode {
            code: grouped(&code),
            expires,
        })
    }
}

/// Is what was typed a code of the helpdesk for this user? Then it is used up.
pub(super) fn redeem(
    rows: Rows<'_>,
    user: UserId,
    typed: &SecretText,
    now: UnixMillis,
) -> Result<Option<Redeemed>, StoreError> {
    let Some(code) = plain(typed) else {
        return Ok(None);
    };
    let redeemed = rows.redeem_helpdesk_code(user, &code, now)?;
    let (event, detail) = match redeemed {
        Some(Redeemed::Now) => (AuditEvent::HelpdeskCodeUsed, ""),
        Some(Redeemed::Before) => (AuditEvent::PasscodeReused, "helpdesk code"),
        None => return Ok(None),
    };
    rows.audit(now, event, &rows.user_name(user)?, detail)?;
    Ok(redeemed)
}

fn random_code() -> SecretText {
    let bytes = SystemRandom::bytes::<SYMBOLS>();
    let symbols = bytes
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte & 31)));
    SecretText::new(symbols.map(|symbol| char::from(*symbol)).collect())
}

fn grouped(code: &SecretText) -> SecretText {
    let mut text = String::with_capacity(SYMBOLS.saturating_add(SYMBOLS / GROUP));
    for (place, symbol) in code.expose().chars().enumerate() {
        if place > 0 && place.is_multiple_of(GROUP) {
            text.push('-');
        }
        text.push(symbol);
    }
    SecretText::new(text)
}

/// The code in what a person typed: small letters, spaces and hyphens are welcome, and what looks alike is alike.
fn plain(typed: &SecretText) -> Option<SecretText> {
    if typed.expose().len() > 4 * SYMBOLS {
        return None;
    }
    let mut code = String::with_capacity(SYMBOLS);
    for symbol in typed.expose().chars() {
        let symbol = match symbol.to_ascii_uppercase() {
            ' ' | '-' => continue,
            'O' => '0',
            'I' | 'L' => '1',
            symbol => symbol,
        };
        let known = u8::try_from(symbol).is_ok_and(|byte| ALPHABET.contains(&byte));
        if !known || code.len() >= SYMBOLS {
            return None;
        }
        code.push(symbol);
    }
    (code.len() == SYMBOLS).then(|| SecretText::new(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        let code = random_code();
        assert_eq!(code.expose().len(), SYMBOLS);
        let written = grouped(&code);
        assert_eq!(written.expose().len(), 14);
        assert_eq!(plain(&written), Some(code.clone()));
        let small = written.expose().to_lowercase().replace('-', " ");
        assert_eq!(plain(&small.as_str().into()), Some(code));
        assert_eq!(plain(&"oiL0-1111-ZZZZ".into()), Some("01101111ZZZZ".into()));
        for other in [
            "",
            "123456",
            "0000-0000-000U",
            "0000-0000-00000",
            "0000-0000-000\u{e4}",
        ] {
            assert_eq!(plain(&other.into()), None, "{other}");
        }
    }
}
