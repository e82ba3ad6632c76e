//! Tickets: what a front gets from `/auth` for its key (privacyIDEA calls it a token). A JWT, HS256.

use core::fmt;

use countersign_core::{secret::SecretBytes, time::UnixMillis};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use super::answer::ApiError;
use crate::{
    random::SystemRandom,
    service::Service,
    store::{Front, StoreError},
};

/// The name of the sealed key in the database.
const KEY: &str = "ticket key";
/// How long a ticket is good, in seconds.
const LIFE: u64 = 3600;
/// The longest text that can be a ticket, in bytes.
const LONGEST: usize = 2048;

/// Issues and checks tickets.
pub(super) struct Tickets {
    sign: EncodingKey,
    check: DecodingKey,
}

/// What a ticket says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The front's name.
    username: String,
    /// When the front was registered, Unix milliseconds: a later front of the same name is another one.
    registered: i64,
    role: String,
    nonce: String,
    iat: u64,
    exp: u64,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl Claims {
    /// Is the ticket this front's?
    pub(super) fn are_of(&self, front: &Front) -> bool {
        self.username == front.name && self.registered == front.created_ms
    }
}

impl Tickets {
    /// With the key of this gateway, which is made at the first start.
    pub(super) async fn open(service: &Service) -> Result<Self, StoreError> {
        let key = service
            .store()
            .write(|rows| {
                if let Some(key) = rows.sealed_setting(KEY)? {
                    return Ok(key);
                }
                let key = SecretBytes::from(SystemRandom::bytes::<32>());
                rows.put_sealed_setting(KEY, &key)?;
                Ok(key)
            })
            .await?;
        if key.len() < 32 {
            return Err(StoreError::Unreadable(KEY));
        }
        Ok(Self::with_key(&key))
    }

    fn with_key(key: &SecretBytes) -> Self {
        Self {
            sign: EncodingKey::from_secret(key.expose()),
            check: DecodingKey::from_secret(key.expose()),
        }
    }

    /// A ticket for this front.
    pub(super) fn issue(&self, front: &Front, now: UnixMillis) -> Result<String, ApiError> {
        let claims = Claims {
            username: front.name.clone(),
            registered: front.created_ms,
            role: "front".to_owned(),
            nonce: BASE64URL_NOPAD.encode(&SystemRandom::bytes::<16>()),
            iat: now.secs(),
            exp: now.secs().saturating_add(LIFE),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.sign).map_err(|error| {
            tracing::error!(%error, "a ticket could not be signed");
            ApiError::Storage
        })
    }

    /// What a ticket of this gateway says, if it is still good.
    pub(super) fn read(&self, ticket: &str, now: UnixMillis) -> Result<Claims, ApiError> {
        if ticket.len() > LONGEST {
            return Err(ApiError::ForeignTicket);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // By the gateway's own clock, below.
        validation.validate_exp = false;
        let claims = decode::<Claims>(ticket, &self.check, &validation)
            .map_err(|_foreign| ApiError::ForeignTicket)?
            .claims;
        if claims.exp <= now.secs() {
            return Err(ApiError::ExpiredTicket);
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::FrontId;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn front() -> Front {
        Front {
            id: FrontId(3),
            name: "vpn".to_owned(),
            push: true,
            created_ms: 17,
        }
    }

    fn tickets(key: u8) -> Tickets {
        Tickets::with_key(&SecretBytes::from([key; 32]))
    }

    #[test]
    fn a_ticket_is_good_for_an_hour_and_for_one_front() {
        let ticket = tickets(1).issue(&front(), NOW).unwrap();
        let read = |after_ms| tickets(1).read(&ticket, NOW.plus_ms(after_ms));
        assert!(read(0).unwrap().are_of(&front()));
        assert!(read(3_599_000).is_ok());
        assert!(matches!(read(3_600_000), Err(ApiError::ExpiredTicket)));
        let registered_again = Front {
            created_ms: 18,
            ..front()
        };
        assert!(!read(0).unwrap().are_of(&registered_again));
    }

    #[test]
    fn forged_tickets_are_refused() {
        let ticket = tickets(1).issue(&front(), NOW).unwrap();
        let (head, rest) = ticket.split_once('.').unwrap();
        let (claims, signature) = rest.split_once('.').unwrap();
        let unsigned_head = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let other_claims = BASE64URL_NOPAD.encode(
            br#"{"username":"vpn","registered":17,"role":"front","nonce":"","iat":1,"exp":9999999999}"#,
        );
        for forged in [
            format!("{unsigned_head}.{claims}."),
            format!("{unsigned_head}.{claims}.{signature}"),
            format!("{head}.{other_claims}.{signature}"),
            format!("{head}.{claims}."),
            String::new(),
            "a.b.c".to_owned(),
            "x".repeat(LONGEST + 1),
        ] {
            let read = tickets(1).read(&forged, NOW);
            assert!(matches!(read, Err(ApiError::ForeignTicket)), "{forged}");
        }
        let other_gateway = tickets(2).read(&ticket, NOW);
        assert!(matches!(other_gateway, Err(ApiError::ForeignTicket)));
    }
}
