//! Writing a container with secrets: always under a passphrase.

use data_encoding::BASE64;
use rand_core::CryptoRng;

use super::{
    EXTENSION_NAMESPACE, NAMESPACE, PskcError, SecretKeyPackage,
    encryption::{IV_LEN, MacHash, seal_cbc},
};
use crate::{secret::SecretBytes, signing::hmac_sha256, xml::Node};
use hmac::Mac as _;
use zeroize::Zeroizing;

/// XML Encryption.
pub(super) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
/// XML Encryption 1.1.
pub(super) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
const AES256_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";
const HMAC_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256";
const PBKDF2: &str = "http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#pbkdf2";
const KEY_LEN: usize = 32;
const SALT_LEN: usize = 16;

/// Keys for a file, under a passphrase: PBKDF2-HMAC-SHA-256, AES-256-CBC, HMAC-SHA-256.
#[derive(Debug)]
pub struct NewContainer<'a> {
    /// The keys, in order; at least one.
    pub keys: &'a [SecretKeyPackage],
    /// The passphrase, UTF-8.
    pub passphrase: &'a SecretBytes,
    /// Rounds of PBKDF2: [`NewContainer::ROUNDS`] but in tests.
    pub rounds: u32,
}

impl NewContainer<'_> {
    /// What a try of the passphrase costs: about half a second.
    pub const ROUNDS: u32 = 600_000;

    /// The document.
    ///
    /// # Errors
    /// Those of [`super::KeyPackage::check`]; [`PskcError::NotAContainer`] without keys.
    pub fn to_xml(&self, rng: &mut impl CryptoRng) -> Result<Zeroizing<String>, PskcError> {
        if self.keys.is_empty() {
            return Err(PskcError::NotAContainer);
        }
        let mut salt = [0; SALT_LEN];
        rng.fill_bytes(&mut salt);
        let key = MacHash::Sha256.pbkdf2(self.passphrase, &salt, self.rounds, KEY_LEN);
        let mut mac_key = [0; KEY_LEN];
        rng.fill_bytes(&mut mac_key);
        let mac_key = SecretBytes::from(mac_key);
        let mut sealed = |plain: &SecretBytes| {
            let mut iv = [0; IV_LEN];
            rng.fill_bytes(&mut iv);
            seal_cbc(&key, &iv, plain).ok_or(PskcError::Invalid("Secret"))
        };
        let method = Node::new("pskc:MACMethod")
            .with("Algorithm", HMAC_SHA256)
            .add(value("pskc:MACKey", AES256_CBC, &sealed(&mac_key)?));
        let mut packages = Vec::with_capacity(self.keys.len());
        for key in self.keys {
            key.package.check()?;
            let secret = sealed(&key.secret)?;
            let mut mac = hmac_sha256(mac_key.expose());
            mac.update(&secret);
            let tag = BASE64.encode(&mac.finalize().into_bytes());
            let secret = Node::new("pskc:Secret")
                .add(value("pskc:EncryptedValue", AES256_CBC, &secret))
                .add(Node::text("pskc:ValueMAC", tag));
            packages.push(key.package.package(Some(secret)));
        }
        let container = Node::new("pskc:KeyContainer")
            .with("xmlns:pskc", NAMESPACE)
            .with("xmlns:cs", EXTENSION_NAMESPACE)
            .with("xmlns:xenc", XENC)
            .with("xmlns:xenc11", XENC11)
            .with("Version", "1.0")
            .add(derivation(&salt, self.rounds, KEY_LEN))
            .add(method)
            .add_all(packages);
        Ok(Zeroizing::new(container.document()))
    }
}

/// How the key comes from the passphrase.
pub(super) fn derivation(salt: &[u8], rounds: u32, key_len: usize) -> Node {
    let params = Node::new("xenc11:PBKDF2-params")
        .add(Node::new("Salt").add(Node::text("Specified", BASE64.encode(salt))))
        .add(Node::text("IterationCount", rounds.to_string()))
        .add(Node::text("KeyLength", key_len.to_string()))
        .add(Node::new("PRF").with("Algorithm", HMAC_SHA256));
    let method = Node::new("xenc11:KeyDerivationMethod")
        .with("Algorithm", PBKDF2)
        .add(params);
    let key = Node::new("xenc11:DerivedKey")
        .add(method)
        .add(Node::text("xenc11:MasterKeyName", "passphrase"));
    Node::new("pskc:EncryptionKey").add(key)
}

/// An encrypted value.
pub(super) fn value(name: &'static str, algorithm: &str, sealed: &[u8]) -> Node {
    let data = Node::text("xenc:CipherValue", BASE64.encode(sealed));
    Node::new(name)
        .add(Node::new("xenc:EncryptionMethod").with("Algorithm", algorithm))
        .add(Node::new("xenc:CipherData").add(data))
}
