//! One key on its way from a service to a device, under a key that both have (RFC 6063, sections 4.3 and 5.2; RFC 6030,
//! section 6). AES key wrap says by itself whether the key was right.

use rand_core::CryptoRng;

use super::{
    ContainerError, ContainerKey, KeyContainer, KeyPackage, PskcError, SecretKeyPackage,
    encryption::{MacHash, wrap},
    write_container::{XENC, XENC11, derivation, value},
};
use crate::{
    secret::SecretBytes,
    xml::{Element, Node},
};

/// The algorithm of the wrapping.
pub(crate) const KW_AES_128: &str = "http://www.w3.org/2001/04/xmlenc#kw-aes128";
/// XML Signature, for the name of a key.
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Length of a key that wraps, in bytes.
pub(crate) const WRAP_KEY_LEN: usize = 16;
/// Rounds of PBKDF2 where a passphrase wraps. The passphrase is random, and good once.
const ROUNDS: u32 = 100_000;
const SALT_LEN: usize = 16;

/// What the key travels under.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrapping<'a> {
    /// A key of 16 bytes that has this name on both sides.
    Shared(&'a str, &'a SecretBytes),
    /// A passphrase, UTF-8.
    Passphrase(&'a SecretBytes),
}

/// The container with one key, under the name `element`; the prefixes `pskc` and `cs` are declared by the caller.
pub(crate) fn wrapped(
    element: &'static str,
    package: &KeyPackage,
    secret: &SecretBytes,
    wrapping: Wrapping<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Node, PskcError> {
    package.check()?;
    let (key, how) = match wrapping {
        Wrapping::Shared(name, key) => {
            let how = Node::new("pskc:EncryptionKey").add(Node::text("ds:KeyName", name));
            (key.clone(), how)
        }
        Wrapping::Passphrase(passphrase) => {
            let mut salt = [0; SALT_LEN];
            rng.fill_bytes(&mut salt);
            let key = MacHash::Sha256.pbkdf2(passphrase, &salt, ROUNDS, WRAP_KEY_LEN);
            (key, derivation(&salt, ROUNDS, WRAP_KEY_LEN))
        }
    };
    let sealed = wrap(&key, secret).ok_or(PskcError::Invalid("Secret"))?;
    let secret = Node::new("pskc:Secret").add(value("pskc:EncryptedValue", KW_AES_128, &sealed));
    Ok(Node::new(element)
        .with("xmlns:xenc", XENC)
        .with("xmlns:xenc11", XENC11)
        .with("xmlns:ds", DS)
        .with("Version", "1.0")
        .add(how)
        .add(package.package(Some(secret))))
}

/// Opens it again.
pub(crate) fn unwrapped(
    container: &Element,
    key: &ContainerKey,
) -> Result<SecretKeyPackage, ContainerError> {
    let container = KeyContainer::of(container.clone())?;
    let mut keys = container.open(key)?.into_iter();
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => Ok(key),
        (Some(Err(unreadable)), None) => Err(unreadable.error.into()),
        (None | Some(_), _) => Err(PskcError::NotAContainer.into()),
    }
}
