//! Status codes (RFC 6063, section 6).

use core::{fmt, str::FromStr};

/// What a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The run goes on.
    Continue,
    /// The run is complete.
    Success,
    /// The server gives up, without saying why.
    Abort,
    /// The client may not do this.
    AccessDenied,
    /// The message is not valid.
    MalformedRequest,
    /// The message is of an unknown kind, or belongs to no run that the server knows.
    UnknownRequest,
    /// A critical extension is not understood.
    UnknownCriticalExtension,
    /// The version is not supported.
    UnsupportedVersion,
    /// None of the key types is supported, or not the one of this token.
    NoSupportedKeyTypes,
    /// None of the encryption algorithms is supported.
    NoSupportedEncryptionAlgorithms,
    /// None of the MAC algorithms is supported.
    NoSupportedMacAlgorithms,
    /// None of the protocol variants is supported.
    NoProtocolVariants,
    /// None of the key package formats is supported.
    NoSupportedKeyPackages,
    /// Authentication data is needed.
    AuthenticationDataMissing,
    /// The authentication data is wrong.
    AuthenticationDataInvalid,
    /// The key could not be made; the client may try again.
    InitializationFailed,
    /// The time for this activation is over; the user must ask for a new one.
    ProvisioningPeriodExpired,
}

impl Status {
    /// Every status, in the order of the RFC.
    pub const ALL: [Self; 17] = [
        Self::Continue,
        Self::Success,
        Self::Abort,
        Self::AccessDenied,
        Self::MalformedRequest,
        Self::UnknownRequest,
        Self::UnknownCriticalExtension,
        Self::UnsupportedVersion,
        Self::NoSupportedKeyTypes,
        Self::NoSupportedEncryptionAlgorithms,
        Self::NoSupportedMacAlgorithms,
        Self::NoProtocolVariants,
        Self::NoSupportedKeyPackages,
        Self::AuthenticationDataMissing,
        Self::AuthenticationDataInvalid,
        Self::InitializationFailed,
        Self::ProvisioningPeriodExpired,
    ];

    /// The word of the RFC.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Continue => "Continue",
            Self::Success => "Success",
            Self::Abort => "Abort",
            Self::AccessDenied => "AccessDenied",
            Self::MalformedRequest => "MalformedRequest",
            Self::UnknownRequest => "UnknownRequest",
            Self::UnknownCriticalExtension => "UnknownCriticalExtension",
            Self::UnsupportedVersion => "UnsupportedVersion",
            Self::NoSupportedKeyTypes => "NoSupportedKeyTypes",
            Self::NoSupportedEncryptionAlgorithms => "NoSupportedEncryptionAlgorithms",
            Self::NoSupportedMacAlgorithms => "NoSupportedMacAlgorithms",
            Self::NoProtocolVariants => "NoProtocolVariants",
            Self::NoSupportedKeyPackages => "NoSupportedKeyPackages",
            Self::AuthenticationDataMissing => "AuthenticationDataMissing",
            Self::AuthenticationDataInvalid => "AuthenticationDataInvalid",
            Self::InitializationFailed => "InitializationFailed",
            Self::ProvisioningPeriodExpired => "ProvisioningPeriodExpired",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no status of the RFC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a status of DSKPP")]
pub struct StatusError;

impl FromStr for Status {
    type Err = StatusError;

    fn from_str(word: &str) -> Result<Self, StatusError> {
        Self::ALL
            .into_iter()
            .find(|status| status.word() == word)
            .ok_or(StatusError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_rfc_and_read_back() {
        for status in Status::ALL {
            assert_eq!(status.word().parse(), Ok(status));
            assert_eq!(format!("{status:?}"), status.word());
        }
        assert_eq!("success".parse::<Status>(), Err(StatusError));
    }
}
