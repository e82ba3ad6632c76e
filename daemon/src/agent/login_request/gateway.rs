//! What a gateway says and what is said to it: signed bytes are believed here, and answers signed. No other file
//! of the stories about login requests knows its frames.

use core::time::Duration;

use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    login_request::{Closing, LoginRequest, NumberMatching, Phase, Subject, TTL},
    pskc::PinPolicy,
    signing::{self, Label},
    time::UnixMillis,
    token::{TokenSecrets, VerificationLevel},
};
use countersign_proto::{limits, push::v1 as push};
use p256::ecdsa::SigningKey;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use super::{AnswerError, arrival::Disbelief, outcome::Word};
use crate::{
    agent::{Agent, passcode::PushPasscode, ports::Outgoing, verification::Verified},
    vault::{RequestRow, ServiceRow, TokenRow},
};

impl Agent {
    /// One signed request from `service`'s stream.
    pub(in crate::agent) async fn on_gateway_request(
        &self,
        service: ServiceId,
        signed: push::Signed,
    ) {
        if let Err(why) = self.believe_gateway(service, &signed).await {
            warn!(%service, %why, "dropped a login request");
        }
    }

    async fn believe_gateway(
        &self,
        service: ServiceId,
        signed: &push::Signed,
    ) -> Result<(), Disbelief> {
        let record = self.service(service).await.ok_or(Disbelief::OtherService)?;
        let body = verified_body(&record, signed)?;
        let token = self
            .token_of(&record, &body.serial)
            .await
            .ok_or(Disbelief::Token)?;
        let hash = Sha256::digest(&signed.body).into();
        let request = checked(service, &token, body, hash)?;
        self.admit(&token, request).await
    }

    /// The gateway says what became of a decision or report.
    pub(in crate::agent) async fn on_gateway_outcome(
        &self,
        service: ServiceId,
        outcome: push::Outcome,
    ) {
        if let Ok(id) = LoginRequestId::try_from(outcome.request_id.as_slice())
            && let Some(word) = word_of(outcome.result())
        {
            self.on_outcome(service, id, word).await;
        }
    }

    /// The gateway takes a request back, or somebody answered on another device.
    pub(in crate::agent) async fn on_gateway_cancel(
        &self,
        service: ServiceId,
        cancel: push::Cancel,
    ) {
        let Ok(id) = LoginRequestId::try_from(cancel.request_id.as_slice()) else {
            return;
        };
        let (closing, detail) = match cancel.reason() {
            push::CancelReason::Expired => (Closing::Expired, "nobody answered in time"),
            push::CancelReason::AnsweredElsewhere => {
                (Closing::Cancelled, "it was answered on another device")
            }
            push::CancelReason::ByAdministrator => {
                (Closing::Cancelled, "an administrator took it back")
            }
            push::CancelReason::ByResource | push::CancelReason::Unspecified => (
                Closing::Cancelled,
                "the login was given up at the login page",
            ),
        };
        self.on_cancel(service, id, closing, detail).await;
    }

    pub(super) async fn acknowledge_to_gateway(&self, request: &LoginRequest, phase: Phase) {
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
        let frame = push::agent_frame::Frame::Ack(ack);
        // Not connected any more: the gateway sends the request again at the next welcome.
        self.deliver(request.service, frame.into()).await;
    }

    /// An approval in the gateway's words: signed by the token's own key, with its passcode.
    pub(super) async fn gateway_approval(
        &self,
        request: &LoginRequest,
        number: String,
        secrets: &TokenSecrets,
        verified: &Verified,
    ) -> Result<Outgoing, AnswerError> {
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
        Ok(decision(&key, &body, Some((&generated, server_pin))))
    }

    /// A denial in the gateway's words: signed by this device, also while the vault is locked.
    pub(super) async fn gateway_denial(
        &self,
        request: &LoginRequest,
        verdict: push::Verdict,
    ) -> Result<Outgoing, AnswerError> {
        let body = self.decision_body(request, verdict).await?;
        let key = self.channel_key(request.service).await?;
        Ok(decision(&key, &body, None))
    }

    /// "It wasn't me!" in the gateway's words.
    pub(super) async fn gateway_report(&self, row: &RequestRow) -> Result<Outgoing, AnswerError> {
        let device = self.device(row.service).await?;
        let body = push::ReportBody {
            service_id: row.service.0.to_vec(),
            device_id: device.0.to_vec(),
            request_id: row.id.0.to_vec(),
            request_hash: row.hash.to_vec(),
        }
        .encode_to_vec();
        let key = self.channel_key(row.service).await?;
        let signature = signing::sign(&key, Label::Report, &body).to_vec();
        Ok(push::agent_frame::Frame::Report(push::Signed { body, signature }).into())
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
}

/// What the gateway's result means; nothing for one of a later version.
const fn word_of(result: push::Result) -> Option<Word> {
    let (closing, detail) = match result {
        push::Result::Reported => return Some(Word::Reported),
        push::Result::Approved => (Closing::Approved, ""),
        push::Result::LoggedIn => (Closing::LoggedIn, ""),
        push::Result::Denied => (Closing::Denied, ""),
        push::Result::Expired => (Closing::Expired, "the answer came too late"),
        push::Result::Cancelled => (Closing::Cancelled, "the service took it back"),
        push::Result::RefusedPasscode => {
            (Closing::Refused, "the service did not accept the passcode")
        }
        push::Result::RefusedServerPin => (
            Closing::Refused,
            "the service did not accept the server PIN",
        ),
        push::Result::RefusedLevel => (
            Closing::Refused,
            "the service asks for a stronger verification than was given",
        ),
        push::Result::RefusedNumber => (
            Closing::Refused,
            "the number was not the one on the login page; it counts as a denial",
        ),
        push::Result::RefusedSignature => (
            Closing::Refused,
            "the service did not recognise this device",
        ),
        push::Result::RefusedToken => (
            Closing::Refused,
            "the token is suspended, locked or revoked at the service",
        ),
        push::Result::UnknownRequest => (
            Closing::Refused,
            "the service does not know this request any more",
        ),
        push::Result::Unspecified => return None,
    };
    Some(Word::Ended(closing, detail))
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
        subject: Subject::Login,
        service,
        token: token.id,
        serial: body.serial,
        hash,
        challenge: body.challenge,
        question: String::new(),
        resource: body.resource,
        user: body.user,
        client_address: body.client_address,
        place: body.place,
        program: body.program,
        matching,
        created: UnixMillis(body.created_ms),
        ttl,
    })
}

fn decision(
    key: &SigningKey,
    body: &push::DecisionBody,
    passcode: Option<(&PushPasscode, &str)>,
) -> Outgoing {
    let body = body.encode_to_vec();
    let signature = signing::sign(key, Label::Decision, &body).to_vec();
    let decision = push::Decision {
        signed: Some(push::Signed { body, signature }),
        passcode: passcode
            .map(|(made, _)| made.passcode.expose().to_owned())
            .unwrap_or_default(),
        server_pin: passcode.map(|(_, pin)| pin.to_owned()).unwrap_or_default(),
    };
    push::agent_frame::Frame::Decision(decision).into()
}

const fn wire_level(level: VerificationLevel) -> push::Level {
    match level {
        VerificationLevel::Click => push::Level::Click,
        VerificationLevel::Pin => push::Level::Pin,
        VerificationLevel::Finger => push::Level::Finger,
        VerificationLevel::Tpm => push::Level::Tpm,
    }
}
