//! How backups are sealed: keys from passphrases, AES-256-GCM, AES-256-CBC. What a file asks for is bounded first.

use aes::Aes256;
use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{AeadInOut as _, KeyInit as _},
};
use argon2::{Algorithm, Argon2, Params, Version};
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::Pkcs7};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::Sha256;

use crate::secret::SecretBytes;

/// Length of the key of every format, in bytes.
const KEY_LEN: usize = 32;
/// The most rounds of PBKDF2.
const MAX_ROUNDS: u32 = 5_000_000;
/// The most memory of a key derivation, in KiB: 256 MiB.
pub(crate) const MAX_MEMORY_KIB: u32 = 256 * 1024;
/// The most passes of Argon2.
const MAX_PASSES: u32 = 16;
/// The most lanes of Argon2.
const MAX_LANES: u32 = 16;
/// The most that scrypt may be asked to do in parallel, one after the other here.
const MAX_SCRYPT_P: u32 = 16;

/// The file asks for more than any honest one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooCostly;

/// PBKDF2-HMAC-SHA-1.
pub(super) fn pbkdf2_sha1(
    passphrase: &SecretBytes,
    salt: &[u8],
    rounds: u32,
) -> Result<SecretBytes, TooCostly> {
    let mut key = [0; KEY_LEN];
    check_rounds(rounds)?;
    pbkdf2_hmac::<Sha1>(passphrase.expose(), salt, rounds, &mut key);
    Ok(SecretBytes::from(key))
}

/// PBKDF2-HMAC-SHA-256.
pub(super) fn pbkdf2_sha256(
    passphrase: &SecretBytes,
    salt: &[u8],
    rounds: u32,
) -> Result<SecretBytes, TooCostly> {
    let mut key = [0; KEY_LEN];
    check_rounds(rounds)?;
    pbkdf2_hmac::<Sha256>(passphrase.expose(), salt, rounds, &mut key);
    Ok(SecretBytes::from(key))
}

fn check_rounds(rounds: u32) -> Result<(), TooCostly> {
    if (1..=MAX_ROUNDS).contains(&rounds) {
        Ok(())
    } else {
        Err(TooCostly)
    }
}

/// Argon2id, version 1.3.
pub(super) fn argon2id(
    passphrase: &SecretBytes,
    salt: &[u8],
    [memory_kib, passes, lanes]: [u32; 3],
) -> Result<SecretBytes, TooCostly> {
    if memory_kib > MAX_MEMORY_KIB || passes > MAX_PASSES || lanes > MAX_LANES {
        return Err(TooCostly);
    }
    let params =
        Params::new(memory_kib, passes, lanes, Some(KEY_LEN)).map_err(|_bounds| TooCostly)?;
    let mut key = [0; KEY_LEN];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, &mut key)
        .map_err(|_bounds| TooCostly)?;
    Ok(SecretBytes::from(key))
}

/// scrypt (RFC 7914).
pub(super) fn scrypt(
    passphrase: &SecretBytes,
    salt: &[u8],
    [n, r, p]: [u32; 3],
) -> Result<SecretBytes, TooCostly> {
    // 128 * n * r bytes.
    let memory_kib = n.checked_mul(r).map(|blocks| blocks.div_euclid(8));
    let fits = memory_kib.is_some_and(|kib| kib <= MAX_MEMORY_KIB);
    if !fits || !n.is_power_of_two() || n < 2 || !(1..=MAX_SCRYPT_P).contains(&p) {
        return Err(TooCostly);
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_never| TooCostly)?;
    let params = ::scrypt::Params::new(log_n, r, p).map_err(|_bounds| TooCostly)?;
    let mut key = [0; KEY_LEN];
    ::scrypt::scrypt(passphrase.expose(), salt, &params, &mut key).map_err(|_bounds| TooCostly)?;
    Ok(SecretBytes::from(key))
}

/// Opens `ciphertext || tag` under AES-256-GCM with a nonce of 12 bytes; nothing for any other key or content.
pub(super) fn open_gcm(
    key: &SecretBytes,
    nonce: &[u8],
    associated_data: &[u8],
    sealed: &[u8],
) -> Option<SecretBytes> {
    let cipher = Aes256Gcm::new_from_slice(key.expose()).ok()?;
    let nonce = Nonce::from(<[u8; 12]>::try_from(nonce).ok()?);
    let mut buffer = sealed.to_vec();
    cipher
        .decrypt_in_place(&nonce, associated_data, &mut buffer)
        .ok()?;
    Some(SecretBytes::new(buffer))
}

/// Opens AES-256-CBC with PKCS #7 padding; nothing where the padding is none.
pub(super) fn open_cbc(key: &SecretBytes, iv: &[u8], sealed: &[u8]) -> Option<SecretBytes> {
    let cipher = cbc::Decryptor::<Aes256>::new_from_slices(key.expose(), iv).ok()?;
    cipher
        .decrypt_padded_vec::<Pkcs7>(sealed)
        .ok()
        .map(SecretBytes::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file cannot make the agent work or remember without bound.
    #[test]
    fn what_costs_too_much_is_refused_at_once() {
        let secret = SecretBytes::from(*b"passphrase");
        for parameters in [
            [1 << 22, 8, 1],
            [1 << 20, 1 << 20, 1],
            [32_768, 8, 17],
            [32_767, 8, 1],
            [32_768, 8, 0],
            [32_768, 0, 1],
            [1, 8, 1],
        ] {
            assert_eq!(scrypt(&secret, b"salt", parameters), Err(TooCostly));
        }
        for parameters in [
            [MAX_MEMORY_KIB + 1, 1, 1],
            [64, 17, 1],
            [1024, 1, 17],
            [1, 1, 1],
            [64, 0, 1],
        ] {
            assert_eq!(
                argon2id(&secret, b"salt of 16 bytes", parameters),
                Err(TooCostly)
            );
        }
        assert_eq!(pbkdf2_sha1(&secret, b"salt", 0), Err(TooCostly));
        assert_eq!(pbkdf2_sha256(&secret, b"salt", u32::MAX), Err(TooCostly));
    }
}
