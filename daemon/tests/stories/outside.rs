//! The outside: ports that remember what the stories asked of them, and a clock that the test moves.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex},
};

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    secret::{SecretBytes, SecretText},
    time::{BootTime, UnixMillis},
};
use countersign_proto::push::v1 as push;
use countersignd::{
    agent::ports::{
        CallerScreen, ChannelProfile, Clock, Confirmation, CredentialError, Credentials, Delivery,
        EnrollmentTransport, FingerHint, Fingerprint, FingerprintError, Keyring, KeyringError,
        LoginRequestNotice, Network, NotificationError, Notifications, OutcomeNotice, PinDialog,
        PinEntry, PinEntryError, PollProfile, Polls, Posted, PushAnswer, PushChannels, Random,
        RandomError, Scan, Tpm, TransportError, Trust,
    },
    tpm::NoTpm,
};
use tokio::sync::mpsc;

/// What the stories did to the outside, in order.
#[derive(Debug)]
pub(crate) enum Done {
    Asked(LoginRequestNotice),
    Told(OutcomeNotice),
    Withdrawn(LoginRequestId),
    Sent(push::AgentFrame),
    Opened(ServiceId),
    NetworkChanged(BTreeSet<IpAddr>),
    PollsOpened(PollProfile),
    Answered(PushAnswer),
    Posted(String, Trust),
}

/// One recorder behind every port.
#[derive(Clone)]
pub(crate) struct Outside {
    done: mpsc::UnboundedSender<Done>,
    pub(crate) world: Arc<Mutex<World>>,
}

/// What the test can change.
pub(crate) struct World {
    pub(crate) wall: UnixMillis,
    pub(crate) boot: BootTime,
    pub(crate) connected: Delivery,
    /// This computer's addresses.
    pub(crate) addresses: BTreeSet<IpAddr>,
    pub(crate) keys: HashMap<String, SecretBytes>,
    pub(crate) keyring: Result<(), KeyringError>,
    /// What is typed into the next dialogs; when there is nothing left, nobody is at the screen.
    pub(crate) typed: VecDeque<Typing>,
    /// The dialogs that were shown.
    pub(crate) dialogs: Vec<PinDialog>,
    /// The questions that were put.
    pub(crate) questions: Vec<Confirmation>,
    /// Name of the notification server, where one answers.
    pub(crate) notification_server: Option<String>,
    /// What the next scans show; when there is nothing left, nobody touches the reader.
    pub(crate) scans: VecDeque<Scan>,
    /// What the reader wants, as it is on the screen.
    pub(crate) hint: Option<FingerHint>,
    pub(crate) hints_withdrawn: u32,
    pub(crate) fingers: Result<Vec<String>, FingerprintError>,
    pub(crate) credential: Option<SecretBytes>,
    /// What a privacyIDEA server says to an enrollment; nothing: it is away.
    pub(crate) posted: Option<Posted>,
    /// The TPM of agents that start from now on.
    pub(crate) tpm: Arc<dyn Tpm>,
}

/// What happens at a dialog.
#[derive(Clone, Debug)]
pub(crate) enum Typing {
    /// Somebody types.
    Types(&'static str),
    /// Somebody cancels.
    Cancels,
    /// It stays, and nobody comes.
    Waits,
}

impl Outside {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Done>) {
        let (done, record) = mpsc::unbounded_channel();
        let world = World {
            wall: UnixMillis::from_secs(1_700_000_000),
            boot: BootTime(Duration::from_secs(500)),
            connected: Delivery::Handed,
            addresses: BTreeSet::new(),
            keys: HashMap::new(),
            keyring: Ok(()),
            typed: VecDeque::new(),
            dialogs: Vec::new(),
            questions: Vec::new(),
            notification_server: None,
            scans: VecDeque::new(),
            hint: None,
            hints_withdrawn: 0,
            fingers: Err(FingerprintError::NoService),
            credential: None,
            posted: None,
            tpm: Arc::new(NoTpm),
        };
        (
            Self {
                done,
                world: Arc::new(Mutex::new(world)),
            },
            record,
        )
    }

    /// Both clocks go on.
    pub(crate) fn pass(&self, span: Duration) {
        let mut world = self.world.lock().unwrap();
        world.boot = world.boot.plus(span);
        world.wall = world.wall.plus_ms(i64::try_from(span.as_millis()).unwrap());
    }

    /// Types into the dialogs to come.
    pub(crate) fn types(&self, typed: &[&'static str]) {
        let mut world = self.world.lock().unwrap();
        world
            .typed
            .extend(typed.iter().map(|text| Typing::Types(text)));
    }

    /// What the dialogs so far have said: description and error.
    pub(crate) fn dialogs(&self) -> Vec<(String, Option<String>)> {
        let world = self.world.lock().unwrap();
        let dialogs = world.dialogs.iter();
        dialogs
            .map(|dialog| (dialog.description.clone(), dialog.error.clone()))
            .collect()
    }

    fn record(&self, done: Done) {
        self.done.send(done).unwrap();
    }
}

impl Network for Outside {
    fn addresses(&self) -> BTreeSet<IpAddr> {
        self.world.lock().unwrap().addresses.clone()
    }
}

impl Clock for Outside {
    fn wall(&self) -> UnixMillis {
        self.world.lock().unwrap().wall
    }

    fn boot(&self) -> BootTime {
        self.world.lock().unwrap().boot
    }
}

impl Random for Outside {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(buffer).map_err(|_unavailable| RandomError)
    }
}

#[async_trait]
impl Notifications for Outside {
    async fn ask(&self, notice: &LoginRequestNotice) -> Result<(), NotificationError> {
        self.record(Done::Asked(notice.clone()));
        Ok(())
    }

    async fn tell(&self, notice: &OutcomeNotice) -> Result<(), NotificationError> {
        self.record(Done::Told(notice.clone()));
        Ok(())
    }

    async fn withdraw(&self, id: LoginRequestId) {
        self.record(Done::Withdrawn(id));
    }

    async fn hint(&self, hint: FingerHint) {
        self.world.lock().unwrap().hint = Some(hint);
    }

    async fn withdraw_hint(&self) {
        let mut world = self.world.lock().unwrap();
        world.hint = None;
        world.hints_withdrawn = world.hints_withdrawn.saturating_add(1);
    }

    async fn server(&self) -> Option<String> {
        self.world.lock().unwrap().notification_server.clone()
    }
}

#[async_trait]
impl PinEntry for Outside {
    async fn ask(
        &self,
        dialog: &PinDialog,
        _screen: &CallerScreen,
    ) -> Result<SecretBytes, PinEntryError> {
        let typing = {
            let mut world = self.world.lock().unwrap();
            world.dialogs.push(dialog.clone());
            world.typed.pop_front()
        };
        match typing {
            None => Err(PinEntryError::NoScreen),
            Some(Typing::Types(text)) => Ok(SecretBytes::from(text.as_bytes())),
            Some(Typing::Cancels) => Err(PinEntryError::Cancelled),
            Some(Typing::Waits) => core::future::pending().await,
        }
    }

    async fn confirm(
        &self,
        question: &Confirmation,
        _screen: &CallerScreen,
    ) -> Result<(), PinEntryError> {
        let typing = {
            let mut world = self.world.lock().unwrap();
            world.questions.push(question.clone());
            world.typed.pop_front()
        };
        match typing {
            None => Err(PinEntryError::NoScreen),
            Some(Typing::Types(_)) => Ok(()),
            Some(Typing::Cancels) => Err(PinEntryError::Cancelled),
            Some(Typing::Waits) => core::future::pending().await,
        }
    }

    fn program(&self) -> Option<String> {
        Some("/usr/bin/pinentry".to_owned())
    }
}

#[async_trait]
impl Fingerprint for Outside {
    async fn fingers(&self) -> Result<Vec<String>, FingerprintError> {
        self.world.lock().unwrap().fingers.clone()
    }

    async fn scan(
        &self,
        _within: Duration,
        hints: Arc<dyn Fn(FingerHint) + Send + Sync>,
    ) -> Result<Scan, FingerprintError> {
        hints(FingerHint::Touch);
        // A reader is slower than a dialog.
        tokio::task::yield_now().await;
        let scan = self.world.lock().unwrap().scans.pop_front();
        match scan {
            Some(scan) => Ok(scan),
            None => core::future::pending().await,
        }
    }
}

#[async_trait]
impl Credentials for Outside {
    async fn load(&self, name: &str) -> Result<SecretBytes, CredentialError> {
        let credential = self.world.lock().unwrap().credential.clone();
        credential.ok_or_else(|| CredentialError::Absent(name.to_owned()))
    }
}

#[async_trait]
impl Keyring for Outside {
    async fn load(&self, slot: &str) -> Result<SecretBytes, KeyringError> {
        let world = self.world.lock().unwrap();
        world.keyring.clone()?;
        world.keys.get(slot).cloned().ok_or(KeyringError::NotFound)
    }

    async fn store(&self, slot: &str, key: &SecretBytes) -> Result<(), KeyringError> {
        let mut world = self.world.lock().unwrap();
        world.keyring.clone()?;
        world.keys.insert(slot.to_owned(), key.clone());
        Ok(())
    }

    async fn remove(&self, slot: &str) -> Result<(), KeyringError> {
        self.world.lock().unwrap().keys.remove(slot);
        Ok(())
    }
}

#[async_trait]
impl PushChannels for Outside {
    async fn open(&self, profile: ChannelProfile) {
        self.record(Done::Opened(profile.service));
    }

    async fn close(&self, _service: ServiceId) {}

    async fn send(&self, _service: ServiceId, frame: push::AgentFrame) -> Delivery {
        let connected = self.world.lock().unwrap().connected;
        if connected == Delivery::Handed {
            self.record(Done::Sent(frame));
        }
        connected
    }

    async fn reconnect(&self) {}

    async fn network_changed(&self, own: &BTreeSet<IpAddr>) {
        self.record(Done::NetworkChanged(own.clone()));
    }
}

#[async_trait]
impl Polls for Outside {
    async fn open(&self, profile: PollProfile) {
        self.record(Done::PollsOpened(profile));
    }

    async fn close(&self, _service: ServiceId) {}

    async fn send(&self, _service: ServiceId, answer: PushAnswer) -> Delivery {
        self.record(Done::Answered(answer));
        Delivery::Handed
    }

    fn now(&self) {}

    async fn post(
        &self,
        url: &str,
        trust: &Trust,
        _form: SecretText,
    ) -> Result<Posted, TransportError> {
        self.record(Done::Posted(url.to_owned(), trust.clone()));
        let reply = self.world.lock().unwrap().posted.clone();
        reply.ok_or_else(|| TransportError::Unreachable {
            host: "pi.example:443".to_owned(),
            why: "nobody listens there".to_owned(),
        })
    }
}

#[async_trait]
impl EnrollmentTransport for Outside {
    async fn post(
        &self,
        _url: &str,
        _pins: &[[u8; 32]],
        _body: Vec<u8>,
    ) -> Result<Vec<u8>, TransportError> {
        Err(unreachable_host())
    }

    async fn register(
        &self,
        _url: &str,
        _pins: &[[u8; 32]],
        _request: push::RegisterRequest,
    ) -> Result<push::RegisterReply, TransportError> {
        Err(unreachable_host())
    }

    async fn change_server_pin(
        &self,
        _url: &str,
        _pins: &[[u8; 32]],
        _request: push::ServerPinRequest,
    ) -> Result<push::ServerPinReply, TransportError> {
        Err(unreachable_host())
    }
}

fn unreachable_host() -> TransportError {
    TransportError::Unreachable {
        host: "se.example.com:443".to_owned(),
        why: "down".to_owned(),
    }
}
