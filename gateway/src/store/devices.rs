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
                "INSERT INTO device VALUES (?1, ?2, ?3, ?4)
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
}
