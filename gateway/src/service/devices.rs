//! Devices in the administrator's hands: listed, and ended with all their tokens.

use countersign_core::ids::DeviceId;
use serde::Serialize;

use super::{Change, Operator, Service, ServiceError, TokenError};
use crate::store::{AuditEvent, TokenState};

/// A device as the administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// Its identifier.
    #[serde(serialize_with = "as_text")]
    pub id: DeviceId,
    /// What it calls itself.
    pub name: String,
    /// The users whose tokens live on it.
    pub users: Vec<String>,
    /// The serials of its tokens that are not ended.
    pub tokens: Vec<String>,
    /// Since when, Unix milliseconds.
    pub created_ms: i64,
    /// When its last stream ended, Unix milliseconds.
    pub last_seen_ms: Option<i64>,
}

fn as_text<S: serde::Serializer>(id: &DeviceId, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(id)
}

impl Service {
    /// Every device, by name.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, ServiceError> {
        let devices = self
            .store()
            .read(|rows| {
                let mut devices = Vec::new();
                for device in rows.devices()? {
                    let mut users = Vec::new();
                    let mut tokens = Vec::new();
                    for token in rows.tokens_of_device(device.id)? {
                        let user = rows.user_name(token.user)?;
                        if !users.contains(&user) {
                            users.push(user);
                        }
                        if token.state != TokenState::Revoked {
                            tokens.push(token.serial);
                        }
                    }
                    devices.push(DeviceInfo {
                        id: device.id,
                        name: device.name,
                        users,
                        tokens,
                        created_ms: device.created.0,
                        last_seen_ms: device.last_seen.map(|at| at.0),
                    });
                }
                Ok(devices)
            })
            .await?;
        Ok(devices)
    }
}

impl Operator {
    /// Ends all tokens of a device for good; its stream is cut, and its agent erases them.
    ///
    /// # Errors
    ///
    /// [`TokenError::Unknown`]: there is no such device; or the database failed.
    pub async fn revoke_device(&self, id: DeviceId) -> Result<Change, TokenError> {
        let service = self.service();
        let (now, operator) = (service.now(), self.name().to_owned());
        let done = service
            .store()
            .write(move |rows| {
                if rows.device(id)?.is_none() {
                    return Ok(None);
                }
                let done = super::tokens::revoke_all(rows, id, &operator, now)?;
                rows.audit_by(
                    &operator,
                    now,
                    AuditEvent::DeviceRevoked,
                    &id.to_string(),
                    "",
                )?;
                Ok(Some(done))
            })
            .await
            .map_err(ServiceError)?
            .ok_or(TokenError::UnknownDevice)?;
        Ok(service.carried_out(done))
    }
}
