//! The user's answer: approve, deny, report. From a notification, the command line, the browser or D-Bus,
//! it joins here.

use core::time::Duration;

use countersign_core::{
    ids::{LoginRequestId, ServiceId, TokenId},
    login_request::{Closing, LoginRequest, NumberMatching, Phase, Verdict},
    pskc::PinPolicy,
    secret::SecretBytes,
    signing::{self, Label},
    token::{TokenSecrets, VerificationLevel},
};
use countersign_proto::{limits, push::v1 as push};
use p256::ecdsa::SigningKey;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::broadcast::{self, error::RecvError};
use tracing::warn;

use super::{AnswerError, AnswerWish, RequestSelector, RequestView, UnknownRequest};
use crate::{
    agent::{
        Agent, Change,
        caller::{About, Caller},
        passcode::{PasscodeError, PushPasscode},
        state::Reported,
        verification::{JustShown, Verified},
    },
    vault::{EventKind, RequestRow, Vault, VaultError},
};

/// The most digits of a number that a login page shows.
const NUMBER_DIGITS: usize = 8;
/// The shortest beginning of an id that names a request, in hex digits.
const SHORTEST_ID: usize = 4;

impl Agent {
    /// Answers a login request and waits, for a bounded time, until the service has said what became of it.
    ///
    /// # Errors
    ///
    /// Every variant of [`AnswerError`].
    pub async fn answer(
        &self,
        selector: RequestSelector,
        wish: AnswerWish,
        caller: &Caller,
    ) -> Result<RequestView, AnswerError> {
        let id = self.select(&selector, &wish).await?;
        let changes = self.changes.subscribe();
        match wish {
            AnswerWish::Approve { number } => {
                self.approve(id, number, caller).await?;
                self.outcome(id, changes).await
            }
            AnswerWish::Deny => {
                self.deny(id, push::Verdict::Deny).await?;
                self.outcome(id, changes).await
            }
            AnswerWish::Report => self.report(id, changes).await,
        }
    }

    async fn approve(
        &self,
        id: LoginRequestId,
        number: Option<String>,
        caller: &Caller,
    ) -> Result<(), AnswerError> {
        let request = self.tracked_request(id)?;
        let number = checked_number(&request, number)?;
        let changes = self.changes.subscribe();
        self.advance(id, |phase, now, deadline| {
            phase.answer(Verdict::Approve, now, deadline)
        })?;
        // A denial, the end of its time or a locked session ends the question: dialog and reader are withdrawn.
        let verified = tokio::select! {
            biased;
            ended = self.no_longer_verifying(id, changes) => Err(ended),
            verified = self.verified(&request, caller) => verified,
        };
        let approved = match verified {
            Ok((secrets, verified)) => self.decide(&request, number, &secrets, &verified).await,
            Err(error) => Err(error),
        };
        if approved.is_err() {
            self.retreat(id);
        }
        approved
    }

    /// Ready when the request is not being verified any more, with the reason.
    async fn no_longer_verifying(
        &self,
        id: LoginRequestId,
        mut changes: broadcast::Receiver<Change>,
    ) -> AnswerError {
        loop {
            let now = self.ports.clock.boot();
            let ended = {
                let facts = self.state.facts();
                match facts.requests.get(&id) {
                    None => Some(AnswerError::Unknown(UnknownRequest::NoSuchId)),
                    Some(tracked) => tracked
                        .phase
                        .verified(now, tracked.deadline)
                        .err()
                        .map(AnswerError::from),
                }
            };
            if let Some(ended) = ended {
                return ended;
            }
            if let Err(RecvError::Closed) = changes.recv().await {
                return crate::agent::asking::never().await;
            }
        }
    }

    /// The user, verified as the token asks; a locked vault is opened on the way.
    async fn verified(
        &self,
        request: &LoginRequest,
        caller: &Caller,
    ) -> Result<(TokenSecrets, Verified), AnswerError> {
        self.started().await;
        let left = self.time_left(request.id);
        let from = [request.client_address.as_str(), request.place.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(", ");
        let from = if from.is_empty() {
            from
        } else {
            format!("from {from}")
        };
        let about = About::new(&format!(
            "Log in to {} as {}?",
            request.resource, request.user
        ))
        .and(&from)
        .within(left);
        let (opening, caller) = self.unlock_first(caller, about.clone()).await?;
        let row = self.row(request.token).await.map_err(PasscodeError::from)?;
        let token = request.token;
        let secrets = self
            .vault
            .call(move |vault| vault.token_secrets(token))
            .await?;
        let verified = self
            .verify_for_push(&row, &secrets, JustShown::from(opening), about, &caller)
            .await?;
        Ok((secrets, verified))
    }

    fn time_left(&self, id: LoginRequestId) -> Duration {
        let now = self.ports.clock.boot();
        let facts = self.state.facts();
        let tracked = facts.requests.get(&id);
        tracked.map_or(Duration::ZERO, |tracked| tracked.deadline.since(now))
    }

    async fn decide(
        &self,
        request: &LoginRequest,
        number: String,
        secrets: &TokenSecrets,
        verified: &Verified,
    ) -> Result<(), AnswerError> {
        let generated = self.push_passcode(request, secrets, verified).await?;
        let body = self.decision_body(request, push::Verdict::Approve).await?;
        let body = push::DecisionBody {
            number,
            passcode_hash: Sha256::digest(generated.passcode.expose().as_bytes()).to_vec(),
            moving_factor: generated.moving_factor,
            level: wire_level(verified.level).into(),
            ..body
        };
        let key = verified.keys.decision_key.as_ref().ok_or_else(|| {
            AnswerError::Refused("this token has no key to approve with".to_owned())
        })?;
        let key = signing::key_from_bytes(key).map_err(|_unusable| {
            AnswerError::Refused("this token's approval key is damaged".to_owned())
        })?;
        // A PIN in the computation stays here; one that the service checks goes there, in a field of its own.
        let server_pin = match (secrets.pin, &verified.pin) {
            (PinPolicy::Server(_), Some(pin)) => pin.expose(),
            (
                PinPolicy::Server(_)
                | PinPolicy::None
                | PinPolicy::Token(_)
                | PinPolicy::InPasscode,
                _,
            ) => "",
        };
        let frame = decision_frame(&key, &body, Some((&generated, server_pin)));
        // A denial that came meanwhile wins: from here on the answer is settled.
        self.advance(request.id, Phase::verified)?;
        self.send_durably(request, frame).await?;
        self.touch();
        Ok(())
    }

    /// Denies at once: waits for no factor, works while the vault is locked.
    pub(in crate::agent) async fn deny(
        &self,
        id: LoginRequestId,
        verdict: push::Verdict,
    ) -> Result<(), AnswerError> {
        let request = self.tracked_request(id)?;
        self.advance(id, |phase, now, deadline| {
            phase.answer(Verdict::Deny, now, deadline)
        })?;
        let body = self.decision_body(&request, verdict).await?;
        let key = self.channel_key(request.service).await?;
        let frame = decision_frame(&key, &body, None);
        self.send_durably(&request, frame).await
    }

    /// Autosend is off for this token: the service is told that a rule of the user's said no.
    pub(in crate::agent) async fn deny_by_rule(&self, id: LoginRequestId) {
        if let Err(error) = self.deny(id, push::Verdict::DenyByRule).await {
            warn!(%id, %error, "a login request could not be declined by rule");
        }
    }

    /// "It wasn't me!": a denial first if there was none, then the report, durable like a decision.
    async fn report(
        &self,
        id: LoginRequestId,
        changes: broadcast::Receiver<Change>,
    ) -> Result<RequestView, AnswerError> {
        let pending = self
            .state
            .facts()
            .requests
            .get(&id)
            .is_some_and(|t| t.phase.is_pending());
        if pending {
            self.deny(id, push::Verdict::Deny).await?;
        }
        let row = self.stored_request(id).await?;
        let device = self.device(row.service).await?;
        let body = push::ReportBody {
            service_id: row.service.0.to_vec(),
            device_id: device.0.to_vec(),
            request_id: id.0.to_vec(),
            request_hash: row.hash.to_vec(),
        }
        .encode_to_vec();
        let key = self.channel_key(row.service).await?;
        let signature = signing::sign(&key, Label::Report, &body).to_vec();
        let signed = push::Signed { body, signature };
        let frame = push::AgentFrame {
            frame: Some(push::agent_frame::Frame::Report(signed)),
        };
        let bytes = SecretBytes::new(frame.encode_to_vec());
        let name = self.token_name(row.token).await;
        let line = format!("{} at {}", row.user, row.resource);
        let event = self.event(EventKind::RequestReported, &name, &line);
        let (service, now) = (row.service, event.at);
        let save =
            move |vault: &mut Vault| vault.save_report(id, service, &bytes, now, Some(&event));
        self.vault.call(save).await?;
        if let Some(tracked) = self.state.facts().requests.get_mut(&id) {
            tracked.reported = Reported::Yes;
        }
        self.ports.push.send(row.service, frame).await;
        self.changed(id);
        if pending {
            self.outcome(id, changes).await
        } else {
            self.stored_view(id).await
        }
    }

    /// Durable first, then sent; if the stream is down it goes out at the next welcome.
    async fn send_durably(
        &self,
        request: &LoginRequest,
        frame: push::AgentFrame,
    ) -> Result<(), AnswerError> {
        let bytes = SecretBytes::new(frame.encode_to_vec());
        let (id, service, now) = (request.id, request.service, self.ports.clock.wall());
        let save = move |vault: &mut Vault| vault.save_decision(id, service, &bytes, now, None);
        if let Err(error) = self.vault.call(save).await {
            self.reopen(request.id);
            return Err(error.into());
        }
        self.ports.push.send(request.service, frame).await;
        self.changed(request.id);
        Ok(())
    }

    /// Waits until the service has said how it ended, or for a bounded time.
    async fn outcome(
        &self,
        id: LoginRequestId,
        mut changes: broadcast::Receiver<Change>,
    ) -> Result<RequestView, AnswerError> {
        let closed = async {
            loop {
                if let Some(Phase::Closed(closing)) = self.phase(id) {
                    return Some(closing);
                }
                match changes.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        let wait = Duration::from_millis(limits::OUTCOME_WAIT_MS);
        let Ok(Some(closing)) = tokio::time::timeout(wait, closed).await else {
            return Err(AnswerError::OutcomeUnknown);
        };
        let view = self
            .login_request_view(id)
            .ok_or(AnswerError::OutcomeUnknown)?;
        match closing {
            Closing::Approved | Closing::LoggedIn | Closing::Denied => Ok(view),
            Closing::Expired => Err(countersign_core::login_request::AnswerError::Expired.into()),
            Closing::Cancelled => {
                Err(countersign_core::login_request::AnswerError::Cancelled.into())
            }
            Closing::Refused => Err(AnswerError::Refused(view.detail)),
        }
    }

    async fn decision_body(
        &self,
        request: &LoginRequest,
        verdict: push::Verdict,
    ) -> Result<push::DecisionBody, AnswerError> {
        let device = self.device(request.service).await?;
        Ok(push::DecisionBody {
            service_id: request.service.0.to_vec(),
            device_id: device.0.to_vec(),
            request_id: request.id.0.to_vec(),
            request_hash: request.hash.to_vec(),
            serial: request.serial.clone(),
            verdict: verdict.into(),
            level: push::Level::Click.into(),
            ..push::DecisionBody::default()
        })
    }

    async fn device(
        &self,
        service: ServiceId,
    ) -> Result<countersign_core::ids::DeviceId, AnswerError> {
        let record = self.service(service).await;
        record.map(|record| record.device).ok_or_else(|| {
            AnswerError::Refused("the service of this request is not known any more".to_owned())
        })
    }

    /// Which request the caller means.
    async fn select(
        &self,
        selector: &RequestSelector,
        wish: &AnswerWish,
    ) -> Result<LoginRequestId, AnswerError> {
        let RequestSelector::Id(text) = selector else {
            let facts = self.state.facts();
            let pending = facts.pending();
            return match (pending.as_slice(), selector) {
                ([], _) => Err(AnswerError::Unknown(UnknownRequest::NonePending)),
                ([only], _) => Ok(only.request.id),
                ([newest, ..], RequestSelector::Newest) => Ok(newest.request.id),
                (_, RequestSelector::Only | RequestSelector::Id(_)) => Err(AnswerError::Ambiguous),
            };
        };
        let wanted = text.to_ascii_lowercase();
        let fits = |id: &LoginRequestId| {
            wanted.len() >= SHORTEST_ID && id.to_string().starts_with(&wanted)
        };
        let mut known: Vec<_> = self
            .state
            .facts()
            .requests
            .keys()
            .copied()
            .filter(fits)
            .collect();
        if known.is_empty() && matches!(wish, AnswerWish::Report) {
            let rows = self
                .vault
                .call(|vault| vault.requests(super::view::HISTORY))
                .await?;
            known = rows.into_iter().map(|row| row.id).filter(fits).collect();
        }
        match known.as_slice() {
            [] => Err(AnswerError::Unknown(UnknownRequest::NoSuchId)),
            [one] => Ok(*one),
            _ => Err(AnswerError::Ambiguous),
        }
    }

    fn tracked_request(&self, id: LoginRequestId) -> Result<LoginRequest, AnswerError> {
        let facts = self.state.facts();
        let tracked = facts.requests.get(&id);
        tracked
            .map(|tracked| tracked.request.clone())
            .ok_or(AnswerError::Unknown(UnknownRequest::NoSuchId))
    }

    pub(super) fn phase(&self, id: LoginRequestId) -> Option<Phase> {
        self.state
            .facts()
            .requests
            .get(&id)
            .map(|tracked| tracked.phase)
    }

    /// One step of core's state machine, under the lock.
    fn advance(
        &self,
        id: LoginRequestId,
        step: impl FnOnce(
            Phase,
            countersign_core::time::BootTime,
            countersign_core::time::BootTime,
        ) -> Result<Phase, countersign_core::login_request::AnswerError>,
    ) -> Result<(), AnswerError> {
        let now = self.ports.clock.boot();
        let mut facts = self.state.facts();
        let tracked = facts
            .requests
            .get_mut(&id)
            .ok_or(AnswerError::Unknown(UnknownRequest::NoSuchId))?;
        tracked.phase = step(tracked.phase, now, tracked.deadline)?;
        Ok(())
    }

    fn retreat(&self, id: LoginRequestId) {
        if let Some(tracked) = self.state.facts().requests.get_mut(&id) {
            tracked.phase = tracked.phase.verification_failed();
        }
    }

    /// The decision could not be made durable: nothing was sent, so it is not decided.
    fn reopen(&self, id: LoginRequestId) {
        if let Some(tracked) = self.state.facts().requests.get_mut(&id)
            && matches!(tracked.phase, Phase::Decided(_))
        {
            tracked.phase = Phase::Shown;
        }
    }

    /// The name of a token for the event log; empty once it is gone.
    pub(in crate::agent) async fn token_name(&self, id: Option<TokenId>) -> String {
        let tokens = self.rows().await.unwrap_or_default();
        let token = tokens.into_iter().find(|token| Some(token.id) == id);
        token.map(|token| token.name).unwrap_or_default()
    }

    pub(super) async fn stored_request(
        &self,
        id: LoginRequestId,
    ) -> Result<RequestRow, AnswerError> {
        match self.vault.call(move |vault| vault.request(id)).await {
            Err(VaultError::RequestUnknown) => Err(AnswerError::Unknown(UnknownRequest::NoSuchId)),
            found => Ok(found?),
        }
    }

    async fn channel_key(&self, service: ServiceId) -> Result<SigningKey, VaultError> {
        self.vault
            .call(move |vault| vault.channel_key(service))
            .await
    }
}

fn checked_number(request: &LoginRequest, number: Option<String>) -> Result<String, AnswerError> {
    match (request.matching, number) {
        (NumberMatching::Off, _) => Ok(String::new()),
        (NumberMatching::Typed, None) => Err(AnswerError::NumberRequired),
        (NumberMatching::Typed, Some(number)) => {
            let digits = number.trim();
            let valid = (1..=NUMBER_DIGITS).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_digit());
            if valid {
                Ok(digits.to_owned())
            } else {
                Err(AnswerError::NumberMalformed)
            }
        }
    }
}

fn decision_frame(
    key: &SigningKey,
    body: &push::DecisionBody,
    passcode: Option<(&PushPasscode, &str)>,
) -> push::AgentFrame {
    let body = body.encode_to_vec();
    let signature = signing::sign(key, Label::Decision, &body).to_vec();
    let decision = push::Decision {
        signed: Some(push::Signed { body, signature }),
        passcode: passcode
            .map(|(made, _)| made.passcode.expose().to_owned())
            .unwrap_or_default(),
        server_pin: passcode.map(|(_, pin)| pin.to_owned()).unwrap_or_default(),
    };
    push::AgentFrame {
        frame: Some(push::agent_frame::Frame::Decision(decision)),
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
