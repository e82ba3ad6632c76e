//! 2FAS: a JSON object with `services`; encrypted, they are one text of three base64 parts.

use data_encoding::BASE64;
use serde::Deserialize;

use super::{
    Entry, Format, ImportError,
    bounded::{self, Number},
    cipher,
    draft::{Draft, Kind, base32},
};
use crate::secret::{SecretBytes, SecretText};

const FORMAT: Format = Format::TwoFas;
/// Rounds of PBKDF2-HMAC-SHA-256; the file does not name them.
const ROUNDS: u32 = 10_000;
/// The newest version that we know.
const NEWEST: u64 = 4;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    schema_version: Number,
    #[serde(default, deserialize_with = "bounded::list")]
    services: Vec<Service>,
    #[serde(default)]
    services_encrypted: Option<String>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, deserialize_with = "bounded::secret")]
    secret: Option<SecretText>,
    #[serde(default)]
    otp: Otp,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Otp {
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    digits: Number,
    #[serde(default)]
    period: Number,
    #[serde(default)]
    counter: Number,
    #[serde(default)]
    algorithm: Option<String>,
    #[serde(default)]
    token_type: Option<String>,
}

pub(super) fn read(
    text: &str,
    passphrase: Option<&SecretBytes>,
) -> Result<Vec<Entry>, ImportError> {
    let file: File = bounded::document(text, FORMAT)?;
    if !file
        .schema_version
        .or(1)
        .is_some_and(|version| (1..=NEWEST).contains(&version))
    {
        return Err(ImportError::Version(FORMAT));
    }
    let services = match file.services_encrypted.as_deref() {
        None | Some("") => file.services,
        Some(sealed) => {
            let passphrase = passphrase.ok_or(ImportError::PassphraseNeeded(FORMAT))?;
            let opened = open(sealed, passphrase)?;
            let Services(services) =
                bounded::document(opened.as_text().unwrap_or_default(), FORMAT)?;
            services
        }
    };
    Ok(services.iter().map(entry).collect())
}

#[derive(Deserialize)]
struct Services(#[serde(deserialize_with = "bounded::list")] Vec<Service>);

fn entry(service: &Service) -> Entry {
    let filled = |text: &'_ Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let otp = &service.otp;
    let issuer = filled(&otp.issuer).or_else(|| filled(&service.name));
    Draft {
        // The first versions knew one kind only.
        kind: otp.token_type.as_deref().map_or(Kind::Time, Kind::named),
        issuer: issuer.as_deref().unwrap_or_default(),
        account: otp.account.as_deref().unwrap_or_default(),
        secret: base32(service.secret.as_ref()),
        hash: otp.algorithm.as_deref().unwrap_or_default(),
        digits: otp.digits,
        period: otp.period,
        counter: otp.counter,
    }
    .finish()
}

fn open(sealed: &str, passphrase: &SecretBytes) -> Result<SecretBytes, ImportError> {
    const DAMAGED: ImportError = ImportError::Damaged(FORMAT);
    let mut parts = sealed.split(':').map(|part| {
        BASE64
            .decode(part.trim().as_bytes())
            .map_err(|_not_base64| DAMAGED)
    });
    let (Some(content), Some(salt), Some(nonce), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(DAMAGED);
    };
    let key = cipher::pbkdf2_sha256(passphrase, &salt?, ROUNDS)
        .map_err(|_costly| ImportError::Cost(FORMAT))?;
    cipher::open_gcm(&key, &nonce?, &[], &content?).ok_or(ImportError::WrongPassphrase(FORMAT))
}
