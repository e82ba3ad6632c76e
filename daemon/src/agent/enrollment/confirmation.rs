//! Who says that the service is the right one: the caller, or the user in a dialog of the agent's.
//!
//! A link that was clicked comes from whoever wrote the page. It is shown, and nothing is contacted before the user
//! has said yes to its host; what nobody vouches for is refused, and one link at a time is asked about.

use countersign_core::{privacyidea::Transport, secret::SecretBytes};

use super::{Accepted, EnrollmentError, EnrollmentKind, EnrollmentPreview};
use crate::agent::{
    Agent,
    asking::Unconfirmed,
    caller::{About, Caller},
    ports::Confirmation,
};

/// Who has said or says yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// The caller has asked.
    Given(Accepted),
    /// The agent asks.
    AskHere,
}

impl From<Accepted> for Consent {
    fn from(accepted: Accepted) -> Self {
        Self::Given(accepted)
    }
}

impl From<&str> for Consent {
    /// A host that is known by its certificate or key.
    fn from(host: &str) -> Self {
        Self::Given(host.into())
    }
}

impl Agent {
    /// Shows whom the link would contact, and waits for a yes.
    ///
    /// # Errors
    ///
    /// [`EnrollmentError::Insecure`], [`EnrollmentError::NotConfirmed`], [`EnrollmentError::NobodyToAsk`], those of reading.
    pub(super) async fn confirmed_here(
        &self,
        brought: &SecretBytes,
        caller: &Caller,
    ) -> Result<Accepted, EnrollmentError> {
        let preview = self.inspect_enrollment(brought).await?;
        if preview.transport != Transport::Verified {
            return Err(EnrollmentError::Insecure(preview.transport));
        }
        match self.said_yes(&question(&preview), caller).await {
            Ok(()) => Ok(Accepted {
                host: preview.host,
                transport: preview.transport,
            }),
            Err(Unconfirmed::Nobody(why)) => Err(EnrollmentError::NobodyToAsk(why.to_string())),
            Err(Unconfirmed::Declined | Unconfirmed::AskedAlready | Unconfirmed::SessionLocked) => {
                Err(EnrollmentError::NotConfirmed)
            }
        }
    }
}

/// The most that one decides by comes first; every text of the preview is display-safe.
fn question(preview: &EnrollmentPreview) -> Confirmation {
    let vouched = match (preview.kind, preview.pinned) {
        (EnrollmentKind::Otpauth, _) => "",
        (EnrollmentKind::ActivationString, true) => "known by a key in the link",
        (
            EnrollmentKind::ActivationString
            | EnrollmentKind::PrivacyIdeaPush
            | EnrollmentKind::PrivacyIdeaContainer,
            _,
        ) => "known by its certificate",
    };
    let wish = match preview.kind {
        EnrollmentKind::PrivacyIdeaContainer => {
            "A link wants a service to add and delete tokens on this computer."
        }
        EnrollmentKind::ActivationString
        | EnrollmentKind::Otpauth
        | EnrollmentKind::PrivacyIdeaPush => "A link wants to add a token to this computer.",
    };
    let mut about = About::new(wish);
    for (label, text) in [
        ("Service", preview.host.as_str()),
        ("User", &preview.user),
        ("Issuer", &preview.issuer),
        ("Trust", vouched),
    ] {
        if !text.is_empty() {
            about = about.and(&format!("{label}: {text}"));
        }
    }
    let (what, ok) = if preview.host.is_empty() {
        ("Add it only if you asked for it just now.", "Add")
    } else {
        (
            "Connect only if you asked for it just now and know this service.",
            "Connect",
        )
    };
    Confirmation {
        title: "Add a token?".to_owned(),
        description: about.description(what),
        ok: ok.to_owned(),
        cancel: "Cancel".to_owned(),
        within: about.within,
    }
}
