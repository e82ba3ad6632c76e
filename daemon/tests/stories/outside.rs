//! The outside: ports that remember what the stories asked of them, and a clock that the test moves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    secret::SecretBytes,
    time::{BootTime, UnixMillis},
};
use countersign_proto::push::v1 as push;
use countersignd::agent::ports::{
    ChannelProfile, Clock, Delivery, EnrollmentTransport, Keyring, KeyringError,
    LoginRequestNotice, NotificationError, Notifications, OutcomeNotice, PushChannels, Random,
    RandomError, TransportError,
};
use tokio::sync::mpsc;

/// What the stories did to the outside, in order.
#[derive(Debug)]
pub(crate) enum Done {
    Asked(LoginRequestNotice),
    Told(OutcomeNotice),
    Sent(push::AgentFrame),
    Opened(ServiceId),
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
    pub(crate) keys: HashMap<String, SecretBytes>,
    pub(crate) keyring: Result<(), KeyringError>,
}

impl Outside {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Done>) {
        let (done, record) = mpsc::unbounded_channel();
        let world = World {
            wall: UnixMillis::from_secs(1_700_000_000),
            boot: BootTime(Duration::from_secs(500)),
            connected: Delivery::Handed,
            keys: HashMap::new(),
            keyring: Ok(()),
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

    fn record(&self, done: Done) {
        self.done.send(done).unwrap();
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

    async fn withdraw(&self, _id: LoginRequestId) {}

    async fn server(&self) -> Option<String> {
        None
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
}

fn unreachable_host() -> TransportError {
    TransportError::Unreachable {
        host: "se.example.com:443".to_owned(),
        why: "down".to_owned(),
    }
}
