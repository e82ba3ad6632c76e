//! What a server says that it takes, in the canonical JSON that it signs (RFC 8785).

use serde_json::Value;

/// How deep a list of capabilities may be nested.
const DEPTH: usize = 4;

/// The capabilities that mean something to us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// A decline may carry its reason.
    pub(super) decline_reason: bool,
}

impl Capabilities {
    pub(super) fn of(value: &Value) -> Self {
        Self {
            decline_reason: value.get("decline_reason") == Some(&Value::Bool(true)),
        }
    }
}

/// The bytes that are signed: `{"capabilities":…,"nonce":…}`; none for a number that is no integer, whose canonical
/// form nobody agrees on, and for what is nested deeper than is sensible.
pub(super) fn signed_string(capabilities: &Value, nonce: &str) -> Option<String> {
    let mut text = String::from("{\"capabilities\":");
    write(capabilities, DEPTH, &mut text)?;
    text.push_str(",\"nonce\":");
    write(&Value::String(nonce.to_owned()), DEPTH, &mut text)?;
    text.push('}');
    Some(text)
}

fn write(value: &Value, depth: usize, text: &mut String) -> Option<()> {
    let deeper = depth.checked_sub(1)?;
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => text.push_str(&value.to_string()),
        Value::Number(number) => {
            // Beyond 2^53 the canonical form rounds.
            let whole = number
                .as_i64()
                .filter(|whole| whole.unsigned_abs() < 1 << 53)?;
            text.push_str(&whole.to_string());
        }
        Value::Array(items) => {
            text.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write(item, deeper, text)?;
            }
            text.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            text.push('{');
            for (place, (name, field)) in fields.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                text.push_str(&Value::String(name.clone()).to_string());
                text.push(':');
                write(field, deeper, text)?;
            }
            text.push('}');
        }
    }
    Some(())
}
