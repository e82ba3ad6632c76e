//! From nothing to a serving agent, and down again.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
        net,
    },
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use countersign_proto::agent::v1::Reason;
use tokio::{
    net::{UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
};
use tracing::{info, warn};

use crate::{
    agent::{
        Agent, Ports, Settings,
        explain::Explain,
        ports::{HelloSigner, Input, Notifications, PinEntry, PollSigner, PollWish, SessionEvent},
        state::LockAfter,
    },
    api,
    clock::{SystemClock, SystemRandom},
    config::{self, Config, ConfigError, Paths},
    credentials::SystemdCredentials,
    desktop::{
        fingerprint::FprintReader,
        logind::{SessionKnowledge, SessionOwner, SessionWatch},
        network::{self, KernelNetwork},
        notification::DesktopNotifications,
        pinentry::{PinEntryDialogs, Surroundings},
        secret_service::SecretServiceKeyring,
        secret_service_watch,
        system_bus::SystemBus,
    },
    hardening::{self, MemoryProtection},
    launcher::{self, Launcher},
    logging,
    push::{enrollment::HttpsEnrollment, gateway::GatewayChannels, privacyidea::PrivacyIdeaPolls},
    tpm,
    vault::{Vault, VaultError, VaultHandle, VaultState},
};

/// Inputs from outside that may wait for the stories.
const INPUTS: usize = 256;

/// Why the agent does not serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process that starts dialogs could not be made.
    #[error("the launcher of dialogs could not be started: {0}")]
    Launcher(io::Error),
    /// The process could not protect itself.
    #[error("the process could not be hardened: {0}")]
    Hardening(io::Error),
    /// config.toml, or the environment.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The vault is in use by another agent, or its folder cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The socket could not be made.
    #[error("the socket {path} could not be made: {source}")]
    Socket {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Another agent listens there.
    #[error("another agent is already listening at {0}")]
    AlreadyRunning(String),
    /// The runtime could not be made.
    #[error("the runtime could not be started: {0}")]
    Runtime(io::Error),
    /// Serving ended with an error.
    #[error(transparent)]
    Serve(#[from] api::grpc::ServeError),
}

impl Explain for StartError {
    fn reason(&self) -> Reason {
        match self {
            Self::Launcher(_) | Self::Hardening(_) | Self::Runtime(_) | Self::Serve(_) => {
                Reason::Internal
            }
            Self::Config(_) => Reason::ConfigInvalid,
            Self::Vault(error) => Explain::reason(error),
            Self::Socket { .. } => Reason::StorageFailed,
            Self::AlreadyRunning(_) => Reason::VaultInUse,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Vault(error) => Explain::hint(error),
            Self::AlreadyRunning(_) => {
                "use that one, or stop it with `systemctl --user stop countersignd`".to_owned()
            }
            Self::Socket { .. } => "check the folder under XDG_RUNTIME_DIR".to_owned(),
            Self::Launcher(_)
            | Self::Hardening(_)
            | Self::Config(_)
            | Self::Runtime(_)
            | Self::Serve(_) => String::new(),
        }
    }
}

/// Says on stderr why the agent does not serve; the exit code is the reason's number.
pub fn report(error: &StartError) -> ExitCode {
    let hint = error.hint();
    let mut stderr = io::stderr().lock();
    // There is nobody left to tell if stderr is gone.
    drop(writeln!(stderr, "countersignd: {error}"));
    if !hint.is_empty() {
        drop(writeln!(stderr, "hint: {hint}"));
    }
    ExitCode::from(error.reason().exit_code())
}

/// Runs the agent until it is told to end.
///
/// # Errors
///
/// Every variant of [`StartError`].
pub fn start() -> Result<(), StartError> {
    // First, and so marked as not to be inherited: neither the launcher nor a dialog may hold it.
    let mut passed = listenfd::ListenFd::from_env();
    let mut taken = |place| passed.take_unix_listener(place).ok().flatten();
    let passed = Passed {
        agent: taken(0),
        sudo: taken(1),
    };
    // Before hardening, which dialogs are not to inherit.
    let own_program = Path::new(launcher::OWN_PROGRAM);
    let launcher = Launcher::start(own_program).map_err(StartError::Launcher)?;
    hardening::harden().map_err(StartError::Hardening)?;
    let paths = Paths::from_environment()?;
    logging::start();
    if let MemoryProtection::Unlocked { why } = hardening::memory() {
        warn!("secrets are not kept from being swapped: {why}");
    }
    let config = Config::load(&paths)?;
    // Before the first thread: those that come later inherit it.
    hardening::confine(&paths);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?
        .block_on(serve(paths, config, launcher, passed))
}

async fn serve(
    paths: Paths,
    config: Config,
    launcher: Launcher,
    passed: Passed,
) -> Result<(), StartError> {
    let vault = Vault::open(paths.vault(), hardening::host_id());
    // Another agent has it: this one must not even listen. Whatever else is wrong is told to who asks.
    if let VaultState::Unusable {
        reason: VaultError::InUse,
    } = vault.state()
    {
        return Err(VaultError::InUse.into());
    }
    let vault = VaultHandle::start(vault)?;
    let (listener, own_socket) = socket(passed.agent, paths.agent_socket()).await?;
    let (sudo_listener, own_sudo_socket) = socket(passed.sudo, paths.sudo_socket()).await?;
    // One connection for all; without a session bus the agent serves what needs none.
    let bus = zbus::Connection::session().await.ok();
    let (inputs, queue) = mpsc::channel(INPUTS);
    let signer = Arc::new(LateSigner::default());
    let hello: Arc<dyn HelloSigner> = Arc::<LateSigner>::clone(&signer);
    let poll_signer: Arc<dyn PollSigner> = Arc::<LateSigner>::clone(&signer);
    let notifications = Arc::new(DesktopNotifications::new(
        config.notifications,
        bus.clone(),
        inputs.clone(),
    ));
    let dialogs = Arc::new(PinEntryDialogs::new(
        Arc::new(launcher),
        config.pinentry.clone(),
        Surroundings::from_variables(config::variable),
    ));
    let notes: Arc<dyn Notifications> = Arc::<DesktopNotifications>::clone(&notifications);
    let pin_entry: Arc<dyn PinEntry> = Arc::<PinEntryDialogs>::clone(&dialogs);
    let keyring = SecretServiceKeyring::new(bus.clone());
    let keyring_watch = tokio::spawn(secret_service_watch::watch(bus.clone(), inputs.clone()));
    let ports = Ports {
        clock: Arc::new(SystemClock),
        network: Arc::new(KernelNetwork),
        random: Arc::new(SystemRandom),
        notifications: notes,
        keyring: Arc::new(keyring),
        credentials: Arc::new(SystemdCredentials::new(paths.credentials())),
        tpm: tpm::at(config.tpm.as_deref()),
        pin_entry,
        fingerprint: Arc::new(FprintReader::new(SystemBus::Usual)),
        push: Arc::new(GatewayChannels::new(
            inputs.clone(),
            hello,
            config.keep_alive,
        )),
        polls: Arc::new(PrivacyIdeaPolls::new(inputs.clone(), poll_signer)),
        transport: Arc::new(HttpsEnrollment),
    };
    let agent = Agent::new(vault, ports, settings(&config));
    signer.set(Arc::clone(&agent));
    let network_watch = tokio::spawn(network::watch(inputs.clone()));
    let session_watch = tokio::spawn(watch_session(inputs));
    tokio::spawn(reload(
        paths.clone(),
        Arc::clone(&agent),
        notifications,
        dialogs,
    ));

    let stories = tokio::spawn(Arc::clone(&agent).run(queue));
    let dbus = tokio::spawn(api::dbus::serve(Arc::clone(&agent), bus));
    let sudo = tokio::spawn(api::sudo_socket::serve(Arc::clone(&agent), sudo_listener));
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        terminated().await;
        // The server may have ended before.
        let _nobody_waits = stop.send(()).is_err();
    });
    ready();
    let served = api::grpc::serve(Arc::clone(&agent), listener, async {
        // A dropped sender means the same.
        drop(stopped.await);
    })
    .await;

    info!("shutting down");
    drop(sd_notify::notify(&[sd_notify::NotifyState::Stopping]));
    dbus.abort();
    sudo.abort();
    keyring_watch.abort();
    session_watch.abort();
    network_watch.abort();
    stories.abort();
    agent.shut_down().await;
    for path in [own_socket, own_sudo_socket].into_iter().flatten() {
        // Somebody else may have removed it; the next start would.
        drop(fs::remove_file(path));
    }
    served?;
    Ok(())
}

/// What config.toml decides for the stories.
const fn settings(config: &Config) -> Settings {
    Settings {
        vault_key: config.vault_key,
        lock_after: LockAfter {
            idle: config.lock_idle,
            age: config.lock_max,
        },
        lock_with: config.lock_with,
    }
}

/// Tells the agent what happens to the desktop session, and whether anybody tells at all.
async fn watch_session(inputs: mpsc::Sender<Input>) {
    let owner = SessionOwner {
        uid: rustix::process::getuid().as_raw(),
        process: std::process::id(),
        session_id: config::variable("XDG_SESSION_ID"),
    };
    let (watch, mut known) = SessionWatch::new(SystemBus::Usual, owner, inputs.clone());
    let told = async {
        while known.changed().await.is_ok() {
            let event = match &*known.borrow_and_update() {
                SessionKnowledge::Watched(_) => SessionEvent::Watched,
                SessionKnowledge::NoLogind | SessionKnowledge::NoSession => SessionEvent::Unwatched,
            };
            if inputs.send(Input::Session(event)).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(watch.run(), told);
}

/// Reads config.toml again at each SIGHUP. One that is wrong is named with line and key, and changes nothing.
async fn reload(
    paths: Paths,
    agent: Arc<Agent>,
    notifications: Arc<DesktopNotifications>,
    dialogs: Arc<PinEntryDialogs>,
) {
    let Ok(mut asked) = signal(SignalKind::hangup()) else {
        return;
    };
    while asked.recv().await.is_some() {
        match Config::load(&paths) {
            Ok(config) => {
                agent.reconfigure(settings(&config));
                notifications.reconfigure(config.notifications);
                dialogs.reconfigure(config.pinentry);
                info!("config.toml was read again");
            }
            Err(error) => warn!(%error, "config.toml was not taken; what held before holds on"),
        }
    }
}

/// Tells the service manager that the socket answers.
fn ready() {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        warn!(%error, "the service manager could not be told");
    }
    info!("ready");
}

async fn terminated() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// The sockets that the service manager passed, in the order of the socket unit.
struct Passed {
    agent: Option<net::UnixListener>,
    sudo: Option<net::UnixListener>,
}

/// The socket that was passed, or one of our own, with its path.
async fn socket(
    passed: Option<net::UnixListener>,
    path: PathBuf,
) -> Result<(UnixListener, Option<PathBuf>), StartError> {
    match passed_socket(passed, &path)? {
        // The service manager's: it goes on listening when this agent has ended.
        Some(passed) => Ok((passed, None)),
        None => Ok((bound_socket(&path).await?, Some(path))),
    }
}

/// The socket that the service manager passed, if it passed one.
fn passed_socket(
    passed: Option<net::UnixListener>,
    path: &Path,
) -> Result<Option<UnixListener>, StartError> {
    let failed = |source| StartError::Socket {
        path: path.display().to_string(),
        source,
    };
    let Some(passed) = passed else {
        return Ok(None);
    };
    passed.set_nonblocking(true).map_err(failed)?;
    UnixListener::from_std(passed).map(Some).map_err(failed)
}

/// A socket of our own in a folder that only we can enter.
async fn bound_socket(path: &Path) -> Result<UnixListener, StartError> {
    let failed = |source| StartError::Socket {
        path: path.display().to_string(),
        source,
    };
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            own_folder(folder).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            return Err(StartError::AlreadyRunning(path.display().to_string()));
        }
        // Left behind by an agent that was killed; the vault's lock says that it is gone.
        Ok(_) => fs::remove_file(path).map_err(failed)?,
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    // The folder kept everybody out from the start; the mode is for those who look.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;

fn own_folder(folder: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(folder)?;
    let own = rustix::process::geteuid().as_raw();
    if metadata.is_dir() && metadata.uid() == own && metadata.mode() & OTHERS == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} must be a folder of yours that nobody else can enter",
            folder.display()
        ),
    ))
}

/// Signs for the push streams once the agent exists.
#[derive(Default)]
struct LateSigner(OnceLock<Arc<Agent>>);

impl LateSigner {
    fn set(&self, agent: Arc<Agent>) {
        drop(self.0.set(agent));
    }
}

#[async_trait::async_trait]
impl HelloSigner for LateSigner {
    async fn hello(
        &self,
        service: countersign_core::ids::ServiceId,
        server_nonce: [u8; 32],
        tls_exporter: [u8; 32],
    ) -> Option<countersign_proto::push::v1::Signed> {
        self.0
            .get()?
            .hello(service, server_nonce, tls_exporter)
            .await
    }
}

#[async_trait::async_trait]
impl PollSigner for LateSigner {
    async fn next_poll(&self, service: countersign_core::ids::ServiceId) -> PollWish {
        match self.0.get() {
            Some(agent) => agent.next_poll(service).await,
            None => PollWish::NotNow {
                why: "the agent is starting".to_owned(),
            },
        }
    }
}
