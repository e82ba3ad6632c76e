//! One method a call: check bounds, call the story, convert.

use std::{pin::Pin, sync::Arc};

use countersign_core::secret::SecretBytes;
use countersign_proto::{
    agent::v1::{self as wire, Reason, agent_server},
    limits,
};
use futures_util::{Stream, StreamExt as _, stream};
use tokio_stream::wrappers::BroadcastStream;
use tonic::{Request, Response, Status};

use super::convert::{
    enrollment_preview, event, login_request, otp_kind, refusal, requested_vault_key, token,
    unlock_mode, vault_key, wanted_unlock,
};
use crate::agent::{
    Agent, Change,
    autosend::Autosend,
    login_request::{AnswerWish, RequestSelector},
    passcode::PasscodeWish,
    session::{SetupWish, Unlocking},
};

pub(super) struct AgentService {
    agent: Arc<Agent>,
}

impl AgentService {
    pub(super) const fn new(agent: Arc<Agent>) -> Self {
        Self { agent }
    }

    async fn service_host(&self, row: &crate::vault::TokenRow) -> String {
        self.agent.service_host(row).await
    }

    async fn wire_token(&self, row: crate::vault::TokenRow) -> wire::Token {
        let service = self.service_host(&row).await;
        token(row, service)
    }
}

/// An optional secret of bounded length.
fn secret(bytes: Vec<u8>) -> Result<Option<SecretBytes>, Status> {
    if bytes.len() > limits::PASSPHRASE {
        return Err(Reason::Usage.status("the passphrase or PIN is too long", ""));
    }
    Ok(if bytes.is_empty() {
        None
    } else {
        Some(SecretBytes::new(bytes))
    })
}

fn optional(text: &str) -> Option<&str> {
    if text.is_empty() { None } else { Some(text) }
}

#[tonic::async_trait]
impl agent_server::Agent for AgentService {
    async fn status(
        &self,
        _request: Request<wire::StatusRequest>,
    ) -> Result<Response<wire::StatusReply>, Status> {
        let status = self.agent.status().await;
        Ok(Response::new(super::convert::status(&self.agent, status)))
    }

    async fn setup(
        &self,
        request: Request<wire::SetupRequest>,
    ) -> Result<Response<wire::SetupReply>, Status> {
        let request = request.into_inner();
        let wish = SetupWish {
            key: requested_vault_key(request.key())?,
            unlock: wanted_unlock(request.unlock()),
            passphrase: secret(request.passphrase)?,
        };
        let (key, unlock) = self
            .agent
            .setup(wish)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::SetupReply {
            key: vault_key(key).into(),
            unlock: unlock_mode(unlock).into(),
            ..wire::SetupReply::default()
        }))
    }

    async fn unlock(
        &self,
        request: Request<wire::UnlockRequest>,
    ) -> Result<Response<wire::UnlockReply>, Status> {
        let passphrase = secret(request.into_inner().passphrase)?;
        let unlocking = self
            .agent
            .unlock(passphrase)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::UnlockReply {
            was_unlocked: unlocking == Unlocking::WasOpen,
        }))
    }

    async fn lock(
        &self,
        _request: Request<wire::LockRequest>,
    ) -> Result<Response<wire::LockReply>, Status> {
        self.agent.lock().await;
        Ok(Response::new(wire::LockReply {}))
    }

    async fn inspect_enrollment(
        &self,
        request: Request<wire::InspectEnrollmentRequest>,
    ) -> Result<Response<wire::InspectEnrollmentReply>, Status> {
        let text = SecretBytes::new(request.into_inner().text);
        let preview = self
            .agent
            .inspect_enrollment(&text)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(enrollment_preview(preview)))
    }

    async fn enroll(
        &self,
        request: Request<wire::EnrollRequest>,
    ) -> Result<Response<wire::EnrollReply>, Status> {
        let request = request.into_inner();
        let text = SecretBytes::new(request.text);
        let enrolled = self
            .agent
            .enroll(&text, &request.name, &request.confirmed_host)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::EnrollReply {
            token: Some(self.wire_token(enrolled.token).await),
            vault_created: enrolled.vault_created,
        }))
    }

    async fn list_tokens(
        &self,
        _request: Request<wire::ListTokensRequest>,
    ) -> Result<Response<wire::ListTokensReply>, Status> {
        let mut tokens = Vec::new();
        for row in self.agent.tokens().await.map_err(|error| refusal(&error))? {
            tokens.push(self.wire_token(row).await);
        }
        Ok(Response::new(wire::ListTokensReply { tokens }))
    }

    async fn describe_token(
        &self,
        request: Request<wire::DescribeTokenRequest>,
    ) -> Result<Response<wire::DescribeTokenReply>, Status> {
        let row = self.agent.token(&request.get_ref().token).await;
        let row = row.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::DescribeTokenReply {
            token: Some(self.wire_token(row).await),
        }))
    }

    async fn rename_token(
        &self,
        request: Request<wire::RenameTokenRequest>,
    ) -> Result<Response<wire::RenameTokenReply>, Status> {
        let request = request.get_ref();
        let row = self.agent.rename_token(&request.token, &request.name).await;
        let row = row.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::RenameTokenReply {
            token: Some(self.wire_token(row).await),
        }))
    }

    async fn delete_token(
        &self,
        request: Request<wire::DeleteTokenRequest>,
    ) -> Result<Response<wire::DeleteTokenReply>, Status> {
        let name = self.agent.delete_token(&request.get_ref().token).await;
        let name = name.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::DeleteTokenReply { name }))
    }

    async fn generate_passcode(
        &self,
        request: Request<wire::GeneratePasscodeRequest>,
    ) -> Result<Response<wire::GeneratePasscodeReply>, Status> {
        let request = request.get_ref();
        let wish = match request.kind() {
            wire::PasscodeRequestKind::Unspecified => PasscodeWish::Current,
            wire::PasscodeRequestKind::Next => PasscodeWish::Next,
        };
        let generated = self
            .agent
            .generate_passcode(&request.token, wish, optional(&request.challenge))
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::GeneratePasscodeReply {
            passcode: generated.passcode.expose().to_owned(),
            name: generated.name,
            mode: otp_kind(generated.kind).into(),
            valid_for_ms: generated
                .validity
                .map(|(left, _)| u32::try_from(left.as_millis()).unwrap_or(u32::MAX)),
            period: generated.validity.map_or(0, |(_, period)| period.secs()),
        }))
    }

    async fn change_pin(
        &self,
        _request: Request<wire::ChangePinRequest>,
    ) -> Result<Response<wire::ChangePinReply>, Status> {
        Err(Status::unimplemented("under construction"))
    }

    async fn set_biometric(
        &self,
        _request: Request<wire::SetBiometricRequest>,
    ) -> Result<Response<wire::SetBiometricReply>, Status> {
        Err(Status::unimplemented("under construction"))
    }

    async fn set_pin_asking(
        &self,
        _request: Request<wire::SetPinAskingRequest>,
    ) -> Result<Response<wire::SetPinAskingReply>, Status> {
        Err(Status::unimplemented("under construction"))
    }

    async fn list_slots(
        &self,
        _request: Request<wire::ListSlotsRequest>,
    ) -> Result<Response<wire::ListSlotsReply>, Status> {
        Err(Status::unimplemented("under construction"))
    }

    async fn add_slot(
        &self,
        _request: Request<wire::AddSlotRequest>,
    ) -> Result<Response<wire::AddSlotReply>, Status> {
        Err(Status::unimplemented("under construction"))
    }

    async fn remove_slot(
        &self,
        _request: Request<wire::RemoveSlotRequest>,
    ) -> Result<Response<wire::RemoveSlotReply>, Status> {
        Err(Status::unimplemented("under construction"))
    }

    async fn list_login_requests(
        &self,
        request: Request<wire::ListLoginRequestsRequest>,
    ) -> Result<Response<wire::ListLoginRequestsReply>, Status> {
        let request = request.get_ref();
        if request.check {
            self.agent.check_services().await;
        }
        let views = if request.history {
            self.agent
                .login_request_history()
                .await
                .map_err(|error| refusal(&error))?
        } else {
            self.agent.pending_login_requests()
        };
        let requests = views.into_iter().map(login_request).collect();
        Ok(Response::new(wire::ListLoginRequestsReply { requests }))
    }

    type WatchLoginRequestsStream =
        Pin<Box<dyn Stream<Item = Result<wire::LoginRequestsChange, Status>> + Send>>;

    async fn watch_login_requests(
        &self,
        _request: Request<wire::WatchLoginRequestsRequest>,
    ) -> Result<Response<Self::WatchLoginRequestsStream>, Status> {
        // Subscribed before the snapshot is taken: a change in between is told twice, never lost.
        let changes = BroadcastStream::new(self.agent.watch_changes());
        let snapshot = self
            .agent
            .pending_login_requests()
            .into_iter()
            .map(login_request)
            .collect();
        let first = wire::LoginRequestsChange {
            snapshot,
            changed: None,
        };
        let agent = Arc::clone(&self.agent);
        let changes = changes
            .map(|change| {
                change.map_err(|_behind| {
                    Reason::Deadline.status("this watcher was too slow", "watch again")
                })
            })
            .filter_map(move |change| {
                let change = change
                    .map(|change| match change {
                        Change::LoginRequest(id) => agent.login_request_view(id),
                        Change::Vault | Change::Autosend | Change::Services => None,
                    })
                    .transpose();
                std::future::ready(change.map(|view| {
                    view.map(|view| wire::LoginRequestsChange {
                        snapshot: Vec::new(),
                        changed: Some(login_request(view)),
                    })
                }))
            });
        let stream = stream::once(std::future::ready(Ok(first))).chain(changes);
        Ok(Response::new(Box::pin(stream)))
    }

    async fn answer_login_request(
        &self,
        request: Request<wire::AnswerLoginRequestRequest>,
    ) -> Result<Response<wire::AnswerLoginRequestReply>, Status> {
        let request = request.into_inner();
        let wish = match request.verdict() {
            wire::Verdict::Approve => AnswerWish::Approve {
                number: optional(&request.number).map(str::to_owned),
            },
            wire::Verdict::Deny => AnswerWish::Deny,
            wire::Verdict::Report => AnswerWish::Report,
            wire::Verdict::Unspecified => {
                return Err(Reason::Usage.status("no verdict was given", "approve or deny"));
            }
        };
        let selector = match (request.id.is_empty(), request.newest) {
            (false, _) => RequestSelector::Id(request.id),
            (true, true) => RequestSelector::Newest,
            (true, false) => RequestSelector::Only,
        };
        // The answer goes on if the client goes away: what was decided is decided.
        let agent = Arc::clone(&self.agent);
        let answered = tokio::spawn(async move { agent.answer(selector, wish).await });
        let view = answered
            .await
            .map_err(|_panicked| Reason::Internal.status("the agent failed", "see its log"))?
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::AnswerLoginRequestReply {
            request: Some(login_request(view)),
        }))
    }

    async fn set_autosend(
        &self,
        request: Request<wire::SetAutosendRequest>,
    ) -> Result<Response<wire::SetAutosendReply>, Status> {
        let request = request.get_ref();
        let autosend = if request.on {
            Autosend::On
        } else {
            Autosend::Off
        };
        let changed = self
            .agent
            .set_autosend(optional(&request.token), autosend)
            .await;
        changed.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::SetAutosendReply {}))
    }

    async fn list_events(
        &self,
        request: Request<wire::ListEventsRequest>,
    ) -> Result<Response<wire::ListEventsReply>, Status> {
        let events = self
            .agent
            .events(usize::try_from(request.get_ref().limit).unwrap_or(0))
            .await;
        let events = events.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::ListEventsReply {
            events: events.into_iter().map(event).collect(),
        }))
    }
}
