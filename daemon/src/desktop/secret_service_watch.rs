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
    loop {
        let mut locked = locked_changes(bus, &daemon).await;
        let come = tokio::select! {
            owner = owners.next() => match owner {
                Some(owner) => owner.args()?.new_owner().is_some(),
                None => return Ok(()),
            },
            open = opened(&mut locked) => open,
        };
        if come && inputs.send(Input::KeyringOpened).await.is_err() {
            return Ok(());
        }
    }
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

/// Ready when the collection is opened; never where there is none to watch.
async fn opened(locked: &mut Option<PropertyStream<'static, bool>>) -> bool {
    let Some(stream) = locked else {
        return core::future::pending().await;
    };
    loop {
        match stream.next().await {
            Some(change) if matches!(change.get().await, Ok(false)) => return true,
            Some(_) => {}
            None => return core::future::pending().await,
        }
    }
}
