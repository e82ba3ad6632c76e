//! Who visits: the session's cookie, and the secret in each form that only this cookie's pages know.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, header, request::Parts},
    response::Response,
};
use countersign_core::secret::SecretText;
use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::{
    Portal, outcomes,
    session::{Session, SessionKey},
};
use crate::random::SystemRandom;

/// The prefix binds it to this very origin: a neighbour cannot plant one (RFC 6265bis section 4.1.3.2).
const COOKIE: &str = "__Host-example-portal";
/// Hidden field of each form.
pub(super) const FORM_SECRET: &str = "form_secret";
/// 32 random bytes as text.
const COOKIE_LENGTH: usize = 43;
/// Fields of the largest form, with room.
const FIELDS: usize = 16;

/// The value of a cookie: a secret. Its holder is the session.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Cookie(String);

impl core::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl Cookie {
    /// A new one.
    pub(super) fn random() -> Self {
        Self(BASE64URL_NOPAD.encode(&SystemRandom::bytes::<32>()))
    }

    fn in_headers(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(name, value)| *name == COOKIE && value.len() == COOKIE_LENGTH)
            .map(|(_, value)| Self(value.to_owned()))
    }

    /// Under which its session is kept: the memory holds no cookies.
    pub(super) fn key(&self) -> SessionKey {
        self.derived("session")
    }

    /// The secret of this cookie's forms.
    pub(super) fn form_secret(&self) -> String {
        BASE64URL_NOPAD.encode(&self.derived("form"))
    }

    /// The name of an attempt of this session, from the name that its form carries.
    pub(super) fn attempt(&self, name: &str) -> String {
        let name = Sha256::digest(name);
        BASE64URL_NOPAD.encode(&Sha256::digest(
            [&self.derived("attempt"), &name[..]].concat(),
        ))
    }

    fn derived(&self, purpose: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update("countersign/example-portal/1 ")
            .chain_update(purpose)
            .chain_update([0])
            .chain_update(&self.0)
            .finalize()
            .into()
    }

    /// Gives it to the browser.
    pub(super) fn set(&self, response: &mut Response) {
        put(response, &format!("{COOKIE}={}; {ATTRIBUTES}", self.0));
    }

    /// Takes it from the browser.
    pub(super) fn clear(response: &mut Response) {
        put(response, &format!("{COOKIE}=; Max-Age=0; {ATTRIBUTES}"));
    }
}

const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";

fn put(response: &mut Response, cookie: &str) {
    // Base64 and the constants above are always a valid value.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Who visits.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// The cookie: the browser's, or a new one.
    pub(super) cookie: Cookie,
    /// Does the browser have it?
    pub(super) known: Known,
    /// How far the visitor is.
    pub(super) session: Option<Session>,
}

/// Does the browser have the cookie?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It sent it.
    Yes,
    /// It has to be given it with the answer.
    No,
}

impl Visitor {
    fn of(headers: &HeaderMap, portal: &Portal) -> Self {
        match Cookie::in_headers(headers) {
            Some(cookie) => Self {
                session: portal.sessions.find(&cookie.key(), portal.service.now()),
                cookie,
                known: Known::Yes,
            },
            None => Self {
                session: None,
                cookie: Cookie::random(),
                known: Known::No,
            },
        }
    }

    /// Gives the browser its cookie, if it has none.
    pub(super) fn greet(&self, response: &mut Response) {
        if self.known == Known::No {
            self.cookie.set(response);
        }
    }
}

impl FromRequestParts<Portal> for Visitor {
    type Rejection = core::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        portal: &Portal,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers, portal))
    }
}

/// A form that one of our pages sent from this browser.
pub(super) struct Form {
    /// From whom.
    pub(super) visitor: Visitor,
    fields: HashMap<String, SecretText>,
}

impl core::fmt::Debug for Form {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Form")
            .field("visitor", &self.visitor)
            .finish_non_exhaustive()
    }
}

impl Form {
    /// A field, e.g. a password.
    pub(super) fn secret(&self, name: &str) -> SecretText {
        self.fields.get(name).cloned().unwrap_or_default()
    }

    /// A field that may be shown.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", SecretText::expose)
    }
}

impl FromRequest<Portal> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Response> {
        let visitor = Visitor::of(request.headers(), portal);
        // Browsers say where a request comes from; who says nothing still has to know the form's secret.
        let from_elsewhere = request
            .headers()
            .get("sec-fetch-site")
            .is_some_and(|site| site != "same-origin");
        let body = match Bytes::from_request(request, portal).await {
            Ok(body) => body,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(outcomes::too_large(portal).into());
            }
            Err(_broken) => return Err(outcomes::foreign_form(portal).into()),
        };
        let fields: HashMap<String, SecretText> = form_urlencoded::parse(&body)
            .take(FIELDS)
            .map(|(name, value)| (name.into_owned(), SecretText::new(value.into_owned())))
            .collect();
        let form = Self { visitor, fields };
        let expected = form.visitor.cookie.form_secret();
        let right: bool = expected
            .as_bytes()
            .ct_eq(form.text(FORM_SECRET).as_bytes())
            .into();
        if from_elsewhere || !right {
            return Err(outcomes::foreign_form(portal).into());
        }
        Ok(form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_and_only_whole() {
        let cookie = Cookie::random();
        assert_eq!(cookie.0.len(), COOKIE_LENGTH);
        let found = |text: String| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(&text).unwrap());
            Cookie::in_headers(&headers)
        };
        assert_eq!(
            found(format!("a=b; {COOKIE}={}; c=d", cookie.0)),
            Some(cookie.clone())
        );
        assert_eq!(found(format!("x{COOKIE}={}", cookie.0)), None);
        assert_eq!(found(format!("{COOKIE}={}x", cookie.0)), None);
        assert_ne!(cookie.form_secret(), BASE64URL_NOPAD.encode(&cookie.key()));
        assert_ne!(cookie.form_secret(), Cookie::random().form_secret());
    }
}
