//! Containers of privacyIDEA: where they are, what their servers allow, and the sealed keys of the registration.

use core::fmt;

use countersign_core::{
    ids::{ContainerId, TokenId},
    privacyidea::{
        Transport,
        container::{ContainerPolicies, Standing},
    },
    seal::{ColumnsMac, MacKey, SealContext},
    secret::SecretBytes,
    time::UnixMillis,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{
    Vault, VaultError, database,
    events::{self, NewEvent},
    random,
    token_columns::Columns,
};

/// The longest facts, in bytes.
const MAX_FACTS: usize = 2048;
const COLUMNS: &str = "container_id, name, serial, url, facts, synced, keys, mac";

/// A container that this device is registered for, or asks to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRow {
    /// The container.
    pub id: ContainerId,
    /// Its name here; display-safe.
    pub name: String,
    /// Its serial at the server.
    pub serial: String,
    /// The server's base address.
    pub url: String,
    /// How it stands.
    pub facts: ContainerFacts,
    /// When its tokens were last made what the server says.
    pub synced: Option<UnixMillis>,
}

/// What is known of a container's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerFacts {
    /// How far it has come.
    pub standing: Standing,
    /// How the server was accepted.
    pub transport: Transport,
    /// SHA-256 of the key that a server without a trusted certificate showed at the registration.
    pub server_key: Option<[u8; 32]>,
    /// What the server allows.
    pub policies: ContainerPolicies,
}

/// The private keys of a registration, as [`countersign_core::privacyidea::container::ContainerKey`] writes them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ContainerKeys {
    /// The one that the server knows.
    pub current: Option<SecretBytes>,
    /// The one that it has been told and has not yet confirmed.
    pub next: Option<SecretBytes>,
}

impl fmt::Debug for ContainerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerKeys").finish_non_exhaustive()
    }
}

impl ContainerKeys {
    /// Each with its length before it; none is as long as nothing.
    fn to_bytes(&self) -> Result<SecretBytes, VaultError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(256));
        for key in [&self.current, &self.next] {
            let key = key.as_ref().map(SecretBytes::expose).unwrap_or_default();
            bytes.push(u8::try_from(key.len()).map_err(|_over| VaultError::TooLong)?);
            bytes.extend_from_slice(key);
        }
        Ok(SecretBytes::new(core::mem::take(&mut *bytes)))
    }

    fn from_bytes(bytes: &SecretBytes) -> Result<Self, VaultError> {
        let (current, rest) = one_key(bytes.expose()).ok_or(VaultError::Damaged)?;
        match one_key(rest) {
            Some((next, [])) => Ok(Self { current, next }),
            Some(_) | None => Err(VaultError::Damaged),
        }
    }
}

fn one_key(bytes: &[u8]) -> Option<(Option<SecretBytes>, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (key, rest) = rest.split_at_checked(usize::from(*length))?;
    Some(((!key.is_empty()).then(|| SecretBytes::from(key)), rest))
}

/// One row as it stands.
struct Stored {
    row: ContainerRow,
    facts: String,
    keys: Vec<u8>,
    mac: Vec<u8>,
}

impl Stored {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Result<Self, VaultError>> {
        let facts: String = row.get(4)?;
        let Ok(read) = serde_json::from_str(&facts) else {
            return Ok(Err(VaultError::Damaged));
        };
        Ok(Ok(Self {
            row: ContainerRow {
                id: ContainerId(row.get(0)?),
                name: row.get(1)?,
                serial: row.get(2)?,
                url: row.get(3)?,
                facts: read,
                synced: row.get::<_, Option<i64>>(5)?.map(UnixMillis),
            },
            facts,
            keys: row.get(6)?,
            mac: row.get(7)?,
        }))
    }

    fn columns_mac(&self, key: &MacKey) -> Result<ColumnsMac, VaultError> {
        Ok(key
            .columns("containers")?
            .bytes(self.row.id.as_bytes())
            .bytes(self.row.name.as_bytes())
            .bytes(self.row.serial.as_bytes())
            .bytes(self.row.url.as_bytes())
            .bytes(self.facts.as_bytes())
            .optional_number(self.row.synced.map(|synced| synced.0))
            .bytes(&self.keys))
    }
}

/// The row, if its MAC vouches for it.
fn load(database: &Connection, key: &MacKey, id: ContainerId) -> Result<Stored, VaultError> {
    let stored = database
        .query_row(
            &format!("SELECT {COLUMNS} FROM containers WHERE container_id = ?1"),
            params![id.as_bytes()],
            Stored::from_row,
        )
        .optional()?
        .ok_or(VaultError::ContainerUnknown)??;
    stored.columns_mac(key)?.check(&stored.mac)?;
    Ok(stored)
}

impl Vault {
    /// Every container. Before the first unlock nothing vouches for the rows: for display only.
    ///
    /// # Errors
    ///
    /// [`VaultError::Damaged`] when one was changed from outside, storage errors.
    pub fn containers(&self) -> Result<Vec<ContainerRow>, VaultError> {
        let opened = self.opened()?;
        let mut statement = opened.database.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM containers ORDER BY name, container_id"
        ))?;
        let mut containers = Vec::new();
        for stored in statement.query_map((), Stored::from_row)? {
            let stored = stored??;
            if let Some(keys) = &opened.channel {
                stored.columns_mac(&keys.columns)?.check(&stored.mac)?;
            }
            containers.push(stored.row);
        }
        Ok(containers)
    }

    /// The keys of a container's registration.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], [`VaultError::ContainerUnknown`], [`VaultError::Damaged`].
    pub fn container_keys(&self, id: ContainerId) -> Result<ContainerKeys, VaultError> {
        let opened = self.opened()?;
        let decision = opened.decision()?;
        let stored = load(&opened.database, &opened.channel()?.columns, id)?;
        let plain = decision
            .container
            .open(SealContext::Container(id), &stored.keys)?;
        ContainerKeys::from_bytes(&plain)
    }

    /// Keeps a container, or what is new about it, with its event if there is one. Without `keys` they stay as they are.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`], [`VaultError::TooLong`], storage errors; without keys
    /// [`VaultError::ContainerUnknown`], [`VaultError::Damaged`].
    pub fn put_container(
        &mut self,
        row: &ContainerRow,
        keys: Option<&ContainerKeys>,
        event: Option<&NewEvent>,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let (channel, decision) = (opened.channel()?, opened.decision()?);
        let facts = serde_json::to_string(&row.facts).map_err(|_never| VaultError::TooLong)?;
        if facts.len() > MAX_FACTS || row.url.len() > 2048 || row.name.len() > 512 {
            return Err(VaultError::TooLong);
        }
        let transaction = opened.begin()?;
        let keys = match keys {
            Some(keys) => {
                let (context, plain) = (SealContext::Container(row.id), keys.to_bytes()?);
                decision
                    .container
                    .seal(context, &random::array()?, plain.expose())?
            }
            None => load(&transaction, &channel.columns, row.id)?.keys,
        };
        let stored = Stored {
            row: row.clone(),
            facts,
            keys,
            mac: Vec::new(),
        };
        let mac = stored.columns_mac(&channel.columns)?.finish();
        transaction.execute(
            &format!(
                "INSERT INTO containers ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (container_id) DO UPDATE SET name = ?2, serial = ?3, url = ?4, facts = ?5,
                    synced = ?6, keys = ?7, mac = ?8"
            ),
            params![
                row.id.as_bytes(),
                row.name,
                row.serial,
                row.url,
                stored.facts,
                row.synced.map(|synced| synced.0),
                stored.keys,
                mac
            ],
        )?;
        if let Some(event) = event {
            events::append(&transaction, event)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Forgets a container and its keys, with its event. Tokens of it that are still there belong to themselves then.
    ///
    /// # Errors
    ///
    /// [`VaultError::ContainerUnknown`]; [`VaultError::Locked`] before the first unlock, storage errors.
    pub fn remove_container(
        &mut self,
        id: ContainerId,
        event: Option<&NewEvent>,
    ) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let key = &opened.channel()?.columns;
        let transaction = opened.begin()?;
        let tokens: Vec<i64> = transaction
            .prepare("SELECT id FROM tokens WHERE container_id = ?1")?
            .query_map(params![id.as_bytes()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for token in tokens {
            match Columns::load(&transaction, key, TokenId(token)) {
                Ok(mut columns) => {
                    columns.container = None;
                    columns.store(&transaction, key)?;
                }
                // It stays as damaged as it is.
                Err(VaultError::Damaged) => {
                    transaction.execute(
                        "UPDATE tokens SET container_id = NULL WHERE id = ?1",
                        params![token],
                    )?;
                }
                Err(error) => return Err(error),
            }
        }
        let removed = transaction.execute(
            "DELETE FROM containers WHERE container_id = ?1",
            params![id.as_bytes()],
        )?;
        if removed == 0 {
            return Err(VaultError::ContainerUnknown);
        }
        if let Some(event) = event {
            events::append(&transaction, event)?;
        }
        transaction.commit()?;
        database::checkpoint(&opened.database);
        Ok(())
    }
}
