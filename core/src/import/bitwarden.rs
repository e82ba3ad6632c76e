//! Bitwarden: JSON with `items`, plain or under a password of the file's own, and CSV with a column `login_totp`.
//! Everything but names and passcode secrets is left aside.

use data_encoding::BASE64;
use hkdf::Hkdf;
use hmac::Mac as _;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    Entry, Format, ImportError, MAX_ENTRIES, Refusal, Refused,
    bounded::{self, Number},
    cipher,
    draft::{Draft, Kind, base32, of_link},
};
use crate::{
    otpauth::OtherLink,
    secret::{SecretBytes, SecretText},
    signing::hmac_sha256,
};

const FORMAT: Format = Format::Bitwarden;
const DAMAGED: ImportError = ImportError::Damaged(FORMAT);
/// The column of the CSV file that makes it one of Bitwarden's.
const TOTP_COLUMN: &str = "login_totp";
/// Length of an IV of AES-CBC, in bytes.
const IV_LEN: usize = 16;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    encrypted: bool,
    #[serde(default)]
    password_protected: bool,
    #[serde(default)]
    salt: Option<String>,
    #[serde(default)]
    kdf_type: Number,
    #[serde(default)]
    kdf_iterations: Number,
    #[serde(default)]
    kdf_memory: Number,
    #[serde(default)]
    kdf_parallelism: Number,
    #[serde(default)]
    data: Option<String>,
    #[serde(default, deserialize_with = "bounded::list")]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    login: Option<Login>,
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    username: Option<String>,
    #[serde(default, deserialize_with = "bounded::secret")]
    totp: Option<SecretText>,
}

pub(super) fn read(
    text: &str,
    passphrase: Option<&SecretBytes>,
) -> Result<Vec<Entry>, ImportError> {
    let mut file: File = bounded::document(text, FORMAT)?;
    if file.encrypted {
        if !file.password_protected {
            return Err(ImportError::Unsupported {
                format: FORMAT,
                what: "is encrypted with the key of the account",
                instead: "export it with a password of the file's own, or plain",
            });
        }
        let passphrase = passphrase.ok_or(ImportError::PassphraseNeeded(FORMAT))?;
        let opened = open(&file, passphrase)?;
        file = bounded::document(opened.as_text().unwrap_or_default(), FORMAT)?;
        if file.encrypted {
            return Err(DAMAGED);
        }
    }
    let with_totp = file.items.iter().filter_map(|item| {
        let login = item.login.as_ref()?;
        let totp = login.totp.as_ref()?;
        entry(
            item.name.as_deref().unwrap_or_default(),
            login.username.as_deref().unwrap_or_default(),
            totp.expose(),
        )
    });
    Ok(with_totp.collect())
}

/// What stands in the field: a link, or a bare secret. Nothing for an empty one.
fn entry(issuer: &str, account: &str, totp: &str) -> Option<Entry> {
    let totp = totp.trim();
    if totp.is_empty() {
        return None;
    }
    if !totp.contains("://") {
        let secret = base32(Some(&SecretText::from(totp)));
        return Some(plain(Kind::Time, issuer, account, secret));
    }
    // `steam://` is followed by the secret: nothing of it may be shown.
    if super::uri_list::begins_with(totp, "steam:") {
        let kind = Kind::Other(OtherLink::Steam);
        return Some(plain(kind, issuer, account, Err(Refusal::NoSecret)));
    }
    Some(match of_link(totp) {
        Entry::Token(mut candidate) => {
            if candidate.issuer.is_empty() {
                issuer.trim().clone_into(&mut candidate.issuer);
            }
            if candidate.account.is_empty() {
                account.trim().clone_into(&mut candidate.account);
            }
            Entry::Token(candidate)
        }
        Entry::Refused(refused) => Entry::Refused(Refused {
            issuer: issuer.trim().to_owned(),
            account: account.trim().to_owned(),
            ..refused
        }),
    })
}

fn plain(kind: Kind, issuer: &str, account: &str, secret: Result<SecretBytes, Refusal>) -> Entry {
    Draft {
        kind,
        issuer,
        account,
        secret,
        hash: "",
        digits: Number::Absent,
        period: Number::Absent,
        counter: Number::Absent,
    }
    .finish()
}

/// Does the first line name the column?
pub(super) fn is_csv(text: &str) -> bool {
    let header = text.lines().next().unwrap_or_default();
    header
        .split(',')
        .any(|column| column.trim().trim_matches('"') == TOTP_COLUMN)
}

pub(super) fn read_csv(text: &str) -> Result<Vec<Entry>, ImportError> {
    let mut rows = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = rows.headers().map_err(|_damaged| DAMAGED)?;
    let column = |name: &str| header.iter().position(|column| column == name);
    let (name, user) = (column("name"), column("login_username"));
    let totp = column(TOTP_COLUMN).ok_or(DAMAGED)?;
    let mut entries = Vec::new();
    let mut row = csv::StringRecord::new();
    while rows.read_record(&mut row).map_err(|_damaged| DAMAGED)? {
        let field = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default();
        entries.extend(entry(field(name), field(user), field(Some(totp))));
        if entries.len() > MAX_ENTRIES {
            return Err(ImportError::TooManyEntries);
        }
    }
    Ok(entries)
}

/// The key of the password is stretched by HKDF to one for AES-256-CBC and one for HMAC-SHA-256 over IV and ciphertext.
fn open(file: &File, passphrase: &SecretBytes) -> Result<SecretBytes, ImportError> {
    let salt = file.salt.as_deref().ok_or(DAMAGED)?;
    let number = |number: Number| {
        let number = number.or(0).and_then(|number| u32::try_from(number).ok());
        number.ok_or(ImportError::Cost(FORMAT))
    };
    // The salt is the text as it stands in the file, not what its base64 says.
    let key = match file.kdf_type {
        Number::Is(0) => {
            cipher::pbkdf2_sha256(passphrase, salt.as_bytes(), number(file.kdf_iterations)?)
        }
        Number::Is(1) => {
            let memory_kib = number(file.kdf_memory)?.saturating_mul(1024);
            let cost = [
                memory_kib,
                number(file.kdf_iterations)?,
                number(file.kdf_parallelism)?,
            ];
            cipher::argon2id(passphrase, &Sha256::digest(salt.as_bytes()), cost)
        }
        Number::Is(_) | Number::Absent | Number::Invalid => {
            return Err(ImportError::Version(FORMAT));
        }
    };
    let key = key.map_err(|_costly| ImportError::Cost(FORMAT))?;
    let stretched = Hkdf::<Sha256>::from_prk(key.expose()).map_err(|_never| DAMAGED)?;
    let (mut encryption, mut mac) = ([0; 32], [0; 32]);
    stretched
        .expand(b"enc", &mut encryption)
        .and_then(|()| stretched.expand(b"mac", &mut mac))
        .map_err(|_never| DAMAGED)?;
    let (encryption, mac) = (SecretBytes::from(encryption), SecretBytes::from(mac));

    let data = file.data.as_deref().ok_or(DAMAGED)?;
    let (kind, parts) = data.split_once('.').ok_or(DAMAGED)?;
    // 2: AES-256-CBC and HMAC-SHA-256.
    if kind != "2" {
        return Err(ImportError::Version(FORMAT));
    }
    let mut parts = parts.split('|').map(|part| {
        BASE64
            .decode(part.as_bytes())
            .map_err(|_not_base64| DAMAGED)
    });
    let (Some(iv), Some(sealed), Some(tag), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(DAMAGED);
    };
    let (iv, sealed) = (iv?, sealed?);
    if iv.len() != IV_LEN {
        return Err(DAMAGED);
    }
    let mut authenticated = hmac_sha256(mac.expose());
    authenticated.update(&iv);
    authenticated.update(&sealed);
    authenticated
        .verify_slice(&tag?)
        .map_err(|_other| ImportError::WrongPassphrase(FORMAT))?;
    cipher::open_cbc(&encryption, &iv, &sealed).ok_or(DAMAGED)
}
