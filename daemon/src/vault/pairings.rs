//! Browser extensions that the user has let in: keys, names, when.

use countersign_core::{
    pairing::ExtensionKey,
    seal::{ColumnsMac, MacKey},
    time::UnixMillis,
};
use countersign_proto::limits::{PAIRING_NAME, PAIRINGS};
use rusqlite::{Connection, Row, params};

use super::{
    Vault, VaultError,
    events::{self, NewEvent},
    words::clipped,
};

const COLUMNS: &str = "id, key, name, browser, created, used, mac";

/// The stable number of a pairing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PairingId(pub i64);

/// An extension that may ask for passcodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairingRow {
    /// Its number; never used again.
    pub id: PairingId,
    /// The key of its installation.
    pub key: ExtensionKey,
    /// The user's name for it; display-safe.
    pub name: String,
    /// The browser, in the extension's words; display-safe.
    pub browser: String,
    /// When the user let it in.
    pub created: UnixMillis,
    /// When it last showed its key.
    pub used: Option<UnixMillis>,
}

/// A pairing to be added. Its texts are display-safe; only their length is bounded here.
#[derive(Clone, Debug)]
pub struct NewPairing {
    /// The key.
    pub key: ExtensionKey,
    /// The user's name for it.
    pub name: String,
    /// The browser.
    pub browser: String,
}

struct Stored {
    row: PairingRow,
    mac: Vec<u8>,
}

impl Stored {
    /// Nothing for a row that this vault never wrote.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let key: Vec<u8> = row.get(1)?;
        let Ok(key) = ExtensionKey::from_spki(&key) else {
            return Ok(None);
        };
        Ok(Some(Self {
            row: PairingRow {
                id: PairingId(row.get(0)?),
                key,
                name: row.get(2)?,
                browser: row.get(3)?,
                created: UnixMillis(row.get(4)?),
                used: row.get::<_, Option<i64>>(5)?.map(UnixMillis),
            },
            mac: row.get(6)?,
        }))
    }
}

fn columns_mac(row: &PairingRow, key: &MacKey) -> Result<ColumnsMac, VaultError> {
    Ok(key
        .columns("pairings")?
        .number(row.id.0)
        .bytes(row.key.spki())
        .bytes(row.name.as_bytes())
        .bytes(row.browser.as_bytes())
        .number(row.created.0))
}

/// Every row, oldest first. What the MAC does not vouch for is no pairing; without `key` nothing vouches for any.
fn all(database: &Connection, key: Option<&MacKey>) -> Result<Vec<PairingRow>, VaultError> {
    let mut statement =
        database.prepare_cached(&format!("SELECT {COLUMNS} FROM pairings ORDER BY id"))?;
    let mut rows = Vec::new();
    for stored in statement.query_map((), Stored::from_row)? {
        let Some(stored) = stored? else { continue };
        let sound = match key {
            Some(key) => columns_mac(&stored.row, key)?.check(&stored.mac).is_ok(),
            None => true,
        };
        if sound {
            rows.push(stored.row);
        }
    }
    Ok(rows)
}

impl Vault {
    /// Every pairing, oldest first. One that was changed from outside is none; before the first unlock nothing vouches
    /// for the rows.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn pairings(&self) -> Result<Vec<PairingRow>, VaultError> {
        let opened = self.opened()?;
        let key = opened.channel.as_ref().map(|channel| &channel.columns);
        all(&opened.database, key)
    }

    /// Keeps a pairing, with its event. One of the same key is replaced.
    ///
    /// # Errors
    ///
    /// [`VaultError::LimitReached`]; [`VaultError::Locked`], storage errors.
    pub fn add_pairing(
        &mut self,
        pairing: &NewPairing,
        event: &NewEvent,
    ) -> Result<PairingRow, VaultError> {
        let opened = self.opened_mut()?;
        opened.decision()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        transaction.execute(
            "DELETE FROM pairings WHERE key = ?1",
            params![pairing.key.spki()],
        )?;
        if all(&transaction, Some(key))?.len() >= PAIRINGS {
            return Err(VaultError::LimitReached);
        }
        let mut row = PairingRow {
            id: PairingId(0),
            key: pairing.key.clone(),
            name: clipped(&pairing.name, PAIRING_NAME).to_owned(),
            browser: clipped(&pairing.browser, PAIRING_NAME).to_owned(),
            created: event.at,
            used: None,
        };
        transaction.execute(
            "INSERT INTO pairings (key, name, browser, created, mac) VALUES (?1, ?2, ?3, ?4, x'')",
            params![row.key.spki(), row.name, row.browser, row.created.0],
        )?;
        // The MAC is bound to the number, which is known only now.
        row.id = PairingId(transaction.last_insert_rowid());
        transaction.execute(
            "UPDATE pairings SET mac = ?2 WHERE id = ?1",
            params![row.id.0, columns_mac(&row, key)?.finish()],
        )?;
        events::append(&transaction, event)?;
        transaction.commit()?;
        Ok(row)
    }

    /// An extension has shown its key. Also while locked.
    ///
    /// # Errors
    ///
    /// Storage errors.
    pub fn pairing_was_used(&mut self, id: PairingId, at: UnixMillis) -> Result<(), VaultError> {
        let database = &self.opened()?.database;
        database.execute(
            "UPDATE pairings SET used = ?2 WHERE id = ?1",
            params![id.0, at.0],
        )?;
        Ok(())
    }

    /// Forgets a pairing, with its event. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::PairingUnknown`], storage errors.
    pub fn remove_pairing(&mut self, id: PairingId, event: &NewEvent) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        if transaction.execute("DELETE FROM pairings WHERE id = ?1", params![id.0])? == 0 {
            return Err(VaultError::PairingUnknown);
        }
        events::append(&transaction, event)?;
        transaction.commit()?;
        Ok(())
    }
}
