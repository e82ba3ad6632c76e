//! An agent's decision on a login request, and its report.
//!
//! Order of the checks: signature (before the body is read), request, row open, hash of the request, number, level,
//! server PIN, passcode. The change of the login's state, the raised moving factor and the audit row are one
//! transaction. Every decision is answered; a repeated one is answered as the first was.

use countersign_core::{
    fatigue::Limits,
    ids::{DeviceId, LoginRequestId},
    login_transition::{DenyReason, Event, State, TransitionError},
    secret::SecretText,
    signing::{self, Label},
    time::UnixMillis,
    token::VerificationLevel,
};
use countersign_proto::{limits, push::v1 as push};
use p256::ecdsa::VerifyingKey;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{
    Service,
    approval::Approval,
    passcode::LONGEST_PASSCODE,
    push_limits::{limits, note_refusal},
};
use crate::store::{AuditEvent, REPORT_WITHIN_MS, RequestRow, Rows, StoreError, TokenState};

/// Which key signed a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Signer {
    /// The device's channel key.
    Channel,
    /// The decision key of this token.
    Token(String),
}

/// What a decision came to.
struct Answer {
    outcome: push::Result,
    /// The login that it ended, and all its requests.
    ended: Option<(String, Vec<RequestRow>, RequestRow)>,
    /// The resource has taken the approval already.
    consumed: bool,
}

impl Answer {
    fn unchanged(outcome: push::Result) -> Self {
        Self {
            outcome,
            ended: None,
            consumed: false,
        }
    }
}

impl Service {
    /// Takes a decision from the stream of `device`; what to answer.
    ///
    /// # Errors
    ///
    /// The database failed; nothing was decided, and the agent will send it again.
    pub(crate) async fn decide(
        &self,
        device: DeviceId,
        decision: push::Decision,
    ) -> Result<Vec<push::Outcome>, StoreError> {
        let signed = decision.signed.unwrap_or_default();
        let passcode = SecretText::new(decision.passcode);
        let pin = SecretText::new(decision.server_pin);
        if signed.body.len() > limits::SIGNED_BODY || passcode.expose().len() > LONGEST_PASSCODE {
            return Ok(Vec::new());
        }
        let approves = !passcode.is_empty();
        let key_owner = self.decision_signer(device, &signed, approves).await?;
        // Of a body that nobody signed only the name of the request is used: to answer that it is refused.
        let Ok(body) = push::DecisionBody::decode(signed.body.as_slice()) else {
            return Ok(Vec::new());
        };
        let Ok(id) = LoginRequestId::try_from(body.request_id.as_slice()) else {
            return Ok(Vec::new());
        };
        let now = self.now();
        let service = self.keys().service;
        let Some(key_owner) = key_owner else {
            self.store()
                .write(move |rows| {
                    rows.audit(
                        now,
                        AuditEvent::DecisionRefused,
                        &id.to_string(),
                        "signature",
                    )
                })
                .await?;
            return Ok(vec![outcome(id, push::Result::RefusedSignature)]);
        };
        if body.service_id != service.as_bytes() || body.device_id != device.as_bytes() {
            return Ok(vec![outcome(id, push::Result::RefusedSignature)]);
        }
        let tries = self.settings().config.server_pin.tries;
        let limits = limits(&self.settings().config.push);
        let answer = self
            .store()
            .write(move |rows| {
                let decision = Signed {
                    device,
                    id,
                    body: &body,
                    signer: &key_owner,
                    passcode: &passcode,
                    pin: &pin,
                    tries,
                    limits,
                };
                decision.decide(rows, now)
            })
            .await?;
        if let Some((transaction_id, requests, answered)) = answer.ended {
            let reason = push::CancelReason::AnsweredElsewhere;
            self.login_ended(&transaction_id, &requests, Some(&answered), reason);
        }
        let mut outcomes = vec![outcome(id, answer.outcome)];
        if answer.consumed {
            outcomes.push(outcome(id, push::Result::LoggedIn));
        }
        Ok(outcomes)
    }

    /// Whose signature it is: of one of the tokens of the device, or of its channel.
    async fn decision_signer(
        &self,
        device: DeviceId,
        signed: &push::Signed,
        approves: bool,
    ) -> Result<Option<Signer>, StoreError> {
        let (channel, tokens) = self
            .store()
            .read(move |rows| Ok((rows.device(device)?, rows.tokens_of_device(device)?)))
            .await?;
        let channel = channel.map(|device| (Signer::Channel, device.channel_key));
        let tokens = tokens.into_iter().filter_map(|token| {
            let key = token.decision_key?;
            Some((Signer::Token(token.serial), key))
        });
        // The likelier key first; the order decides nothing but the time it takes.
        let mut keys: Vec<(Signer, Vec<u8>)> = channel.into_iter().chain(tokens).collect();
        if approves {
            keys.reverse();
        }
        Ok(keys
            .into_iter()
            .find(|(_, key)| is_signed(key, Label::Decision, signed))
            .map(|(signer, _)| signer))
    }

    /// Takes a report ("It wasn't me!") from the stream of `device`; what to answer.
    ///
    /// # Errors
    ///
    /// The database failed; the agent will send it again.
    pub(crate) async fn report(
        &self,
        device: DeviceId,
        signed: push::Signed,
    ) -> Result<Option<push::Outcome>, StoreError> {
        if signed.body.len() > limits::SIGNED_BODY {
            return Ok(None);
        }
        let known = self.store().read(move |rows| rows.device(device)).await?;
        let genuine =
            known.is_some_and(|known| is_signed(&known.channel_key, Label::Report, &signed));
        let Ok(body) = push::ReportBody::decode(signed.body.as_slice()) else {
            return Ok(None);
        };
        let Ok(id) = LoginRequestId::try_from(body.request_id.as_slice()) else {
            return Ok(None);
        };
        let service = self.keys().service;
        if !genuine || body.service_id != service.as_bytes() || body.device_id != device.as_bytes()
        {
            return Ok(Some(outcome(id, push::Result::RefusedSignature)));
        }
        let now = self.now();
        let (result, reported) = self
            .store()
            .write(move |rows| {
                let Some(request) = rows
                    .request(id)?
                    .filter(|request| request.device == Some(device))
                else {
                    return Ok((push::Result::UnknownRequest, None));
                };
                if !hash_matches(&request, &body.request_hash) {
                    return Ok((push::Result::RefusedSignature, None));
                }
                let login = rows.login(&request.transaction_id)?;
                let Some(login) =
                    login.filter(|login| now.since_ms(login.created) <= REPORT_WITHIN_MS)
                else {
                    return Ok((push::Result::UnknownRequest, None));
                };
                if !login.reported {
                    rows.report_login(&login.transaction_id, now)?;
                    let user = rows.user_name(login.user)?;
                    let detail = format!(
                        "{user} at {} from {}, {}",
                        login.resource, login.client_address, login.state
                    );
                    rows.audit(
                        now,
                        AuditEvent::LoginReported,
                        &login.transaction_id,
                        &detail,
                    )?;
                }
                Ok((push::Result::Reported, Some(login.transaction_id)))
            })
            .await?;
        if let Some(transaction_id) = reported {
            self.login_changed(&transaction_id);
        }
        if result == push::Result::Reported {
            tracing::warn!(request = %id, "a user reports a login that was not theirs");
        }
        Ok(Some(outcome(id, result)))
    }
}

/// A decision whose signature has been checked.
struct Signed<'d> {
    device: DeviceId,
    id: LoginRequestId,
    body: &'d push::DecisionBody,
    signer: &'d Signer,
    passcode: &'d SecretText,
    pin: &'d SecretText,
    tries: u32,
    limits: Limits,
}

impl Signed<'_> {
    fn decide(&self, rows: Rows<'_>, now: UnixMillis) -> Result<Answer, StoreError> {
        let refuse = |outcome: push::Result, why: &str| {
            rows.audit(now, AuditEvent::DecisionRefused, &self.id.to_string(), why)?;
            Ok(Answer::unchanged(outcome))
        };
        let own = |request: &RequestRow| {
            request.device == Some(self.device) && request.serial == self.body.serial
        };
        let Some(request) = rows.request(self.id)?.filter(own) else {
            return refuse(
                push::Result::UnknownRequest,
                "no such request of this device",
            );
        };
        let Some(login) = rows.login(&request.transaction_id)? else {
            return refuse(push::Result::UnknownRequest, "no such login");
        };
        if let Some(outcome) = request.outcome {
            return Ok(Answer {
                outcome,
                ended: None,
                consumed: outcome == push::Result::Approved && login.state == State::Consumed,
            });
        }
        if login.state == State::Pending && now >= login.deadline {
            let id = login.transaction_id.clone();
            let ended = super::deadlines::end(rows, login, self.limits, now)?;
            return Ok(Answer {
                outcome: push::Result::Expired,
                ended: ended.map(|(_, requests)| (id, requests, request)),
                consumed: false,
            });
        }
        if login.state != State::Pending {
            return Ok(Answer::unchanged(late(login.state)));
        }
        if !hash_matches(&request, &self.body.request_hash) {
            return refuse(push::Result::RefusedSignature, "hash of the request");
        }
        let Some(token) = rows
            .token(&request.serial)?
            .filter(|token| token.state == TokenState::Active)
        else {
            return refuse(push::Result::RefusedToken, "token not active");
        };
        let (event, outcome) = match (self.body.verdict(), self.signer) {
            (push::Verdict::Deny, Signer::Channel) => {
                (Event::Deny(DenyReason::User), push::Result::Denied)
            }
            (push::Verdict::DenyByRule, Signer::Channel) => {
                (Event::Deny(DenyReason::Rule), push::Result::Denied)
            }
            (push::Verdict::Approve, Signer::Token(serial)) if *serial == token.serial => {
                if self.passcode_was_changed() {
                    return refuse(push::Result::RefusedSignature, "hash of the passcode");
                }
                Approval {
                    body: self.body,
                    passcode: self.passcode,
                    pin: self.pin,
                    tries: self.tries,
                }
                .judge(rows, &login, &request, &token, now)?
            }
            (
                push::Verdict::Approve
                | push::Verdict::Deny
                | push::Verdict::DenyByRule
                | push::Verdict::Unspecified,
                _,
            ) => return refuse(push::Result::RefusedSignature, "key not for this verdict"),
        };
        let level = self.body.level().as_str_name();
        let detail = format!("{} {level}", token.serial);
        match rows.change_login(&login, event, &detail, now)? {
            Ok(state) => {
                rows.put_outcome(self.id, outcome)?;
                // What a rule of the user's denies is no word of the user's.
                if let State::Denied(DenyReason::User | DenyReason::WrongNumber) = state {
                    note_refusal(rows, &login, self.limits, now)?;
                }
                let requests = rows.requests_of(&login.transaction_id)?;
                Ok(Answer {
                    outcome,
                    ended: Some((login.transaction_id, requests, request)),
                    consumed: false,
                })
            }
            Err(TransitionError { state }) => Ok(Answer::unchanged(late(state))),
        }
    }

    fn passcode_was_changed(&self) -> bool {
        let hash: [u8; 32] = Sha256::digest(self.passcode.expose().as_bytes()).into();
        !bool::from(hash.ct_eq(self.body.passcode_hash.as_slice()))
    }
}

/// The answer to a decision on a login that somebody or something else has ended.
const fn late(state: State) -> push::Result {
    match state {
        State::Expired => push::Result::Expired,
        // Another device of the user, the resource or an administrator was faster.
        State::Pending
        | State::Approved
        | State::Denied(_)
        | State::Failed(_)
        | State::Cancelled
        | State::Consumed
        | State::Lapsed => push::Result::Cancelled,
    }
}

pub(super) const fn level(level: push::Level) -> Option<VerificationLevel> {
    match level {
        push::Level::Unspecified => None,
        push::Level::Click => Some(VerificationLevel::Click),
        push::Level::Pin => Some(VerificationLevel::Pin),
        push::Level::Finger => Some(VerificationLevel::Finger),
        push::Level::Tpm => Some(VerificationLevel::Tpm),
    }
}

fn hash_matches(request: &RequestRow, hash: &[u8]) -> bool {
    request
        .signed
        .as_ref()
        .is_some_and(|signed| Sha256::digest(&signed.body).as_slice() == hash)
}

/// Is it signed by this key (SEC1)?
pub(super) fn is_signed(key: &[u8], label: Label, signed: &push::Signed) -> bool {
    is_signature(key, label, &signed.body, &signed.signature)
}

/// Is it a signature of `body` by this key (SEC1)?
pub(super) fn is_signature(key: &[u8], label: Label, body: &[u8], signature: &[u8]) -> bool {
    let key: Result<VerifyingKey, _> = signing::public_from_sec1(key);
    key.is_ok_and(|key| signing::verify(&key, label, body, signature).is_ok())
}

fn outcome(id: LoginRequestId, result: push::Result) -> push::Outcome {
    push::Outcome {
        request_id: id.as_bytes().to_vec(),
        result: result.into(),
    }
}
