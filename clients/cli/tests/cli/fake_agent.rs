//! An agent of canned answers that remembers what it was asked.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
};

use countersign_proto::{
    agent::v1::{self as api, Reason, agent_server::Agent},
    reason::detail_status,
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::samples::{login_request, token};

/// What the agent says next, and what it was asked so far.
#[derive(Debug)]
pub(crate) struct Script {
    /// Refuse every call with this.
    pub(crate) refusal: Option<api::ErrorDetail>,
    /// Never answer.
    pub(crate) hangs: bool,
    /// Passcodes and approvals need this PIN; two tries.
    pub(crate) pin: Option<&'static str>,
    /// Needed to unlock.
    pub(crate) passphrase: Option<&'static str>,
    pub(crate) status: api::StatusReply,
    pub(crate) tokens: Vec<api::Token>,
    pub(crate) requests: Vec<api::LoginRequest>,
    /// What becomes of an answer.
    pub(crate) outcome: api::LoginRequestState,
    pub(crate) mode: api::OtpMode,
    /// `call field field`, secrets included: tests compare them.
    pub(crate) calls: Vec<String>,
}

/// The service; clones share one script.
#[derive(Clone, Debug)]
pub(crate) struct FakeAgent(Arc<Mutex<Script>>);

impl FakeAgent {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Script {
            refusal: None,
            hangs: false,
            pin: None,
            passphrase: None,
            status: api::StatusReply {
                version: "0.1.0".to_owned(),
                vault: api::VaultState::Unlocked.into(),
                slots: vec![api::VaultKey::Passphrase.into()],
                unlock: api::UnlockMode::Pin.into(),
                autosend: true,
                tokens: 1,
                ..api::StatusReply::default()
            },
            tokens: vec![token("Work")],
            requests: Vec::new(),
            outcome: api::LoginRequestState::LoggedIn,
            mode: api::OtpMode::Time,
            calls: Vec::new(),
        })))
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }

    /// Writes the call down; then refuses, hangs, or lets it go on.
    async fn begin(&self, call: String) -> Result<(), Status> {
        let (refusal, hangs) = {
            let mut script = self.script();
            script.calls.push(call);
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
        self.begin(format!("setup {key:?} {unlock:?} {passphrase}"))
            .await?;
        if key == api::VaultKey::Unspecified && passphrase.is_empty() {
            return Err(Reason::KeySourceAbsent.status("No Secret Service answers.", ""));
        }
        Ok(Response::new(api::SetupReply {
            key: api::VaultKey::Passphrase.into(),
            unlock: api::UnlockMode::Pin.into(),
            ..api::SetupReply::default()
        }))
    }

    async fn unlock(
        &self,
        request: Request<api::UnlockRequest>,
    ) -> Result<Response<api::UnlockReply>, Status> {
        let passphrase = text(&request.into_inner().passphrase);
        self.begin(format!("unlock {passphrase}")).await?;
        if self
            .script()
            .passphrase
            .is_some_and(|right| right != passphrase)
        {
            return Err(Reason::WrongPassphrase.status("The passphrase is wrong.", ""));
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
        }))
    }

    async fn enroll(
        &self,
        request: Request<api::EnrollRequest>,
    ) -> Result<Response<api::EnrollReply>, Status> {
        let request = request.into_inner();
        self.begin(format!(
            "enroll {} {} {}",
            text(&request.text),
            request.name,
            request.confirmed_host
        ))
        .await?;
        Ok(Response::new(api::EnrollReply {
            token: Some(token(&request.name)),
            vault_created: false,
        }))
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
        self.begin(format!(
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
        }))
    }

    async fn change_pin(
        &self,
        _request: Request<api::ChangePinRequest>,
    ) -> Result<Response<api::ChangePinReply>, Status> {
        Err(Status::unimplemented("not in this double"))
    }

    async fn set_biometric(
        &self,
        _request: Request<api::SetBiometricRequest>,
    ) -> Result<Response<api::SetBiometricReply>, Status> {
        Err(Status::unimplemented("not in this double"))
    }

    async fn set_pin_asking(
        &self,
        _request: Request<api::SetPinAskingRequest>,
    ) -> Result<Response<api::SetPinAskingReply>, Status> {
        Err(Status::unimplemented("not in this double"))
    }

    async fn list_slots(
        &self,
        _request: Request<api::ListSlotsRequest>,
    ) -> Result<Response<api::ListSlotsReply>, Status> {
        Err(Status::unimplemented("not in this double"))
    }

    async fn add_slot(
        &self,
        _request: Request<api::AddSlotRequest>,
    ) -> Result<Response<api::AddSlotReply>, Status> {
        Err(Status::unimplemented("not in this double"))
    }

    async fn remove_slot(
        &self,
        _request: Request<api::RemoveSlotRequest>,
    ) -> Result<Response<api::RemoveSlotReply>, Status> {
        Err(Status::unimplemented("not in this double"))
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
        self.begin(format!(
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
