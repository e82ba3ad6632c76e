//! An agent of canned answers that remembers what it was asked.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use countersign_proto::{
    agent::v1::{self as api, Reason, agent_server::Agent},
    reason::detail_status,
};
use prost::Message as _;
use tokio::sync::mpsc::unbounded_channel;
use tokio_stream::{Stream, wrappers::UnboundedReceiverStream};
use tonic::{Request, Response, Status};

use crate::{
    samples::{login_request, token},
    script::{Script, Watch, refusal, slot},
};

/// The service; clones share one script.
#[derive(Clone, Debug)]
pub(crate) struct FakeAgent(Arc<Mutex<Script>>);

impl FakeAgent {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Script::new())))
    }

    /// Tells those that watch that a request is as this now.
    pub(crate) fn tells(&self, changed: &api::LoginRequest) {
        for watcher in &self.script().watchers {
            let change = api::LoginRequestsChange {
                snapshot: Vec::new(),
                changed: Some(changed.clone()),
            };
            watcher.send(Ok(change)).unwrap();
        }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    /// As [`FakeAgent::begin`], of a call that may need a person.
    async fn ask(&self, call: String) -> Result<(), Status> {
        self.begin(call).await?;
        let refusal = self.script().refusals.pop_front();
        refusal.map_or(Ok(()), |detail| Err(detail_status(&detail)))
    }

    /// Writes the screen down that came with a call.
    pub(crate) fn see(&self, metadata: &tonic::metadata::MetadataMap) {
        let screen = metadata.get_bin("countersign-screen-bin");
        let bytes = screen.expect("each call tells a screen").to_bytes();
        let screen = api::CallerScreen::decode(bytes.unwrap()).unwrap();
        self.script().screens.push(screen);
    }

    /// Writes the call down; then refuses, hangs, or lets it go on.
    async fn begin(&self, call: String) -> Result<(), Status> {
        let (refusal, hangs) = {
            let mut script = self.script();
            script.calls.push(call);
            if let Some(arrival) = script.arrival.take() {
                arrival.send(()).unwrap_or_default();
            }
            (script.refusal.clone(), script.hangs)
        };
        if hangs {
            core::future::pending::<()>().await;
        }
        refusal.map_or(Ok(()), |detail| Err(detail_status(&detail)))
    }

    fn check_pin(&self, pin: &[u8]) -> Result<(), Status> {
        match self.script().pin {
            Some(_) if pin.is_empty() => {
                Err(Reason::PinRequired.status("The token needs its PIN.", "Type it."))
            }
            Some(right) if right.as_bytes() != pin => Err(detail_status(&api::ErrorDetail {
                reason: Reason::PinWrong.into(),
                message: "The PIN is wrong.".to_owned(),
                hint: "Try again.".to_owned(),
                tries_left: Some(2),
            })),
            _ => Ok(()),
        }
    }

    fn token(&self, name: &str) -> api::Token {
        let script = self.script();
        script
            .tokens
            .iter()
            .find(|token| token.name == name || token.id == name)
            .cloned()
            .unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tonic::async_trait]
impl Agent for FakeAgent {
    async fn status(
        &self,
        _: Request<api::StatusRequest>,
    ) -> Result<Response<api::StatusReply>, Status> {
        self.begin("status".to_owned()).await?;
        Ok(Response::new(self.script().status.clone()))
    }

    async fn setup(
        &self,
        request: Request<api::SetupRequest>,
    ) -> Result<Response<api::SetupReply>, Status> {
        let request = request.into_inner();
        let (key, unlock) = (request.key(), request.unlock());
        let passphrase = text(&request.passphrase);
        let code = if request.recovery_code {
            " recovery-code"
        } else {
            ""
        };
        self.ask(format!("setup {key:?} {unlock:?} {passphrase}{code}"))
            .await?;
        let script = self.script();
        if key == api::VaultKey::Unspecified && !script.keyring {
            return Err(Reason::KeySourceAbsent.status("No Secret Service answers.", ""));
        }
        let made = if key == api::VaultKey::Unspecified {
            api::VaultKey::SecretService
        } else {
            key
        };
        let session = passphrase.is_empty() && made != api::VaultKey::Passphrase;
        Ok(Response::new(api::SetupReply {
            key: made.into(),
            unlock: if session {
                api::UnlockMode::Session.into()
            } else {
                api::UnlockMode::Pin.into()
            },
            recovery_code: if request.recovery_code {
                script.recovery_code.to_owned()
            } else {
                String::new()
            },
        }))
    }

    async fn unlock(
        &self,
        request: Request<api::UnlockRequest>,
    ) -> Result<Response<api::UnlockReply>, Status> {
        let request = request.into_inner();
        let passphrase = text(&request.passphrase);
        let code = text(&request.recovery_code);
        if code.is_empty() {
            self.ask(format!("unlock {passphrase}")).await?;
        } else {
            self.ask(format!("unlock-recovery {code}")).await?;
        }
        match self.script().passphrase {
            Some(_) if passphrase.is_empty() && code.is_empty() => {
                return Err(Reason::PinRequired.status("The vault asks for its passphrase.", ""));
            }
            Some(right) if right != passphrase && right != code => {
                return Err(detail_status(&refusal(
                    Reason::WrongPassphrase,
                    "The passphrase is wrong.",
                    Some(4),
                )));
            }
            _ => {}
        }
        Ok(Response::new(api::UnlockReply {
            was_unlocked: false,
        }))
    }

    async fn lock(&self, _: Request<api::LockRequest>) -> Result<Response<api::LockReply>, Status> {
        self.begin("lock".to_owned()).await?;
        Ok(Response::new(api::LockReply {}))
    }

    async fn inspect_enrollment(
        &self,
        request: Request<api::InspectEnrollmentRequest>,
    ) -> Result<Response<api::InspectEnrollmentReply>, Status> {
        let given = text(&request.into_inner().text);
        self.begin(format!("inspect {given}")).await?;
        Ok(Response::new(api::InspectEnrollmentReply {
            kind: api::EnrollmentKind::ActivationString.into(),
            host: "gateway.example:8443".to_owned(),
            user: "alice".to_owned(),
            issuer: "Example".to_owned(),
            suggested_name: "Example".to_owned(),
            pinned: true,
            insecure: api::InsecureTransport::Unspecified.into(),
            passphrase_question: String::new(),
        }))
    }

    async fn enroll(
        &self,
        request: Request<api::EnrollRequest>,
    ) -> Result<Response<api::EnrollReply>, Status> {
        let request = request.into_inner();
        let pin = match text(&request.pin) {
            pin if pin.is_empty() => pin,
            pin => format!(" {pin}"),
        };
        self.ask(format!(
            "enroll {} {} {}{pin}",
            text(&request.text),
            request.name,
            request.confirmed_host
        ))
        .await?;
        Ok(Response::new(api::EnrollReply {
            token: Some(token(&request.name)),
            vault_created: false,
            device_part: String::new(),
            container: None,
        }))
    }

    type PreviewImportStream =
        tokio_stream::Iter<std::vec::IntoIter<Result<api::ImportPreview, Status>>>;

    async fn preview_import(
        &self,
        request: Request<tonic::Streaming<api::ImportChunk>>,
    ) -> Result<Response<Self::PreviewImportStream>, Status> {
        let mut chunks = request.into_inner();
        let (mut files, mut passphrase, mut length) = (0, String::new(), 0);
        while let Some(chunk) = chunks.message().await? {
            files += usize::from(chunk.begins_file);
            length += chunk.data.len();
            passphrase.push_str(&text(&chunk.passphrase));
        }
        self.ask(
            format!("preview {files} {length} {passphrase}")
                .trim_end()
                .to_owned(),
        )
        .await?;
        let entry =
            |place, standing: api::ImportStanding, name: &str, why: &str| api::ImportEntry {
                place,
                standing: standing.into(),
                name: name.to_owned(),
                user: "alice".to_owned(),
                mode: api::OtpMode::Time.into(),
                why: why.to_owned(),
                ..api::ImportEntry::default()
            };
        let head = api::ImportPreview {
            id: "00ff".to_owned(),
            formats: vec!["Aegis".to_owned()],
            ..api::ImportPreview::default()
        };
        let entries = api::ImportPreview {
            entries: vec![
                entry(1, api::ImportStanding::New, "Bank", ""),
                entry(2, api::ImportStanding::Known, "", "it is the token Work"),
                entry(
                    3,
                    api::ImportStanding::Conflict,
                    "Mail 2",
                    "beside the token Mail",
                ),
                entry(4, api::ImportStanding::Refused, "", "it has no secret"),
            ],
            ..api::ImportPreview::default()
        };
        let messages = vec![Ok(head), Ok(entries)];
        Ok(Response::new(tokio_stream::iter(messages)))
    }

    async fn store_import(
        &self,
        request: Request<api::StoreImportRequest>,
    ) -> Result<Response<api::StoreImportReply>, Status> {
        let request = request.into_inner();
        self.begin(format!("store {} {:?}", request.id, request.places))
            .await?;
        Ok(Response::new(api::StoreImportReply {
            stored: u32::try_from(request.places.len()).unwrap(),
            vault_created: false,
        }))
    }

    type ExportStream = tokio_stream::Iter<std::vec::IntoIter<Result<api::ExportChunk, Status>>>;

    async fn export(
        &self,
        request: Request<api::ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let request = request.into_inner();
        let call = format!(
            "export {} {:?} {}",
            request.format().as_str_name(),
            request.tokens,
            text(&request.passphrase)
        );
        self.begin(call.trim_end().to_owned()).await?;
        self.check_pin(&request.pin)?;
        let head = api::ExportChunk {
            tokens: 2,
            left_out: vec!["The policy of Work does not let it leave.".to_owned()],
            ..api::ExportChunk::default()
        };
        let piece = |data: &str| api::ExportChunk {
            data: data.as_bytes().to_vec(),
            ..api::ExportChunk::default()
        };
        let messages = vec![Ok(head), Ok(piece("the ")), Ok(piece("file"))];
        Ok(Response::new(tokio_stream::iter(messages)))
    }

    async fn list_tokens(
        &self,
        _: Request<api::ListTokensRequest>,
    ) -> Result<Response<api::ListTokensReply>, Status> {
        self.begin("list".to_owned()).await?;
        Ok(Response::new(api::ListTokensReply {
            tokens: self.script().tokens.clone(),
        }))
    }

    async fn describe_token(
        &self,
        request: Request<api::DescribeTokenRequest>,
    ) -> Result<Response<api::DescribeTokenReply>, Status> {
        let name = request.into_inner().token;
        self.begin(format!("describe {name}")).await?;
        Ok(Response::new(api::DescribeTokenReply {
            token: Some(self.token(&name)),
        }))
    }

    async fn rename_token(
        &self,
        request: Request<api::RenameTokenRequest>,
    ) -> Result<Response<api::RenameTokenReply>, Status> {
        let request = request.into_inner();
        self.begin(format!("rename {} {}", request.token, request.name))
            .await?;
        Ok(Response::new(api::RenameTokenReply {
            token: Some(token(&request.name)),
        }))
    }

    async fn move_token(
        &self,
        request: Request<api::MoveTokenRequest>,
    ) -> Result<Response<api::MoveTokenReply>, Status> {
        let request = request.into_inner();
        self.begin(format!(
            "move {} {:?} {}",
            request.token,
            request.place(),
            request.beside
        ))
        .await?;
        Ok(Response::new(api::MoveTokenReply {
            token: Some(self.token(&request.token)),
        }))
    }

    async fn delete_token(
        &self,
        request: Request<api::DeleteTokenRequest>,
    ) -> Result<Response<api::DeleteTokenReply>, Status> {
        let name = request.into_inner().token;
        self.begin(format!("delete {name}")).await?;
        Ok(Response::new(api::DeleteTokenReply {
            name: self.token(&name).name,
        }))
    }

    async fn generate_passcode(
        &self,
        request: Request<api::GeneratePasscodeRequest>,
    ) -> Result<Response<api::GeneratePasscodeReply>, Status> {
        let request = request.into_inner();
        self.ask(format!(
            "passcode {} {:?} {} {}",
            request.token,
            request.kind(),
            request.challenge,
            text(&request.pin)
        ))
        .await?;
        self.check_pin(&request.pin)?;
        let mode = self.script().mode;
        let time = mode == api::OtpMode::Time;
        Ok(Response::new(api::GeneratePasscodeReply {
            passcode: "755224".to_owned(),
            name: request.token,
            mode: mode.into(),
            valid_for_ms: time.then_some(17_500),
            period: if time { 30 } else { 0 },
            clock_offset_ms: None,
        }))
    }

    async fn make_sudo_key(
        &self,
        _request: Request<api::MakeSudoKeyRequest>,
    ) -> Result<Response<api::MakeSudoKeyReply>, Status> {
        self.ask("make sudo key".to_owned()).await?;
        Ok(Response::new(api::MakeSudoKeyReply {
            key: Some(sudo_key()),
        }))
    }

    async fn list_sudo_keys(
        &self,
        _request: Request<api::ListSudoKeysRequest>,
    ) -> Result<Response<api::ListSudoKeysReply>, Status> {
        self.begin("list sudo keys".to_owned()).await?;
        Ok(Response::new(api::ListSudoKeysReply {
            keys: vec![sudo_key()],
        }))
    }

    async fn list_containers(
        &self,
        _request: Request<api::ListContainersRequest>,
    ) -> Result<Response<api::ListContainersReply>, Status> {
        self.begin("list containers".to_owned()).await?;
        Ok(Response::new(api::ListContainersReply {
            containers: vec![container()],
        }))
    }

    async fn sync_containers(
        &self,
        request: Request<api::SyncContainersRequest>,
    ) -> Result<Response<api::SyncContainersReply>, Status> {
        self.ask(format!("sync {}", request.into_inner().container))
            .await?;
        let failed = api::Container {
            trouble: "pi.example:443 cannot be reached".to_owned(),
            ..container()
        };
        let synced = [container(), failed].map(|container| api::ContainerSync {
            container: Some(container),
            added: vec!["One".to_owned()],
            ..api::ContainerSync::default()
        });
        Ok(Response::new(api::SyncContainersReply {
            synced: synced.to_vec(),
        }))
    }

    async fn renew_container(
        &self,
        request: Request<api::RenewContainerRequest>,
    ) -> Result<Response<api::RenewContainerReply>, Status> {
        self.ask(format!("renew {}", request.into_inner().container))
            .await?;
        Ok(Response::new(api::RenewContainerReply {
            synced: Some(api::ContainerSync::default()),
        }))
    }

    async fn unregister_container(
        &self,
        request: Request<api::UnregisterContainerRequest>,
    ) -> Result<Response<api::UnregisterContainerReply>, Status> {
        let request = request.into_inner();
        self.ask(format!(
            "unregister {} {} {}",
            request.container, request.delete_tokens, request.only_here
        ))
        .await?;
        Ok(Response::new(api::UnregisterContainerReply {
            name: request.container,
            deleted: Vec::new(),
        }))
    }

    async fn change_pin(
        &self,
        request: Request<api::ChangePinRequest>,
    ) -> Result<Response<api::ChangePinReply>, Status> {
        let request = request.into_inner();
        let (current, new) = (text(&request.current), text(&request.new));
        self.ask(format!("change {} [{current}] [{new}]", request.token))
            .await?;
        Ok(Response::new(api::ChangePinReply {
            name: request.token,
        }))
    }

    async fn set_biometric(
        &self,
        request: Request<api::SetBiometricRequest>,
    ) -> Result<Response<api::SetBiometricReply>, Status> {
        let request = request.into_inner();
        let pin = text(&request.pin);
        self.ask(format!(
            "biometric {} {} [{pin}]",
            request.on, request.token
        ))
        .await?;
        if request.on {
            self.check_pin(&request.pin)?;
        }
        Ok(Response::new(api::SetBiometricReply {
            name: request.token,
        }))
    }

    async fn set_pin_asking(
        &self,
        request: Request<api::SetPinAskingRequest>,
    ) -> Result<Response<api::SetPinAskingReply>, Status> {
        let request = request.into_inner();
        let pin = text(&request.pin);
        let asking = request.asking();
        self.ask(format!("asking {} {asking:?} [{pin}]", request.token))
            .await?;
        if asking == api::PinAsking::OncePerUnlock {
            self.check_pin(&request.pin)?;
        }
        Ok(Response::new(api::SetPinAskingReply {
            name: request.token,
        }))
    }

    async fn list_slots(
        &self,
        _: Request<api::ListSlotsRequest>,
    ) -> Result<Response<api::ListSlotsReply>, Status> {
        self.begin("slots".to_owned()).await?;
        Ok(Response::new(api::ListSlotsReply {
            slots: self.script().slots.clone(),
        }))
    }

    async fn add_slot(
        &self,
        request: Request<api::AddSlotRequest>,
    ) -> Result<Response<api::AddSlotReply>, Status> {
        let request = request.into_inner();
        let kind = request.kind();
        self.ask(format!(
            "add {kind:?} [{}] [{}] [{}]",
            text(&request.current),
            text(&request.recovery_code),
            text(&request.new)
        ))
        .await?;
        let code = if kind == api::VaultKey::RecoveryCode {
            self.script().recovery_code
        } else {
            ""
        };
        Ok(Response::new(api::AddSlotReply {
            slot: Some(slot("4", kind, false)),
            recovery_code: code.to_owned(),
        }))
    }

    async fn remove_slot(
        &self,
        request: Request<api::RemoveSlotRequest>,
    ) -> Result<Response<api::RemoveSlotReply>, Status> {
        let request = request.into_inner();
        self.ask(format!(
            "remove {} [{}] [{}]",
            request.id,
            text(&request.current),
            text(&request.recovery_code)
        ))
        .await?;
        Ok(Response::new(api::RemoveSlotReply {}))
    }

    async fn list_login_requests(
        &self,
        request: Request<api::ListLoginRequestsRequest>,
    ) -> Result<Response<api::ListLoginRequestsReply>, Status> {
        let request = request.into_inner();
        self.begin(format!(
            "requests history={} check={}",
            request.history, request.check
        ))
        .await?;
        Ok(Response::new(api::ListLoginRequestsReply {
            requests: self.script().requests.clone(),
        }))
    }

    type WatchLoginRequestsStream =
        Pin<Box<dyn Stream<Item = Result<api::LoginRequestsChange, Status>> + Send>>;

    async fn watch_login_requests(
        &self,
        _: Request<api::WatchLoginRequestsRequest>,
    ) -> Result<Response<Self::WatchLoginRequestsStream>, Status> {
        self.begin("watch".to_owned()).await?;
        let requests = self.script().requests.clone();
        if self.script().watch == Watch::Stays {
            let (sender, changes) = unbounded_channel();
            let snapshot = api::LoginRequestsChange {
                snapshot: requests,
                changed: None,
            };
            sender.send(Ok(snapshot)).unwrap();
            self.script().watchers.push(sender);
            return Ok(Response::new(Box::pin(UnboundedReceiverStream::new(
                changes,
            ))));
        }
        let changed = requests.first().cloned().map(|request| api::LoginRequest {
            state: api::LoginRequestState::LoggedIn.into(),
            left_ms: 0,
            ..request
        });
        let messages = [
            Ok(api::LoginRequestsChange {
                snapshot: requests,
                changed: None,
            }),
            Ok(api::LoginRequestsChange {
                snapshot: Vec::new(),
                changed,
            }),
        ];
        Ok(Response::new(Box::pin(tokio_stream::iter(messages))))
    }

    async fn answer_login_request(
        &self,
        request: Request<api::AnswerLoginRequestRequest>,
    ) -> Result<Response<api::AnswerLoginRequestReply>, Status> {
        let request = request.into_inner();
        self.ask(format!(
            "answer {} {:?} {} {} newest={}",
            request.id,
            request.verdict(),
            request.number,
            text(&request.pin),
            request.newest
        ))
        .await?;
        self.check_pin(&request.pin)?;
        let script = self.script();
        if request.id.is_empty() && !request.newest && script.requests.len() > 1 {
            return Err(Reason::LoginRequestAmbiguous.status(
                "Several login requests are pending.",
                "Say which one: `countersign requests` shows the ids.",
            ));
        }
        let answered = api::LoginRequest {
            state: script.outcome.into(),
            left_ms: 0,
            reported: request.verdict() == api::Verdict::Report,
            ..login_request("00112233445566778899aabbccddeeff", "Example Portal")
        };
        Ok(Response::new(api::AnswerLoginRequestReply {
            request: Some(answered),
        }))
    }

    async fn set_autosend(
        &self,
        request: Request<api::SetAutosendRequest>,
    ) -> Result<Response<api::SetAutosendReply>, Status> {
        let request = request.into_inner();
        self.begin(format!("autosend {} {}", request.on, request.token))
            .await?;
        Ok(Response::new(api::SetAutosendReply {}))
    }

    async fn mute_login_requests(
        &self,
        request: Request<api::MuteLoginRequestsRequest>,
    ) -> Result<Response<api::MuteLoginRequestsReply>, Status> {
        let seconds = request.into_inner().seconds;
        self.begin(format!("mute {seconds}")).await?;
        Ok(Response::new(api::MuteLoginRequestsReply {
            muted_until: (seconds > 0).then_some(1_800_000_000),
        }))
    }

    async fn list_blocks(
        &self,
        _request: Request<api::ListBlocksRequest>,
    ) -> Result<Response<api::ListBlocksReply>, Status> {
        self.begin("list blocks".to_owned()).await?;
        Ok(Response::new(api::ListBlocksReply {
            blocks: vec![block(
                1,
                api::BlockKind::Resource,
                "Old \u{202e}portal".to_owned(),
            )],
        }))
    }

    async fn add_block(
        &self,
        request: Request<api::AddBlockRequest>,
    ) -> Result<Response<api::AddBlockReply>, Status> {
        let request = request.into_inner();
        let kind = request.kind();
        self.begin(format!("block {} {}", kind.as_str_name(), request.value))
            .await?;
        Ok(Response::new(api::AddBlockReply {
            block: Some(block(2, kind, request.value)),
        }))
    }

    async fn remove_block(
        &self,
        request: Request<api::RemoveBlockRequest>,
    ) -> Result<Response<api::RemoveBlockReply>, Status> {
        self.begin(format!("unblock {}", request.into_inner().id))
            .await?;
        Ok(Response::new(api::RemoveBlockReply {}))
    }

    async fn list_pairings(
        &self,
        _request: Request<api::ListPairingsRequest>,
    ) -> Result<Response<api::ListPairingsReply>, Status> {
        self.begin("list pairings".to_owned()).await?;
        Ok(Response::new(api::ListPairingsReply {
            pairings: vec![api::Pairing {
                id: "1".to_owned(),
                name: "Work".to_owned(),
                browser: "Chromium 156".to_owned(),
                fingerprint: "ABCD-EFGH".to_owned(),
                created: 1_700_000_000,
                used: None,
            }],
        }))
    }

    async fn revoke_pairing(
        &self,
        request: Request<api::RevokePairingRequest>,
    ) -> Result<Response<api::RevokePairingReply>, Status> {
        let pairing = request.into_inner().pairing;
        self.begin(format!("revoke {pairing}")).await?;
        Ok(Response::new(api::RevokePairingReply { name: pairing }))
    }

    async fn unbind_origin(
        &self,
        request: Request<api::UnbindOriginRequest>,
    ) -> Result<Response<api::UnbindOriginReply>, Status> {
        let request = request.into_inner();
        self.begin(format!("unbind {} {}", request.token, request.origin))
            .await?;
        Ok(Response::new(api::UnbindOriginReply {
            name: request.token,
            origins: vec!["https://login.example.com".to_owned()],
        }))
    }

    async fn list_events(
        &self,
        request: Request<api::ListEventsRequest>,
    ) -> Result<Response<api::ListEventsReply>, Status> {
        self.begin(format!("events {}", request.into_inner().limit))
            .await?;
        Ok(Response::new(api::ListEventsReply {
            events: vec![api::Event {
                id: "12".to_owned(),
                at_ms: 1_795_487_907_123,
                kind: api::EventKind::PasscodeGenerated.into(),
                token: "Work".to_owned(),
                detail: "A passcode was generated.".to_owned(),
            }],
        }))
    }
}

fn container() -> api::Container {
    api::Container {
        id: "0011".to_owned(),
        name: "Example".to_owned(),
        serial: "SMPH1".to_owned(),
        service: "pi.example:443".to_owned(),
        state: api::ContainerState::Registered.into(),
        ..api::Container::default()
    }
}

fn block(id: u32, kind: api::BlockKind, value: String) -> api::Block {
    api::Block {
        id: id.to_string(),
        kind: kind.into(),
        value,
        created: 1_700_000_000,
    }
}

fn sudo_key() -> api::SudoKey {
    api::SudoKey {
        token: "sudo".to_owned(),
        public_key: vec![4; 65],
        fingerprint: "K7QF-AAAA-BBBB-CCCC-DDDD".to_owned(),
        state: api::TokenState::Active.into(),
    }
}
