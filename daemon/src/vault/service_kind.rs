//! Which protocol a service speaks, and what is known of it beside the address and the keys.

use countersign_core::privacyidea::{Demand, Transport};
use serde::{Deserialize, Serialize};

use super::VaultError;

/// The longest column, in bytes.
const MAX_LEN: usize = 1024;

/// Which protocol a service speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServiceKind {
    /// Our gateway's.
    #[default]
    Gateway,
    /// privacyIDEA's push: each token is a service of its own, since the server keeps a key for each.
    PrivacyIdea(PushToken),
    /// This computer: its PAM module asks. Its identity key is the public key that root accepts.
    Sudo,
}

/// A push token of privacyIDEA. Its private key is the service's channel key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushToken {
    /// The token's serial at the server.
    pub serial: String,
    /// How well the server is known; what was accepted at the enrollment.
    pub transport: Transport,
    /// What is asked of the user before a request is shown.
    pub demand: Demand,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept {
    #[serde(rename = "privacyidea")]
    PrivacyIdea(PushToken),
    Sudo,
}

impl ServiceKind {
    /// The column; empty for a gateway.
    pub(super) fn to_column(&self) -> Result<String, VaultError> {
        let kept = match self {
            Self::Gateway => return Ok(String::new()),
            Self::PrivacyIdea(token) => Kept::PrivacyIdea(token.clone()),
            Self::Sudo => Kept::Sudo,
        };
        let text = serde_json::to_string(&kept).map_err(|_never| VaultError::TooLong)?;
        if text.len() > MAX_LEN {
            return Err(VaultError::TooLong);
        }
        Ok(text)
    }

    /// What [`ServiceKind::to_column`] wrote; nothing for another text.
    pub(super) fn from_column(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Gateway);
        }
        Some(match serde_json::from_str(text).ok()? {
            Kept::PrivacyIdea(token) => Self::PrivacyIdea(token),
            Kept::Sudo => Self::Sudo,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_survives_its_column() {
        let token = PushToken {
            serial: "PIPU1".to_owned(),
            transport: Transport::UnverifiedTls,
            demand: Demand::Finger,
        };
        for kind in [
            ServiceKind::Gateway,
            ServiceKind::PrivacyIdea(token),
            ServiceKind::Sudo,
        ] {
            let column = kind.to_column().unwrap();
            assert_eq!(ServiceKind::from_column(&column), Some(kind));
        }
        assert_eq!(ServiceKind::from_column("{\"other\":{}}"), None);
    }
}
