//! Who has which role on the administration pages.

use countersign_core::{role::Role, time::UnixMillis};
use rusqlite::{OptionalExtension as _, params};
use serde::{Serialize, Serializer};

use super::{Rows, StoreError, UserId};

/// Somebody with a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Administrator {
    /// The user's name.
    pub user: String,
    /// The role.
    #[serde(serialize_with = "word")]
    pub role: Role,
    /// Since when, Unix milliseconds.
    pub since_ms: i64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde calls"
)]
fn word<S: Serializer>(role: &Role, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(role.word())
}

impl Rows<'_> {
    /// The role of a user.
    pub(crate) fn role_of(self, user: UserId) -> Result<Option<Role>, StoreError> {
        let word: Option<String> = self
            .connection
            .prepare_cached("SELECT role FROM administrator WHERE user_id = ?1")?
            .query_row([user.0], |row| row.get(0))
            .optional()?;
        word.map(|word| role(&word)).transpose()
    }

    /// Gives a user a role, in place of the one before.
    pub(crate) fn put_role(
        self,
        user: UserId,
        role: Role,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO administrator VALUES (?1, ?2, ?3)")?
            .execute(params![user.0, role.word(), at.0])?;
        Ok(())
    }

    /// Takes a user's role. Whether there was one.
    pub(crate) fn remove_role(self, user: UserId) -> Result<bool, StoreError> {
        let removed = self
            .connection
            .prepare_cached("DELETE FROM administrator WHERE user_id = ?1")?
            .execute([user.0])?;
        Ok(removed > 0)
    }

    /// Everybody with a role, by name.
    pub(crate) fn administrators(&self) -> Result<Vec<Administrator>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT name, role, since_ms FROM administrator JOIN user ON user.id = user_id ORDER BY name",
        )?;
        let mut rows = statement.query([])?;
        let mut administrators = Vec::new();
        while let Some(row) = rows.next()? {
            administrators.push(Administrator {
                user: row.get(0)?,
                role: role(&row.get::<_, String>(1)?)?,
                since_ms: row.get(2)?,
            });
        }
        Ok(administrators)
    }
}

fn role(word: &str) -> Result<Role, StoreError> {
    word.parse()
        .map_err(|_unknown| StoreError::Unreadable("role"))
}
