//! The style sheet, the icon and the scripts.

use axum::{
    Router,
    response::{IntoResponse as _, Response},
    routing::get,
};
use http::{HeaderValue, header};

use super::frame::guard;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What all pages share, and the script of the enrollment page; the sample resource brings its own.
pub(super) fn router() -> Router {
    Router::new()
        .route(
            "/assets/style.css",
            get(async || asset("text/css; charset=utf-8", include_str!("assets/style.css"))),
        )
        .route(
            "/assets/icon.svg",
            get(async || asset("image/svg+xml", include_str!("assets/icon.svg"))),
        )
        .route(
            "/assets/enrollment.js",
            get(async || asset(SCRIPT, include_str!("assets/enrollment.js"))),
        )
}

/// The script that follows a login.
pub(super) async fn portal_script() -> Response {
    asset(SCRIPT, include_str!("assets/portal.js"))
}

fn asset(media: &'static str, text: &'static str) -> Response {
    let mut response = ([(header::CONTENT_TYPE, media)], text).into_response();
    guard(&mut response);
    // Not secret, small, and replaced with the program.
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=600"),
    );
    response
}
