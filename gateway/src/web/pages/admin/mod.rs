//! The administration pages: users, tokens, policies and the audit log, behind a login.
//!
//! Invariants: nothing is shown or done without a session of somebody who has a role now, and the task is one of that
//! role's ([`role`](countersign_core::role)); whatever changes something is a POST with the form's secret, and stands in
//! the audit log under the operator's name; a secret is shown once, on the page that answers the POST.

mod audit;
mod entrance;
mod policies;
mod policy_form;
mod session;
mod tokens;
mod users;
mod views;
mod visitor;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use http::StatusCode;

use self::session::Sessions;
use super::frame::guard;
use crate::{service::Service, web::client};

/// Where it is.
const HOME: &str = "/admin/";

/// What the handlers work with.
#[derive(Clone, Debug)]
struct Admin {
    service: Service,
    sessions: Arc<Sessions>,
}

/// The routes of the administration.
pub(super) fn router(service: &Service) -> Router {
    let admin = Admin {
        service: service.clone(),
        sessions: Arc::default(),
    };
    Router::new()
        .route("/admin", get(async || redirect(HOME)))
        .route(HOME, get(entrance::home))
        .route("/admin/log-in", post(entrance::log_in))
        .route("/admin/log-out", post(entrance::log_out))
        .route("/admin/users", get(users::list))
        .route("/admin/user", get(users::one))
        .route("/admin/code", post(users::helpdesk_code))
        .route("/admin/issue", post(users::issue))
        .route("/admin/token", post(tokens::change))
        .route("/admin/policies", get(policies::list))
        .route("/admin/policy", get(policies::one).post(policies::keep))
        .route("/admin/audit", get(audit::list))
        .layer(from_fn_with_state(admin.clone(), near_enough))
        .with_state(admin)
}

/// Only some networks may see the pages, where the settings name them; the others see what stands at no address.
async fn near_enough(
    State(admin): State<Admin>,
    Extension(peer): Extension<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let config = &admin.service.settings().config;
    let address = client::address(request.headers(), peer, config.push.behind_proxy);
    let networks = &config.administration.networks;
    let near = networks.is_empty()
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| networks.iter().any(|network| network.contains(&address)));
    if near {
        next.run(request).await
    } else {
        super::not_found().await
    }
}

fn redirect(to: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    guard(&mut response);
    response
}

fn failed(error: &dyn core::error::Error) -> Response {
    tracing::error!(%error, "an administration page failed");
    views::stopped(
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong here",
        "Nothing was changed by this page that the audit log does not show. Try again in a moment.",
    )
    .into()
}
