//! config.toml and the places of files. The environment is read here and nowhere else, at the start.

use std::{
    env, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use core::{
    ops::{Range, RangeInclusive},
    time::Duration,
};

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::agent::session::{LockWith, LockWithSession};

/// Where a new vault's key is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VaultKey {
    /// The session's keyring.
    #[default]
    SecretService,
    /// A passphrase.
    Passphrase,
    /// A systemd credential.
    Credential,
    /// The machine's TPM.
    Tpm,
}

/// Are desktop notifications shown?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotificationsWanted {
    /// Yes.
    #[default]
    Yes,
    /// Login requests are answered by the other ways only.
    No,
}

/// What config.toml says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `[vault] key`.
    pub vault_key: VaultKey,
    /// `[lock] idle_seconds`; `None`: never.
    pub lock_idle: Option<Duration>,
    /// `[lock] max_seconds`; `None`: never.
    pub lock_max: Option<Duration>,
    /// `[lock] with_screen`, `with_sleep`, `with_session_switch`.
    pub lock_with: LockWithSession,
    /// `[tpm] tcti`: how the TPM is reached, in the words of tpm2-tss (e.g. `device:/dev/tpmrm0`); `None`: that device.
    pub tpm: Option<String>,
    /// `[pinentry] program`, an absolute path; `None`: the one that PATH finds.
    pub pinentry: Option<PathBuf>,
    /// `[notifications] enabled`.
    pub notifications: NotificationsWanted,
    /// `[push] keep_alive_seconds`: how often an idle connection to a gateway is probed.
    pub keep_alive: Duration,
}

/// Below the idle limits of NAT and load balancers.
const KEEP_ALIVE_SECONDS: u16 = 45;
/// What `[push] keep_alive_seconds` may be.
const KEEP_ALIVE_BOUNDS: RangeInclusive<u16> = 5..=600;

impl Default for Config {
    fn default() -> Self {
        Self::from(File::default())
    }
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable that names a folder is missing, or its path is not absolute.
    #[error("{0} is not set to an absolute path: the agent does not know where its files are")]
    Unset(&'static str),
    /// There is no such folder for sockets.
    #[error("XDG_RUNTIME_DIR ({0}) is not a folder: log in through a session that makes one")]
    RuntimeAbsent(String),
    /// Somebody else owns the folder for sockets.
    #[error("XDG_RUNTIME_DIR ({path}) belongs to user {owner}, not to this one ({own})")]
    RuntimeForeign {
        /// The folder.
        path: String,
        /// Its owner's uid.
        owner: u32,
        /// Our effective uid.
        own: u32,
    },
    /// Others can enter the folder for sockets.
    #[error("XDG_RUNTIME_DIR ({path}) is open to others (mode {mode:03o}): run chmod 700 on it")]
    RuntimeOpen {
        /// The folder.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Larger than any configuration is.
    #[error("{0} is larger than 64 KiB")]
    TooLong(String),
    /// A line that is not TOML, a key that does not exist or a value that it does not take.
    #[error("{path}, line {line}{}: {message}", in_key(.key))]
    Invalid {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// `[table] key`, as far as the line has them.
        key: String,
        /// What is wrong, in the parser's or our words.
        message: String,
    },
}

fn in_key(key: &str) -> String {
    if key.is_empty() {
        String::new()
    } else {
        format!(", {key}")
    }
}

/// The places of the agent's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config: PathBuf,
    data: PathBuf,
    runtime: PathBuf,
    credentials: Option<PathBuf>,
}

impl Paths {
    /// From `XDG_CONFIG_HOME`, `XDG_DATA_HOME` (with the defaults under `HOME`) and `XDG_RUNTIME_DIR`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Unset`] and the variants about the folder for sockets.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_variables(|name| variable(name).map(PathBuf::from))
    }

    fn from_variables(
        variable: impl Fn(&'static str) -> Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        // XDG Base Directory Specification: a path that is not absolute is to be ignored.
        let absolute = |name| variable(name).filter(|path| path.is_absolute());
        let folder = |name, under_home: &str| {
            absolute(name)
                .or_else(|| absolute("HOME").map(|home| home.join(under_home)))
                .ok_or(ConfigError::Unset("HOME"))
        };
        let runtime = absolute("XDG_RUNTIME_DIR").ok_or(ConfigError::Unset("XDG_RUNTIME_DIR"))?;
        check_runtime(&runtime)?;
        Ok(Self {
            config: folder("XDG_CONFIG_HOME", ".config")?,
            data: folder("XDG_DATA_HOME", ".local/share")?,
            runtime,
            credentials: absolute("CREDENTIALS_DIRECTORY"),
        })
    }

    /// config.toml.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config.join("countersign/config.toml")
    }

    /// The vault's database.
    #[must_use]
    pub fn vault(&self) -> PathBuf {
        self.data.join("countersign/vault.db")
    }

    /// Where systemd puts the credentials of this service, if it has any.
    #[must_use]
    pub fn credentials(&self) -> Option<PathBuf> {
        self.credentials.clone()
    }

    /// The socket for the user's programs.
    #[must_use]
    pub fn agent_socket(&self) -> PathBuf {
        self.runtime.join("countersign/agent.sock")
    }

    /// The socket for this computer's PAM module.
    #[must_use]
    pub fn sudo_socket(&self) -> PathBuf {
        self.runtime.join("countersign/sudo.sock")
    }
}

/// A variable of the environment, if it is set to text.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// The specification wants a folder of the user's own with mode 0700; a socket in any other could be taken over.
fn check_runtime(folder: &Path) -> Result<(), ConfigError> {
    let path = folder.display().to_string();
    let metadata = match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) | Err(_) => return Err(ConfigError::RuntimeAbsent(path)),
    };
    let (owner, own) = (metadata.uid(), rustix::process::geteuid().as_raw());
    let mode = metadata.mode() & 0o777;
    if owner != own {
        return Err(ConfigError::RuntimeForeign { path, owner, own });
    }
    if mode & 0o077 != 0 {
        return Err(ConfigError::RuntimeOpen { path, mode });
    }
    Ok(())
}

/// The file's own shape.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    vault: VaultTable,
    lock: LockTable,
    pinentry: PinentryTable,
    notifications: NotificationsTable,
    tpm: TpmTable,
    push: PushTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TpmTable {
    #[serde(deserialize_with = "tcti")]
    tcti: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VaultTable {
    #[serde(deserialize_with = "vault_key")]
    key: VaultKey,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LockTable {
    idle_seconds: u32,
    max_seconds: u32,
    with_screen: bool,
    with_sleep: bool,
    with_session_switch: bool,
}

impl Default for LockTable {
    fn default() -> Self {
        Self {
            idle_seconds: 0,
            max_seconds: 0,
            with_screen: true,
            with_sleep: true,
            with_session_switch: true,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PinentryTable {
    #[serde(deserialize_with = "program")]
    program: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NotificationsTable {
    enabled: bool,
}

impl Default for NotificationsTable {
    fn default() -> Self {
        Self { enabled: true }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PushTable {
    #[serde(deserialize_with = "keep_alive")]
    keep_alive_seconds: u16,
}

impl Default for PushTable {
    fn default() -> Self {
        Self {
            keep_alive_seconds: KEEP_ALIVE_SECONDS,
        }
    }
}

fn keep_alive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let seconds = u16::deserialize(deserializer)?;
    if KEEP_ALIVE_BOUNDS.contains(&seconds) {
        Ok(seconds)
    } else {
        Err(D::Error::custom("5 to 600 seconds are expected"))
    }
}

fn vault_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VaultKey, D::Error> {
    let name = String::deserialize(deserializer)?;
    let choices = "use \"secret-service\", \"passphrase\", \"credential\" or \"tpm\"";
    match name.as_str() {
        "secret-service" => Ok(VaultKey::SecretService),
        "passphrase" => Ok(VaultKey::Passphrase),
        "credential" => Ok(VaultKey::Credential),
        "tpm" => Ok(VaultKey::Tpm),
        _ => Err(D::Error::custom(format_args!(
            "\"{name}\" is no kind of vault key; {choices}"
        ))),
    }
}

/// The longest description of a way to the TPM, in bytes.
const TCTI: usize = 256;

fn tcti<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() || text.len() > TCTI || text.chars().any(char::is_control) {
        Err(D::Error::custom(
            "a TCTI such as \"device:/dev/tpmrm0\" is expected",
        ))
    } else {
        Ok(Some(text))
    }
}

fn program<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    if path.is_absolute() {
        Ok(Some(path))
    } else {
        Err(D::Error::custom("an absolute path is expected"))
    }
}

const fn lock_with(wanted: bool) -> LockWith {
    if wanted { LockWith::Yes } else { LockWith::No }
}

/// The longest configuration, in bytes.
const LONGEST: u64 = 64 * 1024;

impl Config {
    /// Reads config.toml; without one, the defaults.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Read`], [`ConfigError::TooLong`], [`ConfigError::Invalid`].
    pub fn load(paths: &Paths) -> Result<Self, ConfigError> {
        let file = paths.config_file();
        let path = file.display().to_string();
        let read = |source| ConfigError::Read {
            path: path.clone(),
            source,
        };
        match fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(read(error)),
            Ok(metadata) if metadata.len() > LONGEST => return Err(ConfigError::TooLong(path)),
            Ok(_) => {}
        }
        Self::parse(&fs::read_to_string(&file).map_err(read)?, &path)
    }

    fn parse(text: &str, path: &str) -> Result<Self, ConfigError> {
        let file: File = toml::from_str(text).map_err(|error| {
            let (line, key) = place(text, error.span());
            ConfigError::Invalid {
                path: path.to_owned(),
                line,
                key,
                message: error.message().lines().collect::<Vec<_>>().join(", "),
            }
        })?;
        Ok(Self::from(file))
    }
}

impl From<File> for Config {
    fn from(file: File) -> Self {
        Self {
            vault_key: file.vault.key,
            lock_idle: span(file.lock.idle_seconds),
            lock_max: span(file.lock.max_seconds),
            lock_with: LockWithSession {
                screen: lock_with(file.lock.with_screen),
                sleep: lock_with(file.lock.with_sleep),
                switch: lock_with(file.lock.with_session_switch),
            },
            tpm: file.tpm.tcti,
            pinentry: file.pinentry.program,
            notifications: if file.notifications.enabled {
                NotificationsWanted::Yes
            } else {
                NotificationsWanted::No
            },
            keep_alive: Duration::from_secs(file.push.keep_alive_seconds.into()),
        }
    }
}

/// 0 means never.
fn span(seconds: u32) -> Option<Duration> {
    (seconds > 0).then(|| Duration::from_secs(seconds.into()))
}

/// The line that `span` begins on, counted from 1, and the `[table] key` that stands there.
fn place(text: &str, span: Option<Range<usize>>) -> (usize, String) {
    let before = span.and_then(|span| text.get(..span.start)).unwrap_or("");
    let line = before.matches('\n').count().saturating_add(1);
    let mut table = "";
    let mut key = "";
    for found in text.lines().map(str::trim).take(line) {
        if found.starts_with('[') {
            (table, key) = (found, "");
        } else {
            key = found.split_once('=').map_or("", |(name, _)| name.trim());
        }
    }
    (line, format!("{table} {key}").trim().to_owned())
}

#[cfg(test)]
mod tests;
