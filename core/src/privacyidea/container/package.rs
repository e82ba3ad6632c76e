//! What a synchronisation brings: sealed for one call with AES-256-GCM under the raw X25519 secret.

use aes_gcm::{
    AesGcm, KeyInit as _, Nonce,
    aead::{AeadInOut as _, consts::U16},
    aes::Aes256,
};
use serde::Deserialize;

use super::super::{LinkError, PushLink, parameters::is_serial};
use crate::{
    otpauth::{OtpauthError, OtpauthUri},
    secret::SecretBytes,
    text,
};

/// The most tokens of one container.
pub const MAX_TOKENS: usize = 200;
/// Longest foreign word that is shown, in characters.
const SHOWN: usize = 64;

/// AES-256-GCM with the 16 bytes that the server takes as nonce.
type Cipher = AesGcm<Aes256, U16>;

/// A package whose key has still to be agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedPackage {
    /// The server's X25519 public key, made for this one call.
    pub(super) server_key: [u8; 32],
    pub(super) nonce: [u8; 16],
    pub(super) tag: [u8; 16],
    pub(super) text: Vec<u8>,
}

/// Why a package is not taken. Nothing is changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Another key, or changed on the way.
    #[error("the list of tokens does not open")]
    Seal,
    /// Not the protocol's.
    #[error("the list of tokens is malformed")]
    Malformed,
    /// Of another container.
    #[error("the list of tokens belongs to another container")]
    Foreign,
    /// More than [`MAX_TOKENS`].
    #[error("the container has more than {MAX_TOKENS} tokens")]
    TooMany,
}

/// What the server says there should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// New here, or with a new secret.
    pub add: Vec<Addition>,
    /// Here and there.
    pub known: Vec<KnownToken>,
    /// New, and of a kind that cannot be taken.
    pub left_out: Vec<LeftOut>,
}

/// A token that is new here. Its secret was made for this call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addition {
    /// It makes passcodes.
    Passcode(Box<OtpauthUri>),
    /// It answers login requests, once keys are exchanged.
    Push(Box<PushLink>),
}

impl Addition {
    /// The token's serial.
    #[must_use]
    pub fn serial(&self) -> &str {
        match self {
            Self::Passcode(uri) => &uri.serial,
            Self::Push(link) => &link.serial,
        }
    }
}

/// A token that both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownToken {
    /// Its serial.
    pub serial: String,
    /// The counter that the server waits for, if it tells one.
    pub counter: Option<u64>,
}

/// A token that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its serial, or what its link begins with; display-safe.
    pub token: String,
    /// Why; display-safe.
    pub why: String,
}

#[derive(Deserialize)]
struct Whole {
    container: Container,
    tokens: Tokens,
}

#[derive(Deserialize)]
struct Container {
    serial: String,
}

#[derive(Deserialize)]
struct Tokens {
    add: Vec<String>,
    update: Vec<Update>,
}

#[derive(Deserialize)]
struct Update {
    serial: String,
    #[serde(default)]
    counter: Option<u64>,
}

impl SealedPackage {
    /// The server's half of the agreement.
    #[must_use]
    pub const fn server_key(&self) -> &[u8; 32] {
        &self.server_key
    }

    /// Opens it with the agreed secret; it must be of the container with `serial`.
    ///
    /// # Errors
    ///
    /// Every variant of [`PackageError`]. What is understood in part only is not taken: a token that is not named
    /// would be deleted.
    pub fn open(&self, shared: &SecretBytes, serial: &str) -> Result<Package, PackageError> {
        let cipher =
            Cipher::new_from_slice(shared.expose()).map_err(|_length| PackageError::Seal)?;
        let mut text = Vec::with_capacity(self.text.len().saturating_add(self.tag.len()));
        text.extend_from_slice(&self.text);
        text.extend_from_slice(&self.tag);
        cipher
            .decrypt_in_place(&Nonce::<U16>::from(self.nonce), b"", &mut text)
            .map_err(|_changed| PackageError::Seal)?;
        let text = SecretBytes::new(text);
        let whole: Whole =
            serde_json::from_slice(text.expose()).map_err(|_content| PackageError::Malformed)?;
        Package::read(whole, serial)
    }
}

impl Package {
    fn read(whole: Whole, serial: &str) -> Result<Self, PackageError> {
        if whole.container.serial != serial {
            return Err(PackageError::Foreign);
        }
        let Tokens { add, update } = whole.tokens;
        if add.len().saturating_add(update.len()) > MAX_TOKENS {
            return Err(PackageError::TooMany);
        }
        if update.iter().any(|known| !is_serial(&known.serial)) {
            return Err(PackageError::Malformed);
        }
        let mut package = Self {
            add: Vec::new(),
            known: update
                .into_iter()
                .map(|known| KnownToken {
                    serial: known.serial,
                    counter: known.counter,
                })
                .collect(),
            left_out: Vec::new(),
        };
        for link in add {
            let link = zeroize::Zeroizing::new(link);
            match addition(&link) {
                Ok(addition) => package.add.push(addition),
                Err(why) => package.left_out.push(LeftOut {
                    token: shown(&link),
                    why: why.to_string(),
                }),
            }
        }
        Ok(package)
    }
}

/// Why one token of a package cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Push(#[from] LinkError),
    #[error(transparent)]
    Passcode(#[from] OtpauthError),
    #[error("its link has no serial")]
    NoSerial,
    #[error("it has to be enrolled in two steps, by a link of its own")]
    TwoStep,
}

fn addition(link: &str) -> Result<Addition, Unfit> {
    if PushLink::looks_like_one(link) {
        return Ok(Addition::Push(Box::new(PushLink::parse(link)?)));
    }
    let uri = OtpauthUri::parse(link)?;
    if uri.serial.is_empty() {
        return Err(Unfit::NoSerial);
    }
    if uri.two_step.is_some() {
        return Err(Unfit::TwoStep);
    }
    Ok(Addition::Passcode(Box::new(uri)))
}

/// The serial of a link that is not taken, or how it begins. The secret is in the query, which is not shown.
fn shown(link: &str) -> String {
    let (before, query) = link.split_once('?').unwrap_or((link, ""));
    let serial = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("serial="));
    let serial = serial.filter(|serial| is_serial(serial));
    text::display(serial.unwrap_or(before), SHOWN)
}
