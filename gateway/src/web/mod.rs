//! Everything that the gateway says over HTTPS: one TLS listener for agents, fronts and browsers.
//!
//! `listener.rs` takes connections; `api/` answers fronts in privacyIDEA's form; `pages/` are for people:
//! the gateway's own page and the sample protected resource. Agents' routes come from `crate::push` and
//! `crate::enrollment`. All of them call `crate::service` and decide nothing themselves.

mod api;
mod client;
mod listener;
mod pages;

use axum::{Router, extract::DefaultBodyLimit, routing::any_service};
use countersign_proto::push::v1::push_server::PushServer;
use tonic::server::NamedService as _;

pub use listener::{ServeError, serve};

use crate::{enrollment, push, service::Service, store::StoreError};

/// The longest body that is read, in bytes; the push stream and enrollment have bounds of their own.
const BODY: usize = 64 * 1024;

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
        .route(&agents, any_service(push::router(service.clone()))))
}
