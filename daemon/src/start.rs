//! From nothing to a serving agent, and down again.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
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
    agent::{Agent, Ports, Settings, explain::Explain, ports::HelloSigner, state::LockAfter},
    api,
    clock::{SystemClock, SystemRandom},
    config::{Config, ConfigError, Paths},
    desktop::{notification::DesktopNotifications, secret_service::SecretServiceKeyring},
    hardening::{self, MemoryProtection},
    logging,
    push::{enrollment::HttpsEnrollment, gateway::GatewayChannels},
    vault::{Vault, VaultError, VaultHandle, VaultState},
};

/// Inputs from outside that may wait for the stories.
const INPUTS: usize = 256;

/// Why the agent does not serve.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
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
            Self::Hardening(_) | Self::Runtime(_) | Self::Serve(_) => Reason::Internal,
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
            Self::Hardening(_) | Self::Config(_) | Self::Runtime(_) | Self::Serve(_) => {
                String::new()
            }
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
        .block_on(serve(paths, config))
}

async fn serve(paths: Paths, config: Config) -> Result<(), StartError> {
    let vault = Vault::open(paths.vault(), hardening::host_id());
    // Another agent has it: this one must not even listen. Whatever else is wrong is told to who asks.
    if let VaultState::Unusable {
        reason: VaultError::InUse,
    } = vault.state()
    {
        return Err(VaultError::InUse.into());
    }
    let vault = VaultHandle::start(vault)?;
    let path = paths.agent_socket();
    let (listener, own_socket) = match passed_socket(&path)? {
        // The service manager's: it goes on listening when this agent has ended.
        Some(passed) => (passed, None),
        None => (bound_socket(&path).await?, Some(path)),
    };
    // One connection for all; without a session bus the agent serves what needs none.
    let bus = zbus::Connection::session().await.ok();
    let (inputs, queue) = mpsc::channel(INPUTS);
    let signer = Arc::new(LateSigner::default());
    let hello: Arc<dyn HelloSigner> = Arc::<LateSigner>::clone(&signer);
    let ports = Ports {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        notifications: Arc::new(DesktopNotifications::new(
            config.notifications,
            bus.clone(),
            inputs.clone(),
        )),
        keyring: Arc::new(SecretServiceKeyring::new(bus.clone())),
        push: Arc::new(GatewayChannels::new(inputs, hello)),
        transport: Arc::new(HttpsEnrollment),
    };
    let settings = Settings {
        vault_key: config.vault_key,
        lock_after: LockAfter {
            idle: config.lock_idle,
            age: config.lock_max,
        },
    };
    let agent = Agent::new(vault, ports, settings);
    signer.set(Arc::clone(&agent));

    let stories = tokio::spawn(Arc::clone(&agent).run(queue));
    let dbus = tokio::spawn(api::dbus::serve(Arc::clone(&agent), bus));
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
    stories.abort();
    agent.shut_down().await;
    if let Some(path) = own_socket {
        // Somebody else may have removed it; the next start would.
        drop(fs::remove_file(path));
    }
    served?;
    Ok(())
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

/// The socket that the service manager passed, if it passed one.
fn passed_socket(path: &Path) -> Result<Option<UnixListener>, StartError> {
    let failed = |source| StartError::Socket {
        path: path.display().to_string(),
        source,
    };
    let Ok(Some(passed)) = listenfd::ListenFd::from_env().take_unix_listener(0) else {
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
