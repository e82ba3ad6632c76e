//! A login request comes: believed? known? new? then shown.

use core::time::Duration;

use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    login_request::{LoginRequest, NumberMatching, Phase, TTL, deadline},
    signing::{self, Label},
    text,
    token::{PushPolicy, VerificationLevel},
};
use countersign_proto::{limits, push::v1 as push};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use crate::{
    agent::{
        Agent,
        autosend::Autosend,
        ports::{Approval, LoginRequestNotice},
        state::{Connection, Reported, Tracked},
    },
    vault::{
        EventKind, Recorded, RequestRow, RequestState, ServiceRow, TokenRow, TokenState, UnlockMode,
    },
};

/// Why a frame was dropped. Nothing of it is shown; the log says which kind.
#[derive(Debug, thiserror::Error)]
enum Disbelief {
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
    /// One signed request from `service`'s stream.
    pub(in crate::agent) async fn on_login_request(
        &self,
        service: ServiceId,
        signed: push::Signed,
    ) {
        if let Err(why) = self.admit(service, &signed).await {
            warn!(%service, %why, "dropped a login request");
        }
    }

    async fn admit(&self, service: ServiceId, signed: &push::Signed) -> Result<(), Disbelief> {
        let record = self.service(service).await.ok_or(Disbelief::OtherService)?;
        let body = verified_body(&record, signed)?;
        let token = self
            .token_of(&record, &body.serial)
            .await
            .ok_or(Disbelief::Token)?;
        let hash = Sha256::digest(&signed.body).into();
        let request = checked(service, &token, body, hash)?;

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
        let token_autosend = token.autosend;
        self.track(request.clone(), received)?;
        if self.autosend().await == Autosend::Off || token_autosend == Autosend::Off {
            self.deny_by_rule(request.id).await;
            return Ok(());
        }
        info!(%service, id = %request.id, "a login request is pending");
        self.show(request.id, &token).await;
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
        let mut facts = self.state.facts();
        if facts.pending().len() >= limits::PENDING_REQUESTS {
            return Err(Disbelief::TooMany);
        }
        let offset = facts
            .services
            .get(&request.service)
            .and_then(Connection::offset_ms);
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
            received,
            deadline,
            detail: String::new(),
            reported: Reported::No,
        };
        facts.requests.insert(id, tracked);
        drop(facts);
        self.changed(id);
        Ok(())
    }

    /// Asks the user, or asks again with what has changed. Without a notification server the other ways remain.
    pub(in crate::agent) async fn show(&self, id: LoginRequestId, token: &TokenRow) {
        let cost = self.approval_cost(token).await;
        let Some(notice) = self.notice(id, cost) else {
            return;
        };
        if let Err(error) = self.ports.notifications.ask(&notice).await {
            info!(%error, token = %token.name, "the login request could not be shown as a notification");
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

    fn notice(&self, id: LoginRequestId, cost: Approval) -> Option<LoginRequestNotice> {
        let facts = self.state.facts();
        let others = facts.pending().len().saturating_sub(1);
        let tracked = facts.requests.get(&id)?;
        let request = &tracked.request;
        let mut notice = LoginRequestNotice {
            id,
            resource: request.resource.clone(),
            user: request.user.clone(),
            client_address: request.client_address.clone(),
            place: request.place.clone(),
            program: request.program.clone(),
            at: tracked.received,
            left: tracked.deadline.since(self.ports.clock.boot()),
            approval: match (cost, request.matching) {
                (Approval::VaultLocked, _) => Approval::VaultLocked,
                (_, NumberMatching::Typed) => Approval::Number,
                (cost, NumberMatching::Off) => cost,
            },
            others,
        };
        if tracked.phase == Phase::Held {
            // Who stands before a locked screen reads nothing of it.
            notice.approval = Approval::SessionLocked;
            for text in [
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

    pub(super) async fn acknowledge(&self, request: &LoginRequest, phase: Phase) {
        let kind = match phase {
            Phase::Held => push::AckKind::Held,
            Phase::Shown | Phase::Verifying | Phase::Decided(_) | Phase::Closed(_) => {
                push::AckKind::Shown
            }
        };
        let ack = push::Ack {
            request_id: request.id.0.to_vec(),
            kind: kind.into(),
        };
        let frame = push::AgentFrame {
            frame: Some(push::agent_frame::Frame::Ack(ack)),
        };
        // Not connected any more: the gateway sends the request again at the next welcome.
        self.ports.push.send(request.service, frame).await;
    }

    /// The token of `service` with that serial, if it can still answer.
    async fn token_of(&self, service: &ServiceRow, serial: &str) -> Option<TokenRow> {
        let tokens = self.rows().await.ok()?;
        tokens.into_iter().find(|token| {
            token.serial == serial
                && token.service == Some(service.service)
                && token.state == TokenState::Active
        })
    }
}

/// The body, once the service's key has signed exactly these bytes.
fn verified_body(
    record: &ServiceRow,
    signed: &push::Signed,
) -> Result<push::RequestBody, Disbelief> {
    if signed.body.len() > limits::SIGNED_BODY {
        return Err(Disbelief::TooLong);
    }
    let key = signing::public_from_spki_der(&record.identity_key)
        .map_err(|_unusable| Disbelief::Signature)?;
    signing::verify(&key, Label::Request, &signed.body, &signed.signature)
        .map_err(|_wrong| Disbelief::Signature)?;
    push::RequestBody::decode(signed.body.as_slice()).map_err(|_malformed| Disbelief::Malformed)
}

fn checked(
    service: ServiceId,
    token: &TokenRow,
    body: push::RequestBody,
    hash: [u8; 32],
) -> Result<LoginRequest, Disbelief> {
    if body.service_id.as_slice() != service.as_bytes() {
        return Err(Disbelief::OtherService);
    }
    let texts = [
        &body.serial,
        &body.challenge,
        &body.resource,
        &body.user,
        &body.client_address,
        &body.place,
        &body.program,
        &body.transaction_id,
    ];
    if texts.iter().any(|text| text.len() > limits::REQUEST_TEXT) {
        return Err(Disbelief::TextTooLong);
    }
    let matching = match body.match_mode() {
        push::MatchMode::None => NumberMatching::Off,
        push::MatchMode::Number => NumberMatching::Typed,
        push::MatchMode::Unspecified => return Err(Disbelief::Malformed),
    };
    let ttl = Duration::from_millis(body.ttl_ms.into());
    if !TTL.contains(&ttl) {
        return Err(Disbelief::Ttl);
    }
    Ok(LoginRequest {
        id: LoginRequestId::try_from(body.request_id.as_slice())
            .map_err(|_wrong_length| Disbelief::Malformed)?,
        service,
        token: token.id,
        serial: body.serial,
        hash,
        challenge: body.challenge,
        resource: body.resource,
        user: body.user,
        client_address: body.client_address,
        place: body.place,
        program: body.program,
        matching,
        created: countersign_core::time::UnixMillis(body.created_ms),
        ttl,
    })
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
        number_required: request.matching == NumberMatching::Typed,
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
    if request.client_address.is_empty() {
        format!("{user} at {resource}")
    } else {
        let address = text::display(&request.client_address, KEPT);
        format!("{user} at {resource}, from {address}")
    }
}
