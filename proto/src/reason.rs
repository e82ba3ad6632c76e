//! Why something was refused: one closed list for exit codes, gRPC details and D-Bus error names.

#[cfg(any(feature = "client", feature = "server"))]
use prost::Message as _;

#[cfg(any(feature = "client", feature = "server"))]
use crate::agent::v1::ErrorDetail;
use crate::agent::v1::Reason;

impl Reason {
    /// The exit code of the command line. 0 never stands for a reason.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        u8::try_from(i32::from(self)).unwrap_or(1).max(1)
    }

    /// The reason in `CamelCase`, e.g. `VaultLocked`: the last part of a D-Bus error name.
    #[must_use]
    pub fn camel_case(self) -> String {
        let mut out = String::new();
        for word in self.as_str_name().trim_start_matches("REASON_").split('_') {
            let mut letters = word.chars();
            out.extend(letters.next());
            out.extend(letters.map(|letter| letter.to_ascii_lowercase()));
        }
        out
    }

    /// The reason in `snake_case`, e.g. `vault_locked`: what `--json` prints.
    #[must_use]
    pub fn snake_case(self) -> String {
        self.as_str_name()
            .trim_start_matches("REASON_")
            .to_ascii_lowercase()
    }

    /// The D-Bus error name.
    #[must_use]
    pub fn dbus_name(self) -> String {
        format!("{}{}", crate::dbus::ERROR_PREFIX, self.camel_case())
    }

    /// Every reason, for tables in tests and documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=i32::from(u8::MAX)).filter_map(|number| Self::try_from(number).ok())
    }
}

#[cfg(feature = "server")]
impl Reason {
    /// The gRPC code that goes with the reason.
    #[must_use]
    pub fn grpc_code(self) -> tonic::Code {
        use tonic::Code;
        match self {
            Self::Unspecified | Self::Internal | Self::StorageFailed | Self::GatewayFailed => {
                Code::Internal
            }
            Self::Usage
            | Self::ConfigInvalid
            | Self::TokenNameInvalid
            | Self::ChallengeRequired
            | Self::ChallengeInvalid
            | Self::EnrollmentInvalid
            | Self::PinMalformed
            | Self::BlockInvalid
            | Self::ImportInvalid
            | Self::NumberRequired
            | Self::OriginInvalid
            | Self::PairingInvalid => Code::InvalidArgument,
            Self::AgentNotRunning
            | Self::GatewayUnreachable
            | Self::KeySourceAbsent
            | Self::KeySourceLocked
            | Self::SudoNotInstalled
            | Self::TpmUnavailable
            | Self::FingerprintUnavailable => Code::Unavailable,
            Self::AgentVersion | Self::EnrollmentUnsupported => Code::Unimplemented,
            Self::PermissionDenied
            | Self::WrongPassphrase
            | Self::FilePassphraseWrong
            | Self::ExportRefused
            | Self::PinWrong
            | Self::NumberWrong
            | Self::BiometricRefused
            | Self::EnrollmentRefused
            | Self::ForbiddenByService
            | Self::GatewayUntrusted
            | Self::LoginRequestRefused
            | Self::NotPaired => Code::PermissionDenied,
            Self::Deadline | Self::OutcomeUnknown => Code::DeadlineExceeded,
            Self::VaultAbsent
            | Self::VaultLocked
            | Self::VaultInUse
            | Self::VaultOtherHost
            | Self::VaultNewer
            | Self::WrongMode
            | Self::PinRequired
            | Self::PinExhausted
            | Self::TokenRevoked
            | Self::VerificationUnavailable
            | Self::EnrollmentExpired
            | Self::EnrollmentNotConfirmed
            | Self::NotConfirmed
            | Self::FilePassphraseRequired
            | Self::EnrollmentAmbiguous
            | Self::LoginRequestExpired
            | Self::LoginRequestAnswered
            | Self::LoginRequestAmbiguous
            | Self::TokenAmbiguous
            | Self::ContainerAmbiguous
            | Self::ContainerGone
            | Self::SudoFailed
            | Self::SessionLocked
            | Self::AskedAlready => Code::FailedPrecondition,
            Self::VaultDamaged => Code::DataLoss,
            Self::VaultExists | Self::TokenNameTaken | Self::TokenExists | Self::SudoKeyExists => {
                Code::AlreadyExists
            }
            Self::StorageFull
            | Self::StorageReadOnly
            | Self::TooManyTries
            | Self::RateLimited
            | Self::LimitReached => Code::ResourceExhausted,
            Self::TokenUnknown
            | Self::ContainerUnknown
            | Self::LoginRequestUnknown
            | Self::BlockUnknown
            | Self::ImportGone
            | Self::SudoKeyUnknown
            | Self::SlotUnknown
            | Self::OriginUnknown
            | Self::DomainUnknown
            | Self::PairingUnknown => Code::NotFound,
            Self::Cancelled => Code::Cancelled,
        }
    }

    /// The gRPC error that carries this reason, what failed and what to do next.
    #[must_use]
    pub fn status(self, message: impl Into<String>, hint: impl Into<String>) -> tonic::Status {
        let detail = ErrorDetail {
            reason: self.into(),
            message: message.into(),
            hint: hint.into(),
            tries_left: None,
        };
        detail_status(&detail)
    }
}

/// The gRPC error that carries `detail`.
#[cfg(feature = "server")]
#[must_use]
pub fn detail_status(detail: &ErrorDetail) -> tonic::Status {
    tonic::Status::with_details(
        detail.reason().grpc_code(),
        detail.message.clone(),
        detail.encode_to_vec().into(),
    )
}

/// The detail that an agent's gRPC error carries, if it is one of ours.
#[cfg(any(feature = "client", feature = "server"))]
#[must_use]
pub fn detail_of(status: &tonic::Status) -> Option<ErrorDetail> {
    ErrorDetail::decode(status.details())
        .ok()
        .filter(|detail| detail.reason() != Reason::Unspecified)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_derive_from_the_one_list() {
        assert_eq!(Reason::VaultLocked.camel_case(), "VaultLocked");
        assert_eq!(Reason::VaultLocked.snake_case(), "vault_locked");
        assert_eq!(Reason::VaultLocked.exit_code(), 21);
        assert_eq!(Reason::Unspecified.exit_code(), 1);
        for reason in Reason::all() {
            assert_eq!(i32::from(reason.exit_code()), i32::from(reason));
        }
    }
}
