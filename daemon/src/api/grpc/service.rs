//! One method a call: check bounds, call the story, convert.

use core::time::Duration;
use std::{pin::Pin, sync::Arc};

use countersign_core::{
    recovery_code::RecoveryCode, secret::SecretBytes, token::PinAsking, token_order::Place,
};
use countersign_proto::{
    agent::v1::{self as wire, Reason, agent_server},
    limits,
};
use futures_util::{Stream, StreamExt as _, stream};
use prost::Message as _;
use tokio_stream::wrappers::BroadcastStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, Streaming};

use super::convert::{
    accepted_transport, block, block_id, container, container_sync, enrollment_preview, event,
    login_request, otp_kind, pairing, refusal, refusal_of_pin, requested_vault_key, seconds, slot,
    slot_id, sudo_key, token, unlock_mode, vault_key, wanted_block, wanted_unlock,
};
use super::files::{self, Messages};
use crate::{
    agent::{
        Agent, Change,
        autosend::Autosend,
        caller::Caller,
        containers::{MembersFate, ServerTold},
        enrollment::{Accepted, Consent, Gained},
        login_request::{AnswerWish, RequestSelector},
        passcode::PasscodeWish,
        ports::CallerScreen,
        setup::{Recovery, SetupWish},
        slots::NewSlot,
        unlocking::{Opening, UnlockWish},
    },
    vault::FingerUnlock,
};

/// The metadata that tells the caller's screen and terminal.
const SCREEN: &str = "countersign-screen-bin";

pub(super) struct AgentService {
    agent: Arc<Agent>,
    /// The agent ends: every stream does.
    ending: CancellationToken,
}

impl AgentService {
    pub(super) const fn new(agent: Arc<Agent>, ending: CancellationToken) -> Self {
        Self { agent, ending }
    }

    async fn wire_token(&self, row: crate::vault::TokenRow) -> wire::Token {
        let belonging = self.agent.belonging(&row).await;
        let container = self.agent.container_name(&row).await;
        wire::Token {
            container,
            ..token(&self.agent, row, belonging)
        }
    }
}

/// An optional secret of bounded length.
pub(super) fn secret(bytes: Vec<u8>) -> Result<Option<SecretBytes>, Status> {
    if bytes.len() > limits::PASSPHRASE {
        return Err(Reason::Usage.status("the passphrase or PIN is too long", ""));
    }
    Ok(if bytes.is_empty() {
        None
    } else {
        Some(SecretBytes::new(bytes))
    })
}

/// Who calls, where a dialog for it is shown, and the message itself. A dialog goes when the guard is dropped:
/// with the call, however it ends.
pub(super) fn caller<T>(request: Request<T>) -> (Caller, DropGuard, T) {
    let screen = request
        .metadata()
        .get_bin(SCREEN)
        .and_then(|value| value.to_bytes().ok())
        .filter(|bytes| bytes.len() <= limits::CALLER_SCREEN)
        .and_then(|bytes| wire::CallerScreen::decode(bytes).ok())
        .map(|screen| CallerScreen {
            tty: screen.tty,
            tty_type: screen.tty_type,
            display: screen.display,
            wayland_display: screen.wayland_display,
            xauthority: screen.xauthority,
            lc_ctype: screen.lc_ctype,
            lc_messages: screen.lc_messages,
        })
        .unwrap_or_default();
    let gone = CancellationToken::new();
    let here = gone.clone().drop_guard();
    let caller = Caller {
        secret: None,
        screen,
        gone,
        ..Caller::default()
    };
    (caller, here, request.into_inner())
}

fn printed(code: Option<&RecoveryCode>) -> String {
    code.map(|code| code.text().expose().to_owned())
        .unwrap_or_default()
}

pub(super) fn optional(text: &str) -> Option<&str> {
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
        let (caller, _here, request) = caller(request);
        let caller = caller.with(secret(request.passphrase)?);
        let wish = SetupWish {
            key: requested_vault_key(
                wire::VaultKey::try_from(request.key).unwrap_or(wire::VaultKey::Unspecified),
            )?,
            unlock: wanted_unlock(
                wire::UnlockMode::try_from(request.unlock).unwrap_or(wire::UnlockMode::Unspecified),
            ),
            recovery: if request.recovery_code {
                Recovery::Printed
            } else {
                Recovery::None
            },
        };
        let made = self
            .agent
            .setup(wish, &caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::SetupReply {
            key: vault_key(made.key).into(),
            unlock: unlock_mode(made.unlock).into(),
            recovery_code: printed(made.recovery_code.as_ref()),
        }))
    }

    async fn unlock(
        &self,
        request: Request<wire::UnlockRequest>,
    ) -> Result<Response<wire::UnlockReply>, Status> {
        let (caller, _here, request) = caller(request);
        let caller = caller.with(secret(request.passphrase)?);
        let wish = UnlockWish {
            recovery_code: secret(request.recovery_code)?,
        };
        let opening = self
            .agent
            .unlock(wish, &caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::UnlockReply {
            was_unlocked: opening == Opening::WasOpen,
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
        let (caller, _here, request) = caller(request);
        let transport = accepted_transport(request.accepted_insecure());
        let consent = match request.confirmation() {
            wire::EnrollmentConfirmation::Unspecified => Consent::Given(Accepted {
                transport,
                host: request.confirmed_host,
            }),
            wire::EnrollmentConfirmation::Dialog => Consent::AskHere,
        };
        let caller = caller.with(secret(request.pin)?);
        let text = SecretBytes::new(request.text);
        let enrolled = self
            .agent
            .enroll(&text, &request.name, consent, &caller)
            .await
            .map_err(|error| refusal(&error))?;
        let (token, container) = match enrolled.gained {
            Gained::Token(row) => (Some(self.wire_token(*row).await), None),
            Gained::Container(synced) => (None, Some(container_sync(*synced))),
        };
        Ok(Response::new(wire::EnrollReply {
            token,
            container,
            vault_created: enrolled.vault_created,
            device_part: enrolled
                .device_part
                .map(|part| part.expose().to_owned())
                .unwrap_or_default(),
        }))
    }

    type PreviewImportStream = Messages<wire::ImportPreview>;

    async fn preview_import(
        &self,
        request: Request<Streaming<wire::ImportChunk>>,
    ) -> Result<Response<Self::PreviewImportStream>, Status> {
        let (caller, _here, chunks) = caller(request);
        let received = files::received(chunks).await?;
        let preview = self
            .agent
            .preview_import(received.files, received.passphrase, &caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(files::preview(preview)))
    }

    async fn store_import(
        &self,
        request: Request<wire::StoreImportRequest>,
    ) -> Result<Response<wire::StoreImportReply>, Status> {
        let (caller, _here, request) = caller(request);
        let id = files::import_id(&request.id)?;
        let stored = self
            .agent
            .store_import(id, &files::places(&request.places), &caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::StoreImportReply {
            stored: u32::try_from(stored.count).unwrap_or(u32::MAX),
            vault_created: stored.vault_created,
        }))
    }

    type ExportStream = Messages<wire::ExportChunk>;

    async fn export(
        &self,
        request: Request<wire::ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let (caller, _here, request) = caller(request);
        let format = files::export_format(request.format())?;
        let caller = caller.with(secret(request.pin)?);
        let passphrase = secret(request.passphrase)?;
        let exported = self
            .agent
            .export(format, &request.tokens, passphrase, &caller)
            .await
            .map_err(|error| refusal_of_pin(&error, error.tries_left()))?;
        Ok(Response::new(files::exported(exported)))
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

    async fn move_token(
        &self,
        request: Request<wire::MoveTokenRequest>,
    ) -> Result<Response<wire::MoveTokenReply>, Status> {
        let request = request.get_ref();
        let place = match request.place() {
            wire::TokenPlace::First => Place::First,
            wire::TokenPlace::Last => Place::Last,
            wire::TokenPlace::Before => Place::Before(request.beside.as_str()),
            wire::TokenPlace::After => Place::After(request.beside.as_str()),
            wire::TokenPlace::Unspecified => {
                return Err(Reason::Usage.status("no place was given for the token", ""));
            }
        };
        let row = self.agent.move_token(&request.token, place).await;
        let row = row.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::MoveTokenReply {
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
        let (caller, _here, request) = caller(request);
        let wish = match request.kind() {
            wire::PasscodeRequestKind::Unspecified => PasscodeWish::Current,
            wire::PasscodeRequestKind::Next => PasscodeWish::Next,
        };
        let caller = caller.with(secret(request.pin)?);
        let generated = self
            .agent
            .generate_passcode(&request.token, wish, optional(&request.challenge), &caller)
            .await
            .map_err(|error| refusal_of_pin(&error, error.tries_left()))?;
        Ok(Response::new(wire::GeneratePasscodeReply {
            passcode: generated.typed.expose().to_owned(),
            name: generated.name,
            mode: otp_kind(generated.kind).into(),
            valid_for_ms: generated
                .validity
                .map(|(left, _)| u32::try_from(left.as_millis()).unwrap_or(u32::MAX)),
            period: generated.validity.map_or(0, |(_, period)| period.secs()),
            clock_offset_ms: generated.clock_offset_ms,
        }))
    }

    async fn list_containers(
        &self,
        _request: Request<wire::ListContainersRequest>,
    ) -> Result<Response<wire::ListContainersReply>, Status> {
        let containers = self.agent.containers().await;
        let containers = containers.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::ListContainersReply {
            containers: containers.into_iter().map(container).collect(),
        }))
    }

    async fn sync_containers(
        &self,
        request: Request<wire::SyncContainersRequest>,
    ) -> Result<Response<wire::SyncContainersReply>, Status> {
        let (caller, _here, request) = caller(request);
        let synced = self
            .agent
            .sync_containers(optional(&request.container), &caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::SyncContainersReply {
            synced: synced.into_iter().map(container_sync).collect(),
        }))
    }

    async fn renew_container(
        &self,
        request: Request<wire::RenewContainerRequest>,
    ) -> Result<Response<wire::RenewContainerReply>, Status> {
        let (caller, _here, request) = caller(request);
        let synced = self
            .agent
            .renew_container(&request.container, &caller)
            .await;
        let synced = synced.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::RenewContainerReply {
            synced: Some(container_sync(synced)),
        }))
    }

    async fn unregister_container(
        &self,
        request: Request<wire::UnregisterContainerRequest>,
    ) -> Result<Response<wire::UnregisterContainerReply>, Status> {
        let (caller, _here, request) = caller(request);
        let members = if request.delete_tokens {
            MembersFate::Deleted
        } else {
            MembersFate::Stay
        };
        let told = if request.only_here {
            ServerTold::No
        } else {
            ServerTold::Yes
        };
        let done = self
            .agent
            .unregister_container(&request.container, members, told, &caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::UnregisterContainerReply {
            name: done.name,
            deleted: done.deleted,
        }))
    }

    async fn make_sudo_key(
        &self,
        request: Request<wire::MakeSudoKeyRequest>,
    ) -> Result<Response<wire::MakeSudoKeyReply>, Status> {
        let (caller, _here, request) = caller(request);
        let caller = caller.with(secret(request.pin)?);
        let key = self.agent.make_sudo_key(&caller).await;
        let key = key.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::MakeSudoKeyReply {
            key: Some(sudo_key(key)),
        }))
    }

    async fn list_sudo_keys(
        &self,
        _request: Request<wire::ListSudoKeysRequest>,
    ) -> Result<Response<wire::ListSudoKeysReply>, Status> {
        let keys = self.agent.sudo_keys().await;
        let keys = keys.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::ListSudoKeysReply {
            keys: keys.into_iter().map(sudo_key).collect(),
        }))
    }

    async fn change_pin(
        &self,
        request: Request<wire::ChangePinRequest>,
    ) -> Result<Response<wire::ChangePinReply>, Status> {
        let (caller, _here, request) = caller(request);
        let caller = caller.with(secret(request.current)?);
        let new = secret(request.new)?;
        let changed = match optional(&request.token) {
            Some(token) => {
                self.agent
                    .change_token_pin(token, new.as_ref(), &caller)
                    .await
            }
            None => self
                .agent
                .change_agent_pin(new.as_ref(), &caller)
                .await
                .map(|()| String::new()),
        };
        let name = changed.map_err(|error| refusal_of_pin(&error, error.tries_left()))?;
        Ok(Response::new(wire::ChangePinReply { name }))
    }

    async fn set_biometric(
        &self,
        request: Request<wire::SetBiometricRequest>,
    ) -> Result<Response<wire::SetBiometricReply>, Status> {
        let (caller, _here, request) = caller(request);
        let caller = caller.with(secret(request.pin)?);
        let on = if request.on {
            FingerUnlock::On
        } else {
            FingerUnlock::Off
        };
        let set = match optional(&request.token) {
            Some(token) => self.agent.set_token_biometric(token, on, &caller).await,
            None => self
                .agent
                .set_agent_biometric(on, &caller)
                .await
                .map(|()| String::new()),
        };
        let name = set.map_err(|error| refusal_of_pin(&error, error.tries_left()))?;
        Ok(Response::new(wire::SetBiometricReply { name }))
    }

    async fn set_pin_asking(
        &self,
        request: Request<wire::SetPinAskingRequest>,
    ) -> Result<Response<wire::SetPinAskingReply>, Status> {
        let (caller, _here, request) = caller(request);
        let asking = match request.asking() {
            wire::PinAsking::EveryTime => PinAsking::EveryTime,
            wire::PinAsking::OncePerUnlock => PinAsking::OncePerUnlock,
            wire::PinAsking::Unspecified => {
                return Err(Reason::Usage.status("every time, or once per unlock?", ""));
            }
        };
        let caller = caller.with(secret(request.pin)?);
        let set = self
            .agent
            .set_pin_asking(&request.token, asking, &caller)
            .await;
        let name = set.map_err(|error| refusal_of_pin(&error, error.tries_left()))?;
        Ok(Response::new(wire::SetPinAskingReply { name }))
    }

    async fn list_slots(
        &self,
        _request: Request<wire::ListSlotsRequest>,
    ) -> Result<Response<wire::ListSlotsReply>, Status> {
        let slots = self.agent.slots().await.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::ListSlotsReply {
            slots: slots.iter().map(slot).collect(),
        }))
    }

    async fn add_slot(
        &self,
        request: Request<wire::AddSlotRequest>,
    ) -> Result<Response<wire::AddSlotReply>, Status> {
        let (caller, _here, request) = caller(request);
        let kind = request.kind();
        let caller = caller.with(secret(request.current)?);
        let new = match kind {
            wire::VaultKey::Passphrase => NewSlot::Passphrase(secret(request.new)?),
            wire::VaultKey::RecoveryCode => NewSlot::RecoveryCode,
            kind @ (wire::VaultKey::Unspecified
            | wire::VaultKey::SecretService
            | wire::VaultKey::Credential
            | wire::VaultKey::Tpm) => match requested_vault_key(kind)? {
                Some(key) => NewSlot::Machine(key),
                None => return Err(Reason::Usage.status("which way to unlock?", "")),
            },
        };
        let recovery = secret(request.recovery_code)?;
        let added = self
            .agent
            .add_slot(new, recovery, &caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::AddSlotReply {
            slot: Some(slot(&added.slot)),
            recovery_code: printed(added.recovery_code.as_ref()),
        }))
    }

    async fn remove_slot(
        &self,
        request: Request<wire::RemoveSlotRequest>,
    ) -> Result<Response<wire::RemoveSlotReply>, Status> {
        let (caller, _here, request) = caller(request);
        let caller = caller.with(secret(request.current)?);
        let recovery = secret(request.recovery_code)?;
        self.agent
            .remove_slot(slot_id(&request.id)?, recovery, &caller)
            .await
            .map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::RemoveSlotReply {}))
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
                        Change::Vault
                        | Change::Autosend
                        | Change::Services
                        | Change::Session
                        | Change::Pairings => None,
                    })
                    .transpose();
                std::future::ready(change.map(|view| {
                    view.map(|view| wire::LoginRequestsChange {
                        snapshot: Vec::new(),
                        changed: Some(login_request(view)),
                    })
                }))
            });
        let stream = stream::once(std::future::ready(Ok(first)))
            .chain(changes)
            .take_until(self.ending.clone().cancelled_owned());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn answer_login_request(
        &self,
        request: Request<wire::AnswerLoginRequestRequest>,
    ) -> Result<Response<wire::AnswerLoginRequestReply>, Status> {
        let (caller, _here, request) = caller(request);
        let wish = match request.verdict() {
            wire::Verdict::Approve => AnswerWish::Approve {
                number: optional(&request.number).map(str::to_owned),
            },
            wire::Verdict::Deny => AnswerWish::Deny,
            wire::Verdict::Cancel => AnswerWish::Cancel,
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
        let caller = caller.with(secret(request.pin)?);
        // The answer goes on if the client goes away: what was decided is decided. Only a question that is
        // still open for it ends.
        let agent = Arc::clone(&self.agent);
        let answered = tokio::spawn(async move { agent.answer(selector, wish, &caller).await });
        let view = answered
            .await
            .map_err(|_panicked| Reason::Internal.status("the agent failed", "see its log"))?
            .map_err(|error| refusal_of_pin(&error, error.tries_left()))?;
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

    async fn mute_login_requests(
        &self,
        request: Request<wire::MuteLoginRequestsRequest>,
    ) -> Result<Response<wire::MuteLoginRequestsReply>, Status> {
        let span = Duration::from_secs(request.get_ref().seconds.into());
        let muted = self.agent.mute(span).await;
        let until = muted.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::MuteLoginRequestsReply {
            muted_until: until.map(seconds),
        }))
    }

    async fn list_blocks(
        &self,
        _request: Request<wire::ListBlocksRequest>,
    ) -> Result<Response<wire::ListBlocksReply>, Status> {
        let blocks = self.agent.blocks().await.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::ListBlocksReply {
            blocks: blocks.iter().map(block).collect(),
        }))
    }

    async fn add_block(
        &self,
        request: Request<wire::AddBlockRequest>,
    ) -> Result<Response<wire::AddBlockReply>, Status> {
        let wanted = wanted_block(request.get_ref())?;
        let added = self.agent.add_block(wanted).await;
        let added = added.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::AddBlockReply {
            block: Some(block(&added)),
        }))
    }

    async fn remove_block(
        &self,
        request: Request<wire::RemoveBlockRequest>,
    ) -> Result<Response<wire::RemoveBlockReply>, Status> {
        let id = block_id(&request.get_ref().id)?;
        let removed = self.agent.remove_block(id).await;
        removed.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::RemoveBlockReply {}))
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

    async fn list_pairings(
        &self,
        _request: Request<wire::ListPairingsRequest>,
    ) -> Result<Response<wire::ListPairingsReply>, Status> {
        let rows = self.agent.pairings().await;
        let rows = rows.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::ListPairingsReply {
            pairings: rows.into_iter().map(pairing).collect(),
        }))
    }

    async fn revoke_pairing(
        &self,
        request: Request<wire::RevokePairingRequest>,
    ) -> Result<Response<wire::RevokePairingReply>, Status> {
        let name = self.agent.revoke_pairing(&request.get_ref().pairing).await;
        let name = name.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::RevokePairingReply { name }))
    }

    async fn unbind_origin(
        &self,
        request: Request<wire::UnbindOriginRequest>,
    ) -> Result<Response<wire::UnbindOriginReply>, Status> {
        let (caller, _here, request) = caller(request);
        let unbound = self
            .agent
            .unbind(&request.token, optional(&request.origin), &caller)
            .await;
        let (row, gone) = unbound.map_err(|error| refusal(&error))?;
        Ok(Response::new(wire::UnbindOriginReply {
            name: row.name,
            origins: gone.iter().map(ToString::to_string).collect(),
        }))
    }
}
