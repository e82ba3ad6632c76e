//! One-time codes of the helpdesk at rest: HMAC-SHA-256 under a pepper each, which is sealed under the master key.

use aws_lc_rs::hmac;
use countersign_core::{
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
};
use rusqlite::params;

use super::{Rows, StoreError, UserId};
use crate::random::SystemRandom;

const PEPPER: &str = "helpdesk code pepper";
/// Length of a pepper, in bytes: that of the MAC.
const PEPPER_LEN: usize = 32;

/// A code that was typed is one of the helpdesk's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// Now, for the only time.
    Now,
    /// It was used before.
    Before,
}

impl Rows<'_> {
    /// Keeps a new code; those before it that were not used are good no longer.
    pub(crate) fn put_helpdesk_code(
        self,
        user: UserId,
        code: &SecretText,
        now: UnixMillis,
        expires: UnixMillis,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE helpdesk_code SET expires_ms = min(expires_ms, ?2)
                 WHERE user_id = ?1 AND used_ms IS NULL",
            )?
            .execute([user.0, now.0])?;
        let pepper = SecretBytes::from(SystemRandom::bytes::<PEPPER_LEN>());
        let mac = hmac::sign(&key(&pepper), code.expose().as_bytes());
        self.connection
            .prepare_cached(
                "INSERT INTO helpdesk_code (user_id, pepper_sealed, mac, issued_ms, expires_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                user.0,
                self.key.seal(PEPPER, &user.0.to_string(), &pepper)?,
                mac.as_ref(),
                now.0,
                expires.0
            ])?;
        Ok(())
    }

    /// When the user's codes since then were issued, oldest first.
    pub(crate) fn helpdesk_codes_since(
        self,
        user: UserId,
        since: UnixMillis,
    ) -> Result<Vec<UnixMillis>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT issued_ms FROM helpdesk_code WHERE user_id = ?1 AND issued_ms > ?2 ORDER BY issued_ms",
        )?;
        let rows = statement.query_map([user.0, since.0], |row| row.get(0).map(UnixMillis))?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Uses a code up, if it is one of the user's and still good.
    pub(crate) fn redeem_helpdesk_code(
        self,
        user: UserId,
        code: &SecretText,
        now: UnixMillis,
    ) -> Result<Option<Redeemed>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, pepper_sealed, mac, used_ms IS NOT NULL FROM helpdesk_code
             WHERE user_id = ?1 AND expires_ms > ?2",
        )?;
        let mut rows = statement.query([user.0, now.0])?;
        while let Some(row) = rows.next()? {
            let (id, pepper, mac, gone): (i64, Vec<u8>, Vec<u8>, bool) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let pepper = self.key.open(PEPPER, &user.0.to_string(), &pepper)?;
            if hmac::verify(&key(&pepper), code.expose().as_bytes(), &mac).is_err() {
                continue;
            }
            if gone {
                return Ok(Some(Redeemed::Before));
            }
            self.connection
                .prepare_cached("UPDATE helpdesk_code SET used_ms = ?2 WHERE id = ?1")?
                .execute([id, now.0])?;
            return Ok(Some(Redeemed::Now));
        }
        Ok(None)
    }

    /// Forgets codes that were issued before then.
    pub(crate) fn prune_helpdesk_codes(self, before: UnixMillis) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM helpdesk_code WHERE issued_ms < ?1")?
            .execute([before.0])?;
        Ok(())
    }
}

fn key(pepper: &SecretBytes) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, pepper.expose())
}
