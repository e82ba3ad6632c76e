//! The Secret Service adapter against the real gnome-keyring-daemon, on a bus of its own.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests stop at the first surprise, and say aloud what they skip"
)]

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use countersign_core::{secret::SecretBytes, time::UnixMillis};
use countersignd::{
    agent::ports::{Keyring as _, KeyringError},
    desktop::secret_service::SecretServiceKeyring,
    vault::{KeyPlace, SlotId, SlotKey, SlotSource, UnlockMode, Vault, VaultError},
};
use futures_util::StreamExt as _;
use tempfile::TempDir;
use zbus::{Connection, fdo::DBusProxy};

const DEADLINE: Duration = Duration::from_secs(20);
const NAME: &str = "org.freedesktop.secrets";
const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><keep_umask/><listen>unix:path=@SOCKET@</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"#;

/// A child that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _gone = self.0.kill().is_err();
        let _reaped = self.0.wait().is_err();
    }
}

struct Rig {
    folder: TempDir,
    address: String,
    connection: Connection,
    daemon: Option<Ended>,
    _bus: Ended,
}

fn missing() -> Option<&'static str> {
    ["dbus-daemon", "gnome-keyring-daemon"]
        .into_iter()
        .find(|name| !Path::new("/usr/bin").join(name).exists())
}

/// The rig, or a line that says why there is none.
async fn rig() -> Option<Rig> {
    if let Some(name) = missing() {
        eprintln!("SKIPPED: {name} is not installed, so the keyring is not tested");
        return None;
    }
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("bus");
    let config = folder.path().join("bus.conf");
    fs::write(&config, BUS.replace("@SOCKET@", socket.to_str().unwrap())).unwrap();
    for name in ["run", "home"] {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let mut bus = Command::new("/usr/bin/dbus-daemon");
    bus.arg("--config-file").arg(&config);
    bus.args(["--nofork", "--nopidfile", "--print-address=1"]);
    bus.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut bus = bus.spawn().unwrap();
    let mut address = String::new();
    BufReader::new(bus.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let address = address.trim().to_owned();
    let connection = zbus::connection::Builder::address(address.as_str())
        .unwrap()
        .build()
        .await
        .unwrap();
    Some(Rig {
        folder,
        address,
        connection,
        daemon: None,
        _bus: Ended(bus),
    })
}

impl Rig {
    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(name.as_ref())
    }

    /// Starts the daemon and waits for its name. A password opens (or at first makes) the login keyring.
    async fn start(&mut self, password: Option<&str>) {
        let mut names = DBusProxy::new(&self.connection)
            .await
            .unwrap()
            .receive_name_owner_changed_with_args(&[(0, NAME)])
            .await
            .unwrap();
        let mut daemon = Command::new("/usr/bin/gnome-keyring-daemon");
        daemon.args(["--foreground", "--components=secrets"]);
        if password.is_some() {
            daemon.arg("--unlock");
        }
        daemon.env_clear().env("PATH", "/usr/bin:/bin");
        daemon
            .env("HOME", self.path("home"))
            .env("XDG_DATA_HOME", self.path("home"));
        daemon.env("XDG_RUNTIME_DIR", self.path("run"));
        daemon.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        daemon
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut daemon = daemon.spawn().unwrap();
        let mut stdin = daemon.stdin.take().unwrap();
        stdin
            .write_all(password.unwrap_or_default().as_bytes())
            .unwrap();
        drop(stdin);
        self.daemon = Some(Ended(daemon));
        let owned = async {
            while let Some(change) = names.next().await {
                if change.args().unwrap().new_owner().is_some() {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, owned).await.unwrap();
    }

    fn keyring(&self) -> SecretServiceKeyring {
        SecretServiceKeyring::new(Some(self.connection.clone()))
    }

    /// Locks the login keyring, as "lock all" in a keyring manager does.
    async fn lock(&self) {
        let login =
            zbus::zvariant::ObjectPath::try_from("/org/freedesktop/secrets/collection/login");
        self.connection
            .call_method(
                Some(NAME),
                "/org/freedesktop/secrets",
                Some("org.freedesktop.Secret.Service"),
                "Lock",
                &(vec![login.unwrap()],),
            )
            .await
            .unwrap();
    }

    /// Unlocks it again as PAM does: operation 1 on the control socket.
    fn unlock(&self, password: &str) {
        let mut control = UnixStream::connect(self.path("run").join("keyring/control")).unwrap();
        control.set_read_timeout(Some(DEADLINE)).unwrap();
        let len = u32::try_from(password.len()).unwrap();
        let mut message = vec![0];
        for number in [len.checked_add(12).unwrap(), 1, len] {
            message.extend(number.to_be_bytes());
        }
        message.extend(password.as_bytes());
        control.write_all(&message).unwrap();
        let mut reply = [0; 8];
        control.read_exact(&mut reply).unwrap();
        assert_eq!(reply, [0, 0, 0, 8, 0, 0, 0, 0]);
    }
}

fn key() -> SecretBytes {
    // Zero bytes, a newline and high bits: binary, not text.
    let mut bytes = [0_u8; 32];
    bytes[0] = 0xff;
    bytes[1] = b'\n';
    SecretBytes::from(bytes)
}

#[tokio::test]
async fn a_key_is_stored_loaded_replaced_and_removed() {
    let Some(mut rig) = rig().await else { return };
    rig.start(Some("test-password")).await;
    let keyring = rig.keyring();
    assert_eq!(keyring.load("a").await, Err(KeyringError::NotFound));
    keyring.store("a", &key()).await.unwrap();
    assert_eq!(keyring.load("a").await, Ok(key()));
    assert_eq!(keyring.load("b").await, Err(KeyringError::NotFound));
    let other = SecretBytes::from([7; 32]);
    keyring.store("b", &other).await.unwrap();
    keyring.store("a", &other).await.unwrap();
    assert_eq!(keyring.load("a").await, Ok(other.clone()));
    keyring.remove("a").await.unwrap();
    keyring.remove("a").await.unwrap();
    assert_eq!(keyring.load("a").await, Err(KeyringError::NotFound));
    assert_eq!(keyring.load("b").await, Ok(other));
}

#[tokio::test]
async fn a_locked_keyring_is_never_an_empty_one() {
    let Some(mut rig) = rig().await else { return };
    rig.start(Some("test-password")).await;
    let keyring = rig.keyring();
    keyring.store("a", &key()).await.unwrap();
    rig.lock().await;
    // No prompter on this bus: the dialog counts as dismissed.
    assert_eq!(keyring.load("a").await, Err(KeyringError::Locked));
    assert_eq!(
        keyring.load("never stored").await,
        Err(KeyringError::Locked)
    );
    assert_eq!(keyring.store("b", &key()).await, Err(KeyringError::Locked));
    assert_eq!(keyring.remove("a").await, Err(KeyringError::Locked));
    rig.unlock("test-password");
    assert_eq!(keyring.load("a").await, Ok(key()));
    assert_eq!(
        keyring.load("never stored").await,
        Err(KeyringError::NotFound)
    );
}

#[tokio::test]
async fn a_key_survives_a_restart_and_a_wrong_password_leaves_it_locked() {
    let Some(mut rig) = rig().await else { return };
    rig.start(Some("test-password")).await;
    rig.keyring().store("a", &key()).await.unwrap();
    rig.daemon = None;
    assert_eq!(rig.keyring().load("a").await, Err(KeyringError::Absent));
    rig.start(Some("test-password")).await;
    assert_eq!(rig.keyring().load("a").await, Ok(key()));
    rig.daemon = None;
    rig.start(Some("wrong")).await;
    assert_eq!(rig.keyring().load("a").await, Err(KeyringError::Locked));
    rig.daemon = None;
    rig.start(None).await;
    assert_eq!(rig.keyring().load("a").await, Err(KeyringError::Locked));
}

#[tokio::test]
async fn without_a_daemon_the_keyring_is_absent() {
    let Some(rig) = rig().await else { return };
    let keyring = rig.keyring();
    assert_eq!(keyring.load("a").await, Err(KeyringError::Absent));
    assert_eq!(keyring.store("a", &key()).await, Err(KeyringError::Absent));
    assert_eq!(keyring.remove("a").await, Err(KeyringError::Absent));
}

#[tokio::test]
async fn what_is_in_the_volatile_collection_does_not_count() {
    let Some(mut rig) = rig().await else { return };
    rig.start(Some("test-password")).await;
    let service = secret_service::SecretService::connect_with_existing(
        secret_service::EncryptionType::Dh,
        rig.connection.clone(),
    )
    .await
    .unwrap();
    let session = service.get_collection_by_alias("session").await.unwrap();
    let attributes = [
        ("application", "countersign"),
        ("kind", "vault-key"),
        ("slot", "a"),
    ]
    .into_iter()
    .collect();
    session
        .create_item("decoy", attributes, b"AAAA", true, "text/plain")
        .await
        .unwrap();
    assert_eq!(rig.keyring().load("a").await, Err(KeyringError::NotFound));
}

#[tokio::test]
async fn a_vault_opens_with_the_key_that_the_keyring_keeps() {
    let Some(mut rig) = rig().await else { return };
    rig.start(Some("test-password")).await;
    let (name, key) = SlotSource::new_keyring_key().unwrap();
    rig.keyring().store(&name, &key).await.unwrap();
    let path = rig.path("home").join("countersign/vault.db");
    let mut vault = Vault::open(path.clone(), [1; 32]);
    vault
        .create(
            SlotSource::Machine {
                place: KeyPlace::Keyring(name),
                key,
                pin: None,
            },
            UnlockMode::Session,
            UnixMillis(0),
        )
        .unwrap();
    drop(vault);
    let mut vault = Vault::open(path, [1; 32]);
    let place = vault.slots().unwrap().first().unwrap().place();
    let Some(KeyPlace::Keyring(name)) = place else {
        unreachable!("it has a key in the keyring");
    };
    rig.lock().await;
    let refusal = VaultError::from(rig.keyring().load(&name).await.unwrap_err());
    assert_eq!(refusal, VaultError::KeySourceLocked);
    rig.unlock("test-password");
    vault
        .unlock(SlotKey::Machine {
            slot: SlotId(1),
            key: rig.keyring().load(&name).await.unwrap(),
            pin: None,
        })
        .unwrap();
}
