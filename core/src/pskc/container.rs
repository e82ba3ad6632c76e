//! A key container as a file: several keys with their secrets, plain or encrypted (RFC 6030, sections 4 and 6).
//!
//! Invariants: a value under AES-CBC is opened only after its MAC was found right, compared in constant time. A
//! passphrase or key that is wrong is told before any key is read. One key that cannot be used does not take the
//! others with it.

use data_encoding::BASE64;

use super::{
    KeyPackage, NAMESPACE, PskcError,
    encryption::{Cipher, MacHash, after_hash},
    read::{Secret, check_version, is_signed, optional, text},
};
use crate::{
    secret::SecretBytes,
    xml::{self, Child, Element},
};

/// The most rounds that a file may ask PBKDF2 for.
const MAX_ROUNDS: u32 = 5_000_000;
/// The longest salt, in bytes.
const MAX_SALT: usize = 128;
/// The longest secret, in bytes: a block of SHA-512.
const MAX_SECRET: usize = 128;
/// The most keys.
const MAX_KEYS: usize = 1000;

/// What it takes to open a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Nothing: its secrets are plain.
    None,
    /// A key that both sides have.
    PreSharedKey,
    /// A passphrase, with PBKDF2.
    Passphrase,
}

/// What opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerKey {
    /// Nothing.
    None,
    /// The pre-shared key: 16, 24 or 32 bytes.
    PreShared(SecretBytes),
    /// The passphrase, UTF-8.
    Passphrase(SecretBytes),
}

/// Why a container does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// Another key or passphrase, or the file was changed.
    #[error("the key or passphrase does not open the container, or the container is damaged")]
    WrongKey,
    /// More rounds than any passphrase needs.
    #[error("the container asks for more work than any passphrase needs")]
    Cost,
    /// What is in it.
    #[error(transparent)]
    Content(#[from] PskcError),
}

/// A key with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKeyPackage {
    /// Everything but the secret.
    pub package: KeyPackage,
    /// The secret, 1 to 128 bytes.
    pub secret: SecretBytes,
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its serial number or id, as the file has it; may be empty, comes from others.
    pub name: String,
    /// Why.
    pub error: PskcError,
}

/// A container that was read and not opened yet.
#[derive(Debug)]
pub struct KeyContainer {
    root: Element,
    encryption: Encryption,
}

impl KeyContainer {
    /// Reads a document of at most 8 MiB.
    ///
    /// # Errors
    /// [`PskcError`]: it is no container of version 1.0, or none that is supported.
    pub fn read(document: &[u8]) -> Result<Self, PskcError> {
        let root = xml::read_file(document)?;
        if !root.is(NAMESPACE, "KeyContainer") {
            return Err(PskcError::NotAContainer);
        }
        Self::of(root)
    }

    /// Reads the content of a container, whatever the container's own name is.
    pub(super) fn of(root: Element) -> Result<Self, PskcError> {
        check_version(&root)?;
        let encryption = match optional(&root, "EncryptionKey")? {
            None => Encryption::None,
            Some(key) => match local(key, "DerivedKey")? {
                Some(_) => Encryption::Passphrase,
                None if local(key, "X509Data")?.is_some() => {
                    return Err(PskcError::Unsupported("a certificate"));
                }
                None => Encryption::PreSharedKey,
            },
        };
        Ok(Self { root, encryption })
    }

    /// What it takes to open it.
    #[must_use]
    pub const fn encryption(&self) -> Encryption {
        self.encryption
    }

    /// Does it carry a signature? It is not checked here.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        is_signed(&self.root)
    }

    /// Opens it: its keys in order, each with its secret or the reason why it cannot be used.
    ///
    /// # Errors
    /// [`ContainerError`]: nothing of it can be read.
    pub fn open(
        &self,
        key: &ContainerKey,
    ) -> Result<Vec<Result<SecretKeyPackage, Unreadable>>, ContainerError> {
        let packages: Vec<&Element> = self
            .root
            .children
            .iter()
            .filter(|child| child.is(NAMESPACE, "KeyPackage"))
            .collect();
        if packages.is_empty() || packages.len() > MAX_KEYS {
            return Err(PskcError::NotAContainer.into());
        }
        let opener = match (self.encryption, key) {
            (Encryption::None, ContainerKey::None) => None,
            (Encryption::PreSharedKey, ContainerKey::PreShared(key)) => {
                Some(Opener::new(&self.root, key.clone())?)
            }
            (Encryption::Passphrase, ContainerKey::Passphrase(passphrase)) => {
                let key = derived(&self.root, passphrase)?;
                Some(Opener::new(&self.root, key)?)
            }
            (Encryption::None | Encryption::PreSharedKey | Encryption::Passphrase, _) => {
                return Err(ContainerError::WrongKey);
            }
        };
        let mut keys = Vec::with_capacity(packages.len());
        for package in packages {
            keys.push(match read_package(package, opener.as_ref()) {
                Ok(key) => Ok(key),
                Err(ContainerError::Content(error)) => Err(Unreadable {
                    name: name_of(package),
                    error,
                }),
                Err(refused @ (ContainerError::WrongKey | ContainerError::Cost)) => {
                    return Err(refused);
                }
            });
        }
        Ok(keys)
    }
}

fn read_package(
    package: &Element,
    opener: Option<&Opener>,
) -> Result<SecretKeyPackage, ContainerError> {
    let Child::One(key) = package.child(NAMESPACE, "Key") else {
        return Err(PskcError::NotAContainer.into());
    };
    let data = optional(key, "Data")?.ok_or(PskcError::Missing("Data"))?;
    let secret = optional(data, "Secret")?.ok_or(PskcError::Missing("Secret"))?;
    let secret = match (optional(secret, "PlainValue")?, opener) {
        (Some(plain), _) => base64(plain, "Secret").map(SecretBytes::new)?,
        (None, Some(opener)) => opener.secret(secret)?,
        (None, None) => return Err(PskcError::Missing("PlainValue").into()),
    };
    if !(1..=MAX_SECRET).contains(&secret.len()) {
        return Err(PskcError::Invalid("Secret").into());
    }
    let package = KeyPackage::from_package(package, Secret::Beside)?;
    Ok(SecretKeyPackage { package, secret })
}

/// Whatever names a package that cannot be read.
fn name_of(package: &Element) -> String {
    let device = optional(package, "DeviceInfo").ok().flatten();
    let serial = device.and_then(|device| text(device, "SerialNo").ok());
    let id = || {
        let key = optional(package, "Key").ok().flatten()?;
        key.attribute("Id").map(str::to_owned)
    };
    serial
        .filter(|serial| !serial.is_empty())
        .or_else(id)
        .unwrap_or_default()
}

/// The key of a container, and the MAC over its encrypted values.
struct Opener {
    key: SecretBytes,
    mac: Option<(MacHash, SecretBytes)>,
}

impl Opener {
    fn new(container: &Element, key: SecretBytes) -> Result<Self, ContainerError> {
        let Some(method) = optional(container, "MACMethod")? else {
            return Ok(Self { key, mac: None });
        };
        let hash = method
            .attribute("Algorithm")
            .and_then(MacHash::named)
            .ok_or(PskcError::Unsupported("this MACMethod"))?;
        let mac_key = match optional(method, "MACKey")? {
            // The key of the container serves for both.
            None => key.clone(),
            Some(sealed) => {
                let (cipher, value) = encrypted(sealed, &key)?;
                cipher.open(&key, &value).ok_or(ContainerError::WrongKey)?
            }
        };
        Ok(Self {
            key,
            mac: Some((hash, mac_key)),
        })
    }

    fn secret(&self, secret: &Element) -> Result<SecretBytes, ContainerError> {
        let sealed = optional(secret, "EncryptedValue")?;
        let sealed = sealed.ok_or(PskcError::Missing("EncryptedValue"))?;
        let (cipher, value) = encrypted(sealed, &self.key)?;
        match (optional(secret, "ValueMAC")?, &self.mac) {
            (Some(tag), Some((hash, key))) => {
                let tag = base64(tag, "ValueMAC")?;
                if !hash.verifies(key, &value, &tag) {
                    return Err(ContainerError::WrongKey);
                }
            }
            (Some(_), None) => return Err(PskcError::Missing("MACMethod").into()),
            // Key wrap checks itself.
            (None, _) if cipher != Cipher::Cbc => {}
            (None, _) => return Err(PskcError::Missing("ValueMAC").into()),
        }
        cipher
            .open(&self.key, &value)
            .ok_or(ContainerError::WrongKey)
    }
}

/// The cipher and the content of an encrypted value.
fn encrypted(sealed: &Element, key: &SecretBytes) -> Result<(Cipher, Vec<u8>), PskcError> {
    let method = local(sealed, "EncryptionMethod")?;
    let cipher = method
        .and_then(|method| method.attribute("Algorithm"))
        .and_then(|uri| Cipher::named(uri, key.len()))
        .ok_or(PskcError::Unsupported(
            "this encryption, or it is not one for a key of this length",
        ))?;
    let data = local(sealed, "CipherData")?.ok_or(PskcError::Missing("CipherData"))?;
    let value = local(data, "CipherValue")?.ok_or(PskcError::Missing("CipherValue"))?;
    Ok((cipher, base64(value, "CipherValue")?))
}

/// The key of a passphrase. The parameters of PBKDF2 stand in one namespace or another, or in none.
fn derived(container: &Element, passphrase: &SecretBytes) -> Result<SecretBytes, ContainerError> {
    let key = optional(container, "EncryptionKey")?.ok_or(PskcError::Missing("EncryptionKey"))?;
    let key = local(key, "DerivedKey")?.ok_or(PskcError::Missing("DerivedKey"))?;
    let method = local(key, "KeyDerivationMethod")?;
    let method = method.ok_or(PskcError::Missing("KeyDerivationMethod"))?;
    if method.attribute("Algorithm").map(after_hash) != Some("pbkdf2") {
        return Err(PskcError::Unsupported("a key derivation other than PBKDF2").into());
    }
    let params = local(method, "PBKDF2-params")?.ok_or(PskcError::Missing("PBKDF2-params"))?;
    let salt = local(params, "Salt")?.ok_or(PskcError::Missing("Salt"))?;
    let salt = base64(
        local(salt, "Specified")?.ok_or(PskcError::Missing("Salt"))?,
        "Salt",
    )?;
    if salt.len() > MAX_SALT {
        return Err(PskcError::Invalid("Salt").into());
    }
    let number = |name| -> Result<u32, PskcError> {
        let element = local(params, name)?.ok_or(PskcError::Missing(name))?;
        super::read::number(element.trimmed(), name)
    };
    let rounds = number("IterationCount")?;
    if !(1..=MAX_ROUNDS).contains(&rounds) {
        return Err(ContainerError::Cost);
    }
    let len = match local(params, "KeyLength")? {
        None => 16,
        Some(_) => number("KeyLength")?,
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    if !matches!(len, 16 | 24 | 32) {
        return Err(PskcError::Invalid("KeyLength").into());
    }
    let hash = match local(params, "PRF")? {
        None => MacHash::Sha1,
        Some(prf) => match prf.attribute("Algorithm").unwrap_or_else(|| prf.trimmed()) {
            "" => MacHash::Sha1,
            uri => MacHash::named(uri).ok_or(PskcError::Unsupported("this PRF"))?,
        },
    };
    Ok(hash.pbkdf2(passphrase, &salt, rounds, len))
}

/// The child of that name in whatever namespace.
fn local<'a>(parent: &'a Element, name: &'static str) -> Result<Option<&'a Element>, PskcError> {
    let mut found = parent
        .children
        .iter()
        .filter(|child| child.name.local == name);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(PskcError::Repeated(name)),
        (child, _) => Ok(child),
    }
}

/// Base64 with white space anywhere: long values are broken over lines.
fn base64(element: &Element, name: &'static str) -> Result<Vec<u8>, PskcError> {
    let text: zeroize::Zeroizing<String> = zeroize::Zeroizing::new(
        element
            .text
            .chars()
            .filter(|letter| !letter.is_ascii_whitespace())
            .collect(),
    );
    BASE64
        .decode(text.as_bytes())
        .map_err(|_not_base64| PskcError::Invalid(name))
}
