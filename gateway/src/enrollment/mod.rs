//! Automatic enrollment over HTTP: DSKPP's binding (RFC 6063 section 7.2).

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    response::{IntoResponse, Response},
    routing::get,
};
use countersign_core::dskpp::{
    MAX_MESSAGE_LEN, MEDIA_TYPE,
    server::{self, ClientMessage, ReadError},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;

use crate::service::{EnrollmentRefusal, Service};

/// The path of enrollment URLs.
pub const PATH: &str = "/enroll/dskpp";

const EXPLANATION: &str = "This address is for Countersign.\n\n\
    Somebody has issued you a token. To add it to this computer, run\n\n    countersign enroll\n\n\
    and paste the activation string that this address came with. Opening the address in a browser does\n\
    not use it up.\n";

/// The enrollment service as routes of the gateway's listener.
pub fn router(service: Service) -> Router {
    Router::new()
        .route(PATH, get(explain).post(message))
        .layer(DefaultBodyLimit::max(MAX_MESSAGE_LEN))
        .with_state(service)
}

#[derive(Deserialize)]
struct Code {
    #[serde(default)]
    sc: String,
}

/// A person with a browser.
async fn explain() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, EXPLANATION).into_response()
}

/// A DSKPP client.
async fn message(
    State(service): State<Service>,
    Query(code): Query<Code>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_dskpp = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(MEDIA_TYPE));
    // A code is ten symbols; anything much longer is not one.
    if !is_dskpp || code.sc.len() > 64 {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let answer = match server::read(&body) {
        Ok(ClientMessage::Hello(hello)) => service.enrollment_hello(&code.sc, hello).await,
        Ok(ClientMessage::Nonce(nonce)) => service.enrollment_nonce(nonce).await,
        Err(ReadError::Refused(refusal)) => Err(refusal.into()),
        Err(ReadError::NotDskpp(_)) => return StatusCode::BAD_REQUEST.into_response(),
    };
    match answer {
        Ok(body) => dskpp(body),
        Err(EnrollmentRefusal::Status(refusal)) => {
            tracing::info!(status = ?refusal.status(), "an enrollment is refused");
            dskpp(refusal.body())
        }
        Err(EnrollmentRefusal::Gone) => StatusCode::FORBIDDEN.into_response(),
        Err(EnrollmentRefusal::Storage(error)) => {
            tracing::error!(%error, "an enrollment failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// 200 whenever a DSKPP message is in the body, also a refusal.
fn dskpp(body: Vec<u8>) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-must-revalidate, private"),
    );
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
