//! Devices: one a desktop and gateway, known by its channel key.

use countersign_core::{ids::DeviceId, time::UnixMillis};
use rusqlite::{OptionalExtension as _, params};

use super::{Rows, StoreError};

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its identifier, made by the device.
    pub id: DeviceId,
    /// Its channel key, SEC1.
    pub channel_key: Vec<u8>,
    /// What it calls itself.
    pub name: String,
}

/// A device as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its identifier.
    pub id: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// Since when.
    pub created: UnixMillis,
    /// When its last stream ended, if it had one.
    pub last_seen: Option<UnixMillis>,
}

impl Rows<'_> {
    /// The device of that identifier.
    pub(crate) fn device(self, id: DeviceId) -> Result<Option<Device>, StoreError> {
        let device = self
            .connection
            .prepare_cached("SELECT channel_key, name FROM device WHERE device_id = ?1")?
            .query_row([id.as_bytes()], |row| {
                Ok(Device {
                    id,
                    channel_key: row.get(0)?,
                    name: row.get(1)?,
                })
            })
            .optional()?;
        Ok(device)
    }

    /// Adds a device, or takes its new name. Its key never changes.
    pub(crate) fn put_device(self, device: &Device, at: UnixMillis) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO device (device_id, channel_key, name, created_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (device_id) DO UPDATE SET name = excluded.name",
            )?
            .execute(params![
                device.id.as_bytes(),
                device.channel_key,
                device.name,
                at.0
            ])?;
        Ok(())
    }

    /// Every device, by name.
    pub(crate) fn devices(self) -> Result<Vec<DeviceRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT device_id, name, created_ms, last_seen_ms FROM device ORDER BY name, created_ms",
        )?;
        let rows = statement.query_map([], device_row)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// The devices whose stream ended after `since`.
    pub(crate) fn devices_seen_since(
        self,
        since: UnixMillis,
    ) -> Result<Vec<DeviceRow>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT device_id, name, created_ms, last_seen_ms FROM device WHERE last_seen_ms > ?1",
        )?;
        let rows = statement.query_map([since.0], device_row)?;
        rows.map(|row| row.map_err(StoreError::from)).collect()
    }

    /// The stream of a device has ended.
    pub(crate) fn device_seen(self, id: DeviceId, at: UnixMillis) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("UPDATE device SET last_seen_ms = ?2 WHERE device_id = ?1")?
            .execute(params![id.as_bytes(), at.0])?;
        Ok(())
    }
}

fn device_row(row: &rusqlite::Row<'_>) -> Result<DeviceRow, rusqlite::Error> {
    Ok(DeviceRow {
        id: DeviceId(row.get(0)?),
        name: row.get(1)?,
        created: UnixMillis(row.get(2)?),
        last_seen: row.get::<_, Option<i64>>(3)?.map(UnixMillis),
    })
}
