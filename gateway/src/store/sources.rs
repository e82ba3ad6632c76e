//! Where a user's logins and typed passcodes come from: known sources, and wrong passcodes typed at each.

use countersign_core::{fatigue::Source, time::UnixMillis};
use rusqlite::{OptionalExtension as _, params};

use super::{Rows, StoreError, UserId};

/// What is kept of a source of one user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceRow {
    /// When the user last logged in from there.
    pub known: Option<UnixMillis>,
    /// Wrong passcodes typed there in a row.
    pub failures: u32,
    /// Typing there is locked until then.
    pub locked_until: Option<UnixMillis>,
}

impl Rows<'_> {
    /// What is kept of a source.
    pub(crate) fn source(self, user: UserId, source: &Source) -> Result<SourceRow, StoreError> {
        let row = self
            .connection
            .prepare_cached(
                "SELECT known_ms, failures, locked_until_ms FROM source WHERE user_id = ?1 AND source = ?2",
            )?
            .query_row(params![user.0, source.as_str()], |row| {
                Ok(SourceRow {
                    known: row.get::<_, Option<i64>>(0)?.map(UnixMillis),
                    failures: row.get(1)?,
                    locked_until: row.get::<_, Option<i64>>(2)?.map(UnixMillis),
                })
            })
            .optional()?;
        Ok(row.unwrap_or_default())
    }

    /// The user has logged in from there: it is known, and wrong passcodes before are forgotten.
    pub(crate) fn know_source(
        self,
        user: UserId,
        source: &Source,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO source (user_id, source, known_ms, seen_ms) VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT (user_id, source) DO UPDATE
                   SET known_ms = ?3, seen_ms = ?3, failures = 0, locked_until_ms = NULL",
            )?
            .execute(params![user.0, source.as_str(), now.0])?;
        Ok(())
    }

    /// Sets how many wrong passcodes have been typed there in a row, and until when typing there is locked.
    pub(crate) fn put_source_typing(
        self,
        user: UserId,
        source: &Source,
        failures: u32,
        locked_until: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO source (user_id, source, failures, locked_until_ms, seen_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (user_id, source) DO UPDATE
                   SET failures = ?3, locked_until_ms = ?4, seen_ms = ?5",
            )?
            .execute(params![
                user.0,
                source.as_str(),
                failures,
                locked_until.map(|at| at.0),
                now.0
            ])?;
        Ok(())
    }

    /// Forgets what was typed wrong at any source of the user.
    pub(crate) fn unlock_sources(self, user: UserId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE source SET failures = 0, locked_until_ms = NULL WHERE user_id = ?1",
            )?
            .execute([user.0])?;
        Ok(())
    }

    /// Is typing locked at any source of the user?
    pub(crate) fn is_source_locked(self, user: UserId) -> Result<bool, StoreError> {
        let locked = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM source WHERE user_id = ?1 AND locked_until_ms IS NOT NULL)",
            )?
            .query_row([user.0], |row| row.get(0))?;
        Ok(locked)
    }

    /// Forgets sources that were not seen since: known ones, and others.
    pub(crate) fn prune_sources(
        self,
        known_before: UnixMillis,
        others_before: UnixMillis,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "DELETE FROM source WHERE seen_ms < ?1 OR (seen_ms < ?2 AND known_ms IS NULL)",
            )?
            .execute([known_before.0, others_before.0])?;
        Ok(())
    }
}
