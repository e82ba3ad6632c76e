//! Who visits: the session's cookie, and the secret in each form that only this cookie's pages know.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use countersign_core::secret::SecretText;
use http::StatusCode;

use super::{Portal, outcomes, session::Session};
use crate::web::pages::{
    cookie::{self, CookieOf},
    form::{self, Fields},
};

/// The cookie of a session here.
pub(super) type Cookie = cookie::Cookie<ExamplePortal>;

/// Whose cookie it is.
#[derive(Debug)]
pub(super) enum ExamplePortal {}

impl CookieOf for ExamplePortal {
    const NAME: &'static str = "__Host-example-portal";
    const PURPOSE: &'static str = "countersign/example-portal/1";
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
#[derive(Debug)]
pub(super) struct Form {
    /// From whom.
    pub(super) visitor: Visitor,
    fields: Fields,
}

impl Form {
    /// A field, e.g. a password.
    pub(super) fn secret(&self, name: &str) -> SecretText {
        self.fields.secret(name)
    }

    /// A field that may be shown.
    pub(super) fn text(&self, name: &str) -> &str {
        self.fields.text(name)
    }
}

impl FromRequest<Portal> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, portal: &Portal) -> Result<Self, Response> {
        let visitor = Visitor::of(request.headers(), portal);
        let from_elsewhere = form::from_elsewhere(request.headers());
        let body = match Bytes::from_request(request, portal).await {
            Ok(body) => body,
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                return Err(outcomes::too_large(portal).into());
            }
            Err(_broken) => return Err(outcomes::foreign_form(portal).into()),
        };
        let form = Self {
            fields: Fields::read(&body),
            visitor,
        };
        if from_elsewhere || !form.fields.knows(&form.visitor.cookie.form_secret()) {
            return Err(outcomes::foreign_form(portal).into());
        }
        Ok(form)
    }
}
