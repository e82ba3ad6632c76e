//! Services: where they are, how they are known, and the key that signs for this device there.

use countersign_core::{
    ids::{DeviceId, ServiceId},
    privacyidea::Transport,
    seal::{ColumnsMac, MacKey, SealContext},
    secret::SecretBytes,
    signing,
};
use p256::ecdsa::SigningKey;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{ServiceKind, Vault, VaultError, database, random, tier::ChannelTier};

/// What is known about a service after a registration, with the channel key.
#[derive(Clone, Debug)]
pub struct ServiceRegistration {
    /// The service and how it is known.
    pub service: ServiceRow,
    /// The key that signs for this device there: a gateway's channel key is P-256, 32 bytes; that of a privacyIDEA
    /// token is RSA, PKCS#8 in DER.
    pub channel_key: SecretBytes,
}

/// What is known about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceRow {
    /// The service.
    pub service: ServiceId,
    /// This device there.
    pub device: DeviceId,
    /// Its name; display-safe.
    pub name: String,
    /// Its base URL.
    pub url: String,
    /// SHA-256 of its identity key's `SubjectPublicKeyInfo`, and of a spare; at most 8.
    pub pins: Vec<[u8; 32]>,
    /// The key that it signs with, DER: a gateway's identity key as `SubjectPublicKeyInfo`, privacyIDEA's as
    /// `RSAPublicKey`.
    pub identity_key: Vec<u8>,
    /// Which protocol it speaks.
    pub kind: ServiceKind,
}

impl ServiceRow {
    /// How well it is known.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        match &self.kind {
            ServiceKind::Gateway | ServiceKind::Sudo => Transport::Verified,
            ServiceKind::PrivacyIdea(token) => token.transport,
        }
    }
}

/// One row as it stands.
#[derive(Debug)]
pub(super) struct Stored {
    row: ServiceRow,
    kind: String,
    sealed_key: Vec<u8>,
    mac: Vec<u8>,
}

const COLUMNS: &str =
    "service_id, device_id, name, url, pins, identity_key, channel_key, mac, kind";
const MAX_PINS: usize = 8;

impl Stored {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let pins: Vec<u8> = row.get(4)?;
        let kind: String = row.get(8)?;
        Ok(Self {
            row: ServiceRow {
                service: ServiceId(row.get(0)?),
                device: DeviceId(row.get(1)?),
                name: row.get(2)?,
                url: row.get(3)?,
                pins: pins.as_chunks::<32>().0.to_vec(),
                identity_key: row.get(5)?,
                // One that is not known fails its MAC, and before the first unlock nobody acts on a row.
                kind: ServiceKind::from_column(&kind).unwrap_or_default(),
            },
            kind,
            sealed_key: row.get(6)?,
            mac: row.get(7)?,
        })
    }

    fn columns_mac(&self, key: &MacKey) -> Result<ColumnsMac, VaultError> {
        let mac = key
            .columns("services")?
            .bytes(self.row.service.as_bytes())
            .bytes(self.row.device.as_bytes())
            .bytes(self.row.name.as_bytes())
            .bytes(self.row.url.as_bytes())
            .bytes(self.row.pins.as_flattened())
            .bytes(&self.row.identity_key)
            .bytes(&self.sealed_key);
        Ok(if self.kind.is_empty() {
            mac
        } else {
            mac.bytes(self.kind.as_bytes())
        })
    }

    fn check(&self, key: &MacKey) -> Result<(), VaultError> {
        self.columns_mac(key)?.check(&self.mac)?;
        match ServiceKind::from_column(&self.kind) {
            Some(_) => Ok(()),
            None => Err(VaultError::Damaged),
        }
    }
}

/// The row, if its MAC vouches for it.
pub(super) fn load(
    database: &Connection,
    key: &MacKey,
    service: ServiceId,
) -> Result<Stored, VaultError> {
    let stored = database
        .query_row(
            &format!("SELECT {COLUMNS} FROM services WHERE service_id = ?1"),
            params![service.as_bytes()],
            Stored::from_row,
        )
        .optional()?
        .ok_or(VaultError::ServiceUnknown)?;
    stored.check(key)?;
    Ok(stored)
}

pub(super) fn put(
    transaction: &Transaction<'_>,
    keys: &ChannelTier,
    registration: &ServiceRegistration,
) -> Result<(), VaultError> {
    let row = registration.service.clone();
    if row.pins.len() > MAX_PINS
        || row.identity_key.len() > 4096
        || row.url.len() > 2048
        || row.name.len() > 512
    {
        return Err(VaultError::TooLong);
    }
    let context = SealContext::ChannelKey(row.service);
    let plain = registration.channel_key.expose();
    let sealed_key = keys.channel_key.seal(context, &random::array()?, plain)?;
    let stored = Stored {
        kind: row.kind.to_column()?,
        row,
        sealed_key,
        mac: Vec::new(),
    };
    let mac = stored.columns_mac(&keys.columns)?.finish();
    transaction.execute(
        &format!(
            "INSERT INTO services ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (service_id) DO UPDATE SET device_id = ?2, name = ?3, url = ?4, pins = ?5,
                identity_key = ?6, channel_key = ?7, mac = ?8, kind = ?9"
        ),
        params![
            stored.row.service.as_bytes(),
            stored.row.device.as_bytes(),
            stored.row.name,
            stored.row.url,
            stored.row.pins.as_flattened(),
            stored.row.identity_key,
            stored.sealed_key,
            mac,
            stored.kind
        ],
    )?;
    Ok(())
}

impl Vault {
    /// Keeps a service, or what is new about it. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`] before the first unlock, [`VaultError::TooLong`], storage errors.
    pub fn put_service(&mut self, registration: &ServiceRegistration) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        put(&transaction, opened.channel()?, registration)?;
        transaction.commit()?;
        Ok(())
    }

    /// Every service. Before the first unlock nothing vouches for the rows: for display only.
    ///
    /// # Errors
    ///
    /// [`VaultError::Damaged`] when one was changed from outside, storage errors.
    pub fn services(&self) -> Result<Vec<ServiceRow>, VaultError> {
        let opened = self.opened()?;
        let mut statement = opened.database.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM services ORDER BY name, service_id"
        ))?;
        let mut services = Vec::new();
        for stored in statement.query_map((), Stored::from_row)? {
            let stored = stored?;
            if let Some(keys) = &opened.channel {
                stored.check(&keys.columns)?;
            }
            services.push(stored.row);
        }
        Ok(services)
    }

    /// The key that signs for this device at `service`. Also while locked.
    ///
    /// # Errors
    ///
    /// [`VaultError::Locked`] before the first unlock, [`VaultError::ServiceUnknown`], [`VaultError::Damaged`].
    pub fn channel_key(&self, service: ServiceId) -> Result<SigningKey, VaultError> {
        let plain = self.device_key(service)?;
        signing::key_from_bytes(&plain).map_err(|_not_a_key| VaultError::Damaged)
    }

    /// The same key as it is kept, for a service of any kind. Also while locked.
    ///
    /// # Errors
    ///
    /// As [`Vault::channel_key`].
    pub fn device_key(&self, service: ServiceId) -> Result<SecretBytes, VaultError> {
        let opened = self.opened()?;
        let keys = opened.channel()?;
        let stored = load(&opened.database, &keys.columns, service)?;
        Ok(keys
            .channel_key
            .open(SealContext::ChannelKey(service), &stored.sealed_key)?)
    }

    /// Forgets a service, its channel key and what waits for it.
    ///
    /// # Errors
    ///
    /// [`VaultError::ServiceInUse`] while tokens belong to it, [`VaultError::ServiceUnknown`], storage errors.
    pub fn remove_service(&mut self, service: ServiceId) -> Result<(), VaultError> {
        let opened = self.opened_mut()?;
        let transaction = opened.begin()?;
        let tokens: i64 = transaction.query_row(
            "SELECT count(*) FROM tokens WHERE service_id = ?1",
            params![service.as_bytes()],
            |row| row.get(0),
        )?;
        if tokens > 0 {
            return Err(VaultError::ServiceInUse);
        }
        transaction.execute(
            "DELETE FROM outbox WHERE service_id = ?1",
            params![service.as_bytes()],
        )?;
        let removed = transaction.execute(
            "DELETE FROM services WHERE service_id = ?1",
            params![service.as_bytes()],
        )?;
        if removed == 0 {
            return Err(VaultError::ServiceUnknown);
        }
        transaction.commit()?;
        database::checkpoint(&opened.database);
        Ok(())
    }
}
