//! Where the system bus is. Connections are made when something is asked, not before.

use zbus::{Connection, connection};

/// The system bus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SystemBus {
    /// At `DBUS_SYSTEM_BUS_ADDRESS`, else at the usual place.
    #[default]
    Usual,
    /// At this D-Bus address.
    At(String),
}

impl SystemBus {
    /// A new connection.
    ///
    /// # Errors
    ///
    /// There is no bus, or it refuses.
    pub async fn connect(&self) -> zbus::Result<Connection> {
        let builder = match self {
            Self::Usual => connection::Builder::system()?,
            Self::At(address) => connection::Builder::address(address.as_str())?,
        };
        builder.build().await
    }
}
