//! Everything that the gateway says over HTTPS: one TLS listener for agents, fronts and browsers.
//!
//! `listener.rs` takes connections; `api/` answers fronts in privacyIDEA's form; `pages/` are for people:
//! the gateway's own page and the sample protected resource. Agents' routes come from `crate::push` and
//! `crate::enrollment`. All of them call `crate::service` and decide nothing themselves.

mod api;
mod client;
mod listener;
pub mod metrics;
mod pages;

use core::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
    routing::any_service,
};
use countersign_proto::push::v1::push_server::PushServer;
use http::StatusCode;
use tokio::time::timeout;
use tonic::server::NamedService as _;

pub use listener::{ServeError, serve};

use crate::{enrollment, push, service::Service, store::StoreError};

/// The longest body that is read, in bytes; the push stream and enrollment have bounds of their own.
const BODY: usize = 64 * 1024;

/// The longest that a request may take, its body and the longest wait for a change included; the push
/// stream has no end.
const REQUEST: Duration = Duration::from_mins(1);

/// Every route of the gateway.
///
/// # Errors
///
/// The key that signs the tickets of fronts cannot be read or made.
pub async fn router(service: &Service) -> Result<Router, StoreError> {
    let agents = format!("/{}/{{method}}", PushServer::<()>::NAME);
    let people = Router::new()
        .merge(api::router(service).await?)
        .merge(pages::router(service))
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(BODY));
    Ok(people
        .merge(enrollment::router(service.clone()))
        .layer(from_fn(in_time))
        .route(&agents, any_service(push::router(service.clone()))))
}

/// Who sends a body drop by drop is let go.
async fn in_time(request: Request, next: Next) -> Response {
    match timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_elapsed) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}
