//! Personal links to the self-enrollment page, by their SHA-256.

use countersign_core::time::UnixMillis;
use rusqlite::{OptionalExtension as _, params};

use super::{Activation, Rows, StoreError};

/// A link's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// The token that it enrolls.
    pub serial: String,
    /// Good until then.
    pub expires: UnixMillis,
    /// Since when another link has its place.
    pub replaced: Option<UnixMillis>,
}

impl Rows<'_> {
    /// Keeps a new link; the ones before it of the same token have been replaced.
    pub(crate) fn put_enrollment_link(
        self,
        hash: &[u8; 32],
        serial: &str,
        now: UnixMillis,
        expires: UnixMillis,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE enrollment_link SET replaced_ms = ?2 WHERE serial = ?1 AND replaced_ms IS NULL",
            )?
            .execute(params![serial, now.0])?;
        self.connection
            .prepare_cached(
                "INSERT INTO enrollment_link (hash, serial, expires_ms) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![hash, serial, expires.0])?;
        Ok(())
    }

    /// The link of that SHA-256.
    pub(crate) fn enrollment_link(self, hash: &[u8; 32]) -> Result<Option<LinkRow>, StoreError> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT serial, expires_ms, replaced_ms FROM enrollment_link WHERE hash = ?1",
            )?
            .query_row([hash.as_slice()], |row| {
                Ok(LinkRow {
                    serial: row.get(0)?,
                    expires: UnixMillis(row.get(1)?),
                    replaced: row.get::<_, Option<i64>>(2)?.map(UnixMillis),
                })
            })
            .optional()?;
        Ok(row)
    }

    /// Until when the newest link of a token is good.
    pub(crate) fn link_expiry(self, serial: &str) -> Result<Option<UnixMillis>, StoreError> {
        let expires: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT max(expires_ms) FROM enrollment_link WHERE serial = ?1 AND replaced_ms IS NULL",
            )?
            .query_row([serial], |row| row.get(0))?;
        Ok(expires.map(UnixMillis))
    }

    /// When a new link for a token was last asked for, since the newest one was made.
    pub(crate) fn link_asked(self, serial: &str) -> Result<Option<UnixMillis>, StoreError> {
        let asked: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(asked_ms) FROM enrollment_link WHERE serial = ?1")?
            .query_row([serial], |row| row.get(0))?;
        Ok(asked.map(UnixMillis))
    }

    /// A new link was asked for.
    pub(crate) fn ask_for_link(self, hash: &[u8; 32], now: UnixMillis) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE enrollment_link SET asked_ms = ?2 WHERE hash = ?1")?
            .execute(params![hash, now.0])?;
        Ok(())
    }

    /// The wish for a new link has been met.
    pub(crate) fn forget_asking(self, serial: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE enrollment_link SET asked_ms = NULL WHERE serial = ?1")?
            .execute([serial])?;
        Ok(())
    }

    /// The activation of a token.
    pub(crate) fn activation_of(self, serial: &str) -> Result<Option<Activation>, StoreError> {
        let code: Option<String> = self
            .connection
            .prepare_cached("SELECT code FROM activation WHERE serial = ?1")?
            .query_row([serial], |row| row.get(0))
            .optional()?;
        code.map_or(Ok(None), |code| self.activation(&code))
    }

    /// Forgets links that were over before then.
    pub(crate) fn prune_enrollment_links(self, before: UnixMillis) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM enrollment_link WHERE expires_ms < ?1")?
            .execute([before.0])?;
        Ok(())
    }
}
