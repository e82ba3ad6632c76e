//! Signed bytes of the push protocol, and the P-256 keys that sign them.
//!
//! ECDSA P-256 with SHA-256 over `label || 0x00 || u32be(len(body)) || body`, 64 bytes r||s. The body is signed
//! and checked exactly as it travels; it is parsed only after [`verify`] said yes. The label makes a signature of
//! one kind of message useless for every other kind.
//!
//! Invariant: private keys are of types that wipe themselves and never print.

use core::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::{
    PublicKey,
    ecdsa::{
        Signature, SigningKey, VerifyingKey,
        signature::{Signer as _, Verifier as _},
    },
    elliptic_curve::Generate as _,
    pkcs8::{DecodePublicKey as _, EncodePublicKey as _},
};
use rand_core::CryptoRng;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::SecretBytes;

/// Length of a private key, in bytes.
pub const PRIVATE_KEY_LEN: usize = 32;
/// Length of a public key in the uncompressed form of SEC1, in bytes.
pub const PUBLIC_KEY_LEN: usize = 65;
/// Length of a signature, in bytes: r, then s, each 32 bytes big-endian.
pub const SIGNATURE_LEN: usize = 64;
/// HKDF's `info` for the key that authenticates a device registration.
const REGISTRATION_INFO: &[u8] = b"device registration";

/// The kind of message that a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Label {
    /// First message of an agent on a stream; signed by the channel key.
    Hello,
    /// A login request; signed by the service identity key.
    Request,
    /// An answer to a login request; approve by the decision key, deny by the channel key.
    Decision,
    /// "It wasn't me!"; signed by the channel key.
    Report,
    /// Whether login requests are welcome; signed by the channel key.
    Availability,
    /// The keys of a device; signed by the channel key and the decision key, and covered by [`register_mac`].
    Register,
    /// The next service identity key; signed by the present one.
    Successor,
    /// A challenge of the sudo module; signed by the sudo key.
    SudoChallenge,
    /// Another server PIN; signed by the channel key.
    ServerPin,
    /// The end of a gateway's audit log at some time; signed by the service identity key.
    AuditHead,
    /// Where a gateway's audit log begins after pruning; signed by the service identity key.
    AuditCheckpoint,
    /// Who a browser extension is; signed by its installation's key.
    BrowserHello,
}

impl Label {
    /// Every label, in the order of docs/protocol.md.
    pub const ALL: [Self; 12] = [
        Self::Hello,
        Self::Request,
        Self::Decision,
        Self::Report,
        Self::Availability,
        Self::Register,
        Self::Successor,
        Self::SudoChallenge,
        Self::ServerPin,
        Self::AuditHead,
        Self::AuditCheckpoint,
        Self::BrowserHello,
    ];

    /// The text that is signed in front of the body: ASCII, no zero byte.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Hello => "countersign/push/1 hello",
            Self::Request => "countersign/push/1 request",
            Self::Decision => "countersign/push/1 decision",
            Self::Report => "countersign/push/1 report",
            Self::Availability => "countersign/push/1 availability",
            Self::Register => "countersign/push/1 register",
            Self::Successor => "countersign/push/1 successor",
            Self::SudoChallenge => "countersign/sudo/1 challenge",
            Self::ServerPin => "countersign/push/1 server-pin",
            Self::AuditHead => "countersign/audit/1 head",
            Self::AuditCheckpoint => "countersign/audit/1 checkpoint",
            Self::BrowserHello => "countersign/browser/1 hello",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A signature or MAC that does not belong to these bytes, this label and this key. Nothing more is said on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not valid for this message and key")]
pub struct SignatureError;

/// Bytes that are no P-256 key of the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 key of the expected form")]
pub struct KeyError;

/// What is signed: `label || 0x00 || u32be(len(body)) || body`.
///
/// Bodies are bounded by the transport far below 4 GiB; a longer one would be signed with the length 2³² - 1, which no
/// body can have.
#[must_use]
pub fn signing_input(label: Label, body: &[u8]) -> Vec<u8> {
    let text = label.text().as_bytes();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    [text, &[0], &length, body].concat()
}

/// Signs `body` as a message of the kind `label`. Deterministic (RFC 6979): the same bytes give the same signature.
#[must_use]
pub fn sign(key: &SigningKey, label: Label, body: &[u8]) -> [u8; SIGNATURE_LEN] {
    // The input may hold a server PIN (registration).
    let input = Zeroizing::new(signing_input(label, body));
    let signature: Signature = key.sign(&input);
    signature.to_bytes().into()
}

/// Checks a signature made by [`sign`] or by any ECDSA P-256 implementation; high and low s are both accepted.
///
/// # Errors
/// [`SignatureError`] for any other length than 64 bytes, and for a signature that does not fit.
pub fn verify(
    key: &VerifyingKey,
    label: Label,
    body: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let signature = Signature::from_slice(signature).map_err(|_malformed| SignatureError)?;
    let input = Zeroizing::new(signing_input(label, body));
    key.verify(&input, &signature)
        .map_err(|_mismatch| SignatureError)
}

/// A fresh key.
#[must_use]
pub fn new_key(rng: &mut impl CryptoRng) -> SigningKey {
    SigningKey::generate_from_rng(rng)
}

/// The private key as 32 bytes, for sealing.
#[must_use]
pub fn key_to_bytes(key: &SigningKey) -> SecretBytes {
    let bytes = Zeroizing::new(<[u8; PRIVATE_KEY_LEN]>::from(key.to_bytes()));
    SecretBytes::from(bytes.as_slice())
}

/// The private key of [`key_to_bytes`].
///
/// # Errors
/// [`KeyError`] unless the bytes are 32 and a number between 1 and the order of the curve.
pub fn key_from_bytes(bytes: &SecretBytes) -> Result<SigningKey, KeyError> {
    // The library would take some shorter numbers as well.
    if bytes.len() != PRIVATE_KEY_LEN {
        return Err(KeyError);
    }
    SigningKey::from_slice(bytes.expose()).map_err(|_out_of_range| KeyError)
}

/// The public key in the uncompressed form of SEC1, 65 bytes.
#[must_use]
pub fn public_to_sec1(key: &VerifyingKey) -> Vec<u8> {
    key.to_sec1_point(false).as_bytes().to_vec()
}

/// The public key of [`public_to_sec1`].
///
/// # Errors
/// [`KeyError`] unless the bytes are an uncompressed point of the curve.
pub fn public_from_sec1(bytes: &[u8]) -> Result<VerifyingKey, KeyError> {
    if bytes.len() != PUBLIC_KEY_LEN {
        return Err(KeyError);
    }
    VerifyingKey::from_sec1_bytes(bytes).map_err(|_not_on_curve| KeyError)
}

/// The public key as DER `SubjectPublicKeyInfo` (RFC 5280, 4.1).
///
/// # Errors
/// [`KeyError`] if the key has no such form; P-256 keys have one.
pub fn public_to_spki_der(key: &VerifyingKey) -> Result<Vec<u8>, KeyError> {
    PublicKey::from(key)
        .to_public_key_der()
        .map(|document| document.as_bytes().to_vec())
        .map_err(|_unencodable| KeyError)
}

/// The public key of a DER `SubjectPublicKeyInfo`.
///
/// # Errors
/// [`KeyError`] unless the bytes are exactly one P-256 key in that form.
pub fn public_from_spki_der(der: &[u8]) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_public_key_der(der).map_err(|_malformed| KeyError)
}

/// SHA-256 of a DER `SubjectPublicKeyInfo`: the pin of a service identity key.
#[must_use]
pub fn spki_sha256(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}

/// The MAC of a device registration: HMAC-SHA-256 over the signing input of `body` with the label
/// [`Label::Register`], key = HKDF-SHA-256(`k_mac`, no salt, info `device registration`, 32 bytes).
#[must_use]
pub fn register_mac(k_mac: &SecretBytes, body: &[u8]) -> [u8; 32] {
    registration(k_mac, body).finalize().into_bytes().into()
}

/// Checks [`register_mac`] in constant time.
///
/// # Errors
/// [`SignatureError`] for another length than 32 bytes or another MAC.
pub fn verify_register_mac(
    k_mac: &SecretBytes,
    body: &[u8],
    mac: &[u8],
) -> Result<(), SignatureError> {
    registration(k_mac, body)
        .verify_slice(mac)
        .map_err(|_mismatch| SignatureError)
}

fn registration(k_mac: &SecretBytes, body: &[u8]) -> Hmac<Sha256> {
    let mut key = Zeroizing::new([0_u8; 32]);
    // 32 bytes are one block of the expansion, which is limited to 255 blocks: this cannot fail.
    let expanded =
        Hkdf::<Sha256>::new(None, k_mac.expose()).expand(REGISTRATION_INFO, key.as_mut_slice());
    debug_assert!(expanded.is_ok(), "one block is always available");
    let mut mac = hmac_sha256(key.as_slice());
    mac.update(&Zeroizing::new(signing_input(Label::Register, body)));
    mac
}

/// HMAC-SHA-256 with a key of any length (RFC 2104, section 2): longer than a block is hashed, shorter is padded.
pub(crate) fn hmac_sha256(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0_u8; 64]);
    if key.len() > block.len() {
        let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(key)));
        block
            .iter_mut()
            .zip(digest.iter())
            .for_each(|(to, from)| *to = *from);
    } else {
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    }
    Hmac::<Sha256>::new((&*block).into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        key_from_bytes(&SecretBytes::from([seed.max(1); 32])).expect("in range")
    }

    #[test]
    fn the_input_is_label_zero_length_body() {
        assert_eq!(
            signing_input(Label::Hello, b"body"),
            b"countersign/push/1 hello\0\x00\x00\x00\x04body"
        );
    }

    /// For other implementers: keys, input, deterministic signature and registration MAC.
    #[test]
    fn the_published_values_hold() {
        #[derive(serde::Deserialize)]
        struct Vectors {
            private_key: String,
            public_key: String,
            spki_sha256: String,
            k_mac: String,
            signatures: Vec<Signed>,
            register_mac: String,
            register_body: String,
        }
        #[derive(serde::Deserialize)]
        struct Signed {
            label: String,
            body: String,
            input: String,
            signature: String,
        }
        let bytes = |hex: &str| data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        let vectors: Vectors =
            serde_json::from_str(include_str!("../tests/vectors/signing.json")).unwrap();
        let key = key_from_bytes(&bytes(&vectors.private_key).into()).unwrap();
        let public = key.verifying_key();
        assert_eq!(hex(&public_to_sec1(public)), vectors.public_key);
        assert_eq!(
            hex(&spki_sha256(&public_to_spki_der(public).unwrap())),
            vectors.spki_sha256
        );
        assert_eq!(vectors.signatures.len(), Label::ALL.len());
        for (label, signed) in Label::ALL.into_iter().zip(vectors.signatures) {
            assert_eq!(label.text(), signed.label);
            let body = bytes(&signed.body);
            assert_eq!(hex(&signing_input(label, &body)), signed.input);
            assert_eq!(hex(&sign(&key, label, &body)), signed.signature);
        }
        let mac = register_mac(
            &bytes(&vectors.k_mac).into(),
            &bytes(&vectors.register_body),
        );
        assert_eq!(hex(&mac), vectors.register_mac);
    }

    #[test]
    fn labels_differ_and_hold_no_zero_byte() {
        for (place, label) in Label::ALL.iter().enumerate() {
            assert!(label.text().is_ascii() && !label.text().contains('\0'));
            assert!(
                Label::ALL
                    .iter()
                    .skip(place + 1)
                    .all(|other| other.text() != label.text())
            );
        }
    }

    #[test]
    fn another_label_key_or_length_is_refused() {
        let signed = sign(&key(1), Label::Decision, b"approve");
        assert_eq!(
            verify(key(1).verifying_key(), Label::Decision, b"approve", &signed),
            Ok(())
        );
        for label in Label::ALL
            .into_iter()
            .filter(|label| *label != Label::Decision)
        {
            assert!(verify(key(1).verifying_key(), label, b"approve", &signed).is_err());
        }
        assert!(verify(key(2).verifying_key(), Label::Decision, b"approve", &signed).is_err());
        for length in [0, 1, 63] {
            assert!(
                verify(
                    key(1).verifying_key(),
                    Label::Decision,
                    b"approve",
                    &signed[..length]
                )
                .is_err()
            );
        }
        let longer = [signed.as_slice(), &[0]].concat();
        assert!(verify(key(1).verifying_key(), Label::Decision, b"approve", &longer).is_err());
        assert!(
            verify(
                key(1).verifying_key(),
                Label::Decision,
                b"approve",
                &[0; 64]
            )
            .is_err()
        );
    }

    #[test]
    fn high_and_low_s_are_accepted() {
        let signed = sign(&key(3), Label::Report, b"x");
        let signature = Signature::from_slice(&signed).unwrap();
        let (r, s) = signature.split_scalars();
        let other = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        assert_ne!(other, signature);
        let other = other.to_bytes();
        assert_eq!(
            verify(
                key(3).verifying_key(),
                Label::Report,
                b"x",
                other.as_slice()
            ),
            Ok(())
        );
    }

    #[test]
    fn hmac_keys_of_any_length_are_those_of_rfc_2104() {
        for length in [0, 1, 32, 63, 64, 65, 200] {
            let key = vec![0x5a; length];
            let mut expected = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            expected.update(b"text");
            let mut ours = hmac_sha256(&key);
            ours.update(b"text");
            assert_eq!(
                ours.finalize().into_bytes(),
                expected.finalize().into_bytes()
            );
        }
    }

    #[test]
    fn a_registration_mac_belongs_to_its_key_and_body() {
        let k_mac = SecretBytes::from([7; 32]);
        let mac = register_mac(&k_mac, b"keys");
        assert_eq!(verify_register_mac(&k_mac, b"keys", &mac), Ok(()));
        assert!(verify_register_mac(&k_mac, b"kezs", &mac).is_err());
        assert!(verify_register_mac(&k_mac, b"keys", &mac[..31]).is_err());
        assert!(verify_register_mac(&k_mac, b"keys", &[]).is_err());
        assert!(verify_register_mac(&SecretBytes::from([8; 32]), b"keys", &mac).is_err());
    }

    #[test]
    fn keys_survive_their_forms() {
        let key = key(9);
        let public = *key.verifying_key();
        assert_eq!(
            key_from_bytes(&key_to_bytes(&key)).unwrap().verifying_key(),
            &public
        );
        let sec1 = public_to_sec1(&public);
        assert_eq!(sec1.len(), PUBLIC_KEY_LEN);
        assert_eq!(public_from_sec1(&sec1), Ok(public));
        let spki = public_to_spki_der(&public).unwrap();
        assert_eq!(public_from_spki_der(&spki), Ok(public));
        assert_eq!(spki_sha256(&spki), <[u8; 32]>::from(Sha256::digest(&spki)));
        // The compressed form and trailing bytes are other encodings of the same key: one form only.
        assert!(public_from_sec1(public.to_sec1_point(true).as_bytes()).is_err());
        assert!(public_from_spki_der(&[spki.as_slice(), &[0]].concat()).is_err());
        assert!(key_from_bytes(&SecretBytes::from([0; 32])).is_err());
        assert!(key_from_bytes(&SecretBytes::from([0xff; 32])).is_err());
        assert!(key_from_bytes(&SecretBytes::from([1; 31])).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_flipped_bit_is_refused(
            body in proptest::collection::vec(any::<u8>(), 1..200),
            place in any::<proptest::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let signed = sign(&key(5), Label::Request, &body);
            let mut other_body = body.clone();
            other_body[place.index(body.len())] ^= 1 << bit;
            prop_assert!(verify(key(5).verifying_key(), Label::Request, &other_body, &signed).is_err());
            let mut other_signature = signed;
            other_signature[place.index(64)] ^= 1 << bit;
            prop_assert!(verify(key(5).verifying_key(), Label::Request, &body, &other_signature).is_err());
        }

        #[test]
        fn arbitrary_bytes_are_no_key_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..160)) {
            prop_assert!(public_from_spki_der(&bytes).is_err());
            prop_assert!(public_from_sec1(&bytes).is_err());
            prop_assert!(verify(key(5).verifying_key(), Label::Hello, b"", &bytes).is_err());
        }
    }
}
