//! Encrypted values of a container (RFC 6030, section 6; XML Encryption): AES in CBC mode with a MAC beside it, or
//! AES key wrap. The URIs are told apart by what follows the `#`: files differ in what stands before it.

use aes::{Aes128, Aes192, Aes256};
use aes_kw::{KwAes128, KwAes192, KwAes256, KwpAes128, KwpAes192, KwpAes256};
use cbc::cipher::{
    BlockModeDecrypt as _, BlockModeEncrypt as _, KeyInit as _, KeyIvInit as _,
    block_padding::Pkcs7,
};
use hmac::{Hmac, Mac as _};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::secret::SecretBytes;

/// Length of an IV, in bytes.
pub(super) const IV_LEN: usize = 16;
/// The longest encrypted value, in bytes.
const MAX_VALUE: usize = 1024;

/// How values are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// With PKCS #7 padding, the IV in front.
    Cbc,
    /// RFC 3394.
    Wrap,
    /// RFC 5649.
    WrapPadded,
}

/// Opens a wrapped value with the cipher of the key's length; nothing where it does not open. (The ciphers of aes-kw have no
/// trait in common.)
macro_rules! unwrapped {
    ($key:expr, $value:expr, $aes128:ty, $aes192:ty, $aes256:ty) => {{
        let mut buffer = vec![0; $value.len()];
        let opened = match $key.len() {
            16 => <$aes128>::new_from_slice($key)
                .ok()?
                .unwrap_key($value, &mut buffer),
            24 => <$aes192>::new_from_slice($key)
                .ok()?
                .unwrap_key($value, &mut buffer),
            _ => <$aes256>::new_from_slice($key)
                .ok()?
                .unwrap_key($value, &mut buffer),
        };
        let len = opened.ok()?.len();
        buffer.truncate(len);
        Some(SecretBytes::new(buffer))
    }};
}

impl Cipher {
    /// The cipher of a URI; the length of the key says which AES it is, and the URI must agree.
    pub(super) fn named(uri: &str, key_len: usize) -> Option<Self> {
        let (cipher, len) = match after_hash(uri).to_ascii_lowercase().as_str() {
            "aes128-cbc" => (Self::Cbc, 16),
            "aes192-cbc" => (Self::Cbc, 24),
            "aes256-cbc" => (Self::Cbc, 32),
            "kw-aes128" => (Self::Wrap, 16),
            "kw-aes192" => (Self::Wrap, 24),
            "kw-aes256" => (Self::Wrap, 32),
            "kw-aes-128-pad" | "kw-aes128-pad" => (Self::WrapPadded, 16),
            "kw-aes-192-pad" | "kw-aes192-pad" => (Self::WrapPadded, 24),
            "kw-aes-256-pad" | "kw-aes256-pad" => (Self::WrapPadded, 32),
            _ => return None,
        };
        (len == key_len).then_some(cipher)
    }

    /// Opens a value; nothing where it does not open.
    pub(super) fn open(self, key: &SecretBytes, value: &[u8]) -> Option<SecretBytes> {
        if value.len() > MAX_VALUE {
            return None;
        }
        let key = key.expose();
        match self {
            Self::Cbc => {
                let (iv, sealed) = value.split_at_checked(IV_LEN)?;
                let opened = match key.len() {
                    16 => cbc::Decryptor::<Aes128>::new_from_slices(key, iv)
                        .ok()?
                        .decrypt_padded_vec::<Pkcs7>(sealed),
                    24 => cbc::Decryptor::<Aes192>::new_from_slices(key, iv)
                        .ok()?
                        .decrypt_padded_vec::<Pkcs7>(sealed),
                    _ => cbc::Decryptor::<Aes256>::new_from_slices(key, iv)
                        .ok()?
                        .decrypt_padded_vec::<Pkcs7>(sealed),
                };
                opened.ok().map(SecretBytes::new)
            }
            Self::Wrap => unwrapped!(key, value, KwAes128, KwAes192, KwAes256),
            Self::WrapPadded => unwrapped!(key, value, KwpAes128, KwpAes192, KwpAes256),
        }
    }
}

/// Seals a value under AES-256-CBC, the IV in front; nothing for a key of another length.
pub(super) fn seal_cbc(
    key: &SecretBytes,
    iv: &[u8; IV_LEN],
    plain: &SecretBytes,
) -> Option<Vec<u8>> {
    let cipher = cbc::Encryptor::<Aes256>::new_from_slices(key.expose(), iv).ok()?;
    let mut sealed = iv.to_vec();
    sealed.extend(cipher.encrypt_padded_vec::<Pkcs7>(plain.expose()));
    Some(sealed)
}

/// Wraps a value under AES-128 (RFC 3394); nothing for a key of another length, or a value that is not a multiple of 8 bytes.
pub(super) fn wrap(key: &SecretBytes, plain: &SecretBytes) -> Option<Vec<u8>> {
    let cipher = KwAes128::new_from_slice(key.expose()).ok()?;
    let mut wrapped = vec![0; plain.len().checked_add(8)?];
    let len = cipher
        .wrap_key(plain.expose(), &mut wrapped)
        .ok()
        .map(<[u8]>::len)?;
    wrapped.truncate(len);
    Some(wrapped)
}

/// The hash inside an HMAC: of `ValueMAC`, of PBKDF2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MacHash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl MacHash {
    pub(super) fn named(uri: &str) -> Option<Self> {
        match after_hash(uri).to_ascii_lowercase().as_str() {
            "hmac-sha1" | "hmac-sha-1" => Some(Self::Sha1),
            "hmac-sha256" | "hmac-sha-256" => Some(Self::Sha256),
            "hmac-sha384" | "hmac-sha-384" => Some(Self::Sha384),
            "hmac-sha512" | "hmac-sha-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Is `tag` the MAC of `value`? In constant time.
    pub(super) fn verifies(self, key: &SecretBytes, value: &[u8], tag: &[u8]) -> bool {
        macro_rules! verifies {
            ($hash:ty) => {
                Hmac::<$hash>::new_from_slice(key.expose())
                    .is_ok_and(|mac| mac.chain_update(value).verify_slice(tag).is_ok())
            };
        }
        match self {
            Self::Sha1 => verifies!(Sha1),
            Self::Sha256 => verifies!(Sha256),
            Self::Sha384 => verifies!(Sha384),
            Self::Sha512 => verifies!(Sha512),
        }
    }

    /// PBKDF2 (RFC 8018) with this hash.
    pub(super) fn pbkdf2(
        self,
        passphrase: &SecretBytes,
        salt: &[u8],
        rounds: u32,
        len: usize,
    ) -> SecretBytes {
        let mut key = vec![0; len];
        let passphrase = passphrase.expose();
        match self {
            Self::Sha1 => pbkdf2_hmac::<Sha1>(passphrase, salt, rounds, &mut key),
            Self::Sha256 => pbkdf2_hmac::<Sha256>(passphrase, salt, rounds, &mut key),
            Self::Sha384 => pbkdf2_hmac::<Sha384>(passphrase, salt, rounds, &mut key),
            Self::Sha512 => pbkdf2_hmac::<Sha512>(passphrase, salt, rounds, &mut key),
        }
        SecretBytes::new(key)
    }
}

pub(super) fn after_hash(uri: &str) -> &str {
    let uri = uri.trim();
    uri.rsplit_once('#').map_or(uri, |(_before, name)| name)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    #[test]
    fn key_wrap_gives_the_published_values() {
        let key = SecretBytes::new(bytes("12345678901234567890123456789012"));
        let wrapped = bytes(
            "12cc7ba2d1d569e39e94341b1b7c28d8de90fb8408d44662782c21984c5c1c45c4468a5e87d19c14adbe26380fb9601eec2dca385c017ababaded4fd726f02a7b994d15a1019c061",
        );
        let plain = bytes(
            "182befb2563761aa6872139953e3bae1688b8d8b7107c1c277d6c1893927051f155de6096216e380d218f6ed6f320eb0628ca5d733fbe30ca164992cfc49fbe8",
        );
        assert_eq!(
            Cipher::Wrap.open(&key, &wrapped),
            Some(SecretBytes::new(plain))
        );
        let padded = bytes("c859650352d731a3adcae5b1cb3b9868d83ef4b9881699a454366c194797e463");
        assert_eq!(
            Cipher::WrapPadded.open(&key, &padded),
            Some(SecretBytes::from(*b"12345678901234567890"))
        );
        for (cipher, value) in [(Cipher::Wrap, wrapped), (Cipher::WrapPadded, padded)] {
            let mut changed = value.clone();
            changed[9] ^= 1;
            assert_eq!(cipher.open(&key, &changed), None);
            assert_eq!(cipher.open(&key, &value[..8]), None);
            assert_eq!(cipher.open(&key, &[]), None);
        }
    }

    #[test]
    fn a_uri_must_agree_with_the_length_of_the_key() {
        let uri = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
        assert_eq!(Cipher::named(uri, 16), Some(Cipher::Cbc));
        assert_eq!(Cipher::named(uri, 32), None);
        assert_eq!(
            Cipher::named("http://www.w3.org/2001/04/xmlenc#tripledes-cbc", 24),
            None
        );
    }
}
