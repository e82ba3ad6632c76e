//! `POST /auth`: a front's name and key for a ticket.

use axum::extract::State;
use serde_json::json;

use super::{
    Api,
    answer::{Answer, ApiError},
    front::authenticated,
    parameters::Parameters,
};
use crate::service::FrontCredential;

/// `username` and `password` are the front's name and key.
pub(super) async fn auth(
    State(api): State<Api>,
    parameters: Parameters,
) -> Result<Answer, ApiError> {
    let name = parameters
        .text("username")?
        .ok_or(ApiError::Missing("username"))?
        .to_owned();
    let key = parameters
        .secret("password")
        .ok_or(ApiError::Missing("password"))?;
    let front = authenticated(&api.service, FrontCredential::Name { name, key }).await?;
    let now = api.service.now();
    let ticket = api.tickets.issue(&front, now)?;
    let value = json!({
        "token": ticket,
        "username": front.name,
        "realm": "",
        "role": "front",
        "rights": if front.push { json!(["triggerchallenge", "validate"]) } else { json!(["validate"]) },
    });
    Ok(Answer::new(value, now))
}
