//! A login request comes: believed? known? new? then shown.

use countersign_core::{
    ids::LoginRequestId,
    login_origin::{LoginOrigin, login_origin},
    login_request::{LoginRequest, NumberMatching, Phase, deadline},
    text,
    token::{PushPolicy, VerificationLevel},
};
use countersign_proto::limits;
use tracing::{info, warn};

use crate::{
    agent::{
        Agent,
        ports::{Approval, Extent, LoginRequestNotice, ShownThere},
        state::{Asked, Connection, Reported, Tracked},
    },
    vault::{
        EventKind, Recorded, RequestRow, RequestState, ServiceRow, TokenRow, TokenState, UnlockMode,
    },
};

/// Why a frame was dropped. Nothing of it is shown; the log says which kind.
#[derive(Debug, thiserror::Error)]
pub(super) enum Disbelief {
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
    pub(super) async fn admit(
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
        self.show(request.id, token).await;
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

    /// Asks the user, or asks again with what has changed. Without a notification server the other ways remain.
    pub(in crate::agent) async fn show(&self, id: LoginRequestId, token: &TokenRow) {
        let cost = self.approval_cost(token).await;
        let Some(notice) = self.notice(id, cost, Extent::Short) else {
            return;
        };
        if let Err(error) = self.ports.notifications.ask(&notice).await {
            info!(%error, token = %token.name, "the login request could not be shown as a notification");
        }
    }

    /// The user wants to read all of it.
    pub(super) async fn show_details(&self, id: LoginRequestId) {
        let token = {
            let facts = self.state.facts();
            let tracked = facts.requests.get(&id);
            tracked
                .filter(|tracked| tracked.phase.is_pending())
                .map(|tracked| tracked.request.token)
        };
        let Some(token) = token else { return };
        let Ok(token) = self.row(token).await else {
            return;
        };
        let cost = self.approval_cost(&token).await;
        let Some(notice) = self.notice(id, cost, Extent::Full) else {
            return;
        };
        if let Err(error) = self.ports.notifications.ask(&notice).await {
            info!(%error, "the details of a login request could not be shown");
        }
    }

    /// What approving costs, as far as it is known before.
    async fn approval_cost(&self, token: &TokenRow) -> Approval {
        if !self.is_unlocked().await {
            let mode = self.vault.call(|vault| vault.unlock_mode()).await;
            return if mode == Ok(UnlockMode::Pin) && self.ports.pin_entry.program().is_some() {
                Approval::Unlocked
            } else {
                Approval::VaultLocked
            };
        }
        match token.secrets.as_ref().map(|secrets| secrets.push) {
            Some(PushPolicy::Allowed(VerificationLevel::Click)) | None => Approval::Click,
            Some(PushPolicy::Allowed(_) | PushPolicy::Off) => Approval::Verified,
        }
    }

    fn notice(
        &self,
        id: LoginRequestId,
        cost: Approval,
        extent: Extent,
    ) -> Option<LoginRequestNotice> {
        let asks = self.ports.pin_entry.program().is_some();
        let facts = self.state.facts();
        let others = facts.pending().len().saturating_sub(1);
        let tracked = facts.requests.get(&id)?;
        let request = &tracked.request;
        let mut notice = LoginRequestNotice {
            id,
            service: facts.names.service(request.service),
            token: facts.names.token(request.token),
            question: request.question.clone(),
            resource: request.resource.clone(),
            user: request.user.clone(),
            client_address: request.client_address.clone(),
            place: request.place.clone(),
            program: request.program.clone(),
            origin: tracked.origin,
            at: tracked.received,
            left: tracked.deadline.since(self.ports.clock.boot()),
            approval: match (cost, &request.matching) {
                (Approval::VaultLocked, _) => Approval::VaultLocked,
                (cost, NumberMatching::Off) => cost,
                (_, NumberMatching::Typed | NumberMatching::Chosen(_)) if asks => Approval::Number,
                (_, NumberMatching::Typed | NumberMatching::Chosen(_)) => Approval::NumberTyped,
            },
            shown_there: match &request.matching {
                NumberMatching::Off => ShownThere::Nothing,
                NumberMatching::Typed => ShownThere::Number,
                NumberMatching::Chosen(_) => ShownThere::Choice,
            },
            others,
            extent,
        };
        if tracked.phase == Phase::Held {
            // Who stands before a locked screen reads nothing of it.
            notice.approval = Approval::SessionLocked;
            notice.origin = LoginOrigin::Unknown;
            for text in [
                &mut notice.service,
                &mut notice.token,
                &mut notice.question,
                &mut notice.resource,
                &mut notice.user,
                &mut notice.client_address,
                &mut notice.place,
                &mut notice.program,
            ] {
                text.clear();
            }
        }
        Some(notice)
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
