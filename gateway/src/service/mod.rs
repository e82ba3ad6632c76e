//! What the gateway does, one file a story. The web front, the push stream and the command line call it.
//!
//! Stories order steps and decide nothing that `countersign_core` can decide. Whatever one of them
//! reports as done is durable.

mod administrators;
mod approval;
mod audit;
mod channel;
mod deadlines;
mod decision;
mod devices;
mod directory_sync;
mod enrollment;
mod enrollment_links;
mod enrollment_mail;
mod enrollment_two_pass;
mod fronts;
mod helpdesk;
mod issue;
mod login;
mod open_login;
mod operator;
mod overview;
mod passcode;
mod passcode_check;
mod policies;
mod push_limits;
mod radius_challenges;
mod radius_clients;
mod radius_login;
mod registration;
mod resync;
mod server_pin;
mod server_pin_change;
mod stopping;
mod throttle;
mod token_info;
mod tokens;
mod typing;
mod user_list;
mod users;
mod watchers;

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use countersign_core::time::UnixMillis;
use tokio::sync::{Semaphore, watch};

pub use administrators::{OperatorAttempt, OperatorLogin, RoleError};
pub use audit::{AuditError, Pruned};
pub(crate) use channel::HelloError;
pub use devices::DeviceInfo;
pub use directory_sync::{SyncError, Synced};
pub(crate) use enrollment::EnrollmentRefusal;
pub use enrollment_links::{
    Asked, EnrollmentInfo, EnrollmentLink, EnrollmentLinkError, EnrollmentView, Over,
};
pub use enrollment_mail::{EnrollmentMail, MailError};
pub use fronts::{FrontCredential, FrontError};
pub use helpdesk::{HelpdeskCode, HelpdeskError};
pub use issue::{Issued, NewTokenError};
pub use login::{Consumed, DenyReason, FailReason, LoginError, LoginState, LoginView};
pub use open_login::{OpenLogin, OpenLoginError, OpenedLogin, Way};
pub use operator::Operator;
pub use overview::Overview;
pub use passcode::{PasscodeAttempt, PasscodeVerdict, Subject};
pub(crate) use policies::level_word;
pub use policies::{PolicyError, PolicyInfo};
pub(crate) use radius_clients::KnownClient;
pub use radius_clients::{NewRadiusClient, RadiusClientError};
pub use radius_login::{RadiusLogin, RadiusLoginError, RadiusVerdict};
pub(crate) use registration::RegistrationError;
pub use resync::ResyncError;
pub(crate) use server_pin_change::ServerPinError;
pub use token_info::{KeptPin, PinInfo, TokenInfo, TypedPin};
pub use tokens::{Change, TokenError};
pub(crate) use user_list::LONGEST as LONGEST_USER_LIST;
pub use user_list::{LineError, ListEffect, ListError, ListedUser, TakeOver, UserList};
pub use users::{NewUserError, PasswordVerdict};

pub use crate::store::{AuditBreak, FrontId, Policy, TokenRules, Verified};
use crate::{
    alarm,
    clock::{Clock, SystemClock},
    keys::{KeyError, Keys, TlsIdentity},
    metrics::Metrics,
    push::Streams,
    settings::{Config, ConfigError},
    store::{AuditEntry, AuditEvent, MasterKey, MasterKeyError, Store, StoreError},
};

/// The database in the data folder.
const DATABASE: &str = "gateway.db";
/// The key under which secrets in it are sealed.
const MASTER_KEY: &str = "master.key";
/// The front of the sample protected resource.
const SAMPLE_FRONT: &str = "sample";

/// Passwords that are hashed at a time.
const HASHES: usize = 4;

/// The gateway. Clones share it.
#[derive(Clone, Debug)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    data: PathBuf,
    store: Store,
    clock: ClockPort,
    keys: Keys,
    settings: Settings,
    streams: Streams,
    watchers: watchers::Watchers,
    deadlines: deadlines::Deadlines,
    passwords: throttle::Throttle,
    operators: throttle::Throttle,
    hashing: Semaphore,
    enrollments: enrollment::Sessions,
    metrics: Arc<Metrics>,
    alarms: Mutex<Option<alarm::Alarms>>,
    stopping: watch::Sender<bool>,
    radius_clients: radius_clients::KnownClients,
    radius_challenges: radius_challenges::Challenges,
}

struct ClockPort(Arc<dyn Clock>);

impl core::fmt::Debug for ClockPort {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Clock")
    }
}

/// What the listener and its pages need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The administrator's file.
    pub config: Config,
    /// What the TLS listener shows.
    pub tls: TlsIdentity,
    /// The front of the sample protected resource.
    pub sample_front: FrontId,
}

/// The gateway could not do what was asked, through no fault of who asked.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ServiceError(#[from] pub StoreError);

/// Why the gateway did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The master key cannot be used.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The gateway's own keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data folder cannot be made or is not private.
    #[error("the data folder {path} cannot be used")]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a gateway already.
    #[error("{0} holds a gateway already; nothing was changed")]
    Exists(PathBuf),
}

impl Service {
    /// Makes a new gateway in `data`: folder, master key, database, keys, certificates, settings.
    ///
    /// # Errors
    ///
    /// Every variant of [`OpenError`].
    pub async fn init(data: &Path, config: &Config) -> Result<(), OpenError> {
        let folder = |source| OpenError::Folder {
            path: data.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .map_err(folder)?;
        for file in [MASTER_KEY, DATABASE, crate::settings::FILE] {
            if data.join(file).try_exists().map_err(folder)? {
                return Err(OpenError::Exists(data.to_owned()));
            }
        }
        fs::set_permissions(data, fs::Permissions::from_mode(0o700)).map_err(folder)?;
        let key = MasterKey::create(&data.join(MASTER_KEY))?;
        let store = Store::open(&data.join(DATABASE), key)?;
        fs::set_permissions(data.join(DATABASE), fs::Permissions::from_mode(0o600))
            .map_err(folder)?;
        let now = SystemClock.now();
        let settings = config.clone();
        store
            .write(move |rows| {
                let made = Keys::create(rows, &settings, now);
                if made.is_ok() {
                    rows.add_front(
                        SAMPLE_FRONT,
                        &crate::random::SystemRandom::bytes(),
                        true,
                        now,
                    )?;
                    rows.audit(now, AuditEvent::GatewayInitialised, &settings.name, "")?;
                }
                Ok(made)
            })
            .await??;
        // Last: a folder with settings is a finished gateway.
        config.store(data)?;
        Ok(())
    }

    /// Opens the gateway in `data`.
    ///
    /// # Errors
    ///
    /// Every variant of [`OpenError`] but [`OpenError::Exists`].
    pub async fn open(data: &Path) -> Result<Self, OpenError> {
        Self::open_with(data, Arc::new(SystemClock)).await
    }

    /// Opens the gateway in `data` with a clock of one's own.
    ///
    /// # Errors
    ///
    /// As [`Service::open`].
    pub async fn open_with(data: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let config = Config::load(data)?;
        let key = MasterKey::load(&data.join(MASTER_KEY))?;
        let metrics = Arc::new(Metrics::default());
        let (bell, alarms) = alarm::bell();
        let witness = {
            let metrics = Arc::clone(&metrics);
            let alarmed = !config.alarm.command.is_empty();
            Box::new(move |entries: &[AuditEntry]| {
                metrics.committed(entries);
                if alarmed {
                    bell.ring(entries, &metrics);
                }
            })
        };
        let store = Store::open_before(&data.join(DATABASE), key, witness)?;
        let now = clock.now();
        let due = config.clone();
        if store
            .read(move |rows| Ok(Keys::leaf_is_due(rows, &due, now)))
            .await??
        {
            let due = config.clone();
            store
                .write(move |rows| Ok(Keys::renew_leaf(rows, &due, now)))
                .await??;
        }
        let (keys, sample) = store
            .read(|rows| Ok((Keys::load(rows), rows.front_by_name(SAMPLE_FRONT)?)))
            .await?;
        let keys = keys?;
        let settings = Settings {
            config,
            tls: keys.tls.clone(),
            // A sample front that the administrator removed may do nothing: no row has this number.
            sample_front: sample.map_or(FrontId(0), |front| front.id),
        };
        let service = Self(Arc::new(Inner {
            data: data.to_owned(),
            store,
            clock: ClockPort(clock),
            keys,
            settings,
            streams: Streams::default(),
            watchers: watchers::Watchers::default(),
            deadlines: deadlines::Deadlines::default(),
            passwords: throttle::Throttle::default(),
            operators: throttle::Throttle::default(),
            hashing: Semaphore::new(HASHES),
            enrollments: enrollment::Sessions::default(),
            metrics,
            alarms: Mutex::new(Some(alarms)),
            stopping: watch::channel(false).0,
            radius_clients: radius_clients::KnownClients::default(),
            radius_challenges: radius_challenges::Challenges::default(),
        }));
        service
            .expect_devices()
            .await
            .map_err(|ServiceError(error)| error)?;
        Ok(service)
    }

    /// What the listener and its pages need to know.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The gateway's own keys.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// The folder that it lives in.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.0.data
    }

    /// Now, by the gateway's clock, which decides every lateness.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        self.0.clock.0.now()
    }

    /// The clock, for those who wait.
    pub(crate) fn clock(&self) -> &dyn Clock {
        self.0.clock.0.as_ref()
    }

    /// The streams of the agents that are connected to this process.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        &self.0.streams
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Runs the alarm command for every alarm; `serve` runs it beside the listener, once.
    pub async fn keep_alarms(&self) {
        let alarms = self
            .0
            .alarms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(alarms) = alarms {
            let config = &self.settings().config;
            let metrics = Arc::clone(&self.0.metrics);
            alarm::answer(alarms, config.alarm.clone(), config.name.clone(), metrics).await;
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }
}
