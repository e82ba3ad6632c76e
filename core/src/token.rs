//! What a token is: its policy as the administrator carries it in the key package, and its sealed content.

use serde::{Deserialize, Serialize};

/// How a token's PIN is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinType {
    /// There is none.
    None,
    /// Chosen by the user, checked by the agent.
    Token,
    /// Checked by the service.
    Server,
}

/// How sure the agent was that it was the user, weakest first. Signed in every decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationLevel {
    /// A click alone; only where the administrator's policy says so.
    Click,
    /// A PIN or passphrase.
    Pin,
    /// A finger, checked by fprintd.
    Finger,
    /// A key in a TPM that checked the PIN itself.
    Tpm,
}

/// May this token answer login requests, and how sure must it be?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushPolicy {
    /// Passcodes only.
    Off,
    /// Login requests, each approved at this level or a higher one.
    Allowed(VerificationLevel),
}
