//! `Push/ChangeServerPin`: another PIN, or the first one after an administrator has reset it.
//!
//! A change needs proof of the PIN before it. So for an OCRA suite with a PIN a change is answered `WRONG`, which
//! no passcode of such a token ever is: only the token's own device can ask, and each wrong one counts.

use countersign_core::{
    ids::DeviceId, lockout::Counted, secret::SecretText, signing::Label, text, time::UnixMillis,
};
use countersign_proto::{
    limits,
    push::v1::{self as push, ServerPinResult},
};
use prost::Message as _;
use zeroize::Zeroizing;

use super::{
    Service,
    decision::is_signature,
    server_pin::{self, Given, PinCheck},
};
use crate::store::{AuditEvent, PinStanding, Rows, StoreError, TokenRow, TokenState};

/// Why a change is not answered with a result. The agent is told no more than this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerPinError {
    /// Not signed by a registered device for this gateway.
    #[error("the device is not known here, or did not sign this change")]
    Refused,
    /// Not newer than a change that was looked at.
    #[error("the change is not newer than the last one; nothing was done")]
    Replayed,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StoreError),
}

/// A change whose signature has been checked.
struct Change {
    device: DeviceId,
    serial: String,
    current: SecretText,
    new: SecretText,
    sequence: u64,
}

impl Service {
    /// Changes a server PIN. What it returns is durable, also a counted wrong PIN.
    ///
    /// # Errors
    ///
    /// Every variant of [`ServerPinError`].
    pub(crate) async fn change_server_pin(
        &self,
        request: push::ServerPinRequest,
    ) -> Result<push::ServerPinReply, ServerPinError> {
        let signed = Zeroizing::new(request.body);
        if signed.len() > limits::SIGNED_BODY {
            return Err(ServerPinError::Refused);
        }
        // The body has to be read first: it names the device whose key signed it. Until the signature is
        // checked nothing else of it is used.
        let Ok(body) = push::ServerPinBody::decode(signed.as_slice()) else {
            return Err(ServerPinError::Refused);
        };
        let (current, new) = (SecretText::new(body.current), SecretText::new(body.new));
        // The database keeps signed numbers; a sequence beyond them would never be outdone.
        let (Ok(device), Ok(_kept)) = (
            DeviceId::try_from(body.device_id.as_slice()),
            i64::try_from(body.sequence),
        ) else {
            return Err(ServerPinError::Refused);
        };
        let now = self.now();
        let known = self.store().read(move |rows| rows.device(device)).await?;
        let genuine = known.is_some_and(|known| {
            is_signature(
                &known.channel_key,
                Label::ServerPin,
                &signed,
                &request.signature,
            )
        });
        if !genuine || body.service_id != self.keys().service.as_bytes() {
            let serial = text::display(&body.serial, 64);
            self.store()
                .write(move |rows| {
                    let detail = "change: signature";
                    rows.audit(now, AuditEvent::ServerPinRefused, &serial, detail)
                })
                .await?;
            return Err(ServerPinError::Refused);
        }
        let change = Change {
            device,
            serial: body.serial,
            current,
            new,
            sequence: body.sequence,
        };
        let tries = self.settings().config.server_pin.tries;
        self.store()
            .write(move |rows| change.carry_out(rows, tries, now))
            .await?
            .ok_or(ServerPinError::Replayed)
    }
}

impl Change {
    /// `None`: a replay.
    fn carry_out(
        &self,
        rows: Rows<'_>,
        tries: u32,
        now: UnixMillis,
    ) -> Result<Option<push::ServerPinReply>, StoreError> {
        let own = |token: &TokenRow| {
            token.device == Some(self.device)
                && token.state == TokenState::Active
                && token.pin_standing != PinStanding::None
        };
        let Some(token) = rows.token(&self.serial)?.filter(own) else {
            return Ok(Some(reply(ServerPinResult::Token)));
        };
        if self.sequence <= token.pin_sequence {
            return Ok(None);
        }
        // Also where nothing is changed: a wrong one that was recorded must not count again and again.
        rows.raise_pin_sequence(&token.serial, self.sequence)?;
        if let Some(until) = token.pin_locked(now) {
            return Ok(Some(locked(until, now)));
        }
        // Before the current one is looked at: a malformed change tells nothing of it.
        if countersign_core::server_pin::check(&self.new).is_err() {
            return Ok(Some(reply(ServerPinResult::Malformed)));
        }
        Ok(Some(
            match server_pin::check(rows, &token, &self.current, now)? {
                PinCheck::Due if self.current.is_empty() => self.keep(rows, &token, now)?,
                PinCheck::Right => self.keep(rows, &token, now)?,
                PinCheck::Locked { until } => locked(until, now),
                // Nothing was guessed: there is no PIN to find out.
                PinCheck::Due => push::ServerPinReply {
                    tries_left: Some(tries),
                    ..reply(ServerPinResult::Wrong)
                },
                PinCheck::Wrong => {
                    match server_pin::count_wrong(rows, &token, tries, Given::Change, now)? {
                        Counted::Left(left) => push::ServerPinReply {
                            tries_left: Some(left),
                            ..reply(ServerPinResult::Wrong)
                        },
                        Counted::Locked { until } => locked(until, now),
                    }
                }
            },
        ))
    }

    fn keep(
        &self,
        rows: Rows<'_>,
        token: &TokenRow,
        now: UnixMillis,
    ) -> Result<push::ServerPinReply, StoreError> {
        if server_pin::keep(rows, token, &self.new)?.is_err() {
            return Ok(reply(ServerPinResult::Malformed));
        }
        server_pin::forget_wrong(rows, token)?;
        let detail = if token.pin_standing == PinStanding::Due {
            "by the user, after a reset"
        } else {
            "by the user"
        };
        rows.audit(now, AuditEvent::ServerPinChanged, &token.serial, detail)?;
        Ok(reply(ServerPinResult::Changed))
    }
}

fn reply(result: ServerPinResult) -> push::ServerPinReply {
    push::ServerPinReply {
        result: result.into(),
        ..push::ServerPinReply::default()
    }
}

fn locked(until: UnixMillis, now: UnixMillis) -> push::ServerPinReply {
    push::ServerPinReply {
        retry_after_ms: u64::try_from(until.since_ms(now)).unwrap_or(0),
        ..reply(ServerPinResult::Locked)
    }
}
