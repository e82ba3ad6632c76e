//! `/healthz`: for load balancers and service managers; asks for no credentials and tells no details.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde_json::json;

use super::answer::Answer;
use crate::service::Service;

/// The process answers.
pub(super) async fn live(State(service): State<Service>) -> Answer {
    Answer::new(json!({ "status": "OK" }), service.now())
}

/// The database answers too.
pub(super) async fn ready(State(service): State<Service>) -> Response {
    match service.fronts().await {
        Ok(_) => {
            Answer::new(json!({ "hsm": "OK", "status": "ready" }), service.now()).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the database does not answer");
            let mut answer =
                Answer::new(json!({ "status": "not ready" }), service.now()).into_response();
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer
        }
    }
}
