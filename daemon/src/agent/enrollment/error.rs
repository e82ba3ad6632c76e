//! Why nothing was enrolled, and what the user can do.

use countersign_core::{
    activation_string::ActivationStringError,
    dskpp::{DskppError, Status},
    otpauth::{OtherLink, OtpauthError},
    privacyidea::{LinkError, Transport, TwoStepError},
};
use countersign_proto::{agent::v1::Reason, limits};

use super::insecure_words;
use crate::{
    agent::{
        containers::ContainerError,
        explain::Explain,
        pin::PinError,
        ports::{RandomError, TransportError},
        session::SessionError,
        tokens::{NameError, SelectError},
    },
    vault::VaultError,
};

/// Why nothing was enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollmentError {
    /// Longer than anything that could be one.
    #[error("what was given is longer than {} bytes", limits::ENROLLMENT_TEXT)]
    TooLong,
    /// Neither kind.
    #[error("this is neither an activation string nor an otpauth link")]
    Unknown,
    /// A damaged activation string.
    #[error(transparent)]
    ActivationString(#[from] ActivationStringError),
    /// A damaged or unsupported otpauth URI.
    #[error(transparent)]
    Otpauth(#[from] OtpauthError),
    /// A damaged push link.
    #[error(transparent)]
    PushLink(#[from] LinkError),
    /// The second step cannot be made.
    #[error(transparent)]
    TwoStep(#[from] TwoStepError),
    /// The service would be talked to without anybody vouching for it, and nobody has accepted that.
    #[error("{}", insecure_words(*.0))]
    Insecure(Transport),
    /// The server does not know the credential.
    #[error("the service did not accept this link")]
    LinkRefused,
    /// The server knows no token that waits for its enrollment.
    #[error("the service knows no such token, or it was enrolled before")]
    LinkUsed,
    /// The host is not the one that was confirmed.
    #[error("the host was not confirmed")]
    NotConfirmed,
    /// The user is being asked about another link.
    #[error("you are being asked about another link")]
    AskedAlready,
    /// No dialog can be shown to ask about the link.
    #[error("nobody can be asked about this link: {0}")]
    NobodyToAsk(String),
    /// The name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The service was not reached, not believed, or refused.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The service did not accept the passphrase.
    #[error("the service did not accept this activation string")]
    Refused,
    /// The activation string was used up or is too old.
    #[error("the activation string has expired or was used before")]
    Expired,
    /// The exchange failed; the sentence says where.
    #[error("the service's answers were not what they should be ({0})")]
    Exchange(String),
    /// Something that this version does not have.
    #[error("{0}")]
    Unsupported(String),
    /// The container.
    #[error(transparent)]
    Container(Box<ContainerError>),
    /// The vault could not be made or opened.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The PIN.
    #[error(transparent)]
    Pin(Box<PinError>),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl From<PinError> for EnrollmentError {
    fn from(error: PinError) -> Self {
        Self::Pin(Box::new(error))
    }
}

impl From<ContainerError> for EnrollmentError {
    fn from(error: ContainerError) -> Self {
        Self::Container(Box::new(error))
    }
}

impl From<SelectError> for EnrollmentError {
    fn from(error: SelectError) -> Self {
        Self::Name(error.into())
    }
}

impl Explain for EnrollmentError {
    fn reason(&self) -> Reason {
        match self {
            Self::Otpauth(OtpauthError::Other(_)) | Self::Unsupported(_) => {
                Reason::EnrollmentUnsupported
            }
            Self::TooLong
            | Self::Unknown
            | Self::ActivationString(_)
            | Self::Otpauth(_)
            | Self::PushLink(_)
            | Self::TwoStep(_) => Reason::EnrollmentInvalid,
            Self::Insecure(_) | Self::NotConfirmed | Self::AskedAlready => {
                Reason::EnrollmentNotConfirmed
            }
            Self::NobodyToAsk(_) => Reason::VerificationUnavailable,
            Self::Name(error) => error.reason(),
            Self::Transport(TransportError::Unreachable { .. }) => Reason::GatewayUnreachable,
            Self::Transport(TransportError::Untrusted { .. }) => Reason::GatewayUntrusted,
            Self::Transport(TransportError::Protocol { .. } | TransportError::Refused { .. })
            | Self::Exchange(_) => Reason::GatewayFailed,
            Self::Refused | Self::LinkRefused => Reason::EnrollmentRefused,
            Self::Expired | Self::LinkUsed => Reason::EnrollmentExpired,
            Self::Container(error) => error.reason(),
            Self::Session(error) => error.reason(),
            Self::Pin(error) => error.reason(),
            Self::Vault(error) => Explain::reason(error),
            Self::Random(_) => Reason::Internal,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::TooLong | Self::Unknown | Self::ActivationString(_) => {
                "Copy the activation string again, in full.".to_owned()
            }
            Self::Otpauth(OtpauthError::Other(OtherLink::GoogleExport)) => {
                "Write the links of all its QR codes into a file, and run `countersign import FILE`."
                    .to_owned()
            }
            Self::Otpauth(_) | Self::PushLink(_) | Self::TwoStep(_) => {
                "Copy the link again, in full.".to_owned()
            }
            Self::Insecure(_) => {
                "Ask your administrator for a link with https and sslverify=1; or accept it with --allow-insecure.".to_owned()
            }
            Self::LinkRefused | Self::LinkUsed => {
                "Ask your administrator for a new link.".to_owned()
            }
            Self::AskedAlready => "Answer that dialog first, then open the link again.".to_owned(),
            Self::NobodyToAsk(_) => {
                "Copy the link and run `countersign enroll` in a terminal.".to_owned()
            }
            Self::NotConfirmed => "Enroll again and confirm the host that is shown.".to_owned(),
            Self::Name(error) => error.hint(),
            Self::Transport(TransportError::Unreachable { .. }) => {
                "Check the network and try again; the activation string is still good.".to_owned()
            }
            Self::Transport(TransportError::Untrusted { .. }) => {
                "Do not go on: ask your administrator whether the service's key was changed."
                    .to_owned()
            }
            Self::Transport(_) | Self::Exchange(_) => {
                "Try again; if it fails again, tell your administrator.".to_owned()
            }
            Self::Refused | Self::Expired => {
                "Ask your administrator for a new activation string.".to_owned()
            }
            Self::Unsupported(_) => {
                "Ask your administrator for a token of another kind.".to_owned()
            }
            Self::Container(error) => error.hint(),
            Self::Session(error) => error.hint(),
            Self::Pin(error) => error.hint(),
            Self::Vault(error) => Explain::hint(error),
            Self::Random(_) => String::new(),
        }
    }
}

impl EnrollmentError {
    /// Did the exchange with the service fail? What the user or the text was wrong about is no event.
    pub(super) fn is_of_the_service(&self) -> bool {
        if let Self::Container(error) = self {
            return error.is_of_the_service();
        }
        matches!(
            self,
            Self::Transport(_)
                | Self::Refused
                | Self::Expired
                | Self::LinkRefused
                | Self::LinkUsed
                | Self::Exchange(_)
        )
    }
}

impl From<DskppError> for EnrollmentError {
    fn from(error: DskppError) -> Self {
        let DskppError::Refused(status) = error else {
            return Self::Exchange(error.to_string());
        };
        if matches!(
            status,
            Status::AuthenticationDataInvalid | Status::AccessDenied
        ) {
            Self::Refused
        } else if status == Status::ProvisioningPeriodExpired {
            Self::Expired
        } else {
            Self::Exchange(error.to_string())
        }
    }
}
