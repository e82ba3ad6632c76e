//! Proton Authenticator: `{version, entries}` with links inside; encrypted, `{version, salt, content}`.

use data_encoding::BASE64;
use serde::Deserialize;

use super::{
    Entry, Format, ImportError, Refusal, Refused,
    bounded::{self, Number},
    cipher,
    draft::of_link,
};
use crate::secret::{SecretBytes, SecretText};

const FORMAT: Format = Format::Proton;
/// Argon2id: KiB, passes, lanes. The file does not name them.
const COST: [u32; 3] = [19 * 1024, 2, 1];
const ASSOCIATED_DATA: &[u8] = b"proton.authenticator.export.v1";
const NONCE_LEN: usize = 12;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    version: Number,
    #[serde(deserialize_with = "bounded::list")]
    entries: Vec<Token>,
}

#[derive(Deserialize)]
struct Token {
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default, deserialize_with = "bounded::secret")]
    uri: Option<SecretText>,
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Sealed {
    #[serde(default)]
    version: Number,
    salt: String,
    content: String,
}

pub(super) fn read(text: &str) -> Result<Vec<Entry>, ImportError> {
    let file: File = bounded::document(text, FORMAT)?;
    check_version(file.version)?;
    Ok(file.entries.iter().map(entry).collect())
}

fn check_version(version: Number) -> Result<(), ImportError> {
    match version.or(1) {
        Some(1) => Ok(()),
        Some(_) | None => Err(ImportError::Version(FORMAT)),
    }
}

/// The user's name for an entry stands beside its link and may differ from the link's.
fn entry(token: &Token) -> Entry {
    let name = token.content.name.as_deref().unwrap_or_default().trim();
    let Some(uri) = &token.content.uri else {
        return Entry::Refused(Refused {
            issuer: String::new(),
            account: name.to_owned(),
            why: Refusal::NoSecret,
        });
    };
    match of_link(uri.expose()) {
        Entry::Token(mut candidate) => {
            if candidate.account.is_empty() {
                name.clone_into(&mut candidate.account);
            }
            Entry::Token(candidate)
        }
        Entry::Refused(mut refused) => {
            if refused.account.is_empty() {
                name.clone_into(&mut refused.account);
            }
            Entry::Refused(refused)
        }
    }
}

pub(super) fn read_sealed(
    text: &str,
    passphrase: Option<&SecretBytes>,
) -> Result<Vec<Entry>, ImportError> {
    const DAMAGED: ImportError = ImportError::Damaged(FORMAT);
    let file: Sealed = bounded::document(text, FORMAT)?;
    check_version(file.version)?;
    let passphrase = passphrase.ok_or(ImportError::PassphraseNeeded(FORMAT))?;
    let bytes = |text: &str| {
        BASE64
            .decode(text.trim().as_bytes())
            .map_err(|_not_base64| DAMAGED)
    };
    let (salt, content) = (bytes(&file.salt)?, bytes(&file.content)?);
    let (nonce, sealed) = content.split_at_checked(NONCE_LEN).ok_or(DAMAGED)?;
    let key =
        cipher::argon2id(passphrase, &salt, COST).map_err(|_costly| ImportError::Cost(FORMAT))?;
    let opened = cipher::open_gcm(&key, nonce, ASSOCIATED_DATA, sealed)
        .ok_or(ImportError::WrongPassphrase(FORMAT))?;
    read(opened.as_text().unwrap_or_default())
}
