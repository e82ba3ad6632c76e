//! The user's answer as the server wants it: the string that is signed, and the form around it.

use core::fmt;

use url::form_urlencoded;

use super::encode_signature;

/// The user's answer to one challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It was me.
    Accept,
    /// It was me, and the login page shows this.
    Presence(String),
    /// It was not, or not now.
    Decline,
    /// As [`Answer::Decline`], and why. Only where the server has said that it takes a reason.
    DeclineFor(DeclineReason),
}

/// Why a challenge is declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclineReason {
    /// The user did not start this login.
    UnknownTrigger,
    /// The user did, and does not want it any more.
    Cancelled,
}

impl fmt::Display for DeclineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownTrigger => "unknown_trigger",
            Self::Cancelled => "cancelled",
        })
    }
}

impl Answer {
    /// What the device signs.
    #[must_use]
    pub fn signed_string(&self, nonce: &str, serial: &str) -> String {
        match self {
            Self::Accept => format!("{nonce}|{serial}"),
            Self::Presence(choice) => format!("{nonce}|{serial}|{choice}"),
            Self::Decline => format!("{nonce}|{serial}|decline"),
            Self::DeclineFor(reason) => format!("{nonce}|{serial}|decline|{reason}"),
        }
    }

    /// The form that is posted to the challenge's address.
    #[must_use]
    pub fn form(&self, nonce: &str, serial: &str, signature: &[u8]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("serial", serial)
            .append_pair("nonce", nonce);
        match self {
            Self::Accept => {}
            Self::Presence(choice) => {
                form.append_pair("presence_answer", choice);
            }
            Self::Decline => {
                form.append_pair("decline", "1");
            }
            Self::DeclineFor(reason) => {
                form.append_pair("decline", "1")
                    .append_pair("decline_reason", &reason.to_string());
            }
        }
        form.append_pair("signature", &encode_signature(signature))
            .finish()
    }

    /// Does it let somebody in?
    #[must_use]
    pub const fn accepts(&self) -> bool {
        matches!(self, Self::Accept | Self::Presence(_))
    }
}
