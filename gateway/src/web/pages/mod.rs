//! Pages for people: the gateway's own, self-enrollment, administration, and the sample protected resource.
//!
//! Invariants: every text that comes from outside goes through [`html::Text`]; no page needs a script; no
//! page loads anything from elsewhere.

mod admin;
mod assets;
mod cookie;
mod enrollment;
mod form;
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
    let config = &service.settings().config;
    let portal = config.sample_resource.enabled;
    let portal = portal.then(|| portal::router(service));
    let admin = config.administration.enabled;
    let admin = admin.then(|| admin::router(service));
    [portal, admin]
        .into_iter()
        .flatten()
        .fold(own, Router::merge)
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
