//! Is it the user? The finger, else the PIN, else a click where the administrator's policy says so.

use countersign_core::token::{PinType, PushPolicy, TokenSecrets, VerificationLevel};
use countersign_proto::agent::v1::Reason;

use super::{Agent, explain::Explain};

/// Why the user was not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerificationError {
    /// The token's policy has push switched off.
    #[error("this token does not answer login requests")]
    PushOff,
    /// The policy asks for more than this version of the agent can do.
    #[error("this token's policy asks for a PIN or finger, which this version cannot verify yet")]
    Unavailable,
}

impl Explain for VerificationError {
    fn reason(&self) -> Reason {
        match self {
            Self::PushOff | Self::Unavailable => Reason::VerificationUnavailable,
        }
    }

    fn hint(&self) -> String {
        "type a passcode on the login page, or ask your administrator for another policy".to_owned()
    }
}

impl Agent {
    /// Verifies the user for one approval, as the token's policy asks, and says how sure it is.
    ///
    /// # Errors
    ///
    /// Every variant of [`VerificationError`].
    pub(super) fn verify_for_push(
        secrets: &TokenSecrets,
    ) -> Result<VerificationLevel, VerificationError> {
        match (secrets.push, secrets.pin) {
            (PushPolicy::Off, _) => Err(VerificationError::PushOff),
            (PushPolicy::Allowed(VerificationLevel::Click), PinType::None) => {
                Ok(VerificationLevel::Click)
            }
            (PushPolicy::Allowed(_), PinType::None | PinType::Token | PinType::Server) => {
                Err(VerificationError::Unavailable)
            }
        }
    }

    /// Verifies the user for one passcode.
    ///
    /// # Errors
    ///
    /// [`VerificationError::Unavailable`].
    pub(super) fn verify_for_passcode(secrets: &TokenSecrets) -> Result<(), VerificationError> {
        match secrets.pin {
            // A server PIN is typed beside the passcode; the agent never has it.
            PinType::None | PinType::Server => Ok(()),
            PinType::Token => Err(VerificationError::Unavailable),
        }
    }
}
