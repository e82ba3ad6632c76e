//! Fronts: the registered clients that may ask the gateway about logins.

use countersign_core::time::UnixMillis;
use rusqlite::{OptionalExtension as _, params};
use serde::Serialize;

use super::{Rows, StoreError};

/// A registered client of the gateway: a login page, a VPN, a PAM module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct FrontId(pub(crate) i64);

/// A front as the administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Front {
    /// Row.
    #[serde(skip)]
    pub id: FrontId,
    /// Name; unique.
    pub name: String,
    /// May it open login requests?
    pub push: bool,
    /// Since when, Unix milliseconds.
    pub created_ms: i64,
}

impl Rows<'_> {
    /// Adds a front; `None` if the name is taken.
    pub(crate) fn add_front(
        self,
        name: &str,
        key_hash: &[u8; 32],
        push: bool,
        at: UnixMillis,
    ) -> Result<Option<FrontId>, StoreError> {
        let id = self
            .connection
            .prepare_cached(
                "INSERT INTO front (name, key_hash, push, created_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (name) DO NOTHING RETURNING id",
            )?
            .query_row(params![name, key_hash, push, at.0], |row| row.get(0))
            .optional()?;
        Ok(id.map(FrontId))
    }

    /// The front whose key has this hash.
    pub(crate) fn front_by_key(self, key_hash: &[u8; 32]) -> Result<Option<Front>, StoreError> {
        self.front("key_hash = ?1", params![key_hash])
    }

    /// The front of that row.
    pub(crate) fn front_by_id(self, id: FrontId) -> Result<Option<Front>, StoreError> {
        self.front("id = ?1", params![id.0])
    }

    /// The front of that name.
    pub(crate) fn front_by_name(self, name: &str) -> Result<Option<Front>, StoreError> {
        self.front("name = ?1", params![name])
    }

    fn front(
        self,
        condition: &'static str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Option<Front>, StoreError> {
        let front = self
            .connection
            .prepare_cached(&format!(
                "SELECT id, name, push, created_ms FROM front WHERE {condition}"
            ))?
            .query_row(values, front)
            .optional()?;
        Ok(front)
    }

    /// Every front, by name.
    pub(crate) fn fronts(&self) -> Result<Vec<Front>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, name, push, created_ms FROM front ORDER BY name")?;
        let rows = statement.query_map([], front)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// Removes a front; whether there was one.
    pub(crate) fn remove_front(self, id: FrontId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM front WHERE id = ?1")?
            .execute([id.0])?;
        Ok(())
    }

    /// A value of the gateway itself: a key, a certificate.
    pub(crate) fn setting(self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self
            .connection
            .prepare_cached("SELECT value FROM setting WHERE name = ?1")?
            .query_row([name], |row| row.get(0))
            .optional()?;
        Ok(value)
    }

    /// Stores a value of the gateway itself.
    pub(crate) fn put_setting(self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO setting VALUES (?1, ?2)")?
            .execute(params![name, value])?;
        Ok(())
    }

    /// A sealed value of the gateway itself.
    pub(crate) fn sealed_setting(
        self,
        name: &'static str,
    ) -> Result<Option<countersign_core::secret::SecretBytes>, StoreError> {
        self.setting(name)?
            .map(|sealed| self.key.open(name, "gateway", &sealed))
            .transpose()
    }

    /// Stores a value of the gateway itself, sealed.
    pub(crate) fn put_sealed_setting(
        self,
        name: &'static str,
        secret: &countersign_core::secret::SecretBytes,
    ) -> Result<(), StoreError> {
        self.put_setting(name, &self.key.seal(name, "gateway", secret)?)
    }
}

fn front(row: &rusqlite::Row<'_>) -> Result<Front, rusqlite::Error> {
    Ok(Front {
        id: FrontId(row.get(0)?),
        name: row.get(1)?,
        push: row.get(2)?,
        created_ms: row.get(3)?,
    })
}
