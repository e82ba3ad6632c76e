//! A token's row: its columns, the MAC over them, the blob inside.

use countersign_core::{
    ids::{ContainerId, ServiceId, TokenId},
    seal::{ColumnsMac, MacKey, SealContext},
    token::TokenSecrets,
};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, Transaction, params};

use super::{
    Opened, VaultError,
    tier::DecisionTier,
    tokens::{Integrity, TokenRow, TokenState},
    words::Autosend,
};

/// One row as it stands.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) id: TokenId,
    pub(super) name: String,
    pub(super) position: i64,
    pub(super) serial: String,
    pub(super) service: Option<ServiceId>,
    pub(super) state: TokenState,
    pub(super) autosend: Autosend,
    pub(super) counter: Option<i64>,
    pub(super) tries_left: Option<i64>,
    pub(super) blob: Option<Vec<u8>>,
    pub(super) container: Option<ContainerId>,
    pub(super) mac: Vec<u8>,
}

pub(super) const COLUMNS: &str = "id, name, position, serial, service_id, state, autosend, counter, tries_left, blob, columns_mac, container_id";

impl Columns {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: TokenId(row.get(0)?),
            name: row.get(1)?,
            position: row.get(2)?,
            serial: row.get(3)?,
            service: row.get::<_, Option<[u8; 16]>>(4)?.map(ServiceId),
            state: row.get(5)?,
            autosend: row.get(6)?,
            counter: row.get(7)?,
            tries_left: row.get(8)?,
            blob: row.get(9)?,
            mac: row.get(10)?,
            container: row.get::<_, Option<[u8; 16]>>(11)?.map(ContainerId),
        })
    }

    /// The row, if its MAC vouches for it.
    pub(super) fn load(
        database: &Connection,
        key: &MacKey,
        id: TokenId,
    ) -> Result<Self, VaultError> {
        let columns = Self::load_unchecked(database, id)?;
        columns.check(key)?;
        Ok(columns)
    }

    fn load_unchecked(database: &Connection, id: TokenId) -> Result<Self, VaultError> {
        database
            .query_row(
                &format!("SELECT {COLUMNS} FROM tokens WHERE id = ?1"),
                params![id.0],
                Self::from_row,
            )
            .optional()?
            .ok_or(VaultError::TokenUnknown)
    }

    fn check(&self, key: &MacKey) -> Result<(), VaultError> {
        Ok(self.columns_mac(key)?.check(&self.mac)?)
    }

    fn columns_mac(&self, key: &MacKey) -> Result<ColumnsMac, VaultError> {
        let mac = key
            .columns("tokens")?
            .number(self.id.0)
            .bytes(self.name.as_bytes())
            .bytes(self.serial.as_bytes())
            .optional_bytes(self.service.as_ref().map(|service| service.as_bytes().as_slice()))
            .bytes(self.state.word().as_bytes())
            .number(bool::from(self.autosend).into())
            .optional_number(self.counter)
            .optional_number(self.tries_left)
            // An older blob beside newer columns would bring back an older state of the token.
            .optional_bytes(self.blob.as_deref());
        Ok(match &self.container {
            Some(container) => mac.bytes(container.as_bytes()),
            None => mac,
        })
    }

    /// Writes every column and a new MAC. Returns the counter as it now stands in the row.
    pub(super) fn store(
        &self,
        transaction: &Transaction<'_>,
        key: &MacKey,
    ) -> Result<Option<i64>, VaultError> {
        let mac = self.columns_mac(key)?.finish();
        transaction
            .query_row(
                "UPDATE tokens SET name = ?2, state = ?3, autosend = ?4, counter = ?5,
                    tries_left = ?6, blob = ?7, columns_mac = ?8, container_id = ?9
                 WHERE id = ?1 RETURNING counter",
                params![
                    self.id.0,
                    self.name,
                    self.state,
                    self.autosend,
                    self.counter,
                    self.tries_left,
                    self.blob,
                    mac,
                    self.container.as_ref().map(ContainerId::as_bytes)
                ],
                |row| row.get(0),
            )
            .map_err(name_taken)
    }

    /// Refuses what is not active any more.
    pub(super) fn active(self) -> Result<Self, VaultError> {
        match self.state {
            TokenState::Active => Ok(self),
            TokenState::PinExhausted => Err(VaultError::PinExhausted),
            TokenState::Revoked => Err(VaultError::TokenRevoked),
        }
    }

    /// Opens the blob.
    pub(super) fn secrets(&self, keys: &DecisionTier) -> Result<TokenSecrets, VaultError> {
        let blob = self.blob.as_deref().ok_or(VaultError::Damaged)?;
        let plain = keys.token_blob.open(SealContext::Token(self.id), blob)?;
        Ok(TokenSecrets::from_bytes(&plain)?)
    }

    pub(super) fn into_row(self, opened: &Opened) -> TokenRow {
        let integrity = match &opened.channel {
            None => Integrity::Unchecked,
            Some(channel) if self.check(&channel.columns).is_ok() => Integrity::Sound,
            Some(_) => Integrity::Damaged,
        };
        let (integrity, secrets) = match (&opened.decision, integrity, &self.blob) {
            (Some(keys), Integrity::Sound, Some(_)) => match self.secrets(keys) {
                Ok(secrets) => (integrity, Some(secrets.into())),
                Err(_) => (Integrity::Damaged, None),
            },
            _ => (integrity, None),
        };
        TokenRow {
            id: self.id,
            name: self.name,
            position: self.position,
            serial: self.serial,
            service: self.service,
            container: self.container,
            state: self.state,
            autosend: self.autosend,
            counter: self.counter.and_then(|counter| u64::try_from(counter).ok()),
            tries_left: self.tries_left.and_then(|tries| u32::try_from(tries).ok()),
            integrity,
            secrets,
        }
    }
}

pub(super) fn insert(
    transaction: &Transaction<'_>,
    columns: &Columns,
) -> Result<TokenId, VaultError> {
    transaction
        .execute(
            "INSERT INTO tokens
                (name, position, serial, service_id, state, autosend, counter, tries_left, columns_mac)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, x'')",
            params![
                columns.name,
                columns.position,
                columns.serial,
                columns.service.as_ref().map(ServiceId::as_bytes),
                columns.state,
                columns.autosend,
                columns.counter,
                columns.tries_left
            ],
        )
        .map_err(name_taken)?;
    Ok(TokenId(transaction.last_insert_rowid()))
}

/// Which of the two unique rules did the row break?
fn name_taken(error: rusqlite::Error) -> VaultError {
    if let rusqlite::Error::SqliteFailure(cause, Some(text)) = &error
        && cause.code == ErrorCode::ConstraintViolation
    {
        return if text.contains("tokens.name") {
            VaultError::NameTaken
        } else {
            VaultError::TokenExists
        };
    }
    error.into()
}
