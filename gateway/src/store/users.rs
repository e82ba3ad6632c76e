//! Users.

use countersign_core::{password::PasswordHash, time::UnixMillis};
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use super::{Rows, StoreError};

/// A user's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct UserId(pub(crate) i64);

/// A user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Row.
    #[serde(skip)]
    pub id: UserId,
    /// Name; unique.
    pub name: String,
    /// Since when, Unix milliseconds.
    pub created_ms: i64,
    /// How many tokens, in whatever state.
    pub tokens: u32,
}

impl Rows<'_> {
    /// Adds a user; `None` if the name is taken.
    pub(crate) fn add_user(
        self,
        name: &str,
        password: &PasswordHash,
        at: UnixMillis,
    ) -> Result<Option<UserId>, StoreError> {
        let id = self
            .connection
            .prepare_cached(
                "INSERT INTO user (name, password, created_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO NOTHING RETURNING id",
            )?
            .query_row(params![name, password.to_string(), at.0], |row| row.get(0))
            .optional()?;
        Ok(id.map(UserId))
    }

    /// The user of that name.
    pub(crate) fn user_id(self, name: &str) -> Result<Option<UserId>, StoreError> {
        let id = self
            .connection
            .prepare_cached("SELECT id FROM user WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        Ok(id.map(UserId))
    }

    /// The name of a user.
    pub(crate) fn user_name(self, id: UserId) -> Result<String, StoreError> {
        let name = self
            .connection
            .prepare_cached("SELECT name FROM user WHERE id = ?1")?
            .query_row([id.0], |row| row.get(0))?;
        Ok(name)
    }

    /// The password hash of the user of that name.
    pub(crate) fn password(self, name: &str) -> Result<Option<PasswordHash>, StoreError> {
        let stored: Option<String> = self
            .connection
            .prepare_cached("SELECT password FROM user WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        stored
            .map(|text| {
                text.parse()
                    .map_err(|_malformed| StoreError::Unreadable("password"))
            })
            .transpose()
    }

    /// Every user, by name.
    pub(crate) fn users(&self) -> Result<Vec<User>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, name, created_ms, (SELECT count(*) FROM token WHERE user_id = user.id)
             FROM user ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(User {
                id: UserId(row.get(0)?),
                name: row.get(1)?,
                created_ms: row.get(2)?,
                tokens: row.get(3)?,
            })
        })?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }
}
