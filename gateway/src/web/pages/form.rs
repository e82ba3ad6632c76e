//! What a form brings.

use std::collections::HashMap;

use axum::body::Bytes;
use countersign_core::secret::SecretText;
use http::HeaderMap;
use subtle::ConstantTimeEq as _;
use url::form_urlencoded;

use super::html::{Escaped, Text, html};

/// Hidden field of each form.
pub(super) const FORM_SECRET: &str = "form_secret";
/// Fields of the largest form, with room.
const FIELDS: usize = 32;

/// Names and values.
pub(super) struct Fields(HashMap<String, SecretText>);

impl core::fmt::Debug for Fields {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Fields")
    }
}

impl Fields {
    /// Of a body that is bounded already.
    pub(super) fn read(body: &Bytes) -> Self {
        let fields = form_urlencoded::parse(body)
            .take(FIELDS)
            .map(|(name, value)| (name.into_owned(), SecretText::new(value.into_owned())));
        Self(fields.collect())
    }

    /// A field, e.g. a password.
    pub(super) fn secret(&self, name: &str) -> SecretText {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// A field that may be shown.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", SecretText::expose)
    }

    /// Does the form know this secret?
    pub(super) fn knows(&self, form_secret: &str) -> bool {
        let given = self.text(FORM_SECRET);
        form_secret.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// Browsers say where a request comes from; who says nothing still has to know the form's secret.
pub(super) fn from_elsewhere(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin")
}

/// The form's secret.
pub(super) fn hidden(form_secret: &str) -> Escaped {
    html![
        "<input type=\"hidden\" name=\"",
        FORM_SECRET,
        "\" value=\"",
        Text(form_secret),
        "\">"
    ]
}
