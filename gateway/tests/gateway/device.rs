//! An agent as the gateway sees it: DSKPP client, keys, stream.

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use axum::{Extension, body::Body};
use countersign_core::{
    activation_string::{ActivationString, AllowHttp},
    dskpp::{AuthenticationCode, DskppError, MEDIA_TYPE, Prf, SharedSecret, client},
    ids::DeviceId,
    otp::{OtpMode, hotp, ocra::Inputs, time_step},
    pskc::{KeyPackage, PinPolicy},
    secret::{SecretBytes, SecretText},
    signing::{self, Label},
};
use countersign_gateway::{
    enrollment,
    push::{self as gateway_push, TlsExporter},
    random::SystemRandom,
};
use countersign_proto::{
    limits,
    push::v1::{self as push, agent_frame, gateway_frame::Frame, push_client::PushClient},
};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use p256::ecdsa::{SigningKey, VerifyingKey};
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tower::ServiceExt as _;

use crate::stage::Stage;

const EXPORTER: [u8; 32] = [9; 32];

/// One device with one token.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) channel: SigningKey,
    pub(crate) decision: SigningKey,
    pub(crate) seed: SecretBytes,
    pub(crate) mac_key: SecretBytes,
    pub(crate) package: KeyPackage,
    /// What its user types as the server PIN; empty where the token has none.
    pub(crate) pin: String,
}

/// What an approval says, for tests to change.
pub(crate) struct Approval {
    pub(crate) body: push::DecisionBody,
    pub(crate) passcode: SecretText,
}

impl Device {
    /// Runs DSKPP.
    pub(crate) async fn enroll(stage: &Stage, activation: &SecretText) -> Result<Self, DskppError> {
        let activation =
            ActivationString::parse(activation.expose().as_bytes(), AllowHttp::Never).unwrap();
        let code =
            AuthenticationCode::new(&activation.short_code().unwrap(), &activation.passphrase)
                .unwrap();
        Self::enroll_with(stage, activation.url.as_str(), &code).await
    }

    pub(crate) async fn enroll_with(
        stage: &Stage,
        url: &str,
        code: &AuthenticationCode,
    ) -> Result<Self, DskppError> {
        let (run, body) = client::start(url);
        let answer = post(stage, url, MEDIA_TYPE, body).await.1;
        let needs = run.on_server_hello(&answer, &mut SystemRandom)?;
        let key = PublicEncryptingKey::from_der(needs.public_key()).unwrap();
        let key = OaepPublicEncryptingKey::new(key).unwrap();
        let mut encrypted = vec![0; key.ciphertext_size()];
        key.encrypt(
            &OAEP_SHA1_MGF1SHA1,
            needs.nonce().expose(),
            &mut encrypted,
            None,
        )
        .unwrap();
        let (run, body) = needs.client_nonce(&encrypted, code);
        let answer = post(stage, url, MEDIA_TYPE, body).await.1;
        Ok(Self::of(run.on_server_finished(&answer)?))
    }

    /// Runs DSKPP in two passes.
    pub(crate) async fn enroll_in_two_passes(
        stage: &Stage,
        activation: &SecretText,
        secret: Option<SharedSecret>,
    ) -> Result<Self, DskppError> {
        let activation =
            ActivationString::parse(activation.expose().as_bytes(), AllowHttp::Never).unwrap();
        let passphrase = &activation.passphrase;
        let code = AuthenticationCode::new(&activation.short_code().unwrap(), passphrase).unwrap();
        let secret = secret.unwrap_or_else(|| SharedSecret::Passphrase(passphrase.clone()));
        let url = activation.url.as_str();
        let (run, body) =
            client::start_two_pass(url, Prf::Sha256, &code, secret, &mut SystemRandom);
        let answer = post(stage, url, MEDIA_TYPE, body).await.1;
        Ok(Self::of(run.on_server_finished(&answer)?))
    }

    fn of(provisioned: client::Provisioned) -> Self {
        Self {
            id: DeviceId(SystemRandom::bytes()),
            channel: signing::new_key(&mut SystemRandom),
            decision: signing::new_key(&mut SystemRandom),
            seed: provisioned.k_token,
            mac_key: provisioned.k_mac,
            package: provisioned.package,
            pin: String::new(),
        }
    }

    pub(crate) fn registration(&self) -> push::RegisterRequest {
        let body = push::RegisterBody {
            serial: self.package.serial.clone(),
            device_id: self.id.as_bytes().to_vec(),
            channel_key: signing::public_to_sec1(&VerifyingKey::from(&self.channel)),
            decision_key: signing::public_to_sec1(&VerifyingKey::from(&self.decision)),
            device_name: "a test".to_owned(),
            server_pin: self.pin.clone(),
        }
        .encode_to_vec();
        push::RegisterRequest {
            mac: signing::register_mac(&self.mac_key, &body).to_vec(),
            channel_signature: signing::sign(&self.channel, Label::Register, &body).to_vec(),
            decision_signature: signing::sign(&self.decision, Label::Register, &body).to_vec(),
            body,
        }
    }

    pub(crate) async fn register(&self, stage: &Stage) -> Result<push::RegisterReply, Status> {
        register(stage, self.registration()).await
    }

    pub(crate) fn serial(&self) -> &str {
        &self.package.serial
    }

    /// The passcode of a counter or time step.
    pub(crate) fn passcode(&self, factor: u64) -> SecretText {
        match &self.package.mode {
            OtpMode::Time { hash, digits, .. } | OtpMode::Event { hash, digits } => {
                hotp(&self.seed, factor, *hash, *digits)
            }
            OtpMode::Challenge { .. } => panic!("a challenge-response token"),
        }
    }

    pub(crate) fn answer_to(&self, challenge: &str) -> SecretText {
        let OtpMode::Challenge { suite } = &self.package.mode else {
            panic!("not a challenge-response token");
        };
        let pin_hash = suite.pin_hash(&self.pin.as_str().into());
        let inputs = Inputs {
            challenge,
            pin_hash: pin_hash.as_ref(),
            ..Inputs::default()
        };
        suite.compute(&self.seed, &inputs).unwrap()
    }

    /// The time step now.
    pub(crate) fn step(&self, stage: &Stage) -> u64 {
        let OtpMode::Time { period, .. } = &self.package.mode else {
            panic!("not a time-based token");
        };
        time_step(stage.service.now().secs(), *period)
    }

    pub(crate) fn hello(&self, stage: &Stage, nonce: &[u8]) -> push::HelloBody {
        push::HelloBody {
            service_id: stage.service.keys().service.as_bytes().to_vec(),
            device_id: self.id.as_bytes().to_vec(),
            server_nonce: nonce.to_vec(),
            agent_nonce: vec![3; 32],
            tls_exporter: EXPORTER.to_vec(),
            protocol_version: limits::PUSH_PROTOCOL,
            agent_version: "test".to_owned(),
            availability: push::Availability::On.into(),
            tokens: vec![push::TokenAvailability {
                serial: self.serial().to_owned(),
                availability: push::Availability::On.into(),
            }],
            counters: Vec::new(),
        }
    }

    /// Opens a stream up to the Welcome.
    pub(crate) async fn connect(&self, stage: &Stage) -> Channel {
        self.connect_as(stage, |_hello| {}).await.unwrap().0
    }

    /// Opens a stream with a Hello that the test has changed before it is signed.
    pub(crate) async fn connect_as(
        &self,
        stage: &Stage,
        change: impl FnOnce(&mut push::HelloBody),
    ) -> Result<(Channel, push::Welcome), Status> {
        let mut channel = Channel::open(stage).await;
        let Frame::Challenge(challenge) = channel.next().await? else {
            panic!("no challenge");
        };
        let mut hello = self.hello(stage, &challenge.server_nonce);
        change(&mut hello);
        let signed = sign(&self.channel, Label::Hello, hello.encode_to_vec());
        channel.send(agent_frame::Frame::Hello(signed)).await;
        match channel.next().await? {
            Frame::Welcome(welcome) => Ok((channel, welcome)),
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// A good approval of a request.
    pub(crate) fn approval(&self, stage: &Stage, request: &push::Signed) -> Approval {
        let asked = request_body(stage, request);
        let (passcode, factor) = match &self.package.mode {
            OtpMode::Time { .. } => (self.passcode(self.step(stage)), self.step(stage)),
            OtpMode::Event { .. } => (self.passcode(0), 0),
            OtpMode::Challenge { .. } => (self.answer_to(&asked.challenge), 0),
        };
        let body = push::DecisionBody {
            passcode_hash: Sha256::digest(passcode.expose().as_bytes()).to_vec(),
            moving_factor: factor,
            level: push::Level::Pin.into(),
            ..self.decision_body(stage, request, push::Verdict::Approve)
        };
        Approval { body, passcode }
    }

    pub(crate) fn decision_body(
        &self,
        stage: &Stage,
        request: &push::Signed,
        verdict: push::Verdict,
    ) -> push::DecisionBody {
        let asked = request_body(stage, request);
        push::DecisionBody {
            service_id: asked.service_id,
            device_id: self.id.as_bytes().to_vec(),
            request_id: asked.request_id,
            request_hash: Sha256::digest(&request.body).to_vec(),
            serial: asked.serial,
            verdict: verdict.into(),
            ..push::DecisionBody::default()
        }
    }

    pub(crate) fn approve(&self, approval: &Approval) -> push::Decision {
        push::Decision {
            signed: Some(sign(
                &self.decision,
                Label::Decision,
                approval.body.encode_to_vec(),
            )),
            passcode: approval.passcode.expose().to_owned(),
            server_pin: match self.package.pin {
                PinPolicy::Server(_) => self.pin.clone(),
                PinPolicy::None | PinPolicy::Token(_) | PinPolicy::InPasscode => String::new(),
            },
        }
    }

    /// A change of the server PIN.
    pub(crate) fn pin_change(
        &self,
        stage: &Stage,
        current: &str,
        new: &str,
        sequence: u64,
    ) -> push::ServerPinBody {
        push::ServerPinBody {
            service_id: stage.service.keys().service.as_bytes().to_vec(),
            device_id: self.id.as_bytes().to_vec(),
            serial: self.serial().to_owned(),
            current: current.to_owned(),
            new: new.to_owned(),
            sequence,
        }
    }

    /// Signs and sends a change of the server PIN.
    pub(crate) async fn change_pin(
        &self,
        stage: &Stage,
        body: &push::ServerPinBody,
    ) -> Result<push::ServerPinReply, Status> {
        let signed = sign(&self.channel, Label::ServerPin, body.encode_to_vec());
        change_pin(stage, signed).await
    }

    pub(crate) fn deny(&self, stage: &Stage, request: &push::Signed) -> push::Decision {
        let body = self.decision_body(stage, request, push::Verdict::Deny);
        push::Decision {
            signed: Some(sign(&self.channel, Label::Decision, body.encode_to_vec())),
            ..push::Decision::default()
        }
    }
}

/// A stream to the gateway.
pub(crate) struct Channel {
    out: mpsc::Sender<push::AgentFrame>,
    incoming: Streaming<push::GatewayFrame>,
}

impl Channel {
    pub(crate) async fn open(stage: &Stage) -> Self {
        let (out, frames) = mpsc::channel(16);
        let incoming = client(stage)
            .connect(ReceiverStream::new(frames))
            .await
            .unwrap()
            .into_inner();
        Self { out, incoming }
    }

    pub(crate) async fn send(&self, frame: agent_frame::Frame) {
        let frame = push::AgentFrame { frame: Some(frame) };
        self.out.send(frame).await.unwrap();
    }

    /// The next frame; an ended stream is an error.
    pub(crate) async fn next(&mut self) -> Result<Frame, Status> {
        match self.incoming.message().await? {
            Some(frame) => Ok(frame.frame.unwrap()),
            None => Err(Status::aborted("the stream has ended")),
        }
    }

    pub(crate) async fn request(&mut self) -> push::Signed {
        match self.next().await.unwrap() {
            Frame::Request(request) => request,
            other => panic!("no request but {other:?}"),
        }
    }

    /// A request that was opened while the stream began may have come twice; an agent knows it by its id.
    pub(crate) async fn outcome(&mut self) -> push::Result {
        loop {
            match self.next().await.unwrap() {
                Frame::Outcome(outcome) => return outcome.result(),
                Frame::Request(_) => {}
                other => panic!("no outcome but {other:?}"),
            }
        }
    }

    pub(crate) async fn cancel(&mut self) -> push::CancelReason {
        match self.next().await.unwrap() {
            Frame::Cancel(cancel) => cancel.reason(),
            other => panic!("no cancel but {other:?}"),
        }
    }

    /// Sends a decision and returns what it is answered with.
    pub(crate) async fn decide(&mut self, decision: push::Decision) -> push::Result {
        self.send(agent_frame::Frame::Decision(decision)).await;
        self.outcome().await
    }
}

fn client(stage: &Stage) -> PushClient<axum::Router> {
    let router = gateway_push::router(stage.service.clone());
    PushClient::new(router.layer(Extension(TlsExporter(EXPORTER))))
}

pub(crate) async fn register(
    stage: &Stage,
    request: push::RegisterRequest,
) -> Result<push::RegisterReply, Status> {
    Ok(client(stage).register(request).await?.into_inner())
}

pub(crate) async fn change_pin(
    stage: &Stage,
    signed: push::Signed,
) -> Result<push::ServerPinReply, Status> {
    let request = push::ServerPinRequest {
        body: signed.body,
        signature: signed.signature,
    };
    Ok(client(stage).change_server_pin(request).await?.into_inner())
}

/// Posts a body to the enrollment service.
pub(crate) async fn post(
    stage: &Stage,
    url: &str,
    media_type: &str,
    body: Vec<u8>,
) -> (StatusCode, Vec<u8>) {
    let path = url.split_once("8443").unwrap().1;
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, media_type)
        .body(Body::from(body))
        .unwrap();
    let response = enrollment::router(stage.service.clone())
        .oneshot(request)
        .await
        .unwrap();
    let status = response.status();
    (
        status,
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
}

pub(crate) fn sign(key: &SigningKey, label: Label, body: Vec<u8>) -> push::Signed {
    let signature = signing::sign(key, label, &body).to_vec();
    push::Signed { body, signature }
}

/// A request, after its signature has been checked.
pub(crate) fn request_body(stage: &Stage, request: &push::Signed) -> push::RequestBody {
    let key = signing::public_from_spki_der(&stage.service.keys().identity_spki).unwrap();
    signing::verify(&key, Label::Request, &request.body, &request.signature).unwrap();
    push::RequestBody::decode(request.body.as_slice()).unwrap()
}
