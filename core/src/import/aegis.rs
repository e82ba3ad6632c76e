//! Aegis: `{version, header, db}`. Encrypted, `db` is the vault under a random key, and that key lies in slots; we
//! open those of a password.

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde::Deserialize;

use super::{
    Entry, Format, ImportError,
    bounded::{self, Number},
    cipher,
    draft::{Draft, Kind, base32},
};
use crate::secret::{SecretBytes, SecretText};

const FORMAT: Format = Format::Aegis;
/// The slot of a password.
const PASSWORD_SLOT: u64 = 1;
/// The most slots of a password that are tried: each costs as much as an unlock.
const MAX_SLOTS: usize = 8;

#[derive(Deserialize)]
struct File {
    version: u64,
    header: Header,
    db: Content,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default, deserialize_with = "bounded::list")]
    slots: Vec<Slot>,
    params: Option<Seal>,
}

#[derive(Deserialize)]
struct Slot {
    r#type: u64,
    key: Option<String>,
    key_params: Option<Seal>,
    n: Option<u32>,
    r: Option<u32>,
    p: Option<u32>,
    salt: Option<String>,
}

#[derive(Deserialize)]
struct Seal {
    nonce: String,
    tag: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Sealed(String),
    Plain(Vault),
}

#[derive(Deserialize)]
struct Vault {
    version: u64,
    #[serde(deserialize_with = "bounded::list")]
    entries: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    r#type: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    issuer: Option<String>,
    info: Info,
}

#[derive(Deserialize)]
struct Info {
    #[serde(default, deserialize_with = "bounded::secret")]
    secret: Option<SecretText>,
    #[serde(default)]
    algo: Option<String>,
    #[serde(default)]
    digits: Number,
    #[serde(default)]
    period: Number,
    #[serde(default)]
    counter: Number,
}

pub(super) fn read(
    text: &str,
    passphrase: Option<&SecretBytes>,
) -> Result<Vec<Entry>, ImportError> {
    let file: File = bounded::document(text, FORMAT)?;
    if file.version != 1 {
        return Err(ImportError::Version(FORMAT));
    }
    let vault = match file.db {
        Content::Plain(vault) => vault,
        Content::Sealed(sealed) => {
            let passphrase = passphrase.ok_or(ImportError::PassphraseNeeded(FORMAT))?;
            let opened = open(&file.header, &sealed, passphrase)?;
            bounded::document(opened.as_text().unwrap_or_default(), FORMAT)?
        }
    };
    if !(1..=3).contains(&vault.version) {
        return Err(ImportError::Version(FORMAT));
    }
    Ok(vault.entries.iter().map(entry).collect())
}

fn entry(token: &Token) -> Entry {
    Draft {
        kind: Kind::named(&token.r#type),
        issuer: token.issuer.as_deref().unwrap_or_default(),
        account: token.name.as_deref().unwrap_or_default(),
        secret: base32(token.info.secret.as_ref()),
        hash: token.info.algo.as_deref().unwrap_or_default(),
        digits: token.info.digits,
        period: token.info.period,
        counter: token.info.counter,
    }
    .finish()
}

fn open(
    header: &Header,
    sealed: &str,
    passphrase: &SecretBytes,
) -> Result<SecretBytes, ImportError> {
    const DAMAGED: ImportError = ImportError::Damaged(FORMAT);
    let seal = header.params.as_ref().ok_or(DAMAGED)?;
    let sealed = BASE64
        .decode(sealed.trim().as_bytes())
        .map_err(|_not_base64| DAMAGED)?;
    let slots: Vec<&Slot> = header
        .slots
        .iter()
        .filter(|slot| slot.r#type == PASSWORD_SLOT)
        .collect();
    if slots.is_empty() {
        return Err(ImportError::Unsupported {
            format: FORMAT,
            what: "opens with a fingerprint only",
            instead: "set a password in Aegis and export again",
        });
    }
    if slots.len() > MAX_SLOTS {
        return Err(ImportError::Cost(FORMAT));
    }
    for slot in slots {
        let (Some(key), Some(params), Some(salt), Some(n), Some(r), Some(p)) = (
            &slot.key,
            &slot.key_params,
            &slot.salt,
            slot.n,
            slot.r,
            slot.p,
        ) else {
            return Err(DAMAGED);
        };
        let derived = cipher::scrypt(passphrase, &hex(salt)?, [n, r, p])
            .map_err(|_costly| ImportError::Cost(FORMAT))?;
        // Under another password the slot does not open: the next one may.
        if let Some(master) = open_gcm(&derived, params, hex(key)?)? {
            return open_gcm(&master, seal, sealed)?.ok_or(DAMAGED);
        }
    }
    Err(ImportError::WrongPassphrase(FORMAT))
}

/// Aegis keeps the tag beside the ciphertext.
fn open_gcm(
    key: &SecretBytes,
    seal: &Seal,
    mut sealed: Vec<u8>,
) -> Result<Option<SecretBytes>, ImportError> {
    sealed.extend(hex(&seal.tag)?);
    Ok(cipher::open_gcm(key, &hex(&seal.nonce)?, &[], &sealed))
}

fn hex(text: &str) -> Result<Vec<u8>, ImportError> {
    HEXLOWER_PERMISSIVE
        .decode(text.as_bytes())
        .map_err(|_not_hex| ImportError::Damaged(FORMAT))
}
