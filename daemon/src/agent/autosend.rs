//! Autosend: do login requests come at all? Off means that the login page offers typing at once.

use countersign_core::{
    ids::ServiceId,
    signing::{self, Label},
};
use countersign_proto::{agent::v1::Reason, push::v1 as push};
use prost::Message as _;

use super::{Agent, Change, explain::Explain, services::token_availability, tokens::SelectError};
pub use crate::vault::Autosend;
use crate::vault::{EventKind, VaultError};

/// Why autosend was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AutosendError {
    /// Which token?
    #[error(transparent)]
    Select(#[from] SelectError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Explain for AutosendError {
    fn reason(&self) -> Reason {
        match self {
            Self::Select(error) => error.reason(),
            Self::Vault(error) => error.reason(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Select(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
        }
    }
}

impl Agent {
    /// The switch for all tokens.
    pub async fn autosend(&self) -> Autosend {
        // A vault that cannot be read takes no requests.
        self.vault
            .call(|vault| vault.autosend())
            .await
            .unwrap_or(Autosend::Off)
    }

    /// Switches one token, or all.
    ///
    /// # Errors
    ///
    /// Every variant of [`AutosendError`].
    pub async fn set_autosend(
        &self,
        selector: Option<&str>,
        autosend: Autosend,
    ) -> Result<(), AutosendError> {
        let token = match selector {
            Some(selector) => Some(self.token(selector).await?),
            None => None,
        };
        let id = token.as_ref().map(|token| token.id);
        let word = match autosend {
            Autosend::On => "on",
            Autosend::Off => "off",
        };
        let name = token.map(|token| token.name).unwrap_or_default();
        let event = self.event(EventKind::AutosendChanged, &name, word);
        self.vault
            .call(move |vault| vault.set_autosend(id, autosend, &event))
            .await?;
        self.tell_watchers(Change::Autosend);
        self.announce_availability().await;
        Ok(())
    }

    /// Every service hears whether login requests are welcome now. One that does not learns it by the next hello.
    pub(super) async fn announce_availability(&self) {
        let services = self.vault.call(|vault| vault.services()).await;
        for service in services.unwrap_or_default() {
            self.send_availability(service.service, service.device)
                .await;
        }
    }

    /// What the service is told of this device.
    pub(super) async fn device_availability(&self) -> push::Availability {
        if self.muted_until().is_some() {
            return push::Availability::Off;
        }
        match (self.autosend().await, self.holds()) {
            (Autosend::Off, _) => push::Availability::Off,
            (Autosend::On, true) => push::Availability::SessionLocked,
            (Autosend::On, false) => push::Availability::On,
        }
    }

    async fn send_availability(&self, service: ServiceId, device: countersign_core::ids::DeviceId) {
        let Ok(key) = self
            .vault
            .call(move |vault| vault.channel_key(service))
            .await
        else {
            return;
        };
        let tokens = self.tokens_of(service).await;
        let body = push::AvailabilityBody {
            service_id: service.0.to_vec(),
            device_id: device.0.to_vec(),
            availability: self.device_availability().await.into(),
            tokens: tokens.iter().map(token_availability).collect(),
            sequence: self.next_availability_sequence(),
        }
        .encode_to_vec();
        let signature = signing::sign(&key, Label::Availability, &body).to_vec();
        let signed = push::Signed { body, signature };
        let frame = push::agent_frame::Frame::Availability(signed);
        // Not connected: the next hello says it.
        self.deliver(service, frame.into()).await;
    }

    /// Rises also over a restart: it starts from the clock.
    fn next_availability_sequence(&self) -> u64 {
        let now = u64::try_from(self.ports.clock.wall().0).unwrap_or(0);
        let mut facts = self.state.facts();
        facts.availability_sequence = facts.availability_sequence.saturating_add(1).max(now);
        facts.availability_sequence
    }
}
