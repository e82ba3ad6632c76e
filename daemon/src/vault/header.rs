//! The vault's one header row.

use countersign_core::seal::MacKey;
use countersign_proto::agent::v1 as wire;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{
    FingerUnlock, VaultError,
    words::{Autosend, words},
};

words! {
    /// What an unlock asks of the user.
    UnlockMode as wire::UnlockMode {
        /// A PIN or passphrase.
        Pin = "pin",
        /// Nothing more than the session's open keyring.
        Session = "session",
    }
}

/// Version of the sealed content, in the header beside SQLite's own `user_version` for the tables.
const FORMAT: i64 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) vault_id: [u8; 16],
    pub(super) host: [u8; 32],
    pub(super) unlock_mode: UnlockMode,
    pub(super) autosend: Autosend,
    pub(super) finger: FingerUnlock,
    pub(super) created: i64,
    mac: Vec<u8>,
}

impl Header {
    pub(super) fn new(
        vault_id: [u8; 16],
        host: [u8; 32],
        unlock_mode: UnlockMode,
        created: i64,
    ) -> Self {
        Self {
            vault_id,
            host,
            unlock_mode,
            autosend: Autosend::On,
            finger: FingerUnlock::Off,
            created,
            mac: Vec::new(),
        }
    }

    pub(super) fn read(database: &Connection) -> Result<Self, VaultError> {
        let (format, header) = database
            .query_row(
                "SELECT format, vault_id, host, unlock_mode, autosend, created, mac, finger FROM header",
                (),
                |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        Self {
                            vault_id: row.get(1)?,
                            host: row.get(2)?,
                            unlock_mode: row.get(3)?,
                            autosend: row.get(4)?,
                            created: row.get(5)?,
                            mac: row.get(6)?,
                            finger: if row.get(7)? {
                                FingerUnlock::On
                            } else {
                                FingerUnlock::Off
                            },
                        },
                    ))
                },
            )
            .optional()?
            .ok_or(VaultError::Damaged)?;
        if format > FORMAT {
            return Err(VaultError::Newer);
        }
        Ok(header)
    }

    pub(super) fn write(
        &mut self,
        transaction: &Transaction<'_>,
        key: &MacKey,
    ) -> Result<(), VaultError> {
        self.mac = self.mac(key)?.finish().to_vec();
        transaction.execute(
            "INSERT OR REPLACE INTO header
                (only, format, vault_id, host, unlock_mode, autosend, created, mac, finger)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                FORMAT,
                self.vault_id,
                self.host,
                self.unlock_mode,
                self.autosend,
                self.created,
                self.mac,
                self.finger == FingerUnlock::On
            ],
        )?;
        Ok(())
    }

    /// The header is as this vault wrote it.
    pub(super) fn check(&self, key: &MacKey) -> Result<(), VaultError> {
        Ok(self.mac(key)?.check(&self.mac)?)
    }

    fn mac(&self, key: &MacKey) -> Result<countersign_core::seal::ColumnsMac, VaultError> {
        let mac = key
            .columns("header")?
            .number(FORMAT)
            .bytes(&self.vault_id)
            .bytes(&self.host)
            .bytes(self.unlock_mode.word().as_bytes())
            .number(bool::from(self.autosend).into())
            .number(self.created);
        Ok(match self.finger {
            FingerUnlock::On => mac.bytes(b"finger"),
            // As the first version, which knew no finger, has it.
            FingerUnlock::Off => mac,
        })
    }
}
