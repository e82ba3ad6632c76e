//! The ways in which the vault opens.
//!
//! Argon2id takes its time, so it is a step of its own: [`SlotSource::prepare`] and [`prepare_keys`] need no vault
//! and may run on any thread.

use countersign_core::{
    recovery_code::RecoveryCode,
    seal::{
        DataKey, KEY_LEN, SealError,
        slot::{Argon2Cost, PinKey, Salt, SlotParameters, WrapKey},
    },
    secret::SecretBytes,
};
use countersign_proto::{agent::v1 as wire, limits};
use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{VaultError, random};

/// A slot's number in its vault: stable, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub i64);

/// One way in which this vault opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which.
    pub id: SlotId,
    /// How.
    pub parameters: SlotParameters,
}

/// Where a key of the machine is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// The session's keyring, under this name.
    Keyring(String),
    /// A systemd credential of this name.
    Credential(String),
    /// The TPM that sealed this object.
    Tpm(Vec<u8>),
}

impl Slot {
    /// The kind, in the wire's word.
    #[must_use]
    pub const fn kind(&self) -> wire::VaultKey {
        match self.parameters {
            SlotParameters::Passphrase { .. } => wire::VaultKey::Passphrase,
            SlotParameters::Keyring { .. } => wire::VaultKey::SecretService,
            SlotParameters::Credential { .. } => wire::VaultKey::Credential,
            SlotParameters::Tpm { .. } => wire::VaultKey::Tpm,
            SlotParameters::RecoveryCode { .. } => wire::VaultKey::RecoveryCode,
        }
    }

    /// Where the machine's half of its key is, if it has one.
    #[must_use]
    pub fn place(&self) -> Option<KeyPlace> {
        match &self.parameters {
            SlotParameters::Keyring { name, .. } => Some(KeyPlace::Keyring(name.clone())),
            SlotParameters::Credential { name, .. } => Some(KeyPlace::Credential(name.clone())),
            SlotParameters::Tpm { blob, .. } => {
                HEXLOWER.decode(blob.as_bytes()).ok().map(KeyPlace::Tpm)
            }
            SlotParameters::Passphrase { .. } | SlotParameters::RecoveryCode { .. } => None,
        }
    }

    /// Is something typed needed: a passphrase, or the agent's PIN?
    #[must_use]
    pub const fn asks(&self) -> bool {
        match self.parameters {
            SlotParameters::Passphrase { .. } => true,
            SlotParameters::RecoveryCode { .. } => false,
            SlotParameters::Keyring { .. }
            | SlotParameters::Credential { .. }
            | SlotParameters::Tpm { .. } => self.parameters.pin_cost().is_some(),
        }
    }

    /// Opens with what a user has at hand: not with a printed code.
    #[must_use]
    pub const fn needs_no_paper(&self) -> bool {
        !matches!(self.parameters, SlotParameters::RecoveryCode { .. })
    }

    /// Opens with the machine's key alone.
    #[must_use]
    pub fn opens_alone(&self) -> bool {
        self.place().is_some() && !self.asks()
    }
}

/// What a new slot is made from.
#[derive(Clone, Debug)]
pub enum SlotSource {
    /// A passphrase of 1 to 1024 bytes.
    Passphrase(SecretBytes),
    /// A key of the machine, with the agent's PIN beside it or alone.
    Machine {
        /// Where the key has been put already: a key without a vault is harmless, a vault without its key is lost.
        place: KeyPlace,
        /// 32 random bytes.
        key: SecretBytes,
        /// The agent's PIN.
        pin: Option<SecretBytes>,
    },
    /// A recovery code that is about to be printed.
    RecoveryCode(RecoveryCode),
}

impl SlotSource {
    /// A name and a key for a new keyring slot.
    ///
    /// # Errors
    ///
    /// [`VaultError::Random`].
    pub fn new_keyring_key() -> Result<(String, SecretBytes), VaultError> {
        let name = HEXLOWER.encode(&random::array::<8>()?);
        Ok((name, random::secret(KEY_LEN)?))
    }

    /// A key for a slot whose place makes none of its own.
    ///
    /// # Errors
    ///
    /// [`VaultError::Random`].
    pub fn new_key() -> Result<SecretBytes, VaultError> {
        random::secret(KEY_LEN)
    }

    /// Derives the slot's key. Slow where something is typed: 64 MiB of Argon2id.
    ///
    /// # Errors
    ///
    /// [`VaultError::PassphraseInvalid`], [`VaultError::WrongKey`] for a key that has not 32 bytes,
    /// [`VaultError::Random`].
    pub fn prepare(self) -> Result<PreparedSlot, VaultError> {
        self.prepare_at(Argon2Cost::RECOMMENDED)
    }

    /// [`SlotSource::prepare`] at another cost.
    ///
    /// # Errors
    ///
    /// As [`SlotSource::prepare`].
    pub fn prepare_at(self, cost: Argon2Cost) -> Result<PreparedSlot, VaultError> {
        let salt = Salt(random::array()?);
        match self {
            Self::Passphrase(passphrase) => {
                let pin_key = derived(&passphrase, &salt, cost)?;
                Ok(PreparedSlot {
                    key: WrapKey::from_passphrase(pin_key),
                    parameters: SlotParameters::Passphrase { salt, cost },
                })
            }
            Self::Machine { place, key, pin } => {
                let wrap = machine_key(&key, pin.as_ref(), &salt, cost)?.0;
                let pin = pin.map(|_given| cost);
                let parameters = match place {
                    KeyPlace::Keyring(name) => SlotParameters::Keyring { salt, name, pin },
                    KeyPlace::Credential(name) => SlotParameters::Credential { salt, name, pin },
                    KeyPlace::Tpm(blob) => SlotParameters::Tpm {
                        salt,
                        blob: HEXLOWER.encode(&blob),
                        pin,
                    },
                };
                Ok(PreparedSlot {
                    key: wrap,
                    parameters,
                })
            }
            Self::RecoveryCode(code) => Ok(PreparedSlot {
                key: WrapKey::from_recovery_code(&code, &salt)?,
                parameters: SlotParameters::RecoveryCode { salt },
            }),
        }
    }
}

fn derived(typed: &SecretBytes, salt: &Salt, cost: Argon2Cost) -> Result<PinKey, VaultError> {
    if typed.is_empty() || typed.len() > limits::PASSPHRASE {
        return Err(VaultError::PassphraseInvalid);
    }
    Ok(PinKey::derive(typed, salt, cost)?)
}

fn machine_key(
    key: &SecretBytes,
    pin: Option<&SecretBytes>,
    salt: &Salt,
    cost: Argon2Cost,
) -> Result<(WrapKey, Option<PinKey>), VaultError> {
    let wrong = |_length| VaultError::WrongKey;
    match pin {
        Some(pin) => {
            let pin_key = derived(pin, salt, cost)?;
            let wrap = WrapKey::from_key_and_pin(key, &pin_key, salt).map_err(wrong)?;
            Ok((wrap, Some(pin_key)))
        }
        None => Ok((WrapKey::from_key(key, salt).map_err(wrong)?, None)),
    }
}

/// A new slot whose key has been derived.
#[derive(Debug)]
pub struct PreparedSlot {
    parameters: SlotParameters,
    key: WrapKey,
}

impl PreparedSlot {
    /// What kind of slot it is, for the event log.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self.parameters {
            SlotParameters::Passphrase { .. } => "passphrase",
            SlotParameters::Keyring { .. } => "keyring",
            SlotParameters::Credential { .. } => "systemd credential",
            SlotParameters::Tpm { .. } => "TPM",
            SlotParameters::RecoveryCode { .. } => "recovery code",
        }
    }

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
    /// A passphrase, for every slot of its kind.
    Passphrase(SecretBytes),
    /// The machine's key of one slot, and what was typed where that slot asks.
    Machine {
        /// Which.
        slot: SlotId,
        /// What its place gave.
        key: SecretBytes,
        /// The agent's PIN.
        pin: Option<SecretBytes>,
    },
    /// What a PIN or passphrase gave before; a finger stands for it now.
    Finger {
        /// Of this slot.
        slot: SlotId,
        /// What its place gave, if it has one.
        key: Option<SecretBytes>,
        /// What Argon2id made of the PIN.
        pin_key: PinKey,
    },
    /// A printed recovery code, for every slot of its kind.
    RecoveryCode(RecoveryCode),
}

impl SlotKey {
    /// Derives the key of every slot that this can be for. Slow where something was typed.
    ///
    /// # Errors
    ///
    /// [`VaultError::NoSlot`] when there is none, [`VaultError::PassphraseInvalid`],
    /// [`VaultError::WrongKey`] for a key that has not 32 bytes.
    pub fn prepare(self, slots: &[Slot]) -> Result<PreparedKey, VaultError> {
        prepare_keys(vec![self], slots)
    }

    const fn refusal(&self) -> VaultError {
        match self {
            Self::Passphrase(_) | Self::Machine { pin: Some(_), .. } => VaultError::WrongPassphrase,
            Self::RecoveryCode(_) => VaultError::WrongRecoveryCode,
            Self::Machine { pin: None, .. } | Self::Finger { .. } => VaultError::WrongKey,
        }
    }

    fn for_slot(&self, slot: &Slot) -> Result<Option<DerivedKey>, VaultError> {
        let key = |wrap, pin_key| {
            Ok(Some(DerivedKey {
                slot: slot.id,
                wrap,
                pin_key,
            }))
        };
        match (self, &slot.parameters) {
            (Self::Passphrase(passphrase), SlotParameters::Passphrase { salt, cost }) => {
                let pin_key = derived(passphrase, salt, *cost)?;
                key(WrapKey::from_passphrase(pin_key.clone()), Some(pin_key))
            }
            (Self::RecoveryCode(code), SlotParameters::RecoveryCode { salt }) => {
                key(WrapKey::from_recovery_code(code, salt)?, None)
            }
            (
                Self::Machine {
                    slot: wanted,
                    key: machine,
                    pin,
                },
                parameters,
            ) if *wanted == slot.id && slot.place().is_some() => {
                match (parameters.pin_cost(), pin) {
                    (Some(cost), Some(pin)) => {
                        let (wrap, pin_key) =
                            machine_key(machine, Some(pin), parameters.salt(), cost)?;
                        key(wrap, pin_key)
                    }
                    (None, None) => {
                        let salt = parameters.salt();
                        let (wrap, _none) =
                            machine_key(machine, None, salt, Argon2Cost::RECOMMENDED)?;
                        key(wrap, None)
                    }
                    (Some(_), None) | (None, Some(_)) => Ok(None),
                }
            }
            (
                Self::Finger {
                    slot: wanted,
                    key: machine,
                    pin_key,
                },
                parameters,
            ) if *wanted == slot.id => {
                let wrap = match machine {
                    Some(machine) => WrapKey::from_key_and_pin(machine, pin_key, parameters.salt())
                        .map_err(|_length| VaultError::WrongKey)?,
                    None => WrapKey::from_passphrase(pin_key.clone()),
                };
                key(wrap, Some(pin_key.clone()))
            }
            (
                Self::Passphrase(_)
                | Self::RecoveryCode(_)
                | Self::Machine { .. }
                | Self::Finger { .. },
                _,
            ) => Ok(None),
        }
    }
}

/// Derives the keys of all that was brought, to be tried one after another.
///
/// # Errors
///
/// As [`SlotKey::prepare`].
pub fn prepare_keys(brought: Vec<SlotKey>, slots: &[Slot]) -> Result<PreparedKey, VaultError> {
    let refusal = brought
        .iter()
        .map(SlotKey::refusal)
        .find(|refusal| *refusal != VaultError::WrongKey)
        .unwrap_or(VaultError::WrongKey);
    let mut keys = Vec::new();
    for key in brought {
        for slot in slots {
            keys.extend(key.for_slot(slot)?);
        }
    }
    if keys.is_empty() {
        return Err(VaultError::NoSlot);
    }
    Ok(PreparedKey { keys, refusal })
}

#[derive(Debug)]
struct DerivedKey {
    slot: SlotId,
    wrap: WrapKey,
    pin_key: Option<PinKey>,
}

/// Derived keys to try, each for one slot.
#[derive(Debug)]
pub struct PreparedKey {
    keys: Vec<DerivedKey>,
    refusal: VaultError,
}

/// What opened the vault.
#[derive(Debug)]
pub(super) struct OpenedBy {
    pub(super) data_key: DataKey,
    pub(super) slot: SlotId,
    /// What was typed, derived: kept only where the user lets a finger stand for it.
    pub(super) pin_key: Option<PinKey>,
}

impl PreparedKey {
    pub(super) fn open(self, database: &Connection) -> Result<OpenedBy, VaultError> {
        for key in self.keys {
            let slot = database
                .query_row(
                    "SELECT parameters, wrapped FROM slots WHERE id = ?1",
                    params![key.slot.0],
                    |row| Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?)),
                )
                .optional()?;
            let Some((parameters, wrapped)) = slot else {
                continue;
            };
            match key.wrap.unwrap(key.slot.0, &parameters, &wrapped) {
                Ok(data_key) => {
                    return Ok(OpenedBy {
                        data_key,
                        slot: key.slot,
                        pin_key: key.pin_key,
                    });
                }
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

/// Removes a slot; the last one that needs no paper stays.
pub(super) fn remove(transaction: &Transaction<'_>, id: SlotId) -> Result<(), VaultError> {
    let slots = read(transaction)?;
    let removed = slots.iter().find(|slot| slot.id == id);
    let removed = removed.ok_or(VaultError::NoSuchSlot)?;
    let left = slots
        .iter()
        .filter(|slot| slot.id != id && slot.needs_no_paper())
        .count();
    if left == 0 && removed.needs_no_paper() {
        return Err(VaultError::LastSlot);
    }
    transaction.execute("DELETE FROM slots WHERE id = ?1", params![id.0])?;
    Ok(())
}
