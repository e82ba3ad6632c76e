//! A device at its stream: who it is, what it is told first, what it says about itself.

use countersign_core::{ids::DeviceId, otp::OtpMode, signing::Label};
use countersign_proto::{limits, push::v1 as push};
use prost::Message as _;
use subtle::ConstantTimeEq as _;

use super::{Service, decision::is_signed};
use crate::{
    push::{Said, TlsExporter},
    store::{PinStanding, StoreError, TokenState},
};

/// The most tokens and counters that a device may name.
const NAMED: usize = 1000;

/// Why a Hello is refused. The agent is told no more than this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    /// Not signed by a registered device for this stream of this gateway.
    #[error("the device is not known here, or the connection is not its own")]
    Refused,
    /// The agent speaks another version of the protocol.
    #[error("the agent speaks another version of the protocol")]
    Version,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StoreError),
}

/// A device that has shown who it is.
#[derive(Debug)]
pub(crate) struct Hello {
    pub(crate) device: DeviceId,
    pub(crate) said: Said,
    pub(crate) welcome: push::Welcome,
}

impl Service {
    /// Checks the first message of a stream and makes the answer.
    ///
    /// # Errors
    ///
    /// Every variant of [`HelloError`].
    pub(crate) async fn hello(
        &self,
        signed: push::Signed,
        nonce: [u8; 32],
        exporter: Option<TlsExporter>,
    ) -> Result<Hello, HelloError> {
        if signed.body.len() > limits::SIGNED_BODY {
            return Err(HelloError::Refused);
        }
        // The body has to be read first: it names the device whose key signed it.
        let Ok(body) = push::HelloBody::decode(signed.body.as_slice()) else {
            return Err(HelloError::Refused);
        };
        let Ok(device) = DeviceId::try_from(body.device_id.as_slice()) else {
            return Err(HelloError::Refused);
        };
        let known = self.store().read(move |rows| rows.device(device)).await?;
        if !known.is_some_and(|known| is_signed(&known.channel_key, Label::Hello, &signed)) {
            return Err(HelloError::Refused);
        }
        let same_connection = match exporter {
            // Where a proxy ends TLS, the agent's end of it is not ours: nothing can be compared.
            _ if self.settings().config.push.behind_proxy => true,
            Some(TlsExporter(own)) => own.as_slice().ct_eq(&body.tls_exporter).into(),
            None => false,
        };
        let fresh = bool::from(nonce.as_slice().ct_eq(&body.server_nonce));
        if body.service_id != self.keys().service.as_bytes() || !fresh || !same_connection {
            return Err(HelloError::Refused);
        }
        if body.protocol_version != limits::PUSH_PROTOCOL {
            return Err(HelloError::Version);
        }
        if body.tokens.len() > NAMED || body.counters.len() > NAMED {
            return Err(HelloError::Refused);
        }
        let said = Said::new(body.availability(), &body.tokens);
        let welcome = self.welcome(device, body).await?;
        Ok(Hello {
            device,
            said,
            welcome,
        })
    }

    async fn welcome(
        &self,
        device: DeviceId,
        body: push::HelloBody,
    ) -> Result<push::Welcome, StoreError> {
        let tokens = self
            .store()
            .read(move |rows| rows.tokens_of_device(device))
            .await?;
        let ahead: Vec<(String, u64)> = body
            .counters
            .into_iter()
            .filter(|said| {
                tokens
                    .iter()
                    .any(|token| token.serial == said.serial && token.agent_counter < said.next)
            })
            .map(|said| (said.serial, said.next))
            .collect();
        if !ahead.is_empty() {
            self.store()
                .write(move |rows| {
                    ahead
                        .iter()
                        .try_for_each(|(serial, next)| rows.hear_counter(serial, *next))
                })
                .await?;
        }
        let mut statuses: Vec<push::TokenStatus> = tokens
            .iter()
            .map(|token| push::TokenStatus {
                serial: token.serial.clone(),
                standing: standing(token.state).into(),
                server_pin_due: token.state != TokenState::Revoked
                    && token.pin_standing == PinStanding::Due,
            })
            .collect();
        // A token that the device names and that is not its own here was deleted.
        for named in body.tokens {
            if !tokens.iter().any(|token| token.serial == named.serial) {
                statuses.push(push::TokenStatus {
                    serial: named.serial,
                    standing: push::TokenStanding::Revoked.into(),
                    server_pin_due: false,
                });
            }
        }
        let counters = tokens
            .iter()
            .filter(|token| match &token.mode {
                OtpMode::Event { .. } => true,
                OtpMode::Challenge { suite } => suite.uses_counter(),
                OtpMode::Time { .. } => false,
            })
            .map(|token| push::EventCounter {
                serial: token.serial.clone(),
                next: token.next_counter,
            })
            .collect();
        Ok(push::Welcome {
            time_ms: self.now().0,
            tokens: statuses,
            counters,
            successor_key: None,
            seen_address: String::new(),
        })
    }

    /// The requests that still wait for a device's answer, as they were sent before.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub(crate) async fn pending_requests(
        &self,
        device: DeviceId,
    ) -> Result<Vec<push::Signed>, StoreError> {
        let now = self.now();
        let requests = self
            .store()
            .read(move |rows| rows.open_requests_of_device(device, now))
            .await?;
        Ok(requests
            .into_iter()
            .filter_map(|request| request.signed)
            .collect())
    }

    /// What a device takes has changed: who waits for a login that it was asked about is told.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub(crate) async fn reach_changed(&self, device: DeviceId) -> Result<(), StoreError> {
        let now = self.now();
        let requests = self
            .store()
            .read(move |rows| rows.open_requests_of_device(device, now))
            .await?;
        for request in requests {
            self.login_changed(&request.transaction_id);
        }
        Ok(())
    }

    /// What a device says about itself, if it is signed by its channel key and newer than `sequence`.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub(crate) async fn availability(
        &self,
        device: DeviceId,
        signed: push::Signed,
        sequence: u64,
    ) -> Result<Option<(Said, u64)>, StoreError> {
        if signed.body.len() > limits::SIGNED_BODY {
            return Ok(None);
        }
        let known = self.store().read(move |rows| rows.device(device)).await?;
        if !known.is_some_and(|known| is_signed(&known.channel_key, Label::Availability, &signed)) {
            return Ok(None);
        }
        let Ok(body) = push::AvailabilityBody::decode(signed.body.as_slice()) else {
            return Ok(None);
        };
        let own = body.service_id == self.keys().service.as_bytes()
            && body.device_id == device.as_bytes()
            && body.sequence > sequence
            && body.tokens.len() <= NAMED;
        Ok(own.then(|| (Said::new(body.availability(), &body.tokens), body.sequence)))
    }
}

/// A lock of typing is not told: it is no matter of the agent's.
const fn standing(state: TokenState) -> push::TokenStanding {
    match state {
        TokenState::Issued | TokenState::Provisioned | TokenState::Active => {
            push::TokenStanding::Active
        }
        TokenState::Suspended => push::TokenStanding::Suspended,
        TokenState::Revoked => push::TokenStanding::Revoked,
    }
}
