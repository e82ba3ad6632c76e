//! The ways in which the vault opens.
//!
//! Argon2id takes its time, so it is a step of its own: [`SlotSource::prepare`] and [`SlotKey::prepare`]
//! need no vault and may run on any thread.

use countersign_core::{
    seal::{
        DataKey, KEY_LEN, SealError,
        slot::{Argon2Cost, Salt, SlotParameters, WrapKey},
    },
    secret::SecretBytes,
};
use countersign_proto::{agent::v1 as wire, limits};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{VaultError, random};

/// A slot's number in its vault: stable, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId(pub i64);

/// One way in which this vault opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which.
    pub id: SlotId,
    /// How.
    pub parameters: SlotParameters,
}

impl Slot {
    /// The kind, in the wire's word.
    #[must_use]
    pub const fn kind(&self) -> wire::VaultKey {
        match self.parameters {
            SlotParameters::Passphrase { .. } => wire::VaultKey::Passphrase,
            SlotParameters::Keyring { .. } => wire::VaultKey::SecretService,
        }
    }

    /// The name of this slot's key in the session's keyring, if it has one there.
    #[must_use]
    pub fn keyring_name(&self) -> Option<&str> {
        match &self.parameters {
            SlotParameters::Keyring { name, .. } => Some(name),
            SlotParameters::Passphrase { .. } => None,
        }
    }
}

/// What a new slot is made from.
#[derive(Clone, Debug)]
pub enum SlotSource {
    /// A passphrase of 1 to 1024 bytes.
    Passphrase(SecretBytes),
    /// A random key that has been stored in the session's keyring under `name`.
    Keyring {
        /// The `slot` attribute of the item.
        name: String,
        /// 32 random bytes ([`SlotSource::new_keyring_key`]).
        key: SecretBytes,
    },
}

impl SlotSource {
    /// A name and a key for a new keyring slot, to be stored in the keyring before the vault is made:
    /// a key without a vault is harmless, a vault without its key is lost.
    ///
    /// # Errors
    ///
    /// [`VaultError::Random`].
    pub fn new_keyring_key() -> Result<(String, SecretBytes), VaultError> {
        let name = data_encoding::HEXLOWER.encode(&random::array::<8>()?);
        Ok((name, random::secret(KEY_LEN)?))
    }

    /// Derives the slot's key. Slow for a passphrase: 64 MiB of Argon2id.
    ///
    /// # Errors
    ///
    /// [`VaultError::PassphraseInvalid`], [`VaultError::WrongKey`] for a key that has not 32 bytes,
    /// [`VaultError::Random`].
    pub fn prepare(self) -> Result<PreparedSlot, VaultError> {
        let salt = Salt(random::array()?);
        match self {
            Self::Passphrase(passphrase) => {
                if passphrase.is_empty() || passphrase.len() > limits::PASSPHRASE {
                    return Err(VaultError::PassphraseInvalid);
                }
                let cost = Argon2Cost::RECOMMENDED;
                Ok(PreparedSlot {
                    key: WrapKey::from_passphrase(&passphrase, &salt, cost)?,
                    parameters: SlotParameters::Passphrase { salt, cost },
                })
            }
            Self::Keyring { name, key } => Ok(PreparedSlot {
                key: WrapKey::from_key(&key, &salt).map_err(|_length| VaultError::WrongKey)?,
                parameters: SlotParameters::Keyring { salt, name },
            }),
        }
    }
}

/// A new slot whose key has been derived.
#[derive(Debug)]
pub struct PreparedSlot {
    parameters: SlotParameters,
    key: WrapKey,
}

impl PreparedSlot {
    pub(super) fn insert(
        &self,
        transaction: &Transaction<'_>,
        data_key: &DataKey,
    ) -> Result<SlotId, VaultError> {
        let parameters = self.parameters.to_text()?;
        transaction.execute(
            "INSERT INTO slots (parameters, wrapped) VALUES (?1, x'')",
            params![parameters],
        )?;
        // The wrap is bound to the id, which is known only now.
        let id = transaction.last_insert_rowid();
        let wrapped = self
            .key
            .wrap(data_key, id, &parameters, &random::array()?)?;
        transaction.execute(
            "UPDATE slots SET wrapped = ?2 WHERE id = ?1",
            params![id, wrapped],
        )?;
        Ok(SlotId(id))
    }
}

/// What somebody brings to open the vault.
#[derive(Clone, Debug)]
pub enum SlotKey {
    /// A passphrase.
    Passphrase(SecretBytes),
    /// The key that the session's keyring keeps.
    Keyring(SecretBytes),
}

impl SlotKey {
    /// Derives the key for every slot of its kind. Slow for a passphrase.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoSlot`] when there is none of its kind, [`VaultError::PassphraseInvalid`],
    /// [`VaultError::WrongKey`] for a key that has not 32 bytes.
    pub fn prepare(self, slots: &[Slot]) -> Result<PreparedKey, VaultError> {
        let mut keys = Vec::new();
        let refusal = match self {
            Self::Passphrase(passphrase) => {
                if passphrase.is_empty() || passphrase.len() > limits::PASSPHRASE {
                    return Err(VaultError::PassphraseInvalid);
                }
                for slot in slots {
                    if let SlotParameters::Passphrase { salt, cost } = &slot.parameters {
                        keys.push((slot.id, WrapKey::from_passphrase(&passphrase, salt, *cost)?));
                    }
                }
                VaultError::WrongPassphrase
            }
            Self::Keyring(key) => {
                for slot in slots {
                    if let SlotParameters::Keyring { salt, .. } = &slot.parameters {
                        let key = WrapKey::from_key(&key, salt)
                            .map_err(|_length| VaultError::WrongKey)?;
                        keys.push((slot.id, key));
                    }
                }
                VaultError::WrongKey
            }
        };
        if keys.is_empty() {
            return Err(VaultError::NoSlot);
        }
        Ok(PreparedKey { keys, refusal })
    }
}

/// Derived keys to try, each for one slot.
#[derive(Debug)]
pub struct PreparedKey {
    keys: Vec<(SlotId, WrapKey)>,
    refusal: VaultError,
}

impl PreparedKey {
    pub(super) fn open(self, database: &Connection) -> Result<DataKey, VaultError> {
        for (id, key) in self.keys {
            let slot = database
                .query_row(
                    "SELECT parameters, wrapped FROM slots WHERE id = ?1",
                    params![id.0],
                    |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)),
                )
                .optional()?;
            let Some((parameters, wrapped)) = slot else {
                continue;
            };
            match key.unwrap(id.0, &parameters, &wrapped) {
                Ok(data_key) => return Ok(data_key),
                Err(SealError::Refused) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(self.refusal)
    }
}

pub(super) fn read(database: &Connection) -> Result<Vec<Slot>, VaultError> {
    let mut statement =
        database.prepare_cached("SELECT id, parameters FROM slots ORDER BY id LIMIT 32")?;
    let mut rows = statement.query(())?;
    let mut slots = Vec::new();
    while let Some(row) = rows.next()? {
        let parameters: String = row.get(1)?;
        slots.push(Slot {
            id: SlotId(row.get(0)?),
            parameters: SlotParameters::from_text(&parameters)
                .map_err(|_form| VaultError::Damaged)?,
        });
    }
    Ok(slots)
}

/// Removes a slot; the last one stays.
pub(super) fn remove(transaction: &Transaction<'_>, id: SlotId) -> Result<(), VaultError> {
    let left: i64 = transaction.query_row(
        "SELECT count(*) FROM slots WHERE id <> ?1",
        params![id.0],
        |row| row.get(0),
    )?;
    if left == 0 || transaction.execute("DELETE FROM slots WHERE id = ?1", params![id.0])? == 0 {
        return Err(VaultError::NoSlot);
    }
    Ok(())
}
