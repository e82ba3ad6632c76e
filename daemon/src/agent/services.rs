//! The services that login requests come from: who they are, how their streams stand, what they say of our tokens.

use std::collections::BTreeSet;

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::{
    ids::{DeviceId, ServiceId, TokenId},
    signing::{self, Label},
    time::UnixMillis,
};
use countersign_proto::{limits, push::v1 as push};
use prost::Message as _;
use tokio::sync::broadcast::error::RecvError;
use tracing::{info, warn};

use super::{
    Agent, Change,
    autosend::Autosend,
    polling::poll_profile,
    ports::{ChannelProfile, Delivery, HelloSigner, Outgoing, PushInput},
    state::Connection,
};
use crate::vault::{EventKind, ServiceKind, ServiceRow, TokenRow, TokenState, VaultError};

impl Agent {
    /// Opens the stream of every service that a token is enrolled at.
    pub(super) async fn open_services(&self) {
        let services = match self.vault.call(|vault| vault.services()).await {
            Ok(services) => services,
            Err(error) => {
                warn!(%error, "the services could not be read");
                return;
            }
        };
        let names = services
            .iter()
            .map(|row| (row.service, row.name.clone()))
            .collect();
        self.state.facts().names.services = names;
        for service in services {
            match &service.kind {
                ServiceKind::Gateway => self.ports.push.open(profile(&service)).await,
                ServiceKind::PrivacyIdea(token) => {
                    self.ports.polls.open(poll_profile(&service, token)).await;
                }
                // It comes to us.
                ServiceKind::Sudo => {}
            }
        }
    }

    /// Asks every service now: connects anew, and waits until each has answered or cannot be reached, for a
    /// bounded time. Whatever is open there is sent again right after its welcome.
    pub async fn check_services(&self) {
        const PATIENCE: Duration = Duration::from_secs(10);
        let mut changes = self.changes.subscribe();
        let mut waiting: BTreeSet<_> = {
            let mut facts = self.state.facts();
            let known: Vec<_> = facts.services.keys().copied().collect();
            core::mem::take(&mut facts.checked);
            known.into_iter().collect()
        };
        self.ports.push.reconnect().await;
        self.user_is_active();
        self.ports.polls.now();
        let answered = async {
            while !waiting.is_empty() {
                match changes.recv().await {
                    Ok(Change::Services) | Err(RecvError::Lagged(_)) => {
                        let facts = self.state.facts();
                        waiting.retain(|service| !facts.checked.contains(service));
                    }
                    Ok(
                        Change::LoginRequest(_)
                        | Change::Vault
                        | Change::Autosend
                        | Change::Session
                        | Change::Pairings,
                    ) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        };
        // Whoever has not answered by then is shown as not connected.
        drop(tokio::time::timeout(PATIENCE, answered).await);
    }

    /// This computer's addresses are others than before.
    pub(super) async fn on_network_changed(&self) {
        let own = self.ports.network.addresses();
        self.ports.push.network_changed(&own).await;
    }

    pub(super) async fn service(&self, id: ServiceId) -> Option<ServiceRow> {
        let services = self.vault.call(|vault| vault.services()).await.ok()?;
        services.into_iter().find(|row| row.service == id)
    }

    /// The service's clock minus ours, as far as it is known.
    pub(crate) fn clock_offset_ms(&self, service: ServiceId) -> Option<i64> {
        self.state
            .facts()
            .services
            .get(&service)
            .and_then(Connection::offset_ms)
    }

    /// Something happened on a stream.
    pub(super) async fn on_push(&self, service: ServiceId, input: PushInput) {
        match input {
            PushInput::Welcome(welcome) => self.on_welcome(service, welcome).await,
            PushInput::Request(signed) => {
                self.heard(service);
                self.on_gateway_request(service, signed).await;
            }
            PushInput::Cancel(cancel) => {
                self.heard(service);
                self.on_gateway_cancel(service, cancel).await;
            }
            PushInput::Outcome(outcome) => {
                self.heard(service);
                self.on_gateway_outcome(service, outcome).await;
            }
            PushInput::Down { why, retry_in } => self.service_is_down(service, why, retry_in),
        }
    }

    /// Notes that a service cannot be reached, and why.
    pub(super) fn service_is_down(&self, service: ServiceId, why: String, retry_in: Duration) {
        info!(%service, %why, "the service is not connected");
        let retry_at = self.ports.clock.boot().plus(retry_in);
        let mut facts = self.state.facts();
        let before = facts.services.get(&service);
        let last_contact = before.and_then(Connection::last_contact);
        let offset_ms = before.and_then(Connection::offset_ms);
        let down = Connection::Down {
            why,
            retry_at,
            last_contact,
            offset_ms,
        };
        facts.services.insert(service, down);
        facts.checked.insert(service);
        drop(facts);
        self.tell_watchers(Change::Services);
    }

    fn heard(&self, service: ServiceId) {
        let now = self.ports.clock.wall();
        if let Some(Connection::Up { last_contact, .. }) =
            self.state.facts().services.get_mut(&service)
        {
            *last_contact = now;
        }
    }

    /// The stream is open: clocks are compared, tokens brought up to date, undecided answers sent again.
    async fn on_welcome(&self, service: ServiceId, welcome: push::Welcome) {
        let now = self.ports.clock.wall();
        let offset_ms = UnixMillis(welcome.time_ms).since_ms(now);
        let up = Connection::Up {
            since: now,
            last_contact: now,
            offset_ms,
            seen: welcome.seen_address.parse().ok(),
        };
        {
            let mut facts = self.state.facts();
            facts.services.insert(service, up);
            facts.checked.insert(service);
        }
        self.tell_watchers(Change::Services);
        info!(%service, offset_ms, "the service is connected");
        let tokens = self.tokens_of(service).await;
        for status in &welcome.tokens {
            let token = tokens.iter().find(|token| token.serial == status.serial);
            let Some(token) = token else { continue };
            if status.standing() == push::TokenStanding::Revoked
                && token.state == TokenState::Active
            {
                self.revoke(token).await;
            }
            let mut facts = self.state.facts();
            if status.server_pin_due {
                facts.server_pin_due.insert(token.id);
            } else {
                facts.server_pin_due.remove(&token.id);
            }
        }
        for counter in &welcome.counters {
            let token = tokens.iter().find(|token| token.serial == counter.serial);
            if let Some(token) = token
                && token.counter.is_some_and(|ours| counter.next > ours)
                && let Err(error) = self.raise_counter(token.id, counter.next).await
            {
                warn!(%error, token = %token.name, "the counter could not be raised");
            }
        }
        self.send_again(service).await;
    }

    async fn raise_counter(&self, id: TokenId, at_least: u64) -> Result<u64, VaultError> {
        self.vault
            .call(move |vault| vault.raise_counter(id, at_least))
            .await
    }

    /// What was answered and not yet confirmed goes out again, byte for byte.
    pub(super) async fn send_again(&self, service: ServiceId) {
        let frames = match self.vault.call(move |vault| vault.outbox(service)).await {
            Ok(frames) => frames,
            Err(error) => {
                warn!(%error, "the outbox could not be read");
                return;
            }
        };
        for waiting in frames {
            let id = waiting.request;
            match Outgoing::from_kept(&waiting.frame) {
                Ok(answer) => {
                    info!(%service, %id, "an answer is sent again");
                    if self.deliver(service, answer).await == Delivery::NotConnected {
                        return;
                    }
                }
                Err(error) => warn!(%id, %error, "a kept answer cannot be read"),
            }
        }
    }

    async fn revoke(&self, token: &TokenRow) {
        let id = token.id;
        self.state.facts().open_tokens.remove(&id);
        let event = self.event(EventKind::Revoked, &token.name, "by its service");
        let lock = self.pin_lock(id).await;
        match self.vault.call(move |vault| vault.revoke(id, &event)).await {
            Ok(()) => {
                info!(token = %token.name, "revoked by its service; its secrets are erased");
                if let Some(lock) = lock {
                    self.forget_tpm_guard(&lock).await;
                }
            }
            Err(error) => warn!(%error, token = %token.name, "a revoked token could not be erased"),
        }
    }

    pub(super) async fn tokens_of(&self, service: ServiceId) -> Vec<TokenRow> {
        let tokens = self
            .vault
            .call(|vault| vault.tokens())
            .await
            .unwrap_or_default();
        tokens
            .into_iter()
            .filter(|token| token.service == Some(service))
            .collect()
    }

    async fn hello_body(
        &self,
        service: ServiceId,
        device: DeviceId,
        server_nonce: [u8; 32],
        tls_exporter: [u8; 32],
    ) -> Option<push::HelloBody> {
        let tokens = self.tokens_of(service).await;
        let counters = tokens.iter().filter_map(|token| {
            Some(push::EventCounter {
                serial: token.serial.clone(),
                next: token.counter?,
            })
        });
        Some(push::HelloBody {
            service_id: service.0.to_vec(),
            device_id: device.0.to_vec(),
            server_nonce: server_nonce.to_vec(),
            agent_nonce: self.random::<32>().ok()?.to_vec(),
            tls_exporter: tls_exporter.to_vec(),
            protocol_version: limits::PUSH_PROTOCOL,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            availability: self.device_availability().await.into(),
            counters: counters.collect(),
            tokens: tokens.iter().map(token_availability).collect(),
        })
    }
}

const fn availability(autosend: Autosend) -> push::Availability {
    match autosend {
        Autosend::On => push::Availability::On,
        Autosend::Off => push::Availability::Off,
    }
}

pub(super) fn token_availability(token: &TokenRow) -> push::TokenAvailability {
    push::TokenAvailability {
        serial: token.serial.clone(),
        availability: availability(token.autosend).into(),
    }
}

pub(super) fn profile(service: &ServiceRow) -> ChannelProfile {
    ChannelProfile {
        service: service.service,
        device: service.device,
        url: service.url.clone(),
        pins: service.pins.clone(),
    }
}

#[async_trait]
impl HelloSigner for Agent {
    async fn hello(
        &self,
        service: ServiceId,
        server_nonce: [u8; 32],
        tls_exporter: [u8; 32],
    ) -> Option<push::Signed> {
        let record = self.service(service).await?;
        let key = self
            .vault
            .call(move |vault| vault.channel_key(service))
            .await
            .ok()?;
        let body = self
            .hello_body(service, record.device, server_nonce, tls_exporter)
            .await?;
        let body = body.encode_to_vec();
        let signature = signing::sign(&key, Label::Hello, &body).to_vec();
        Some(push::Signed { body, signature })
    }
}
