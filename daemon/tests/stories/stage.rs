//! One agent on a vault of its own, enrolled at one service whose key the test holds.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use core::time::Duration;

use countersign_core::{
    ids::{DeviceId, ServiceId},
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    pskc::PinPolicy,
    seal::slot::{Argon2Cost, PinKey, Salt},
    secret::SecretBytes,
    signing::{self, Label},
    time::UnixMillis,
    token::{
        KeyHolder, NewPin, PinAsking, PushPolicy, ServiceBinding, TokenKeys, TokenSecrets,
        VerificationLevel,
    },
};
use countersign_proto::push::v1 as push;
use countersignd::{
    agent::{
        Agent, Ports, Settings,
        caller::Caller,
        login_request::{AnswerError, AnswerWish, RequestSelector, RequestView},
        ports::{Clock as _, Input, LoginRequestNotice, PushInput, SessionEvent},
        session::LockWithSession,
        setup::SetupWish,
        state::LockAfter,
        unlocking::UnlockWish,
    },
    clock::SystemClock,
    config::VaultKey,
    vault::{
        EventKind, NewEvent, ServiceRegistration, ServiceRow, Vault, VaultError, VaultHandle,
        VaultState,
    },
};
use p256::ecdsa::SigningKey;
use prost::Message as _;
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::outside::{Done, Outside};

pub(crate) const SERVICE: ServiceId = ServiceId([1; 16]);
pub(crate) const DEVICE: DeviceId = DeviceId([2; 16]);
pub(crate) const SEED: [u8; 20] = *b"12345678901234567890";
const CHEAP: Argon2Cost = Argon2Cost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};
/// Long enough for any machine: a story that does not do it in this time never does.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Stage {
    pub(crate) agent: Arc<Agent>,
    pub(crate) outside: Outside,
    pub(crate) service_key: SigningKey,
    pub(crate) channel_key: SigningKey,
    pub(crate) decision_key: SigningKey,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) vault: VaultHandle,
    done: mpsc::UnboundedReceiver<Done>,
    folder: TempDir,
}

impl Stage {
    /// An agent whose keyring works and that has no vault yet.
    pub(crate) async fn bare() -> Self {
        Self::with(LockAfter::default()).await
    }

    pub(crate) async fn with(lock_after: LockAfter) -> Self {
        Self::among(Outside::new(), lock_after).await
    }

    /// In an outside that the test has arranged.
    pub(crate) async fn among(
        (outside, done): (Outside, mpsc::UnboundedReceiver<Done>),
        lock_after: LockAfter,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (agent, inputs, vault) = started(&folder, &outside, lock_after).await;
        Self {
            agent,
            vault,
            outside,
            service_key: key(3),
            channel_key: key(4),
            decision_key: key(5),
            inputs,
            done,
            folder,
        }
    }

    /// With a time-based token that may push by a click.
    pub(crate) async fn enrolled() -> Self {
        let mut stage = Self::bare().await;
        stage
            .agent
            .setup(SetupWish::default(), &Caller::default())
            .await
            .unwrap();
        let time = OtpMode::Time {
            hash: HashAlgorithm::Sha1,
            digits: Digits::SIX,
            period: Period::THIRTY,
        };
        stage.add("work", "CS1", time).await;
        stage
    }

    pub(crate) async fn add(&mut self, name: &str, serial: &str, mode: OtpMode) {
        let push = PushPolicy::Allowed(VerificationLevel::Click);
        self.add_with(name, serial, mode, push, PinPolicy::None, None)
            .await;
    }

    /// With a policy, and the PIN that was chosen for it.
    pub(crate) async fn add_with(
        &mut self,
        name: &str,
        serial: &str,
        mode: OtpMode,
        push: PushPolicy,
        pin: PinPolicy,
        chosen: Option<&str>,
    ) {
        let row = ServiceRow {
            service: SERVICE,
            device: DEVICE,
            name: "Example".to_owned(),
            url: "https://se.example.com".to_owned(),
            pins: vec![[9; 32]],
            identity_key: signing::public_to_spki_der(self.service_key.verifying_key()).unwrap(),
            kind: countersignd::vault::ServiceKind::Gateway,
        };
        let secrets = TokenSecrets {
            mode: Some(mode),
            issuer: "Example".to_owned(),
            user: "alice".to_owned(),
            serial: serial.to_owned(),
            pin,
            asking: PinAsking::EveryTime,
            push,
            service: Some(ServiceBinding {
                service: SERVICE,
                device: DEVICE,
                url: row.url.clone(),
                pins: row.pins.clone(),
                identity_key: row.identity_key.clone(),
            }),
            keys: KeyHolder::Open(TokenKeys {
                seed: SecretBytes::from(SEED),
                decision_key: Some(signing::key_to_bytes(&self.decision_key)),
            }),
            exportable: false,
            policy_name: String::new(),
            policy_level: String::new(),
            created: UnixMillis(0),
            origins: Vec::new(),
        };
        let registration = ServiceRegistration {
            service: row,
            channel_key: signing::key_to_bytes(&self.channel_key),
        };
        let event = NewEvent {
            at: UnixMillis(0),
            kind: EventKind::Enrolled,
            token: name.to_owned(),
            detail: String::new(),
        };
        let name = name.to_owned();
        let new_pin = chosen.map(|chosen| {
            let (salt, cost) = (Salt([1; 16]), CHEAP);
            NewPin {
                salt,
                cost,
                key: PinKey::derive(&chosen.as_bytes().into(), &salt, cost).unwrap(),
                tpm: None,
            }
        });
        self.vault
            .call(move |vault: &mut Vault| {
                vault.add_token(
                    &name,
                    &secrets,
                    new_pin.as_ref(),
                    0,
                    Some(&registration),
                    &event,
                )
            })
            .await
            .unwrap();
    }

    /// The agent ends and another one starts on the same vault; the machine's key opens it.
    pub(crate) async fn restarted(self) -> Self {
        self.restarted_after(|_folder| ()).await
    }

    /// As [`Stage::restarted`], after something was done with the vault's folder while nobody uses it.
    pub(crate) async fn restarted_after(self, between: impl FnOnce(&Path)) -> Self {
        let Self {
            agent,
            inputs,
            vault,
            outside,
            service_key,
            channel_key,
            decision_key,
            done,
            folder,
        } = self;
        drop((agent, inputs, vault));
        let vault_folder = folder.path().join("countersign");
        drop(free(&vault_folder.join("vault.db")).await);
        between(&vault_folder);
        let (agent, inputs, vault) = started(&folder, &outside, LockAfter::default()).await;
        agent
            .unlock(UnlockWish::default(), &Caller::default())
            .await
            .unwrap();
        Self {
            agent,
            outside,
            service_key,
            channel_key,
            decision_key,
            inputs,
            vault,
            done,
            folder,
        }
    }

    pub(crate) async fn session(&self, event: SessionEvent) {
        self.inputs.send(Input::Session(event)).await.unwrap();
    }

    pub(crate) async fn push(&self, input: PushInput) {
        self.inputs
            .send(Input::Push {
                service: SERVICE,
                input,
            })
            .await
            .unwrap();
    }

    /// The user's answer, on its way while the test goes on.
    pub(crate) fn answering(
        &self,
        selector: RequestSelector,
        wish: AnswerWish,
        caller: Caller,
    ) -> JoinHandle<Result<RequestView, AnswerError>> {
        let agent = Arc::clone(&self.agent);
        tokio::spawn(async move { agent.answer(selector, wish, &caller).await })
    }

    /// [`Self::answering`]: the only request is approved.
    pub(crate) fn approving(&self, caller: Caller) -> JoinHandle<Result<RequestView, AnswerError>> {
        let approve = AnswerWish::Approve { number: None };
        self.answering(RequestSelector::Only, approve, caller)
    }

    /// A request as the service signs it.
    pub(crate) fn request(
        &self,
        id: u8,
        change: impl FnOnce(&mut push::RequestBody),
    ) -> push::Signed {
        let mut body = push::RequestBody {
            service_id: SERVICE.0.to_vec(),
            request_id: vec![id; 16],
            transaction_id: "1".to_owned(),
            serial: "CS1".to_owned(),
            resource: "Example Portal".to_owned(),
            user: "alice".to_owned(),
            client_address: "203.0.113.7".to_owned(),
            match_mode: push::MatchMode::None.into(),
            created_ms: self.outside.world.lock().unwrap().wall.0,
            ttl_ms: 60_000,
            ..push::RequestBody::default()
        };
        change(&mut body);
        let body = body.encode_to_vec();
        let signature = signing::sign(&self.service_key, Label::Request, &body).to_vec();
        push::Signed { body, signature }
    }

    /// A request of the service's comes, and the user is asked.
    pub(crate) async fn asked(
        &mut self,
        id: u8,
        change: impl FnOnce(&mut push::RequestBody),
    ) -> LoginRequestNotice {
        let signed = self.request(id, change);
        self.push(PushInput::Request(signed)).await;
        self.until(|done| match done {
            Done::Asked(notice) if notice.id.0 == [id; 16] => Some(notice),
            _ => None,
        })
        .await
    }

    /// The service says what became of a request.
    pub(crate) async fn outcome(&self, id: u8, result: push::Result) {
        let outcome = push::Outcome {
            request_id: vec![id; 16],
            result: result.into(),
        };
        self.push(PushInput::Outcome(outcome)).await;
    }

    /// The next thing that the stories do to the outside.
    pub(crate) async fn next(&mut self) -> Done {
        tokio::time::timeout(PATIENCE, self.done.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// The next thing that `wanted` takes; others are passed over.
    pub(crate) async fn until<T>(&mut self, wanted: impl Fn(Done) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    pub(crate) async fn decision(&mut self) -> (push::Decision, push::DecisionBody) {
        let decision = self
            .until(|done| match done {
                Done::Sent(push::AgentFrame {
                    frame: Some(push::agent_frame::Frame::Decision(decision)),
                }) => Some(decision),
                _ => None,
            })
            .await;
        let body = decision.signed.as_ref().unwrap().body.as_slice();
        let body = push::DecisionBody::decode(body).unwrap();
        (decision, body)
    }

    /// Everything up to an acknowledged marker: an input that is certainly answered after what came before.
    pub(crate) async fn done_until_marker(&mut self) -> Vec<Done> {
        self.push(PushInput::Request(self.request(0xEE, |_| {})))
            .await;
        let mut before = Vec::new();
        loop {
            match self.next().await {
                Done::Asked(notice) if notice.id.0 == [0xEE; 16] => return before,
                done => before.push(done),
            }
        }
    }
}

fn key(byte: u8) -> SigningKey {
    signing::key_from_bytes(&SecretBytes::from([byte; 32])).unwrap()
}

async fn started(
    folder: &TempDir,
    outside: &Outside,
    lock_after: LockAfter,
) -> (Arc<Agent>, mpsc::Sender<Input>, VaultHandle) {
    let path: PathBuf = folder.path().join("countersign/vault.db");
    let vault = VaultHandle::start(free(&path).await).unwrap();
    let ports = Ports {
        clock: Arc::new(outside.clone()),
        network: Arc::new(outside.clone()),
        random: Arc::new(outside.clone()),
        notifications: Arc::new(outside.clone()),
        keyring: Arc::new(outside.clone()),
        credentials: Arc::new(outside.clone()),
        tpm: Arc::clone(&outside.world.lock().unwrap().tpm),
        pin_entry: Arc::new(outside.clone()),
        fingerprint: Arc::new(outside.clone()),
        push: Arc::new(outside.clone()),
        polls: Arc::new(outside.clone()),
        transport: Arc::new(outside.clone()),
    };
    let settings = Settings {
        vault_key: VaultKey::SecretService,
        lock_after,
        lock_with: LockWithSession::default(),
    };
    let agent = Agent::new(vault.clone(), ports, settings);
    let (inputs, queue) = mpsc::channel(64);
    tokio::spawn(Arc::clone(&agent).run(queue));
    (agent, inputs, vault)
}

/// The vault, once the agent before has given up its lock.
async fn free(path: &Path) -> Vault {
    let deadline = SystemClock.boot().plus(PATIENCE);
    loop {
        let vault = Vault::open(path.to_owned(), [7; 32]);
        let in_use = VaultState::Unusable {
            reason: VaultError::InUse,
        };
        if vault.state() != in_use {
            return vault;
        }
        assert!(SystemClock.boot() < deadline, "the vault stays in use");
        tokio::task::yield_now().await;
    }
}
