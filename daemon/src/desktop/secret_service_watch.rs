//! When the session's keyring comes or is opened: told by the bus and by the keyring itself, nothing polls.

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tracing::debug;
use zbus::{
    Connection,
    fdo::{DBusProxy, PropertiesChangedStream, PropertiesProxy},
    names::BusName,
    proxy,
    proxy::CacheProperties,
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
    #[zbus(signal)]
    fn collection_changed(&self, collection: OwnedObjectPath) -> zbus::Result<()>;
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
        let mut watched = Watched::begin(bus, &daemon).await;
        // A keyring that can be watched says itself whether it is open.
        if come && watched.is_none() && inputs.send(Input::KeyringOpened).await.is_err() {
            return Ok(());
        }
        let mut before = Door::Locked;
        come = loop {
            if let Some(watched) = &watched {
                let now = watched.door().await;
                // Only what was not open before has been opened.
                let opened = now == Door::Open && before == Door::Locked;
                before = now;
                if opened && inputs.send(Input::KeyringOpened).await.is_err() {
                    return Ok(());
                }
            }
            tokio::select! {
                owner = owners.next() => match owner {
                    Some(owner) => break owner.args()?.new_owner().is_some(),
                    None => return Ok(()),
                },
                () = changed(&mut watched) => {}
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

/// The default collection of one keyring.
struct Watched {
    collection: CollectionProxy<'static>,
    /// Of its properties, as the specification has it.
    properties: PropertiesChangedStream,
    /// Of its contents: GNOME's keyring tells in no other way that it was unlocked.
    contents: CollectionChangedStream,
}

impl Watched {
    /// A look starts no keyring.
    async fn begin(bus: &Connection, daemon: &DBusProxy<'_>) -> Option<Self> {
        let name = BusName::try_from(NAME).ok()?;
        if !daemon.name_has_owner(name).await.ok()? {
            return None;
        }
        let service = ServiceProxy::builder(bus)
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .ok()?;
        let contents = service.receive_collection_changed().await.ok()?;
        let path = service.read_alias("default").await.ok()?;
        let properties = PropertiesProxy::builder(bus)
            .destination(NAME)
            .ok()?
            .path(path.clone())
            .ok()?
            .build()
            .await
            .ok()?;
        let properties = properties.receive_properties_changed().await.ok()?;
        let collection = CollectionProxy::builder(bus)
            .path(path)
            .ok()?
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .ok()?;
        Some(Self {
            collection,
            properties,
            contents,
        })
    }

    async fn door(&self) -> Door {
        match self.collection.locked().await {
            Ok(false) => Door::Open,
            // What does not say that it is open is not taken for it.
            Ok(true) | Err(_) => Door::Locked,
        }
    }
}

/// Ready when something has changed; never where there is nothing to watch.
async fn changed(watched: &mut Option<Watched>) {
    let Some(watched) = watched else {
        return core::future::pending().await;
    };
    tokio::select! {
        Some(_) = watched.properties.next() => {}
        Some(_) = watched.contents.next() => {}
        else => core::future::pending().await,
    }
}
