//! What the stories need of the world: each trait is met by one adapter at the edge.
//!
//! Adapters never call each other and decide nothing. What the outside does on its own (a click, a
//! login request) comes in as an [`Input`] on one queue.

mod credentials;
mod fingerprint;
mod pin_entry;
mod polls;
mod session;
mod tpm;

use core::time::Duration;
use std::{collections::BTreeSet, net::IpAddr};

use async_trait::async_trait;
use countersign_core::{
    ids::{DeviceId, LoginRequestId, ServiceId},
    login_origin::LoginOrigin,
    login_request::Subject,
    secret::SecretBytes,
    time::{BootTime, UnixMillis},
};
use countersign_proto::{push::v1 as push, sudo::v1 as sudo};
use prost::Message as _;

pub use self::{
    credentials::{CredentialError, Credentials},
    fingerprint::{FingerHint, Fingerprint, FingerprintError, Scan},
    pin_entry::{CallerScreen, Confirmation, PinDialog, PinEntry, PinEntryError},
    polls::{
        HttpReply, Pace, PollInput, PollProfile, PollSigner, PollWish, Polls, Posted, PushAnswer,
        Trust,
    },
    session::SessionEvent,
    tpm::{Tpm, TpmError, TpmGuard},
};

/// The two clocks.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn wall(&self) -> UnixMillis;
    /// Time since boot, suspend included.
    fn boot(&self) -> BootTime;
}

/// Random bytes from the system.
pub trait Random: Send + Sync {
    /// Fills `buffer`.
    ///
    /// # Errors
    ///
    /// The system has no random source.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomError>;
}

/// [`Random`] for functions that take a generator. They cannot fail: ask [`PortRng::check`] afterwards,
/// and use nothing of what they made if it fails.
#[expect(
    missing_debug_implementations,
    reason = "a trait object of the outside has nothing to show"
)]
pub struct PortRng<'a> {
    random: &'a dyn Random,
    failed: Option<RandomError>,
}

impl<'a> PortRng<'a> {
    /// Over `random`.
    #[must_use]
    pub fn new(random: &'a dyn Random) -> Self {
        Self {
            random,
            failed: None,
        }
    }

    /// Did every draw succeed?
    ///
    /// # Errors
    ///
    /// One did not: what was made with it must not be used.
    pub fn check(&self) -> Result<(), RandomError> {
        self.failed.map_or(Ok(()), Err)
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        if let Err(error) = self.random.fill(buffer) {
            self.failed = Some(error);
        }
    }
}

impl rand_core::TryRng for PortRng<'_> {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::from_le_bytes(self.draw()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from_le_bytes(self.draw()))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Self::Error> {
        self.fill(buffer);
        Ok(())
    }
}

impl rand_core::TryCryptoRng for PortRng<'_> {}

/// The system gave no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source does not answer")]
pub struct RandomError;

/// This computer on the network.
pub trait Network: Send + Sync {
    /// Its own addresses, those of the loopback among them; empty if they are not known.
    fn addresses(&self) -> BTreeSet<IpAddr>;
}

/// What a notification about a login request says. All fields are as the service gave them; the adapter
/// makes them safe for the server (control and bidi characters, markup, length).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequestNotice {
    /// Which request.
    pub id: LoginRequestId,
    /// What is asked for.
    pub subject: Subject,
    /// The service's name.
    pub service: String,
    /// The token's name.
    pub token: String,
    /// The service's own words about it; may be empty.
    pub question: String,
    /// The protected resource.
    pub resource: String,
    /// The user name at the service; may be empty.
    pub user: String,
    /// That address beside this computer's.
    pub origin: LoginOrigin,
    /// The address that the login comes from; may be empty.
    pub client_address: String,
    /// Where that is, in the service's words; may be empty.
    pub place: String,
    /// The program that logs in; may be empty.
    pub program: String,
    /// When the login began, this machine's wall clock.
    pub at: UnixMillis,
    /// How long it may still be answered.
    pub left: Duration,
    /// How it is approved.
    pub approval: Approval,
    /// What else is given with the approval.
    pub shown_there: ShownThere,
    /// How many other requests are pending.
    pub others: usize,
    /// How much of it is said.
    pub extent: Extent,
}

/// How much of a login request is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What one decides by.
    Short,
    /// All of it.
    Full,
}

/// What the resource shows, to be given with the approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownThere {
    /// Nothing.
    Nothing,
    /// A number.
    Number,
    /// One of some choices.
    Choice,
}

/// How a login request is approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Approve is one click.
    Click,
    /// What the resource shows is asked for after the click, and a finger or PIN where one is due.
    Number,
    /// What the resource shows must be typed, and there is no dialog to ask in.
    NumberTyped,
    /// A finger or PIN is asked for after the click.
    Verified,
    /// The vault is locked, and somebody can be asked for its PIN after the click.
    Unlocked,
    /// The vault is locked: it has to be unlocked first.
    VaultLocked,
    /// The session is locked: nothing of the request is said, and nothing can be chosen.
    SessionLocked,
}

/// What became of a login request, for the notification that replaces the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutcomeNotice {
    /// Which request.
    pub id: LoginRequestId,
    /// What was asked for.
    pub subject: Subject,
    /// The protected resource.
    pub resource: String,
    /// The user name at the service.
    pub user: String,
    /// What became of it.
    pub outcome: NoticedOutcome,
}

/// The words of an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticedOutcome {
    /// The service accepted the approval.
    Approved,
    /// The same, and the login page waits for a code. It is no text for a notification: everybody on the bus could read it.
    CodeWaits,
    /// The resource has let the user in.
    LoggedIn,
    /// Denied by the user.
    Denied,
    /// Denied and reported.
    Reported,
    /// Denied, and "It wasn't me!" kept in the history: the service takes no reports.
    ReportKept,
    /// Nobody answered in time.
    Expired,
    /// The service took it back.
    Cancelled,
    /// It could not be approved; one display-safe sentence says why and what to do.
    Refused(String),
}

/// The desktop's notification server.
#[async_trait]
pub trait Notifications: Send + Sync {
    /// Shows the question, or replaces it when this request already has one.
    ///
    /// # Errors
    ///
    /// No server answers; the request can still be answered by the other ways.
    async fn ask(&self, notice: &LoginRequestNotice) -> Result<(), NotificationError>;
    /// Replaces the question by what became of it; shows a new one if there is none.
    ///
    /// # Errors
    ///
    /// As [`Notifications::ask`].
    async fn tell(&self, notice: &OutcomeNotice) -> Result<(), NotificationError>;
    /// Takes the question away without a word.
    async fn withdraw(&self, id: LoginRequestId);
    /// Says what the fingerprint reader wants; replaces what it said before. Best effort.
    async fn hint(&self, hint: FingerHint);
    /// Takes the hint away.
    async fn withdraw_hint(&self);
    /// Name and version of the server, if one answers.
    async fn server(&self) -> Option<String>;
}

/// Why nothing could be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationError {
    /// Nobody owns the name.
    #[error("no notification server is running in this session")]
    NoServer,
    /// The server refused or did not answer in time.
    #[error("the notification server failed")]
    Failed,
    /// Switched off in config.toml.
    #[error("notifications are switched off")]
    SwitchedOff,
}

/// The session's keyring (Secret Service): keeps the machine's half of the vault key.
#[async_trait]
pub trait Keyring: Send + Sync {
    /// The key that was stored under `slot`. Unlocks the collection if the user lets it (one prompt).
    ///
    /// # Errors
    ///
    /// Every variant of [`KeyringError`].
    async fn load(&self, slot: &str) -> Result<SecretBytes, KeyringError>;
    /// Stores `key` under `slot` in the default collection.
    ///
    /// # Errors
    ///
    /// Every variant but [`KeyringError::NotFound`].
    async fn store(&self, slot: &str, key: &SecretBytes) -> Result<(), KeyringError>;
    /// Removes what is stored under `slot`, if anything is.
    ///
    /// # Errors
    ///
    /// As [`Keyring::store`].
    async fn remove(&self, slot: &str) -> Result<(), KeyringError>;
}

/// Why the keyring gave no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// No Secret Service on the session bus, or no session bus.
    #[error("no Secret Service (keyring) is running in this session")]
    Absent,
    /// The collection is locked and was not unlocked.
    #[error("the keyring is locked")]
    Locked,
    /// The keyring is open and has no such item.
    #[error("the keyring does not hold the key of this vault")]
    NotFound,
    /// Anything else.
    #[error("the keyring failed: {0}")]
    Failed(String),
}

/// Who we are on one service's push stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelProfile {
    /// The service.
    pub service: ServiceId,
    /// This device there.
    pub device: DeviceId,
    /// The gateway's base URL, https.
    pub url: String,
    /// SHA-256 of the service's identity key, and of a spare.
    pub pins: Vec<[u8; 32]>,
}

/// Login requests of one service come and go through it.
#[async_trait]
pub trait PushChannels: Send + Sync {
    /// Opens (or reopens) the stream of a service and keeps it open: reconnects until [`PushChannels::close`].
    async fn open(&self, profile: ChannelProfile);
    /// Closes it.
    async fn close(&self, service: ServiceId);
    /// Sends it if the stream is open. Nothing is queued: what must not be lost is durable in
    /// the vault and sent again at the next [`PushInput::Welcome`].
    async fn send(&self, service: ServiceId, frame: push::AgentFrame) -> Delivery;
    /// Drops the connection and connects at once: after resume, on request.
    async fn reconnect(&self);
    /// This computer's addresses have changed: whoever is not connected tries now, and connections from an address
    /// that is gone are made anew.
    async fn network_changed(&self, own: &BTreeSet<IpAddr>);
}

/// What goes out to a service, in its own words, signed. Holds secrets.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// A frame of a gateway's stream.
    Gateway(push::AgentFrame),
    /// An answer to a challenge of privacyIDEA.
    PrivacyIdea(PushAnswer),
    /// An answer to the PAM module, which waits for it.
    Sudo(SudoReply),
}

/// The answer to one question of the PAM module.
#[derive(Clone, Debug, PartialEq)]
pub struct SudoReply {
    /// Which question.
    pub id: LoginRequestId,
    /// The answer.
    pub word: SudoWord,
}

/// What the PAM module is told.
#[derive(Clone, Debug, PartialEq)]
pub enum SudoWord {
    /// The account is proved.
    Answer(sudo::Answer),
    /// It is not, or nobody can be asked.
    Refusal(sudo::Why),
}

impl From<push::agent_frame::Frame> for Outgoing {
    fn from(frame: push::agent_frame::Frame) -> Self {
        Self::Gateway(push::AgentFrame { frame: Some(frame) })
    }
}

/// What was kept in the vault is no message of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no message of this version")]
pub struct UnreadableMessage;

impl Outgoing {
    /// The bytes that the vault keeps until the service has answered. Nothing where only a process that waits now can
    /// use the answer: it asks anew after a restart.
    #[must_use]
    pub fn kept(&self) -> Option<SecretBytes> {
        match self {
            Self::Gateway(frame) => Some(SecretBytes::new(frame.encode_to_vec())),
            Self::PrivacyIdea(answer) => Some(answer.kept()),
            Self::Sudo(_) => None,
        }
    }

    /// What was kept, for sending it again byte for byte.
    ///
    /// # Errors
    ///
    /// [`UnreadableMessage`].
    pub fn from_kept(bytes: &SecretBytes) -> Result<Self, UnreadableMessage> {
        if PushAnswer::looks_like_one(bytes) {
            return PushAnswer::from_kept(bytes)
                .map(Self::PrivacyIdea)
                .ok_or(UnreadableMessage);
        }
        let frame = push::AgentFrame::decode(bytes.expose());
        frame
            .map(Self::Gateway)
            .map_err(|_malformed| UnreadableMessage)
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Handed to the open stream.
    Handed,
    /// The stream is not open now.
    NotConnected,
}

/// Asked by the push adapter at each connect: the agent signs.
#[async_trait]
pub trait HelloSigner: Send + Sync {
    /// The signed Hello for this stream, or nothing when the channel key has not been opened yet.
    async fn hello(
        &self,
        service: ServiceId,
        server_nonce: [u8; 32],
        tls_exporter: [u8; 32],
    ) -> Option<push::Signed>;
}

/// One HTTPS exchange of an enrollment, and the registration after it.
#[async_trait]
pub trait EnrollmentTransport: Send + Sync {
    /// POSTs `body` (`application/dskpp+xml`, headers of RFC 6063 section 7.2) to `url` and returns
    /// the body of the 200 answer, at most 64 KiB. With pins the server's key must be one of them;
    /// without, the system's certificate authorities decide.
    ///
    /// # Errors
    ///
    /// Every variant of [`TransportError`].
    async fn post(
        &self,
        url: &str,
        pins: &[[u8; 32]],
        body: Vec<u8>,
    ) -> Result<Vec<u8>, TransportError>;
    /// `countersign.push.v1.Push/Register` at the origin of `url`.
    ///
    /// # Errors
    ///
    /// Every variant of [`TransportError`].
    async fn register(
        &self,
        url: &str,
        pins: &[[u8; 32]],
        request: push::RegisterRequest,
    ) -> Result<push::RegisterReply, TransportError>;
    /// `countersign.push.v1.Push/ChangeServerPin` at the origin of `url`.
    ///
    /// # Errors
    ///
    /// Every variant of [`TransportError`].
    async fn change_server_pin(
        &self,
        url: &str,
        pins: &[[u8; 32]],
        request: push::ServerPinRequest,
    ) -> Result<push::ServerPinReply, TransportError>;
}

/// Why the service was not reached or not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Name, route, port or time-out.
    #[error("{host} cannot be reached ({why})")]
    Unreachable {
        /// host:port
        host: String,
        /// Display-safe.
        why: String,
    },
    /// The certificate does not carry the pinned key, or no authority vouches for it.
    #[error("{host} did not show the expected certificate")]
    Untrusted {
        /// host:port
        host: String,
    },
    /// The answer was not the protocol's.
    #[error("{host} answered in a way that was not understood ({why})")]
    Protocol {
        /// host:port
        host: String,
        /// Display-safe.
        why: String,
    },
    /// The service refused (gRPC status or HTTP 4xx); its reason is display-safe.
    #[error("{host} refused: {why}")]
    Refused {
        /// host:port
        host: String,
        /// Display-safe.
        why: String,
    },
}

/// What the outside does on its own.
#[derive(Debug)]
pub enum Input {
    /// The user chose something in a notification.
    Notice {
        /// The request that the notification was about.
        id: LoginRequestId,
        /// What was chosen.
        choice: NoticeChoice,
    },
    /// Something happened on a push stream.
    Push {
        /// Of this service.
        service: ServiceId,
        /// What.
        input: PushInput,
    },
    /// Something happened at a service that is polled.
    Poll {
        /// This one.
        service: ServiceId,
        /// What.
        input: PollInput,
    },
    /// Something happened to the desktop session.
    Session(SessionEvent),
    /// The keyring has come, or was opened.
    KeyringOpened,
    /// This computer's addresses are others than before.
    NetworkChanged,
}

/// What the user chose in a notification. Intent only: the factor follows where one is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeChoice {
    /// Approve.
    Approve,
    /// Deny.
    Deny,
    /// "It wasn't me!", offered after a deny.
    Report,
    /// Say all of it.
    Details,
    /// Closed without an answer; the request stays pending.
    Dismissed,
}

/// What happened on a push stream.
#[derive(Debug)]
pub enum PushInput {
    /// The stream is open and the gateway has welcomed us.
    Welcome(push::Welcome),
    /// A login request, signature not yet checked.
    Request(push::Signed),
    /// A request was taken back.
    Cancel(push::Cancel),
    /// What became of a decision or report.
    Outcome(push::Outcome),
    /// The stream ended or could not be opened.
    Down {
        /// One display-safe sentence.
        why: String,
        /// Until the next try; [`Duration::MAX`]: not before [`PushChannels::reconnect`].
        retry_in: Duration,
    },
}
