//! RADIUS clients: fronts that are known by where they send from and by a shared secret.

use core::{fmt, str::FromStr};

use countersign_core::secret::SecretBytes;
use ipnet::IpNet;
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Serialize, Serializer};

use super::{FrontId, Rows, StoreError};

/// What sealed secrets of RADIUS clients are called.
const SECRET: &str = "RADIUS secret";

/// Who checks the user's first factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstFactor {
    /// The gateway: what is typed begins with the user's password.
    Password,
    /// The client, before it asks: what is typed is a passcode, or nothing.
    Client,
}

/// Whose word the user's address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Nobody's: only the client's own address is known.
    Nas,
    /// The client's: `Calling-Station-Id`.
    CallingStationId,
}

/// Must a request carry a Message-Authenticator?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageAuthenticatorPolicy {
    /// Yes.
    Required,
    /// No. One that is there must be right all the same.
    Optional,
}

/// The stored words, which `radius client list` prints as well.
macro_rules! words {
    ($name:ident, $what:literal, $($variant:ident = $word:literal),+) => {
        impl $name {
            /// The stored word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl FromStr for $name {
            type Err = StoreError;

            fn from_str(word: &str) -> Result<Self, StoreError> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(StoreError::Unreadable($what)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    };
}

words!(
    FirstFactor,
    "first factor",
    Password = "password",
    Client = "client"
);
words!(
    Caller,
    "caller",
    Nas = "nas",
    CallingStationId = "calling_station_id"
);
words!(
    MessageAuthenticatorPolicy,
    "Message-Authenticator policy",
    Required = "required",
    Optional = "optional"
);

/// A RADIUS client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RadiusClient {
    /// The front that it is.
    #[serde(skip)]
    pub id: FrontId,
    /// Its name.
    pub name: String,
    /// Where it sends from.
    #[serde(serialize_with = "as_texts")]
    pub networks: Vec<IpNet>,
    /// What its users are shown that they log in to.
    pub resource: String,
    /// Who checks the first factor.
    pub first_factor: FirstFactor,
    /// May it open login requests?
    pub push: bool,
    /// Whose word the user's address is.
    pub client_address: Caller,
    /// Must its requests carry a Message-Authenticator?
    pub message_authenticator: MessageAuthenticatorPolicy,
    /// Since when, Unix milliseconds.
    pub created_ms: i64,
}

fn as_texts<S: Serializer>(networks: &[IpNet], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(networks.iter().map(IpNet::to_string))
}

/// Whether a network is another client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Networks {
    Kept,
    Taken,
}

const CLIENT: &str =
    "front_id, name, resource, first_factor, push, caller, message_authenticator, created_ms";

impl Rows<'_> {
    /// Makes a front a RADIUS client.
    pub(crate) fn add_radius_client(
        self,
        client: &RadiusClient,
        secret: &SecretBytes,
    ) -> Result<Networks, StoreError> {
        let sealed = self.key.seal(SECRET, &client.id.0.to_string(), secret)?;
        self.connection
            .prepare_cached(
                "INSERT INTO radius_client (front_id, secret_sealed, resource, first_factor, caller,
                   message_authenticator)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                client.id.0,
                sealed,
                client.resource,
                client.first_factor.as_str(),
                client.client_address.as_str(),
                client.message_authenticator.as_str(),
            ])?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO radius_network (network, front_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        )?;
        for network in &client.networks {
            if insert.execute(params![network.to_string(), client.id.0])? == 0 {
                return Ok(Networks::Taken);
            }
        }
        Ok(Networks::Kept)
    }

    /// The RADIUS client that this front is.
    pub(crate) fn radius_client(self, id: FrontId) -> Result<Option<RadiusClient>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {CLIENT} FROM radius_client JOIN front ON front.id = front_id WHERE front_id = ?1"
        ))?;
        let mut rows = statement.query([id.0])?;
        rows.next()?.map(|row| self.client(row)).transpose()
    }

    /// Every RADIUS client, by name.
    pub(crate) fn radius_clients(&self) -> Result<Vec<RadiusClient>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT {CLIENT} FROM radius_client JOIN front ON front.id = front_id ORDER BY name"
        ))?;
        let mut rows = statement.query([])?;
        let mut clients = Vec::new();
        while let Some(row) = rows.next()? {
            clients.push(self.client(row)?);
        }
        Ok(clients)
    }

    /// The secret that is shared with a client.
    pub(crate) fn radius_secret(self, id: FrontId) -> Result<Option<SecretBytes>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .connection
            .prepare_cached("SELECT secret_sealed FROM radius_client WHERE front_id = ?1")?
            .query_row([id.0], |row| row.get(0))
            .optional()?;
        sealed
            .map(|sealed| self.key.open(SECRET, &id.0.to_string(), &sealed))
            .transpose()
    }

    /// Shares another secret with a client.
    pub(crate) fn put_radius_secret(
        self,
        id: FrontId,
        secret: &SecretBytes,
    ) -> Result<(), StoreError> {
        let sealed = self.key.seal(SECRET, &id.0.to_string(), secret)?;
        self.connection
            .prepare_cached("UPDATE radius_client SET secret_sealed = ?2 WHERE front_id = ?1")?
            .execute(params![id.0, sealed])?;
        Ok(())
    }

    fn client(self, row: &Row<'_>) -> Result<RadiusClient, StoreError> {
        let id = FrontId(row.get("front_id")?);
        let word = |column: &str| row.get::<_, String>(column);
        Ok(RadiusClient {
            id,
            name: row.get("name")?,
            networks: self.radius_networks(id)?,
            resource: row.get("resource")?,
            first_factor: word("first_factor")?.parse()?,
            push: row.get("push")?,
            client_address: word("caller")?.parse()?,
            message_authenticator: word("message_authenticator")?.parse()?,
            created_ms: row.get("created_ms")?,
        })
    }

    fn radius_networks(self, id: FrontId) -> Result<Vec<IpNet>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT network FROM radius_network WHERE front_id = ?1 ORDER BY network",
        )?;
        let rows = statement.query_map([id.0], |row| row.get::<_, String>(0))?;
        rows.map(|network| {
            network?
                .parse()
                .map_err(|_malformed| StoreError::Unreadable("network"))
        })
        .collect()
    }
}
