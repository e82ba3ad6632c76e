//! When the session's keyring comes or is opened: told by the bus and by the keyring itself, nothing polls.

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tracing::debug;
use zbus::{
    Connection,
    fdo::DBusProxy,
    names::BusName,
    proxy,
    proxy::{CacheProperties, PropertyStream},
    zvariant::OwnedObjectPath,
};

use crate::agent::ports::Input;

const NAME: &str = "org.freedesktop.secrets";

#[proxy(
    interface = "org.freedesktop.Secret.Service",
    default_service = "org.freedesktop.secrets",
    default_path = "/org/freedesktop/secrets"
)]
trait Service {
    fn read_alias(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
}

#[proxy(
    interface = "org.freedesktop.Secret.Collection",
    default_service = "org.freedesktop.secrets"
)]
trait Collection {
    #[zbus(property)]
    fn locked(&self) -> zbus::Result<bool>;
}

/// Tells `inputs` each time the keyring comes or its default collection is opened, for as long as the bus lives.
pub async fn watch(bus: Option<Connection>, inputs: mpsc::Sender<Input>) {
    let Some(bus) = bus else { return };
    if let Err(error) = follow(&bus, &inputs).await {
        debug!(%error, "the keyring is not watched");
    }
}

async fn follow(bus: &Connection, inputs: &mpsc::Sender<Input>) -> zbus::Result<()> {
    let daemon = DBusProxy::new(bus).await?;
    let mut owners = daemon
        .receive_name_owner_changed_with_args(&[(0, NAME)])
        .await?;
    // One that is there already has been asked by whoever starts the vault.
    let mut come = false;
    loop {
        let mut locked = locked_changes(bus, &daemon).await;
        // A keyring that can be watched says itself whether it is open.
        if come && locked.is_none() && inputs.send(Input::KeyringOpened).await.is_err() {
            return Ok(());
        }
        let mut before = Door::Locked;
        come = loop {
            let now = tokio::select! {
                owner = owners.next() => match owner {
                    Some(owner) => break owner.args()?.new_owner().is_some(),
                    None => return Ok(()),
                },
                now = next(&mut locked) => now,
            };
            // A stream says first what is, and may repeat it: only what was not open before has been opened.
            let opened = now == Door::Open && before == Door::Locked;
            before = now;
            if opened && inputs.send(Input::KeyringOpened).await.is_err() {
                return Ok(());
            }
        };
    }
}

/// How the default collection stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Open,
    Locked,
}

/// The default collection's `Locked`. A look starts no keyring.
async fn locked_changes(
    bus: &Connection,
    daemon: &DBusProxy<'_>,
) -> Option<PropertyStream<'static, bool>> {
    let name = BusName::try_from(NAME).ok()?;
    if !daemon.name_has_owner(name).await.ok()? {
        return None;
    }
    let service = ServiceProxy::builder(bus)
        .cache_properties(CacheProperties::No)
        .build()
        .await
        .ok()?;
    let path = service.read_alias("default").await.ok()?;
    let collection = CollectionProxy::builder(bus)
        .path(path)
        .ok()?
        .build()
        .await
        .ok()?;
    Some(collection.receive_locked_changed().await)
}

/// How the collection stands, as soon as it is told; never where there is none to watch.
async fn next(locked: &mut Option<PropertyStream<'static, bool>>) -> Door {
    let Some(stream) = locked else {
        return core::future::pending().await;
    };
    while let Some(change) = stream.next().await {
        match change.get().await {
            Ok(true) => return Door::Locked,
            Ok(false) => return Door::Open,
            // Taken away: what comes next is told.
            Err(_) => {}
        }
    }
    core::future::pending().await
}
