//! FreeOTP+: `{tokenOrder, tokens}`, secrets as arrays of signed bytes.

use serde::Deserialize;

use super::{
    Entry, Format, ImportError, Refusal,
    bounded::{self, Number},
    draft::{Draft, Kind},
};
use crate::secret::SecretBytes;

const FORMAT: Format = Format::FreeOtpPlus;

#[derive(Deserialize)]
struct File {
    #[serde(deserialize_with = "bounded::list")]
    tokens: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    #[serde(default)]
    algo: Option<String>,
    #[serde(default)]
    counter: Number,
    #[serde(default)]
    digits: Number,
    /// What the link said.
    #[serde(default)]
    issuer_ext: Option<String>,
    /// What the user made of it.
    #[serde(default)]
    issuer_int: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    period: Number,
    #[serde(default, deserialize_with = "bounded::list")]
    secret: Vec<i16>,
    #[serde(default)]
    r#type: Option<String>,
}

pub(super) fn read(text: &str) -> Result<Vec<Entry>, ImportError> {
    let file: File = bounded::document(text, FORMAT)?;
    Ok(file.tokens.iter().map(entry).collect())
}

fn entry(token: &Token) -> Entry {
    let named = [&token.issuer_ext, &token.issuer_int]
        .into_iter()
        .flatten()
        .find(|issuer| !issuer.trim().is_empty());
    Draft {
        kind: token.r#type.as_deref().map_or(Kind::Time, Kind::named),
        issuer: named.map(String::as_str).unwrap_or_default(),
        account: token.label.as_deref().unwrap_or_default(),
        secret: secret(&token.secret),
        hash: token.algo.as_deref().unwrap_or_default(),
        digits: token.digits,
        period: token.period,
        counter: token.counter,
    }
    .finish()
}

/// Java's bytes are signed; some programs write them unsigned.
fn secret(bytes: &[i16]) -> Result<SecretBytes, Refusal> {
    let mut secret = Vec::with_capacity(bytes.len());
    for byte in bytes {
        let unsigned = u8::try_from(*byte)
            .or_else(|_negative| i8::try_from(*byte).map(i8::cast_unsigned))
            .map_err(|_over| Refusal::SecretNotBase32)?;
        secret.push(unsigned);
    }
    Ok(SecretBytes::new(secret))
}
