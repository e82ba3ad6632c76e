//! Which front asks. Without an answer to that nothing else is looked at.

use std::net::SocketAddr;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{HeaderMap, header, request::Parts},
};
use countersign_core::secret::SecretText;
use data_encoding::BASE64;

use super::{Api, answer::ApiError, parameters::Parameters};
use crate::{
    service::{FrontCredential, FrontError, FrontId, Service},
    store::Front,
    web::client,
};

/// The front that asks, and what its request says about the user's client.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    front: Front,
    address: String,
    program: String,
}

impl Asking {
    /// The front's number.
    pub(super) const fn front(&self) -> FrontId {
        self.front.id
    }

    /// The front's name.
    pub(super) fn name(&self) -> &str {
        &self.front.name
    }

    /// What the user logs in to: what the front says, else its name.
    pub(super) fn resource(&self, parameters: &Parameters) -> Result<String, ApiError> {
        Ok(parameters
            .text("resource")?
            .unwrap_or(&self.front.name)
            .to_owned())
    }

    /// Where the user is: what the front says, else where the front is. A registered front is believed.
    pub(super) fn client_address(&self, parameters: &Parameters) -> Result<String, ApiError> {
        Ok(parameters
            .text("client")?
            .unwrap_or(&self.address)
            .to_owned())
    }

    /// With what the user is there.
    pub(super) fn program(&self, parameters: &Parameters) -> Result<String, ApiError> {
        Ok(parameters
            .text("program")?
            .unwrap_or(&self.program)
            .to_owned())
    }
}

impl FromRequestParts<Api> for Asking {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let said = match Said::in_header(&parts.headers)? {
            Some(said) => said,
            None => in_path(parts, api).await.ok_or(ApiError::NoAuthorization)?,
        };
        let behind_proxy = api.service.settings().config.push.behind_proxy;
        let peer = parts.extensions.get::<SocketAddr>().copied();
        let front = said.front(api).await.inspect_err(|refused| {
            let from = peer.map(|peer| client::address(&parts.headers, peer, behind_proxy));
            tracing::info!(from, %refused, "a front is not let in");
        })?;
        let address = peer
            .map(|peer| forwarded(&parts.headers, peer, behind_proxy))
            .unwrap_or_default();
        Ok(Self {
            front,
            address,
            program: client::program(&parts.headers),
        })
    }
}

/// A front names the user's address as a proxy does; if it names none, the front's own address is shown.
fn forwarded(headers: &HeaderMap, peer: SocketAddr, behind_proxy: bool) -> String {
    let named_by_front = headers.contains_key("x-forwarded-for");
    client::address(headers, peer, behind_proxy || named_by_front)
}

/// How a front says who it is.
#[derive(Clone, Debug)]
enum Said {
    Credential(FrontCredential),
    Ticket(String),
}

impl Said {
    /// `Authorization`: a ticket or key, bare or after `Bearer`, or name and key after `Basic`.
    fn in_header(headers: &HeaderMap) -> Result<Option<Self>, ApiError> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Ok(None);
        };
        let value = value
            .to_str()
            .map_err(|_binary| ApiError::WrongCredentials)?;
        let value = value.trim();
        let (scheme, rest) = value.split_once(' ').unwrap_or(("", value));
        let said = if scheme.eq_ignore_ascii_case("basic") {
            basic(rest.trim()).ok_or(ApiError::WrongCredentials)?
        } else if scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer") {
            Self::bare(rest.trim())
        } else {
            return Err(ApiError::WrongCredentials);
        };
        Ok(Some(said))
    }

    /// A JWT has three parts with dots between them; a key has no dot.
    fn bare(text: &str) -> Self {
        if text.contains('.') {
            Self::Ticket(text.to_owned())
        } else {
            Self::Credential(FrontCredential::Key(SecretText::new(text.to_owned())))
        }
    }

    async fn front(self, api: &Api) -> Result<Front, ApiError> {
        match self {
            Self::Credential(credential) => authenticated(&api.service, credential).await,
            Self::Ticket(ticket) => {
                let claims = api.tickets.read(&ticket, api.service.now())?;
                // A front that was removed since is nobody.
                api.service
                    .fronts()
                    .await?
                    .into_iter()
                    .find(|front| claims.are_of(front))
                    .ok_or(ApiError::ForeignTicket)
            }
        }
    }
}

fn basic(encoded: &str) -> Option<Said> {
    let decoded = BASE64.decode(encoded.as_bytes()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (name, key) = text.split_once(':')?;
    Some(Said::Credential(FrontCredential::Name {
        name: name.to_owned(),
        key: SecretText::new(key.to_owned()),
    }))
}

/// The key in the address: `/front/KEY/validate/check`.
async fn in_path(parts: &mut Parts, api: &Api) -> Option<Said> {
    let path = RawPathParams::from_request_parts(parts, api).await.ok()?;
    let (_, key) = path.iter().find(|(name, _)| *name == "front_key")?;
    Some(Said::Credential(FrontCredential::Key(SecretText::new(
        key.to_owned(),
    ))))
}

/// The front with these credentials.
pub(super) async fn authenticated(
    service: &Service,
    credential: FrontCredential,
) -> Result<Front, ApiError> {
    match service.authenticate_front(credential).await {
        Ok(front) => Ok(front),
        Err(FrontError::Service(error)) => Err(error.into()),
        Err(FrontError::Unknown | FrontError::Name | FrontError::Taken) => {
            Err(ApiError::WrongCredentials)
        }
    }
}
