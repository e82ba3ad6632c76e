//! Parameters of a request: from the query, a form or a JSON object, all treated alike.

use std::collections::HashMap;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
};
use countersign_core::secret::SecretText;
use serde_json::Value;
use url::form_urlencoded;

use super::answer::ApiError;

/// More parameters than any plugin sends.
const PARAMETERS: usize = 64;
/// The longest text that names a user, a token or a transaction, in bytes.
const TEXT: usize = 512;

/// Names and values. Values may be passcodes: nothing here is printed.
#[derive(Default)]
pub(super) struct Parameters(HashMap<String, SecretText>);

impl Parameters {
    /// A value that is not secret. An empty one counts as missing.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        match self.0.get(name).map(SecretText::expose) {
            None | Some("") => Ok(None),
            Some(text) if text.len() > TEXT => Err(ApiError::Parameters("a parameter is too long")),
            Some(text) => Ok(Some(text)),
        }
    }

    /// A secret value; may be empty.
    pub(super) fn secret(&self, name: &'static str) -> Option<SecretText> {
        self.0.get(name).cloned()
    }

    fn put(&mut self, name: String, value: String) -> Result<(), ApiError> {
        if self.0.len() >= PARAMETERS {
            return Err(ApiError::Parameters("there are too many parameters"));
        }
        self.0.insert(name, SecretText::new(value));
        Ok(())
    }

    fn put_form(&mut self, form: &[u8]) -> Result<(), ApiError> {
        for (name, value) in form_urlencoded::parse(form) {
            self.put(name.into_owned(), value.into_owned())?;
        }
        Ok(())
    }

    fn put_json(&mut self, body: &[u8]) -> Result<(), ApiError> {
        let Ok(Value::Object(object)) = serde_json::from_slice(body) else {
            return Err(ApiError::Parameters("the body is not a JSON object"));
        };
        for (name, value) in object {
            let value = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(yes) => yes.to_string(),
                // Of no parameter that is used here.
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            self.put(name, value)?;
        }
        Ok(())
    }
}

impl core::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let mut parameters = Self::default();
        if let Some(query) = request.uri().query() {
            parameters.put_form(query.as_bytes())?;
        }
        let kind = BodyKind::of(request.headers());
        let body = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unread(&rejection))?;
        // The body comes last: what it says counts.
        match kind {
            _ if body.is_empty() => {}
            BodyKind::Form => parameters.put_form(&body)?,
            BodyKind::Json => parameters.put_json(&body)?,
            BodyKind::Other => {
                return Err(ApiError::Parameters(
                    "the body must be a form (application/x-www-form-urlencoded) or JSON",
                ));
            }
        }
        Ok(parameters)
    }
}

fn unread(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        ApiError::TooLarge
    } else {
        ApiError::Parameters("the body could not be read")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyKind {
    Form,
    Json,
    Other,
}

impl BodyKind {
    fn of(headers: &HeaderMap) -> Self {
        let Some(media) = headers
            .get(header::CONTENT_TYPE)
            .map(|value| value.to_str().unwrap_or("?"))
        else {
            return Self::Form;
        };
        let media = media.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("application/json") {
            Self::Json
        } else if media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::Form
        } else {
            Self::Other
        }
    }
}
