//! Stratum (before: Authenticator Pro): JSON, or a header, salt, nonce and ciphertext.

use serde::Deserialize;

use super::{
    Entry, Format, ImportError,
    bounded::{self, Number},
    cipher,
    draft::{Draft, Kind, base32},
};
use crate::{
    otpauth::OtherLink,
    secret::{SecretBytes, SecretText},
};

const FORMAT: Format = Format::Stratum;
/// Argon2id and AES-256-GCM.
const HEADER: &[u8] = b"AUTHENTICATORPRO";
/// PBKDF2-HMAC-SHA-1 and AES-256-CBC.
const FORMER_HEADER: &[u8] = b"AuthenticatorPro";
/// Argon2id: KiB, passes, lanes. The file does not name them.
const COST: [u32; 3] = [64 * 1024, 3, 4];
const FORMER_ROUNDS: u32 = 64_000;

#[derive(Deserialize)]
struct File {
    #[serde(rename = "Authenticators", deserialize_with = "bounded::list")]
    authenticators: Vec<Token>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Token {
    #[serde(default)]
    r#type: Number,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default, deserialize_with = "bounded::secret")]
    secret: Option<SecretText>,
    #[serde(default)]
    algorithm: Number,
    #[serde(default)]
    digits: Number,
    #[serde(default)]
    period: Number,
    #[serde(default)]
    counter: Number,
}

pub(super) fn read(text: &str) -> Result<Vec<Entry>, ImportError> {
    let file: File = bounded::document(text, FORMAT)?;
    Ok(file.authenticators.iter().map(entry).collect())
}

fn entry(token: &Token) -> Entry {
    Draft {
        kind: match token.r#type {
            Number::Is(1) => Kind::Event,
            Number::Is(2) => Kind::Time,
            Number::Is(3) => Kind::Other(OtherLink::Motp),
            Number::Is(4) => Kind::Other(OtherLink::Steam),
            Number::Is(5) => Kind::Other(OtherLink::Yandex),
            Number::Is(_) | Number::Absent | Number::Invalid => Kind::Unknown,
        },
        issuer: token.issuer.as_deref().unwrap_or_default(),
        account: token.username.as_deref().unwrap_or_default(),
        secret: base32(token.secret.as_ref()),
        hash: match token.algorithm {
            Number::Is(0) | Number::Absent => "SHA1",
            Number::Is(1) => "SHA256",
            Number::Is(2) => "SHA512",
            Number::Is(_) | Number::Invalid => "unknown",
        },
        digits: token.digits,
        period: token.period,
        counter: token.counter,
    }
    .finish()
}

pub(super) fn is_sealed(file: &[u8]) -> bool {
    file.starts_with(HEADER) || file.starts_with(FORMER_HEADER)
}

pub(super) fn read_sealed(
    file: &[u8],
    passphrase: Option<&SecretBytes>,
) -> Result<Vec<Entry>, ImportError> {
    let passphrase = passphrase.ok_or(ImportError::PassphraseNeeded(FORMAT))?;
    let opened = if let Some(rest) = file.strip_prefix(HEADER) {
        open(rest, passphrase)?
    } else {
        open_former(file.strip_prefix(FORMER_HEADER).unwrap_or(file), passphrase)?
    };
    let text = opened
        .as_text()
        .ok_or(ImportError::WrongPassphrase(FORMAT))?;
    read(text)
}

fn open(rest: &[u8], passphrase: &SecretBytes) -> Result<SecretBytes, ImportError> {
    let parts = Parts::of(rest, 16, 12)?;
    let key = cipher::argon2id(passphrase, parts.salt, COST)
        .map_err(|_costly| ImportError::Cost(FORMAT))?;
    cipher::open_gcm(&key, parts.nonce, &[], parts.sealed)
        .ok_or(ImportError::WrongPassphrase(FORMAT))
}

fn open_former(rest: &[u8], passphrase: &SecretBytes) -> Result<SecretBytes, ImportError> {
    let parts = Parts::of(rest, 20, 16)?;
    let key = cipher::pbkdf2_sha1(passphrase, parts.salt, FORMER_ROUNDS)
        .map_err(|_costly| ImportError::Cost(FORMAT))?;
    // No MAC: what does not begin as the JSON does was not opened.
    cipher::open_cbc(&key, parts.nonce, parts.sealed)
        .filter(|opened| opened.expose().trim_ascii_start().starts_with(b"{"))
        .ok_or(ImportError::WrongPassphrase(FORMAT))
}

/// What follows the header.
struct Parts<'a> {
    salt: &'a [u8],
    nonce: &'a [u8],
    sealed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(rest: &'a [u8], salt_len: usize, nonce_len: usize) -> Result<Self, ImportError> {
        let damaged = || ImportError::Damaged(FORMAT);
        let (salt, rest) = rest.split_at_checked(salt_len).ok_or_else(damaged)?;
        let (nonce, sealed) = rest.split_at_checked(nonce_len).ok_or_else(damaged)?;
        Ok(Self {
            salt,
            nonce,
            sealed,
        })
    }
}
