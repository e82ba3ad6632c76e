//! Our own encrypted export.

use super::{Candidate, Entry, Format, ImportError};
use crate::{
    export::{self, ExportError},
    pskc::Exportable,
    secret::SecretBytes,
};

const FORMAT: Format = Format::Countersign;

pub(super) fn read(
    text: &str,
    passphrase: Option<&SecretBytes>,
) -> Result<Vec<Entry>, ImportError> {
    let sealed = export::Sealed::parse(text).map_err(explained)?;
    let passphrase = passphrase.ok_or(ImportError::PassphraseNeeded(FORMAT))?;
    let tokens = sealed.open(passphrase).map_err(explained)?;
    Ok(tokens
        .into_iter()
        .map(|token| Entry::Token(token.into()))
        .collect())
}

const fn explained(error: ExportError) -> ImportError {
    match error {
        ExportError::Version => ImportError::Version(FORMAT),
        ExportError::Cost => ImportError::Cost(FORMAT),
        ExportError::WrongPassphrase => ImportError::WrongPassphrase(FORMAT),
        ExportError::Damaged | ExportError::TooLarge | ExportError::NotALink(_) => {
            ImportError::Damaged(FORMAT)
        }
    }
}

impl From<export::ExportedToken> for Candidate {
    fn from(token: export::ExportedToken) -> Self {
        Self {
            name: token.name,
            issuer: token.issuer,
            account: token.user,
            serial: token.serial,
            mode: token.mode,
            secret: token.secret,
            counter: token.counter,
            // The rules only: the user chooses a PIN again.
            pin: token.pin,
            exportable: Exportable::Yes,
            policy_name: token.policy_name,
            policy_level: token.policy_level,
        }
    }
}
