//! The sample protected resource, "Example Portal": name and password, then the second factor.
//!
//! It is a front like any other and asks the service for nothing that a registered front cannot ask for.
//! Invariants: nobody is logged in before the service has said so, once; whatever changes something is a
//! POST with the form's secret; the session's cookie changes with every step up.

mod ending;
mod outcomes;
mod session;
mod status;
mod steps;
mod views;
mod visitor;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use self::session::Sessions;
use super::{
    assets,
    frame::{Page, Site},
};
use crate::service::Service;

/// What users see as the place that they log in to.
const RESOURCE: &str = "Example Portal";
/// Where it is.
const HOME: &str = "/example/";

/// What the handlers work with.
#[derive(Clone, Debug)]
struct Portal {
    service: Service,
    sessions: Arc<Sessions>,
}

impl Portal {
    fn page(&self, title: &'static str) -> Page {
        Page::new(title).site(Site::ExamplePortal {
            gateway: self.service.settings().config.name.clone(),
        })
    }
}

/// The routes of the sample resource.
pub(super) fn router(service: &Service) -> Router {
    let portal = Portal {
        service: service.clone(),
        sessions: Arc::default(),
    };
    Router::new()
        .route("/example", get(steps::home))
        .route(HOME, get(steps::show))
        .route("/example/password", post(steps::password))
        .route("/example/push", post(steps::push))
        .route("/example/passcode", post(steps::passcode))
        .route("/example/again", post(steps::again))
        .route("/example/sign-out", post(steps::sign_out))
        .route("/example/status", get(status::status))
        .route("/example/portal.js", get(assets::portal_script))
        .with_state(portal)
}
