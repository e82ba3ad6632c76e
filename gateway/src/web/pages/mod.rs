//! Pages for people: the gateway's own, self-enrollment, and the sample protected resource.
//!
//! Invariants: every text that comes from outside goes through [`html::Text`]; no page needs a script; no
//! page loads anything from elsewhere.

mod assets;
mod enrollment;
mod frame;
mod html;
mod landing;
mod marks;
mod portal;
mod qr;

use axum::{Router, response::Response, routing::get};
use http::StatusCode;

use self::{frame::Page, html::html};
use crate::service::Service;

/// The routes of the pages.
pub(super) fn router(service: &Service) -> Router {
    let own = Router::new()
        .route("/", get(landing::landing))
        .with_state(service.clone())
        .merge(enrollment::router(service))
        .merge(assets::router());
    if service.settings().config.sample_resource.enabled {
        own.merge(portal::router(service))
    } else {
        own
    }
}

/// Nothing is here.
pub(super) async fn not_found() -> Response {
    Page::new("Not found")
        .status(StatusCode::NOT_FOUND)
        .body(html![
            "<h1>There is nothing here</h1>\
             <p>The address may be mistyped, or what was here has moved.</p>\
             <p class=\"next\"><a class=\"button quiet\" href=\"/\">To the gateway’s page</a></p>"
        ])
        .into()
}
