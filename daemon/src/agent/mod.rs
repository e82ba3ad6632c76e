//! What the agent does: one file a story, each reads top to bottom.
//!
//! Invariants: a story orders decisions of `countersign-core` and calls to the ports, nothing else. Lasting
//! facts are the vault's, passing facts are `state`'s; nothing is kept in a story. Whatever must not be
//! lost is durable in the vault before it leaves the agent.

mod agreement;
pub(crate) mod asking;
pub mod autofill;
pub mod autosend;
pub mod caller;
pub mod containers;
pub mod enrollment;
pub mod event_log;
pub mod explain;
pub mod export;
pub mod import;
pub mod login_request;
pub mod login_rules;
pub mod pairing;
pub mod passcode;
pub mod pin;
mod pin_draft;
mod polling;
pub mod ports;
mod rsa;
pub mod run;
mod server_pin;
pub mod services;
pub mod session;
pub mod setup;
pub mod slots;
pub mod state;
pub mod status;
pub mod sudo_approval;
pub mod sudo_key;
pub mod token_order;
pub mod tokens;
pub mod unlocking;
pub mod verification;

use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::{
    ids::LoginRequestId,
    time::{BootTime, UnixMillis},
};
use tokio::sync::{Notify, broadcast, watch};

use self::{
    ports::{
        Clock, Credentials, EnrollmentTransport, Fingerprint, Keyring, Network, Notifications,
        PinEntry, Polls, PushChannels, Random, RandomError, Tpm,
    },
    session::LockWithSession,
    state::{LockAfter, State},
};
use crate::{
    config::VaultKey,
    vault::{EventKind, NewEvent, VaultHandle},
};

/// The adapters of the stories.
#[derive(Clone)]
#[expect(
    missing_debug_implementations,
    reason = "trait objects of the outside have nothing to show"
)]
pub struct Ports {
    /// The two clocks.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub random: Arc<dyn Random>,
    /// This computer on the network.
    pub network: Arc<dyn Network>,
    /// The notification server.
    pub notifications: Arc<dyn Notifications>,
    /// The Secret Service.
    pub keyring: Arc<dyn Keyring>,
    /// Credentials of the service manager.
    pub credentials: Arc<dyn Credentials>,
    /// The TPM.
    pub tpm: Arc<dyn Tpm>,
    /// The dialog program.
    pub pin_entry: Arc<dyn PinEntry>,
    /// The fingerprint reader.
    pub fingerprint: Arc<dyn Fingerprint>,
    /// Push streams.
    pub push: Arc<dyn PushChannels>,
    /// Services that are asked for login requests.
    pub polls: Arc<dyn Polls>,
    /// Enrollment over HTTPS.
    pub transport: Arc<dyn EnrollmentTransport>,
}

/// What config.toml decides for the stories.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where a new vault's key is kept.
    pub vault_key: VaultKey,
    /// When an open vault locks by itself.
    pub lock_after: LockAfter,
    /// What it locks with.
    pub lock_with: LockWithSession,
}

/// What changed, for watchers: they ask for the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A login request came, was answered or ended.
    LoginRequest(LoginRequestId),
    /// The vault was unlocked or locked.
    Vault,
    /// Autosend was switched.
    Autosend,
    /// A push stream came up or went down.
    Services,
    /// The desktop session was locked or unlocked.
    Session,
    /// A browser was paired, or is no more.
    Pairings,
}

/// Where the start stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// The keyring is being asked for the vault's key.
    Opening,
    /// The vault is open, or stays as it is until somebody asks.
    Over,
}

/// The agent: its stories are the methods in the files beside this one.
#[expect(
    missing_debug_implementations,
    reason = "trait objects of the outside have nothing to show"
)]
pub struct Agent {
    vault: VaultHandle,
    state: State,
    ports: Ports,
    /// Replaced as a whole when config.toml is read again.
    settings: Mutex<Settings>,
    /// On the clock that never jumps.
    started_at: BootTime,
    /// One PIN is looked at at a time: two clients never share a try.
    pin_checks: tokio::sync::Mutex<()>,
    /// Tells watchers what changed. Slow watchers lose their place and are dropped.
    changes: broadcast::Sender<Change>,
    /// Wakes the timer when a deadline was added or taken away.
    deadlines: Notify,
    /// Has the start tried to open the vault? Whoever needs it waits for that.
    start: watch::Sender<Start>,
    /// One enrollment, setup or unlock at a time.
    exclusive: tokio::sync::Mutex<()>,
    /// The user is asked for one yes at a time, and a second question is refused: a page cannot pile up dialogs.
    confirmation: tokio::sync::Mutex<()>,
    /// One exchange with the server of a container at a time.
    container_exchange: tokio::sync::Mutex<()>,
}

impl Agent {
    /// An agent over `vault`; nothing happens until [`Agent::run`].
    #[must_use]
    pub fn new(vault: VaultHandle, ports: Ports, settings: Settings) -> Arc<Self> {
        const CHANGES_KEPT: usize = 256;
        Arc::new(Self {
            vault,
            state: State::default(),
            started_at: ports.clock.boot(),
            ports,
            settings: Mutex::new(settings),
            pin_checks: tokio::sync::Mutex::new(()),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            deadlines: Notify::new(),
            start: watch::Sender::new(Start::Opening),
            exclusive: tokio::sync::Mutex::new(()),
            confirmation: tokio::sync::Mutex::new(()),
            container_exchange: tokio::sync::Mutex::new(()),
        })
    }

    /// What config.toml says now.
    fn settings(&self) -> Settings {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// config.toml was read again.
    pub fn reconfigure(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        self.deadlines.notify_one();
    }

    /// The wall clock, for what people and browsers are told.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.ports.clock.wall()
    }

    /// `N` random bytes.
    fn random<const N: usize>(&self) -> Result<[u8; N], RandomError> {
        let mut bytes = [0; N];
        self.ports.random.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// An event of this moment. `detail` is display-safe and without secrets.
    fn event(&self, kind: EventKind, token: &str, detail: &str) -> NewEvent {
        NewEvent {
            at: self.ports.clock.wall(),
            kind,
            token: token.to_owned(),
            detail: detail.to_owned(),
        }
    }

    /// Takes questions off the screen and wipes every key, before the end. The gateway asks again at the
    /// next connect.
    pub async fn shut_down(&self) {
        let shown: Vec<_> = {
            let facts = self.state.facts();
            facts
                .pending()
                .into_iter()
                .map(|tracked| tracked.request.id)
                .collect()
        };
        for id in shown {
            self.ports.notifications.withdraw(id).await;
        }
        // A vault whose thread has ended has wiped them already.
        drop(self.vault.close().await);
    }

    /// Waits until the start has tried to open the vault: a program that comes with the agent's first
    /// moment (socket activation) finds it as open as one that comes later.
    async fn started(&self) {
        let mut start = self.start.subscribe();
        // The sender lives as long as the agent does.
        drop(start.wait_for(|start| *start == Start::Over).await);
    }

    /// Tells watchers and the timer that a login request changed.
    fn changed(&self, id: LoginRequestId) {
        self.tell_watchers(Change::LoginRequest(id));
        self.deadlines.notify_one();
    }

    fn tell_watchers(&self, change: Change) {
        // Nobody watching is not an error.
        let _nobody_watches = self.changes.send(change).is_err();
    }
}
