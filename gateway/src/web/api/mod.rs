//! The HTTP API for fronts, in privacyIDEA's form, so that the plugins that exist for it work unchanged.
//!
//! Only registered fronts are answered. A front sends its key, or a ticket from `/auth` as privacyIDEA's
//! own plugins do, in `Authorization`; a plugin that can send neither takes
//! `https://gateway/front/KEY` as the address of its server, or `https://NAME:KEY@gateway`.
//!
//! Beyond privacyIDEA: `client`, `program` and `resource` say what the user is shown, `wait` makes
//! `/validate/polltransaction` return at the change, `idempotency_key` makes a repeated request harmless.

mod answer;
mod auth;
mod check;
mod front;
mod health;
mod open;
mod parameters;
mod poll;
mod resync;
mod ticket;

use std::sync::Arc;

use axum::{
    Router,
    extract::FromRef,
    http::{HeaderValue, header},
    middleware::map_response,
    response::Response,
    routing::{get, post},
};

use self::ticket::Tickets;
use crate::{service::Service, store::StoreError};

/// What the handlers work with.
#[derive(Clone, Debug)]
struct Api {
    service: Service,
    tickets: Arc<Tickets>,
}

impl FromRef<Api> for Service {
    fn from_ref(api: &Api) -> Self {
        api.service.clone()
    }
}

/// The routes of the API.
///
/// # Errors
///
/// The key that signs tickets cannot be read or made.
pub(super) async fn router(service: &Service) -> Result<Router, StoreError> {
    let api = Api {
        service: service.clone(),
        tickets: Arc::new(Tickets::open(service).await?),
    };
    let for_fronts = Router::new()
        .route("/auth", post(auth::auth))
        .route("/validate/check", get(check::check).post(check::check))
        .route("/validate/triggerchallenge", post(open::trigger))
        .route("/token/resync", post(resync::resync))
        .route("/validate/polltransaction", get(poll::poll))
        .route(
            "/validate/polltransaction/{transaction_id}",
            get(poll::poll),
        );
    Ok(Router::new()
        .nest("/front/{front_key}", for_fronts.clone())
        .merge(for_fronts)
        .route("/healthz/livez", get(health::live))
        .route("/healthz/readyz", get(health::ready))
        .layer(map_response(guarded))
        .with_state(api))
}

/// Answers are for the front alone, and never a page.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}
