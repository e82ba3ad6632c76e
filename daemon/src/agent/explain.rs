//! What every refusal carries to whoever asked: a reason of the closed list, and what to do next.

use countersign_proto::agent::v1::Reason;

/// An error that a person will read.
///
/// `Display` says what failed, in one display-safe sentence without secrets.
pub trait Explain: std::error::Error {
    /// The reason: exit code, gRPC detail and D-Bus error name derive from it.
    fn reason(&self) -> Reason;
    /// What to do next, one sentence; empty if there is nothing.
    fn hint(&self) -> String;
}

/// What failed and what to do next as whole sentences, for places that show one text.
#[must_use]
pub fn sentences(error: &impl Explain) -> String {
    let parts = [error.to_string(), error.hint()];
    let parts: Vec<_> = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(|part| sentence(part))
        .collect();
    parts.join(" ")
}

/// With a capital at the beginning and a full stop at the end.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let mut sentence: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

impl Explain for crate::vault::VaultError {
    fn reason(&self) -> Reason {
        Self::reason(self)
    }

    fn hint(&self) -> String {
        Self::hint(self).to_owned()
    }
}
