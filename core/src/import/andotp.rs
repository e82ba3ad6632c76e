//! andOTP: a JSON array. Encrypted, it is bytes without any mark: rounds, salt, nonce, ciphertext and tag; the first
//! versions had neither rounds nor salt.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    Entry, Format, ImportError,
    bounded::{self, Number},
    cipher,
    draft::{Draft, Kind, base32},
};
use crate::secret::{SecretBytes, SecretText};

const FORMAT: Format = Format::AndOtp;
const SALT_LEN: usize = 12;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// What the app draws its rounds from lies well inside. Whatever is outside is the nonce of the first versions.
const ROUNDS: core::ops::RangeInclusive<u32> = 1_000..=1_000_000;

#[derive(Deserialize)]
struct File(#[serde(deserialize_with = "bounded::list")] Vec<Token>);

#[derive(Deserialize)]
struct Token {
    #[serde(default, deserialize_with = "bounded::secret")]
    secret: Option<SecretText>,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    digits: Number,
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    algorithm: Option<String>,
    #[serde(default)]
    period: Number,
    #[serde(default)]
    counter: Number,
}

pub(super) fn read(text: &str) -> Result<Vec<Entry>, ImportError> {
    let File(tokens) = bounded::document(text, FORMAT)?;
    Ok(tokens.iter().map(entry).collect())
}

fn entry(token: &Token) -> Entry {
    Draft {
        kind: token.r#type.as_deref().map_or(Kind::Time, Kind::named),
        issuer: token.issuer.as_deref().unwrap_or_default(),
        account: token.label.as_deref().unwrap_or_default(),
        secret: base32(token.secret.as_ref()),
        hash: token.algorithm.as_deref().unwrap_or_default(),
        digits: token.digits,
        period: token.period,
        counter: token.counter,
    }
    .finish()
}

/// Long enough for an empty array.
pub(super) const fn may_be_sealed(file: &[u8]) -> bool {
    file.len() >= NONCE_LEN + 2 + TAG_LEN
}

pub(super) fn read_sealed(
    file: &[u8],
    passphrase: Option<&SecretBytes>,
) -> Result<Vec<Entry>, ImportError> {
    let passphrase = passphrase.ok_or(ImportError::PassphraseNeeded(FORMAT))?;
    let opened = open(file, passphrase)
        .or_else(|| open_first(file, passphrase))
        .ok_or(ImportError::WrongPassphrase(FORMAT))?;
    read(opened.as_text().unwrap_or_default())
}

fn open(file: &[u8], passphrase: &SecretBytes) -> Option<SecretBytes> {
    let (rounds, rest) = file.split_first_chunk()?;
    let rounds = u32::from_be_bytes(*rounds);
    let (salt, rest) = rest.split_at_checked(SALT_LEN)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
    if !ROUNDS.contains(&rounds) {
        return None;
    }
    let key = cipher::pbkdf2_sha1(passphrase, salt, rounds).ok()?;
    cipher::open_gcm(&key, nonce, &[], sealed)
}

fn open_first(file: &[u8], passphrase: &SecretBytes) -> Option<SecretBytes> {
    let (nonce, sealed) = file.split_at_checked(NONCE_LEN)?;
    let key: [u8; 32] = Sha256::digest(passphrase.expose()).into();
    cipher::open_gcm(&SecretBytes::from(key), nonce, &[], sealed)
}
