//! Tokens on their way out of the vault: our own encrypted file, a PSKC container, a list of links.
//!
//! Which tokens may leave is not decided here: [`crate::token::TokenSecrets::exportable`] says it.

mod sealed;

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

pub use self::sealed::{NewSealed, Sealed};
use crate::{
    otp::OtpMode,
    otpauth::{OtpauthError, OtpauthUri, UnlockDemand},
    pskc::{Exportable, KeyPackage, PinPolicy, PskcError, SecretKeyPackage},
    secret::{SecretBytes, SecretText},
    token::encoding::base64_secret,
};

/// A token as a file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedToken {
    /// The user's name for it.
    pub name: String,
    /// Who issued it.
    pub issuer: String,
    /// The user's name at the issuer.
    pub user: String,
    /// The issuer's serial number; may be empty.
    pub serial: String,
    /// What it generates.
    pub mode: OtpMode,
    /// The seed.
    #[serde(with = "base64_secret")]
    pub secret: SecretBytes,
    /// The next counter, for modes that have one, else 0.
    pub counter: u64,
    /// Its PIN: the rules, never the PIN itself.
    pub pin: PinPolicy,
    /// The name of the issuer's policy; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
}

/// Why a file is not written or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Not a file of ours, or changed.
    #[error("the export is damaged")]
    Damaged,
    /// Written by a newer program.
    #[error("the export is of a version that is not known")]
    Version,
    /// The passphrase would cost more than it should.
    #[error("the export asks for more memory or work than a passphrase needs")]
    Cost,
    /// The passphrase is another one.
    #[error("the passphrase does not open the export")]
    WrongPassphrase,
    /// Longer than a file may be.
    #[error("the export is too long")]
    TooLarge,
    /// A token that no link can carry.
    #[error("a token cannot be written as a link: {0}")]
    NotALink(OtpauthError),
}

impl ExportedToken {
    /// The token as an `otpauth://` link.
    ///
    /// # Errors
    /// [`ExportError::NotALink`]: challenge-response tokens have none.
    pub fn to_uri(&self) -> Result<SecretText, ExportError> {
        let demand = match self.pin {
            PinPolicy::Token(_) => UnlockDemand::PinOrFinger,
            PinPolicy::None | PinPolicy::Server(_) | PinPolicy::InPasscode => UnlockDemand::None,
        };
        let uri = OtpauthUri {
            mode: self.mode.clone(),
            secret: self.secret.clone(),
            issuer: self.issuer.clone(),
            account: if self.user.is_empty() {
                self.name.clone()
            } else {
                self.user.clone()
            },
            serial: self.serial.clone(),
            counter: self.counter,
            two_step: None,
            demand,
        };
        uri.to_uri().map_err(ExportError::NotALink)
    }

    /// The token as a key of a container; `place` makes a serial number for one that has none.
    ///
    /// # Errors
    /// Those of [`KeyPackage::check`].
    pub fn to_key_package(&self, place: usize) -> Result<SecretKeyPackage, PskcError> {
        let serial = if self.serial.is_empty() {
            format!("token-{place}")
        } else {
            self.serial.clone()
        };
        let package = KeyPackage {
            issuer: self.issuer.clone(),
            friendly_name: self.name.clone(),
            user: self.user.clone(),
            counter: self.counter,
            pin: self.pin,
            policy_name: self.policy_name.clone(),
            policy_level: self.policy_level.clone(),
            exportable: Exportable::Yes,
            ..KeyPackage::new(serial, self.mode.clone())
        };
        package.check()?;
        Ok(SecretKeyPackage {
            package,
            secret: self.secret.clone(),
        })
    }
}

/// One link a line, for the tokens that have one.
///
/// # Errors
/// Those of [`ExportedToken::to_uri`].
pub fn uri_list(tokens: &[ExportedToken]) -> Result<Zeroizing<String>, ExportError> {
    let mut list = Zeroizing::new(String::with_capacity(tokens.len().saturating_mul(512)));
    for token in tokens {
        list.push_str(token.to_uri()?.expose());
        list.push('\n');
    }
    Ok(list)
}

/// What an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Our own, encrypted.
    Encrypted,
    /// PSKC under a passphrase.
    Pskc,
    /// Plain links.
    UriList,
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encrypted => "encrypted",
            Self::Pskc => "PSKC",
            Self::UriList => "as plain links",
        })
    }
}

#[cfg(test)]
mod tests;
