//! PSKC: every key of a container.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::{Candidate, Entry, Format, ImportError, Refusal, Refused, Signature};
use crate::{
    pskc::{ContainerError, ContainerKey, Encryption, KeyContainer, SecretKeyPackage, Unreadable},
    secret::SecretBytes,
};

const FORMAT: Format = Format::Pskc;

pub(super) fn read(
    document: &[u8],
    passphrase: Option<&SecretBytes>,
) -> Result<(Vec<Entry>, Signature), ImportError> {
    let container = KeyContainer::read(document)?;
    let signature = if container.is_signed() {
        Signature::NotChecked
    } else {
        Signature::Absent
    };
    let key = match (container.encryption(), passphrase) {
        (Encryption::None, _) => ContainerKey::None,
        (Encryption::PreSharedKey, Some(text)) => ContainerKey::PreShared(pre_shared(text)?),
        (Encryption::PreSharedKey, None) => return Err(ImportError::KeyNeeded),
        (Encryption::Passphrase, Some(passphrase)) => ContainerKey::Passphrase(passphrase.clone()),
        (Encryption::Passphrase, None) => return Err(ImportError::PassphraseNeeded(FORMAT)),
    };
    let keys = container.open(&key).map_err(|error| match error {
        ContainerError::WrongKey => ImportError::WrongPassphrase(FORMAT),
        ContainerError::Cost => ImportError::Cost(FORMAT),
        ContainerError::Content(error) => ImportError::Container(error),
    })?;
    Ok((keys.into_iter().map(entry).collect(), signature))
}

fn entry(key: Result<SecretKeyPackage, Unreadable>) -> Entry {
    match key {
        Ok(SecretKeyPackage { package, secret }) => Entry::Token(Candidate {
            name: package.friendly_name,
            issuer: package.issuer,
            account: package.user,
            serial: package.serial,
            mode: package.mode,
            secret,
            counter: package.counter,
            pin: package.pin,
            exportable: package.exportable,
            policy_name: package.policy_name,
            policy_level: package.policy_level,
        }),
        Err(Unreadable { name, error }) => Entry::Refused(Refused {
            issuer: String::new(),
            account: name,
            why: Refusal::Package(error),
        }),
    }
}

/// A key as it is typed: hex or base64.
fn pre_shared(text: &SecretBytes) -> Result<SecretBytes, ImportError> {
    let text = text.expose().trim_ascii();
    HEXLOWER_PERMISSIVE
        .decode(text)
        .or_else(|_not_hex| BASE64.decode(text))
        .ok()
        .map(SecretBytes::new)
        .filter(|key| matches!(key.len(), 16 | 24 | 32))
        .ok_or(ImportError::KeyInvalid)
}
