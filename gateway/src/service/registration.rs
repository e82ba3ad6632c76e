//! After DSKPP: a device registers its keys, and the token is active.

use countersign_core::{
    ids::DeviceId,
    signing::{self, Label},
    text,
    token::{PushPolicy, VerificationLevel},
};
use countersign_proto::{limits, push::v1 as push};
use prost::Message as _;

use super::{Service, decision::is_signed};
use crate::store::{AuditEvent, Device, Rows, StoreError, TokenState};

/// The longest device name, in characters.
const DEVICE_NAME: usize = 128;

/// Why a registration is refused. The agent is told no more than this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// The message does not prove that the device holds the token and both keys, or the token is another
    /// device's.
    #[error("the registration is refused; ask for a new activation string")]
    Refused,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StoreError),
}

impl Service {
    /// Registers a device's keys for a token. May be repeated with the same keys.
    ///
    /// # Errors
    ///
    /// Every variant of [`RegistrationError`].
    pub(crate) async fn register(
        &self,
        request: push::RegisterRequest,
    ) -> Result<push::RegisterReply, RegistrationError> {
        if request.body.len() > limits::SIGNED_BODY {
            return Err(RegistrationError::Refused);
        }
        // The body has to be read first: it names the token whose K_MAC authenticates it.
        let Ok(body) = push::RegisterBody::decode(request.body.as_slice()) else {
            return Err(RegistrationError::Refused);
        };
        let signed_by = |key: &[u8], signature: &[u8]| {
            let signed = push::Signed {
                body: request.body.clone(),
                signature: signature.to_vec(),
            };
            is_signed(key, Label::Register, &signed)
        };
        let proven = signed_by(&body.channel_key, &request.channel_signature)
            && signed_by(&body.decision_key, &request.decision_signature)
            && body.channel_key != body.decision_key;
        let now = self.now();
        let registered = self
            .store()
            .write(move |rows| {
                let push = if proven {
                    register(rows, &request, &body, now)?
                } else {
                    None
                };
                if push.is_none() {
                    let serial = text::display(&body.serial, 64);
                    rows.audit(now, AuditEvent::RegistrationRefused, &serial, "")?;
                }
                Ok(push)
            })
            .await?;
        let push = registered.ok_or(RegistrationError::Refused)?;
        let keys = self.keys();
        let (takes_push, level) = match push {
            PushPolicy::Off => (false, push::Level::Unspecified),
            PushPolicy::Allowed(least) => (true, wire_level(least)),
        };
        Ok(push::RegisterReply {
            service_id: keys.service.as_bytes().to_vec(),
            service_name: self.settings().config.name.clone(),
            identity_key: keys.identity_spki.clone(),
            spare_pin: Vec::new(),
            push: takes_push,
            push_level: level.into(),
        })
    }
}

/// The token's push policy, if the registration is taken.
fn register(
    rows: Rows<'_>,
    request: &push::RegisterRequest,
    body: &push::RegisterBody,
    now: countersign_core::time::UnixMillis,
) -> Result<Option<PushPolicy>, StoreError> {
    let Ok(id) = DeviceId::try_from(body.device_id.as_slice()) else {
        return Ok(None);
    };
    let (Some(token), Some(mac_key)) = (rows.token(&body.serial)?, rows.mac_key(&body.serial)?)
    else {
        return Ok(None);
    };
    if signing::verify_register_mac(&mac_key, &request.body, &request.mac).is_err() {
        return Ok(None);
    }
    // A device keeps its channel key: another key under its name is another device.
    let known = rows.device(id)?;
    if known.is_some_and(|known| known.channel_key != body.channel_key) {
        return Ok(None);
    }
    match token.state {
        TokenState::Provisioned => {
            let device = Device {
                id,
                channel_key: body.channel_key.clone(),
                name: text::display(&body.device_name, DEVICE_NAME),
            };
            rows.put_device(&device, now)?;
            rows.activate_token(&token.serial, id, &body.decision_key)?;
            rows.remove_activation_of(&token.serial)?;
            rows.audit(
                now,
                AuditEvent::TokenRegistered,
                &token.serial,
                &device.name,
            )?;
            Ok(Some(token.push))
        }
        TokenState::Active => {
            let same = token.device == Some(id)
                && token.decision_key.as_deref() == Some(body.decision_key.as_slice());
            Ok(same.then_some(token.push))
        }
        TokenState::Issued | TokenState::Suspended | TokenState::Revoked => Ok(None),
    }
}

const fn wire_level(level: VerificationLevel) -> push::Level {
    match level {
        VerificationLevel::Click => push::Level::Click,
        VerificationLevel::Pin => push::Level::Pin,
        VerificationLevel::Finger => push::Level::Finger,
        VerificationLevel::Tpm => push::Level::Tpm,
    }
}
