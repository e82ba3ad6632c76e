//! The gateway stops: agents are told when to come back, waits are answered, and the next start knows who is on the way.

use countersign_core::ids::DeviceId;

use super::{Service, ServiceError};
use crate::push::AWAY_MS;

impl Service {
    /// Ends all streams, spread over the rate at which agents can come back, and every wait for a login.
    ///
    /// # Errors
    ///
    /// The database failed: the next start does not know who is on the way. Everything else was done.
    pub async fn stop(&self) -> Result<(), ServiceError> {
        self.0.stopping.send_replace(true);
        let rate = self.settings().config.push.reconnects_per_second;
        let devices = self.streams().drain(rate);
        let now = self.now();
        self.store()
            .write(move |rows| {
                devices
                    .iter()
                    .try_for_each(|device| rows.device_seen(*device, now))
            })
            .await?;
        Ok(())
    }

    /// Resolves when the gateway stops.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.0.stopping.subscribe();
        // The sender lives as long as this service does.
        drop(stopping.wait_for(|stopping| *stopping).await);
    }

    /// A device's stream has ended by itself.
    pub(crate) async fn left(&self, device: DeviceId) {
        let now = self.now();
        let noted = self
            .store()
            .write(move |rows| rows.device_seen(device, now))
            .await;
        if let Err(error) = noted {
            tracing::warn!(%error, "when a device was last seen could not be noted");
        }
    }

    /// Devices that were connected when the gateway stopped are on their way back: logins go on asking them.
    pub(super) async fn expect_devices(&self) -> Result<(), ServiceError> {
        let since = self.now().plus_ms(-AWAY_MS);
        let devices = self
            .store()
            .read(move |rows| rows.devices_seen_since(since))
            .await?;
        for device in devices {
            if let Some(seen) = device.last_seen {
                self.streams().expect(device.id, seen);
            }
        }
        Ok(())
    }
}
