//! A server PIN is changed: the service decides, the agent keeps none of it.

use countersign_core::{
    ids::TokenId,
    pin::{PinMalformed, PinRules},
    secret::SecretBytes,
    signing::{self, Label},
    text,
};
use countersign_proto::push::v1 as push;
use prost::Message as _;

use super::{
    Agent,
    asking::{FingerUse, Given},
    caller::{About, Caller},
    pin::PinError,
    ports::PinDialog,
    session::SessionError,
    unlocking::waiting_time,
    verification::VerificationError,
};
use crate::vault::{EventKind, TokenRow, VaultError};

impl Agent {
    /// Another server PIN, or the first after a reset: the service decides.
    pub(super) async fn change_server_pin(
        &self,
        row: &TokenRow,
        new: Option<&SecretBytes>,
        caller: &Caller,
    ) -> Result<(), PinError> {
        let Some(service_id) = row.service else {
            return Err(PinError::NoPin(row.name.clone()));
        };
        let service = self.service(service_id).await;
        let service = service.ok_or(VaultError::ServiceUnknown)?;
        let due = self.is_server_pin_due(row.id);
        let current = if due {
            SecretBytes::default()
        } else {
            self.present_server_pin(row, caller).await?
        };
        let about = About::new(&format!("A new server PIN for the token {}", row.name));
        let new = self
            .new_pin(PinRules::Server, "server PIN", about, new, caller)
            .await?;
        let body = push::ServerPinBody {
            service_id: service.service.0.to_vec(),
            device_id: service.device.0.to_vec(),
            serial: row.serial.clone(),
            current: current.as_text().unwrap_or_default().to_owned(),
            new: new.as_text().unwrap_or_default().to_owned(),
            sequence: self.next_server_pin_sequence(),
        };
        let mut body_bytes = zeroize::Zeroizing::new(Vec::with_capacity(body.encoded_len()));
        // A buffer that grows: there is nothing that could fail.
        body.encode_raw(&mut *body_bytes);
        let key = self
            .vault
            .call(move |vault| vault.channel_key(service_id))
            .await?;
        let signature = signing::sign(&key, Label::ServerPin, &body_bytes);
        let request = push::ServerPinRequest {
            body: core::mem::take(&mut *body_bytes),
            signature: signature.to_vec(),
        };
        let reply = self
            .ports
            .transport
            .change_server_pin(&service.url, &service.pins, request)
            .await?;
        match reply.result() {
            push::ServerPinResult::Changed => {
                self.state.facts().server_pin_due.remove(&row.id);
                self.record_event(EventKind::PinChanged, &row.name, "at its service")
                    .await;
                Ok(())
            }
            push::ServerPinResult::Wrong => Err(PinError::ServerPinWrong(reply.tries_left)),
            push::ServerPinResult::Malformed => {
                Err(SessionError::from(PinMalformed(PinRules::Server)).into())
            }
            push::ServerPinResult::Locked => Err(PinError::ServerRefused(format!(
                "too many wrong PINs: the service looks at the next one in {}",
                waiting_time(core::time::Duration::from_millis(reply.retry_after_ms))
            ))),
            push::ServerPinResult::Token | push::ServerPinResult::Unspecified => {
                Err(PinError::ServerRefused(
                    "the service does not change the PIN of this token".to_owned(),
                ))
            }
        }
    }

    /// Has an administrator reset this token's server PIN?
    #[must_use]
    pub fn is_server_pin_due(&self, id: TokenId) -> bool {
        self.state.facts().server_pin_due.contains(&id)
    }

    /// The service takes only numbers that grow, also over restarts: the time, unless it stands still or goes back.
    fn next_server_pin_sequence(&self) -> u64 {
        let now = u64::try_from(self.ports.clock.wall().0).unwrap_or(0);
        let mut facts = self.state.facts();
        let next = now.max(facts.server_pin_sequence.saturating_add(1));
        facts.server_pin_sequence = next;
        next
    }

    async fn present_server_pin(
        &self,
        row: &TokenRow,
        caller: &Caller,
    ) -> Result<SecretBytes, PinError> {
        if let Some(pin) = &caller.secret {
            return Ok(pin.clone());
        }
        let about = About::new(&format!("Token {}", text::display(&row.name, 64)));
        let dialog = PinDialog {
            title: "The present server PIN".to_owned(),
            description: about.description("Its present server PIN:"),
            prompt: "Server PIN:".to_owned(),
            error: None,
            repeat: None,
            ok: "OK".to_owned(),
            within: about.within,
        };
        match self.ask(&dialog, FingerUse::No, caller).await {
            Ok(Given::Typed(pin)) => Ok(pin),
            Ok(Given::Finger) => Err(VerificationError::PinLength.into()),
            Err(unasked) => Err(SessionError::from(unasked).into()),
        }
    }
}
