//! Our own encrypted export: one JSON object, whose `data` is sealed with XChaCha20-Poly1305 under a key of Argon2id.
//! docs/export-format.md describes it for other implementers.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{AeadInOut as _, KeyInit as _},
};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{ExportError, ExportedToken};
use crate::{
    import::{MAX_ENTRIES, MAX_FILE},
    seal::slot::Argon2Cost,
    secret::SecretBytes,
};

/// What `format` says.
const FORMAT: &str = "countersign-export";
const VERSION: u32 = 1;
const KDF: &str = "argon2id";
const CIPHER: &str = "xchacha20-poly1305";
/// What the associated data begins with.
const LABEL: &[u8] = b"countersign/export\0";
const SALT_LEN: usize = 16;
const NONCE_LEN: usize = 24;
const KEY_LEN: usize = 32;
/// The most memory that a file may ask for, in KiB: 256 MiB.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// The most passes.
const MAX_PASSES: u32 = 16;
/// The most lanes.
const MAX_LANES: u32 = 4;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    kdf: Kdf,
    cipher: String,
    nonce: String,
    data: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
}

/// What comes before all else, whatever the version.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Content {
    tokens: Vec<ExportedToken>,
}

/// An export to be written.
#[derive(Debug)]
pub struct NewSealed<'a> {
    /// The tokens.
    pub tokens: Vec<ExportedToken>,
    /// The passphrase, UTF-8.
    pub passphrase: &'a SecretBytes,
    /// What a try of it costs.
    pub cost: Argon2Cost,
    /// 16 random bytes.
    pub salt: [u8; SALT_LEN],
    /// 24 random bytes, used once.
    pub nonce: [u8; NONCE_LEN],
}

impl NewSealed<'_> {
    /// The file. Takes the memory and time of its cost.
    ///
    /// # Errors
    /// [`ExportError::Cost`], [`ExportError::TooLarge`].
    pub fn to_file(self) -> Result<String, ExportError> {
        let content = Content {
            tokens: self.tokens,
        };
        // Room at once: a buffer that grows leaves copies of the seeds behind.
        let room = content.tokens.len().saturating_mul(1024).saturating_add(64);
        let mut data = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *data, &content).map_err(|_never| ExportError::Damaged)?;
        let cipher = cipher(self.passphrase, &self.salt, self.cost)?;
        let header = associated_data(self.cost, &self.salt);
        cipher
            .encrypt_in_place(&XNonce::from(self.nonce), &header, &mut *data)
            .map_err(|_too_long| ExportError::TooLarge)?;
        let file = File {
            format: FORMAT.to_owned(),
            version: VERSION,
            kdf: Kdf {
                name: KDF.to_owned(),
                memory_kib: self.cost.memory_kib,
                passes: self.cost.passes,
                lanes: self.cost.lanes,
                salt: BASE64.encode(&self.salt),
            },
            cipher: CIPHER.to_owned(),
            nonce: BASE64.encode(&self.nonce),
            data: BASE64.encode(&data),
        };
        let mut text = serde_json::to_string(&file).map_err(|_never| ExportError::Damaged)?;
        text.push('\n');
        if text.len() > MAX_FILE {
            return Err(ExportError::TooLarge);
        }
        Ok(text)
    }
}

/// An export that was read and not opened yet.
#[derive(Debug)]
pub struct Sealed {
    cost: Argon2Cost,
    salt: [u8; SALT_LEN],
    nonce: [u8; NONCE_LEN],
    data: Vec<u8>,
}

impl Sealed {
    /// Reads the file.
    ///
    /// # Errors
    /// [`ExportError::Version`], [`ExportError::Damaged`], [`ExportError::TooLarge`].
    pub fn parse(text: &str) -> Result<Self, ExportError> {
        if text.len() > MAX_FILE {
            return Err(ExportError::TooLarge);
        }
        let head: Head = serde_json::from_str(text).map_err(|_damaged| ExportError::Damaged)?;
        if head.format != FORMAT {
            return Err(ExportError::Damaged);
        }
        if head.version != VERSION {
            return Err(ExportError::Version);
        }
        let file: File = serde_json::from_str(text).map_err(|_damaged| ExportError::Damaged)?;
        if file.kdf.name != KDF || file.cipher != CIPHER {
            return Err(ExportError::Version);
        }
        Ok(Self {
            cost: Argon2Cost {
                memory_kib: file.kdf.memory_kib,
                passes: file.kdf.passes,
                lanes: file.kdf.lanes,
            },
            salt: array(&file.kdf.salt)?,
            nonce: array(&file.nonce)?,
            data: BASE64
                .decode(file.data.as_bytes())
                .map_err(|_not_base64| ExportError::Damaged)?,
        })
    }

    /// Opens it. Takes the memory and time that it asks for, 256 MiB at most.
    ///
    /// # Errors
    /// [`ExportError::WrongPassphrase`], [`ExportError::Cost`], [`ExportError::Damaged`].
    pub fn open(self, passphrase: &SecretBytes) -> Result<Vec<ExportedToken>, ExportError> {
        let cipher = cipher(passphrase, &self.salt, self.cost)?;
        let header = associated_data(self.cost, &self.salt);
        let mut data = Zeroizing::new(self.data);
        cipher
            .decrypt_in_place(&XNonce::from(self.nonce), &header, &mut *data)
            .map_err(|_refused| ExportError::WrongPassphrase)?;
        let content: Content =
            serde_json::from_slice(&data).map_err(|_content| ExportError::Damaged)?;
        if content.tokens.len() > MAX_ENTRIES {
            return Err(ExportError::Damaged);
        }
        Ok(content.tokens)
    }
}

fn array<const N: usize>(text: &str) -> Result<[u8; N], ExportError> {
    let bytes = BASE64
        .decode(text.as_bytes())
        .map_err(|_not_base64| ExportError::Damaged)?;
    <[u8; N]>::try_from(bytes.as_slice()).map_err(|_length| ExportError::Damaged)
}

/// What the file says beside its content cannot be changed without its being noticed.
fn associated_data(cost: Argon2Cost, salt: &[u8; SALT_LEN]) -> Vec<u8> {
    let mut data = LABEL.to_vec();
    for number in [VERSION, cost.memory_kib, cost.passes, cost.lanes] {
        data.extend(number.to_be_bytes());
    }
    data.extend(salt);
    data
}

fn cipher(
    passphrase: &SecretBytes,
    salt: &[u8; SALT_LEN],
    cost: Argon2Cost,
) -> Result<XChaCha20Poly1305, ExportError> {
    if cost.memory_kib > MAX_MEMORY_KIB || cost.passes > MAX_PASSES || cost.lanes > MAX_LANES {
        return Err(ExportError::Cost);
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN))
        .map_err(|_bounds| ExportError::Cost)?;
    let mut key = Zeroizing::new([0; KEY_LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, key.as_mut_slice())
        .map_err(|_bounds| ExportError::Cost)?;
    XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_never| ExportError::Cost)
}
