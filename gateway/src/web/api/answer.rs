//! privacyIDEA's envelope: what every answer looks like, and its error codes.

use core::time::Duration;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_core::time::UnixMillis;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{service::ServiceError, store::StoreError};

/// privacyIDEA's word for how an authentication stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Authentication {
    /// Let the user in.
    Accept,
    /// Do not.
    Reject,
    /// Not yet: a challenge is open.
    Challenge,
    /// The user, or a rule of theirs, said no.
    Declined,
}

/// An answer to a question that was understood; HTTP 200.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    value: Value,
    authentication: Option<Authentication>,
    detail: Map<String, Value>,
    time: UnixMillis,
}

impl Answer {
    /// `result.value`, at the time of the gateway.
    pub(super) fn new(value: impl Into<Value>, time: UnixMillis) -> Self {
        Self {
            value: value.into(),
            authentication: None,
            detail: Map::new(),
            time,
        }
    }

    /// With `result.authentication`.
    pub(super) fn authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = Some(authentication);
        self
    }

    /// With one entry of `detail`.
    pub(super) fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut result = json!({ "status": true, "value": self.value });
        if let Some(authentication) = self.authentication
            && let Some(result) = result.as_object_mut()
        {
            result.insert("authentication".to_owned(), json!(authentication));
        }
        let detail = if self.detail.is_empty() {
            Value::Null
        } else {
            Value::Object(self.detail)
        };
        envelope(StatusCode::OK, &result, &detail, Some(self.time))
    }
}

fn envelope(
    status: StatusCode,
    result: &Value,
    detail: &Value,
    time: Option<UnixMillis>,
) -> Response {
    let millis = time.map(|time| Duration::from_millis(u64::try_from(time.0).unwrap_or(0)));
    let body = json!({
        "id": 1,
        "jsonrpc": "2.0",
        "result": result,
        "detail": detail,
        "time": millis.map(|millis| millis.as_secs_f64()),
        "version": concat!("Countersign ", env!("CARGO_PKG_VERSION")),
        "versionnumber": env!("CARGO_PKG_VERSION"),
    });
    let json = HeaderValue::from_static("application/json");
    (status, [(header::CONTENT_TYPE, json)], body.to_string()).into_response()
}

/// Why a question gets no answer. The codes are privacyIDEA's.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// A parameter is missing.
    #[error("ERR905: Missing parameter: {0}")]
    Missing(&'static str),
    /// The parameters cannot be read or used.
    #[error("ERR905: {0}")]
    Parameters(&'static str),
    /// More than the gateway reads.
    #[error("ERR905: The request is too large")]
    TooLarge,
    /// `/auth` with a wrong name or key, or an unknown key.
    #[error(
        "Authentication failure. Wrong credentials: the front's name or key is not known to this gateway"
    )]
    WrongCredentials,
    /// Nobody said who asks.
    #[error(
        "Authentication failure. Missing Authorization header: send the key of a registered front, or a token from /auth"
    )]
    NoAuthorization,
    /// The ticket is not one of this gateway, or its front is gone.
    #[error("Authentication failure. Error during decoding your token: get a new one from /auth")]
    ForeignTicket,
    /// The ticket is too old.
    #[error("Authentication failure. Your token has expired: get a new one from /auth")]
    ExpiredTicket,
    /// The database failed; nothing was done.
    #[error("The gateway cannot answer now; nothing was accepted. Try again")]
    Storage,
}

impl ApiError {
    const fn codes(&self) -> (StatusCode, i32) {
        match self {
            Self::Missing(_) | Self::Parameters(_) => (StatusCode::BAD_REQUEST, 905),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 905),
            Self::WrongCredentials => (StatusCode::UNAUTHORIZED, 4031),
            Self::NoAuthorization => (StatusCode::UNAUTHORIZED, 4033),
            Self::ForeignTicket => (StatusCode::UNAUTHORIZED, 4304),
            Self::ExpiredTicket => (StatusCode::UNAUTHORIZED, 4305),
            Self::Storage => (StatusCode::INTERNAL_SERVER_ERROR, -500),
        }
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        error.0.into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a front could not be answered");
        Self::Storage
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.codes();
        let error = json!({ "code": code, "message": self.to_string() });
        let mut response = envelope(
            status,
            &json!({ "status": false, "error": error }),
            &Value::Null,
            None,
        );
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Countersign\""),
            );
        }
        response
    }
}
