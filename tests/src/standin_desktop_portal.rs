//! A stand-in for the desktop portal: its screenshot is a file that the test has made. The real portal needs a compositor
//! with a dialog that somebody draws a frame in.
#![expect(
    clippy::unused_self,
    clippy::used_underscore_binding,
    reason = "what the interface macro makes of the specification's methods"
)]

use std::{collections::HashMap, path::PathBuf};

use anyhow::Result;
use zbus::{
    Connection, fdo, interface,
    message::Header,
    zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value},
};

use crate::{bus::PrivateBus, patiently};

const NAME: &str = "org.freedesktop.portal.Desktop";
const PATH: &str = "/org/freedesktop/portal/desktop";

/// What the user does in the portal's dialog.
#[derive(Clone, Debug)]
pub enum Choice {
    /// Takes a picture, which is written to this file.
    Picture(PathBuf),
    /// Says no.
    Cancel,
}

/// The stand-in on a private bus.
#[derive(Debug)]
pub struct StandinDesktopPortal {
    _connection: Connection,
}

struct Screenshots {
    choice: Choice,
}

#[interface(name = "org.freedesktop.portal.Screenshot")]
impl Screenshots {
    async fn screenshot(
        &self,
        _parent: &str,
        options: HashMap<String, OwnedValue>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] connection: &Connection,
    ) -> fdo::Result<OwnedObjectPath> {
        let failed = |words: &str| fdo::Error::Failed(words.to_owned());
        let token = options
            .get("handle_token")
            .and_then(|value| <&str>::try_from(value).ok())
            .ok_or_else(|| failed("no token"))?;
        let sender = header.sender().ok_or_else(|| failed("no sender"))?;
        let own = sender.trim_start_matches(':').replace('.', "_");
        let handle = ObjectPath::try_from(format!("{PATH}/request/{own}/{token}"))
            .map_err(|_error| failed("a strange token"))?;
        let (code, results) = match &self.choice {
            Choice::Picture(file) => {
                let uri = format!("file://{}", file.display());
                (0_u32, HashMap::from([("uri", Value::from(uri))]))
            }
            Choice::Cancel => (1, HashMap::new()),
        };
        connection
            .emit_signal(
                Some(sender.clone()),
                &handle,
                "org.freedesktop.portal.Request",
                "Response",
                &(code, results),
            )
            .await?;
        Ok(handle.into())
    }

    #[zbus(property)]
    fn version(&self) -> u32 {
        2
    }
}

impl StandinDesktopPortal {
    /// Takes the name on `bus`.
    ///
    /// # Errors
    ///
    /// The bus refuses.
    pub fn start(bus: &PrivateBus, choice: Choice) -> Result<Self> {
        let connection = bus.connect()?;
        let served = async {
            let server = connection.object_server();
            server.at(PATH, Screenshots { choice }).await?;
            connection.request_name(NAME).await?;
            anyhow::Ok(())
        };
        patiently("the portal's name", served)??;
        Ok(Self {
            _connection: connection,
        })
    }
}
