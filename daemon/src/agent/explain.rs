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

impl Explain for crate::vault::VaultError {
    fn reason(&self) -> Reason {
        Self::reason(self)
    }

    fn hint(&self) -> String {
        Self::hint(self).to_owned()
    }
}
