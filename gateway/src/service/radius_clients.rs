//! RADIUS clients: who may ask by RADIUS, from where, with which secret, and what for.

use core::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use countersign_core::secret::{SecretBytes, SecretText};
use countersign_proto::limits;
use ipnet::IpNet;

use super::{FrontError, Operator, Service, ServiceError, fronts};
use crate::{
    random::SystemRandom,
    store::{
        AuditEvent, Caller, FirstFactor, FrontId, MessageAuthenticatorPolicy, Networks,
        RadiusClient, StoreError,
    },
};

/// The shortest and longest shared secret, in bytes. RFC 2865 section 3 asks for 16.
const SECRET: core::ops::RangeInclusive<usize> = 16..=128;
/// A secret of our own making: so many symbols of five bits, without one that a configuration file could take amiss.
const SYMBOLS: usize = 32;
/// The most networks of one client.
const NETWORKS: usize = 64;

/// A client to be added.
#[derive(Clone, Debug)]
pub struct NewRadiusClient {
    /// Name; unique among all fronts.
    pub name: String,
    /// Where it sends from.
    pub networks: Vec<IpNet>,
    /// What its users are shown; else its name.
    pub resource: Option<String>,
    /// Who checks the first factor.
    pub first_factor: FirstFactor,
    /// May it open login requests?
    pub push: bool,
    /// Whose word the user's address is.
    pub client_address: Caller,
    /// Must its requests carry a Message-Authenticator?
    pub message_authenticator: MessageAuthenticatorPolicy,
}

/// Why a client is not added, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum RadiusClientError {
    /// Name taken, malformed, or unknown; or the database failed.
    #[error(transparent)]
    Front(#[from] FrontError),
    /// There is none, or there are too many.
    #[error("a RADIUS client needs 1 to {NETWORKS} networks that it sends from, as 192.0.2.7/32")]
    NoNetwork,
    /// A network with bits behind its prefix.
    #[error("{given} has bits behind its prefix; did you mean {meant}?")]
    Network {
        /// What was given.
        given: IpNet,
        /// The network that it lies in.
        meant: IpNet,
    },
    /// Two clients from the same network could not be told apart.
    #[error("one of these networks is another client's")]
    NetworkTaken,
    /// The resource is blank or too long.
    #[error("the resource is blank or longer than 128 characters")]
    Resource,
    /// The shared secret is too short, too long, or cannot be typed into other systems.
    #[error(
        "a shared secret has {} to {} printable ASCII characters without spaces",
        SECRET.start(),
        SECRET.end()
    )]
    Secret,
}

impl From<StoreError> for RadiusClientError {
    fn from(error: StoreError) -> Self {
        Self::Front(ServiceError(error).into())
    }
}

/// What has to be known of a client before one of its packets can be read.
#[derive(Debug)]
pub(crate) struct KnownClient {
    pub(crate) id: FrontId,
    pub(crate) name: String,
    pub(crate) secret: SecretBytes,
    pub(crate) message_authenticator: MessageAuthenticatorPolicy,
}

/// Who sends from where, the longest prefix first. In memory: a stranger's packet costs no look into the database.
#[derive(Debug, Default)]
pub(super) struct KnownClients(RwLock<Vec<(IpNet, Arc<KnownClient>)>>);

impl Operator {
    /// Adds a client and returns the secret to share with it: the given one, else a new one, which is not shown again.
    ///
    /// # Errors
    ///
    /// Every variant of [`RadiusClientError`].
    pub async fn add_radius_client(
        &self,
        new: NewRadiusClient,
        secret: Option<SecretText>,
    ) -> Result<SecretText, RadiusClientError> {
        fronts::check_name(&new.name)?;
        check_networks(&new.networks)?;
        let resource = new.resource.unwrap_or_else(|| new.name.clone());
        if resource.trim().is_empty()
            || resource.chars().count() > 128
            || resource.len() > limits::REQUEST_TEXT
        {
            return Err(RadiusClientError::Resource);
        }
        let secret = checked_or_new(secret)?;
        let bytes = SecretBytes::from(secret.expose().as_bytes());
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let mut client = RadiusClient {
            id: FrontId(0),
            name: new.name,
            networks: new.networks,
            resource,
            first_factor: new.first_factor,
            push: new.push,
            client_address: new.client_address,
            message_authenticator: new.message_authenticator,
            created_ms: now.0,
        };
        let added = self
            .service()
            .store()
            .write(move |rows| {
                // Nobody has the key whose hash this would be: it asks by RADIUS only.
                let nobodys = SystemRandom::bytes();
                let Some(id) = rows.add_front(&client.name, &nobodys, client.push, now)? else {
                    return Ok(Err(FrontError::Taken.into()));
                };
                client.id = id;
                if rows.add_radius_client(&client, &bytes)? == Networks::Taken {
                    rows.remove_front(id)?;
                    return Ok(Err(RadiusClientError::NetworkTaken));
                }
                let networks: Vec<_> = client.networks.iter().map(IpNet::to_string).collect();
                let detail = format!(
                    "RADIUS from {}; first factor: {}; Message-Authenticator: {}",
                    networks.join(", "),
                    client.first_factor,
                    client.message_authenticator
                );
                rows.audit_by(
                    &operator,
                    now,
                    AuditEvent::FrontAdded,
                    &client.name,
                    &detail,
                )?;
                Ok(Ok(()))
            })
            .await?;
        added.map(|()| secret)
    }

    /// Removes a client: what it sends is a stranger's.
    ///
    /// # Errors
    ///
    /// There is none of this name, or the database failed.
    pub async fn remove_radius_client(&self, name: &str) -> Result<(), RadiusClientError> {
        self.service().radius_client_named(name).await?;
        Ok(self.remove_front(name).await?)
    }

    /// Shares another secret with a client and returns it: the given one, else a new one.
    ///
    /// # Errors
    ///
    /// [`RadiusClientError::Secret`], there is no client of this name, or the database failed.
    pub async fn rotate_radius_secret(
        &self,
        name: &str,
        secret: Option<SecretText>,
    ) -> Result<SecretText, RadiusClientError> {
        let secret = checked_or_new(secret)?;
        let client = self.service().radius_client_named(name).await?;
        let bytes = SecretBytes::from(secret.expose().as_bytes());
        let (now, operator) = (self.service().now(), self.name().to_owned());
        self.service()
            .store()
            .write(move |rows| {
                rows.put_radius_secret(client.id, &bytes)?;
                rows.audit_by(
                    &operator,
                    now,
                    AuditEvent::RadiusSecretChanged,
                    &client.name,
                    "",
                )
            })
            .await?;
        Ok(secret)
    }
}

impl Service {
    /// Every client.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn radius_clients(&self) -> Result<Vec<RadiusClient>, ServiceError> {
        Ok(self.store().read(|rows| rows.radius_clients()).await?)
    }

    async fn radius_client_named(&self, name: &str) -> Result<RadiusClient, RadiusClientError> {
        let name = name.to_owned();
        let found = self
            .store()
            .read(move |rows| match rows.front_by_name(&name)? {
                Some(front) => rows.radius_client(front.id),
                None => Ok(None),
            })
            .await?;
        Ok(found.ok_or(FrontError::Unknown)?)
    }

    /// Reads who sends from where anew.
    ///
    /// # Errors
    ///
    /// The database failed; what was known stays.
    pub(crate) async fn reload_radius_clients(&self) -> Result<(), ServiceError> {
        let mut known = self
            .store()
            .read(|rows| {
                let mut known = Vec::new();
                for client in rows.radius_clients()? {
                    let secret = rows.radius_secret(client.id)?;
                    let secret = secret.ok_or(StoreError::Unreadable("RADIUS client"))?;
                    let shared = Arc::new(KnownClient {
                        id: client.id,
                        name: client.name,
                        secret,
                        message_authenticator: client.message_authenticator,
                    });
                    let networks = client.networks.into_iter();
                    known.extend(networks.map(|network| (network, Arc::clone(&shared))));
                }
                Ok(known)
            })
            .await?;
        known.sort_by_key(|(network, _)| core::cmp::Reverse(network.prefix_len()));
        let mut all = self
            .0
            .radius_clients
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *all = known;
        Ok(())
    }

    /// Who sends from this address.
    pub(crate) fn radius_client_at(&self, address: IpAddr) -> Option<Arc<KnownClient>> {
        let all = self
            .0
            .radius_clients
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        all.iter()
            .find(|(network, _)| network.contains(&address))
            .map(|(_, client)| Arc::clone(client))
    }
}

fn check_networks(networks: &[IpNet]) -> Result<(), RadiusClientError> {
    if networks.is_empty() || networks.len() > NETWORKS {
        return Err(RadiusClientError::NoNetwork);
    }
    for given in networks.iter().copied() {
        let meant = given.trunc();
        if meant != given {
            return Err(RadiusClientError::Network { given, meant });
        }
    }
    Ok(())
}

fn checked_or_new(secret: Option<SecretText>) -> Result<SecretText, RadiusClientError> {
    let Some(secret) = secret else {
        return Ok(SystemRandom::base32(SYMBOLS).into());
    };
    let text = secret.expose();
    if SECRET.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(secret)
    } else {
        Err(RadiusClientError::Secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_short_or_cannot_be_typed_is_refused() {
        let checked = |text: &str| checked_or_new(Some(text.into())).is_ok();
        for good in ["0123456789abcdef", "!#$%&'()*+,-./:;<=>?@"] {
            assert!(checked(good), "{good}");
        }
        let long = "x".repeat(129);
        for bad in [
            "",
            "0123456789abcde",
            "0123456789 abcdef",
            "0123456789äbcdef",
            &long,
        ] {
            assert!(!checked(bad), "{bad}");
        }
        let made = checked_or_new(None).unwrap();
        assert_eq!(made.expose().len(), SYMBOLS);
        assert_ne!(made, checked_or_new(None).unwrap());
    }

    #[test]
    fn a_network_has_nothing_behind_its_prefix() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        assert!(check_networks(&[net("192.0.2.0/24"), net("2001:db8::1/128")]).is_ok());
        assert!(check_networks(&[]).is_err());
        let crooked = check_networks(&[net("192.0.2.7/24")]).unwrap_err();
        assert!(crooked.to_string().contains("192.0.2.0/24"), "{crooked}");
    }
}
