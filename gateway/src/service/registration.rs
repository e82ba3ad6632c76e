//! After DSKPP: a device registers its keys, and the token is active.

use countersign_core::{
    ids::DeviceId,
    secret::SecretText,
    server_pin::ServerPinRulesError,
    signing::{self, Label},
    text,
    time::UnixMillis,
    token::{PushPolicy, VerificationLevel},
};
use countersign_proto::{limits, push::v1 as push};
use prost::Message as _;
use zeroize::Zeroizing;

use super::{Service, decision::is_signature, server_pin};
use crate::store::{AuditEvent, Device, PinStanding, Rows, StoreError, TokenRow, TokenState};

/// The longest device name, in characters.
const DEVICE_NAME: usize = 128;

/// Why a registration is refused. The agent is told no more than this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// The message does not prove that the device holds the token and both keys, or the token is another
    /// device's.
    #[error("the registration is refused; ask for a new activation string")]
    Refused,
    /// The token asks for a server PIN, and this is none: ask the user for another one. Told only to who holds
    /// the token.
    #[error(transparent)]
    ServerPin(#[from] ServerPinRulesError),
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
        // It may hold a server PIN.
        let signed = Zeroizing::new(request.body);
        if signed.len() > limits::SIGNED_BODY {
            return Err(RegistrationError::Refused);
        }
        // The body has to be read first: it names the token whose K_MAC authenticates it.
        let Ok(mut body) = push::RegisterBody::decode(signed.as_slice()) else {
            return Err(RegistrationError::Refused);
        };
        let pin = SecretText::new(core::mem::take(&mut body.server_pin));
        let signed_by =
            |key: &[u8], signature: &[u8]| is_signature(key, Label::Register, &signed, signature);
        let proven = signed_by(&body.channel_key, &request.channel_signature)
            && signed_by(&body.decision_key, &request.decision_signature)
            && body.channel_key != body.decision_key;
        let now = self.now();
        let registered = self
            .store()
            .write(move |rows| {
                let registration = Registration {
                    signed: &signed,
                    mac: &request.mac,
                    body: &body,
                    pin: &pin,
                };
                let registered = if proven {
                    registration.carry_out(rows, now)?
                } else {
                    Registered::Refused
                };
                let why = match registered {
                    Registered::Active(_) => return Ok(registered),
                    Registered::Refused => "",
                    Registered::ServerPin(_) => "server PIN",
                };
                let serial = text::display(&body.serial, 64);
                rows.audit(now, AuditEvent::RegistrationRefused, &serial, why)?;
                Ok(registered)
            })
            .await?;
        let push = match registered {
            Registered::Active(push) => push,
            Registered::Refused => return Err(RegistrationError::Refused),
            Registered::ServerPin(refused) => return Err(refused.into()),
        };
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

/// A registration that both keys have signed.
struct Registration<'r> {
    signed: &'r [u8],
    mac: &'r [u8],
    body: &'r push::RegisterBody,
    pin: &'r SecretText,
}

/// What a registration comes to.
enum Registered {
    /// The token is active, with this push policy.
    Active(PushPolicy),
    Refused,
    /// All is proven, but the PIN does not meet the rules.
    ServerPin(ServerPinRulesError),
}

impl Registration<'_> {
    fn carry_out(&self, rows: Rows<'_>, now: UnixMillis) -> Result<Registered, StoreError> {
        let body = self.body;
        let Ok(id) = DeviceId::try_from(body.device_id.as_slice()) else {
            return Ok(Registered::Refused);
        };
        let (Some(token), Some(mac_key)) = (rows.token(&body.serial)?, rows.mac_key(&body.serial)?)
        else {
            return Ok(Registered::Refused);
        };
        if signing::verify_register_mac(&mac_key, self.signed, self.mac).is_err() {
            return Ok(Registered::Refused);
        }
        // A device keeps its channel key: another key under its name is another device.
        let known = rows.device(id)?;
        if known.is_some_and(|known| known.channel_key != body.channel_key) {
            return Ok(Registered::Refused);
        }
        match token.state {
            TokenState::Provisioned => self.activate(rows, &token, id, now),
            TokenState::Active => {
                let same = token.device == Some(id)
                    && token.decision_key.as_deref() == Some(body.decision_key.as_slice());
                // The PIN stays as it is: a repeated registration neither changes it nor tells whether this
                // one is right.
                Ok(if same {
                    Registered::Active(token.push)
                } else {
                    Registered::Refused
                })
            }
            TokenState::Issued | TokenState::Suspended | TokenState::Revoked => {
                Ok(Registered::Refused)
            }
        }
    }

    fn activate(
        &self,
        rows: Rows<'_>,
        token: &TokenRow,
        id: DeviceId,
        now: UnixMillis,
    ) -> Result<Registered, StoreError> {
        if token.pin_standing == PinStanding::None {
            if !self.pin.is_empty() {
                return Ok(Registered::Refused);
            }
        } else if let Err(refused) = server_pin::keep(rows, token, self.pin)? {
            return Ok(Registered::ServerPin(refused));
        }
        let device = Device {
            id,
            channel_key: self.body.channel_key.clone(),
            name: text::display(&self.body.device_name, DEVICE_NAME),
        };
        rows.put_device(&device, now)?;
        rows.activate_token(&token.serial, id, &self.body.decision_key)?;
        rows.remove_activation_of(&token.serial)?;
        rows.audit(
            now,
            AuditEvent::TokenRegistered,
            &token.serial,
            &device.name,
        )?;
        Ok(Registered::Active(token.push))
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
