//! `GET /example/status`: how this window's login stands, for the page's script and for tests.

use axum::{
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use super::{
    Portal,
    ending::{Ending, Standing},
    session::{Stage, Waiting},
    visitor::Visitor,
};
use crate::{push::Availability, service::LoginError, web::pages::frame::guard};

/// The longest wait for a change, in seconds: below the time-out of usual proxies.
const LONGEST_WAIT: u32 = 25;

#[derive(Debug, Deserialize)]
pub(super) struct Wait {
    /// Answer at the change, or after so many seconds.
    #[serde(default)]
    wait: u32,
}

/// `{"state": …}`: `signed_out`, `choosing`, `pending`, `approved` (the next page lets the user in),
/// `denied`, `expired`, `failed`, `logged_in`.
pub(super) async fn status(
    State(portal): State<Portal>,
    visitor: Visitor,
    Query(Wait { wait }): Query<Wait>,
) -> Response {
    let Some(session) = visitor.session else {
        return json_page(StatusCode::OK, &json!({ "state": "signed_out" }));
    };
    let body = match &session.stage {
        Stage::Choosing => json!({ "state": "choosing", "user": session.user }),
        Stage::LoggedIn(_) => json!({ "state": "logged_in", "user": session.user }),
        Stage::Ended {
            transaction_id,
            ending,
        } => ended(transaction_id, *ending),
        Stage::Waiting(waiting) => match standing(&portal, waiting, wait).await {
            Ok((Standing::Ended(ending), ..)) => ended(&waiting.transaction_id, ending),
            Ok((Standing::Approved, left_ms, _)) => json!({
                "state": "approved",
                "transaction_id": waiting.transaction_id,
                "left_ms": left_ms,
            }),
            Ok((Standing::Open, left_ms, reach)) => json!({
                "state": "pending",
                "transaction_id": waiting.transaction_id,
                "left_ms": left_ms,
                "number": waiting.push.as_ref().and_then(|push| push.number.as_deref()),
                "challenge": waiting.challenge,
                "desktop": waiting.push.as_ref().map(|_asked| Availability::word(reach)),
            }),
            Err(error) => {
                tracing::error!(%error, "the state of a login could not be read");
                let body = json!({ "state": "pending", "error": "storage" });
                return json_page(StatusCode::SERVICE_UNAVAILABLE, &body);
            }
        },
    };
    json_page(StatusCode::OK, &body)
}

async fn standing(
    portal: &Portal,
    waiting: &Waiting,
    wait: u32,
) -> Result<(Standing, u32, Option<Availability>), LoginError> {
    let service = &portal.service;
    let wait = i64::from(wait.min(LONGEST_WAIT)).saturating_mul(1000);
    let until = service.now().plus_ms(wait);
    let front = service.settings().sample_front;
    match service
        .wait_login(front, &waiting.transaction_id, until)
        .await
    {
        Ok(login) => Ok((login.state.into(), login.left_ms, login.reach)),
        // Old logins are forgotten.
        Err(LoginError::Unknown) => Ok((Standing::Ended(Ending::Expired), 0, None)),
        Err(error) => Err(error),
    }
}

fn ended(transaction_id: &str, ending: Ending) -> serde_json::Value {
    json!({
        "state": ending.state(),
        "reason": ending.reason(),
        "transaction_id": transaction_id,
    })
}

fn json_page(status: StatusCode, body: &serde_json::Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut response = (status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response();
    guard(&mut response);
    response
}
