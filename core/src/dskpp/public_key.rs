//! The server's public key in `EncryptionKey`, and K: its DER `SubjectPublicKeyInfo`.
//!
//! Written as `DEREncodedKeyValue` (XML Signature 1.1, section 4.5.9). `RSAKeyValue`, as in the examples of the RFC,
//! is read too, and K is then the `SubjectPublicKeyInfo` made of it (RFC 3279, section 2.3.1).

use data_encoding::BASE64;

use super::{DskppError, message};
use crate::xml::{Child, Element, Node};

/// XML Signature.
const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
/// XML Signature 1.1.
pub(super) const DS11: &str = "http://www.w3.org/2009/xmldsig11#";
/// Longest key: an RSA modulus of 8192 bits takes about 1 KiB.
const MAX_LEN: usize = 2048;
/// DER of the algorithm identifier `rsaEncryption` with its NULL.
const RSA_ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// `EncryptionKey` with the key; the prefix `ds11` is declared by the caller.
pub(super) fn write(spki: &[u8]) -> Node {
    Node::new("dskpp:EncryptionKey").add(Node::text("ds11:DEREncodedKeyValue", BASE64.encode(spki)))
}

/// The DER `SubjectPublicKeyInfo` of an `EncryptionKey`. That it is an RSA key is for the caller's RSA to find.
pub(super) fn read(encryption_key: &Element) -> Result<Vec<u8>, DskppError> {
    const NAME: &str = "EncryptionKey";
    let spki = match encryption_key.child(DS11, "DEREncodedKeyValue") {
        Child::One(value) => message::base64(value, NAME)?,
        Child::Several => return Err(DskppError::Invalid(NAME)),
        Child::Absent => {
            let Child::One(value) = encryption_key.child(DS, "KeyValue") else {
                return Err(DskppError::Missing("EncryptionKey that is supported"));
            };
            let Child::One(rsa) = value.child(DS, "RSAKeyValue") else {
                return Err(DskppError::Missing("EncryptionKey that is supported"));
            };
            let (Child::One(modulus), Child::One(exponent)) =
                (rsa.child(DS, "Modulus"), rsa.child(DS, "Exponent"))
            else {
                return Err(DskppError::Invalid(NAME));
            };
            let modulus = message::base64(modulus, NAME)?;
            let exponent = message::base64(exponent, NAME)?;
            if modulus.len() > MAX_LEN || exponent.len() > MAX_LEN {
                return Err(DskppError::Invalid(NAME));
            }
            rsa_spki(&modulus, &exponent)
        }
    };
    if spki.is_empty() || spki.len() > MAX_LEN {
        return Err(DskppError::Invalid(NAME));
    }
    Ok(spki)
}

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = der(0x30, &[unsigned(modulus), unsigned(exponent)].concat());
    // A bit string with no unused bits.
    let bits = der(0x03, &[&[0], key.as_slice()].concat());
    der(0x30, &[RSA_ALGORITHM.as_slice(), &bits].concat())
}

/// A DER integer: shortest form, with a zero byte in front where the number would look negative.
fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let (_zeros, number) = bytes.split_at(start);
    match number.first() {
        None => der(0x02, &[0]),
        Some(first) if *first >= 0x80 => der(0x02, &[&[0], number].concat()),
        Some(_) => der(0x02, number),
    }
}

/// Tag, definite length, content.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut encoded = vec![tag];
    if let Ok(short @ 0..=0x7f) = u8::try_from(content.len()) {
        encoded.push(short);
    } else {
        let length = content.len().to_be_bytes();
        let length: Vec<u8> = length.into_iter().skip_while(|byte| *byte == 0).collect();
        // A usize has at most 8 bytes.
        encoded.push(u8::try_from(length.len()).unwrap_or(8) | 0x80);
        encoded.extend(length);
    }
    encoded.extend_from_slice(content);
    encoded
}
