//! A login request comes: believed? known? new? then shown.

use countersign_core::{
    ids::LoginRequestId,
    login_origin::login_origin,
    login_request::{LoginRequest, NumberMatching, Phase, Subject, deadline},
    text,
};
use countersign_proto::limits;
use tracing::{info, warn};

use crate::{
    agent::{
        Agent,
        state::{Asked, Connection, Reported, Tracked},
    },
    vault::{EventKind, Recorded, RequestRow, RequestState, ServiceRow, TokenRow, TokenState},
};

/// Why a frame was dropped. Nothing of it is shown; the log says which kind.
#[derive(Debug, thiserror::Error)]
pub(in crate::agent) enum Disbelief {
    #[error("the body is longer than {} bytes", limits::SIGNED_BODY)]
    TooLong,
    #[error("the signature is not the service's")]
    Signature,
    #[error("the body is not a login request")]
    Malformed,
    #[error("it names another service")]
    OtherService,
    #[error("a text field is longer than {} bytes", limits::REQUEST_TEXT)]
    TextTooLong,
    #[error("its life is out of bounds")]
    Ttl,
    #[error("no active token of this service has its serial")]
    Token,
    #[error("another request had the same id")]
    OtherBytes,
    #[error("too many requests are pending")]
    TooMany,
}

impl Agent {
    /// A believed request: known? new? then durable, and shown.
    pub(in crate::agent) async fn admit(
        &self,
        token: &TokenRow,
        request: LoginRequest,
    ) -> Result<(), Disbelief> {
        let service = request.service;
        if let Some(phase) = self.already_tracked(&request)? {
            self.acknowledge(&request, phase).await;
            return Ok(());
        }
        let received = self.ports.clock.wall();
        let row = row(&request, received);
        let event = self.event(EventKind::RequestReceived, &token.name, &summary(&request));
        match self
            .vault
            .call(move |vault| vault.record_request(&row, Some(&event)))
            .await
        {
            // Known from before a restart. If it was answered the decision is in the outbox, or the
            // gateway will say how it ended.
            Ok(Recorded::Same) if self.was_answered(request.id).await => {
                self.acknowledge(&request, Phase::Shown).await;
                return Ok(());
            }
            Ok(Recorded::New | Recorded::Same) => {}
            Ok(Recorded::Different) => return Err(Disbelief::OtherBytes),
            // It can still be answered; only the history lacks it.
            Err(error) => warn!(%error, "a login request could not be recorded"),
        }
        self.track(request.clone(), received)?;
        if let Some(rule) = self.declining_rule(&request, token).await {
            self.deny_by_rule(request.id, &rule).await;
            return Ok(());
        }
        info!(%service, id = %request.id, "a login request is pending");
        self.arrange_notifications().await;
        let phase = self.phase(request.id).unwrap_or(Phase::Shown);
        self.acknowledge(&request, phase).await;
        Ok(())
    }

    async fn was_answered(&self, id: LoginRequestId) -> bool {
        let row = self.vault.call(move |vault| vault.request(id)).await;
        row.is_ok_and(|row| row.state != RequestState::Pending)
    }

    /// The phase of a request that is known already; an error when its bytes are others.
    fn already_tracked(&self, request: &LoginRequest) -> Result<Option<Phase>, Disbelief> {
        let facts = self.state.facts();
        match facts.requests.get(&request.id) {
            None => Ok(None),
            Some(tracked) if tracked.request.hash == request.hash => Ok(Some(tracked.phase)),
            Some(_) => Err(Disbelief::OtherBytes),
        }
    }

    fn track(
        &self,
        request: LoginRequest,
        received: countersign_core::time::UnixMillis,
    ) -> Result<(), Disbelief> {
        let id = request.id;
        let own: Vec<_> = self.ports.network.addresses().into_iter().collect();
        let mut facts = self.state.facts();
        if facts.pending().len() >= limits::PENDING_REQUESTS {
            return Err(Disbelief::TooMany);
        }
        let connection = facts.services.get(&request.service);
        let offset = connection.and_then(Connection::offset_ms);
        let seen = connection.and_then(Connection::seen);
        let origin = login_origin(&request.client_address, &own, seen);
        let age_ms = offset.map_or(0, |offset| {
            received.plus_ms(offset).since_ms(request.created)
        });
        let deadline = deadline(self.ports.clock.boot(), request.ttl, age_ms);
        let phase = if facts.holds.is_empty() {
            Phase::Shown
        } else {
            Phase::Held
        };
        let tracked = Tracked {
            request,
            phase,
            origin,
            received,
            deadline,
            detail: String::new(),
            display_code: String::new(),
            reported: Reported::No,
            asked: Asked::Yes,
        };
        facts.requests.insert(id, tracked);
        drop(facts);
        self.changed(id);
        Ok(())
    }

    /// The token of `service` with that serial, if it can still answer.
    pub(super) async fn token_of(&self, service: &ServiceRow, serial: &str) -> Option<TokenRow> {
        let tokens = self.rows().await.ok()?;
        tokens.into_iter().find(|token| {
            token.serial == serial
                && token.service == Some(service.service)
                && token.state == TokenState::Active
        })
    }
}

/// The longest text that the history keeps, in characters.
const KEPT: usize = 128;

fn row(request: &LoginRequest, received: countersign_core::time::UnixMillis) -> RequestRow {
    RequestRow {
        id: request.id,
        service: request.service,
        hash: request.hash,
        token: Some(request.token),
        serial: text::display(&request.serial, KEPT),
        resource: text::display(&request.resource, KEPT),
        user: text::display(&request.user, KEPT),
        address: text::display(&request.client_address, KEPT),
        place: text::display(&request.place, KEPT),
        program: text::display(&request.program, KEPT),
        number_required: request.matching != NumberMatching::Off,
        created: request.created,
        received,
        ttl_ms: u32::try_from(request.ttl.as_millis()).unwrap_or(u32::MAX),
        state: RequestState::Pending,
        detail: String::new(),
        reported: false,
    }
}

/// One display-safe line for the event log.
pub(super) fn summary(request: &LoginRequest) -> String {
    if request.subject == Subject::Account {
        return text::display(&request.question, KEPT);
    }
    let user = text::display(&request.user, KEPT);
    let resource = text::display(&request.resource, KEPT);
    let who = if user.is_empty() {
        resource
    } else {
        format!("{user} at {resource}")
    };
    if request.client_address.is_empty() {
        who
    } else {
        let address = text::display(&request.client_address, KEPT);
        format!("{who}, from {address}")
    }
}
