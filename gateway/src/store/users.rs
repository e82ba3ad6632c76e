//! Users.

use countersign_core::{password::PasswordHash, time::UnixMillis};
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use super::{Rows, StoreError};

/// A user's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct UserId(pub(crate) i64);

/// Wrong passcodes of a user, whichever token they were for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Typing {
    /// In a row.
    pub failures: u32,
    /// Typing is locked until then.
    pub locked_until: Option<UnixMillis>,
}

/// What a user is beside the name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Details {
    /// The whole name; may be empty.
    pub full_name: String,
    /// Where mail goes; may be empty.
    pub mail: String,
    /// The entry in the directory that the user comes from; none: the user is the gateway's own.
    pub directory_dn: Option<String>,
}

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
    /// What the user is beside the name.
    #[serde(flatten)]
    pub details: Details,
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

    /// Sets another password.
    pub(crate) fn put_password(
        self,
        user: UserId,
        password: &PasswordHash,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE user SET password = ?2 WHERE id = ?1")?
            .execute(params![user.0, password.to_string()])?;
        Ok(())
    }

    /// What a user is beside the name.
    pub(crate) fn details(self, user: UserId) -> Result<Details, StoreError> {
        let details = self
            .connection
            .prepare_cached("SELECT full_name, mail, directory_dn FROM user WHERE id = ?1")?
            .query_row([user.0], |row| {
                Ok(Details {
                    full_name: row.get(0)?,
                    mail: row.get(1)?,
                    directory_dn: row.get(2)?,
                })
            })?;
        Ok(details)
    }

    /// Sets what a user is beside the name.
    pub(crate) fn put_details(self, user: UserId, details: &Details) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE user SET full_name = ?2, mail = ?3, directory_dn = ?4 WHERE id = ?1",
            )?
            .execute(params![
                user.0,
                details.full_name,
                details.mail,
                details.directory_dn
            ])?;
        Ok(())
    }

    /// How a user's typing stands.
    pub(crate) fn typing(self, user: UserId) -> Result<Typing, StoreError> {
        let typing = self
            .connection
            .prepare_cached(
                "SELECT typing_failures, typing_locked_until_ms FROM user WHERE id = ?1",
            )?
            .query_row([user.0], |row| {
                Ok(Typing {
                    failures: row.get(0)?,
                    locked_until: row.get::<_, Option<i64>>(1)?.map(UnixMillis),
                })
            })?;
        Ok(typing)
    }

    /// Sets how a user's typing stands.
    pub(crate) fn put_user_typing(self, user: UserId, typing: Typing) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE user SET typing_failures = ?2, typing_locked_until_ms = ?3 WHERE id = ?1",
            )?
            .execute(params![
                user.0,
                typing.failures,
                typing.locked_until.map(|at| at.0)
            ])?;
        Ok(())
    }

    /// Every user, by name.
    pub(crate) fn users(&self) -> Result<Vec<User>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, name, created_ms, (SELECT count(*) FROM token WHERE user_id = user.id),
               full_name, mail, directory_dn
             FROM user ORDER BY name",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(User {
                id: UserId(row.get(0)?),
                name: row.get(1)?,
                created_ms: row.get(2)?,
                tokens: row.get(3)?,
                details: Details {
                    full_name: row.get(4)?,
                    mail: row.get(5)?,
                    directory_dn: row.get(6)?,
                },
            })
        })?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }
}
