use data_encoding::HEXLOWER;
use proptest::prelude::*;

use super::*;
use crate::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    secret::SecretBytes,
};

/// Numbers that look random enough, and are the same each time.
struct Counting(u8);

impl rand_core::TryRng for Counting {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        rand_core::utils::next_word_via_fill(self)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(181).wrapping_add(13);
            *byte = self.0;
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Counting {}

/// The containers of RFC 6030, figures 6 and 7, without the parts that no key needs.
fn rfc(encryption_key: &str, mac_key: &str, secret: &str, mac: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc"
  xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"
  xmlns:xenc11="http://www.w3.org/2009/xmlenc11#"
  xmlns:pkcs5="http://www.rsasecurity.com/rsalabs/pkcs/schemas/pkcs-5v2-0#">
  <EncryptionKey>{encryption_key}</EncryptionKey>
  <MACMethod Algorithm="http://www.w3.org/2000/09/xmldsig#hmac-sha1">
    <MACKey><xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
      <xenc:CipherData><xenc:CipherValue>{mac_key}</xenc:CipherValue></xenc:CipherData></MACKey>
  </MACMethod>
  <KeyPackage>
    <DeviceInfo><Manufacturer>Manufacturer</Manufacturer><SerialNo>987654321</SerialNo></DeviceInfo>
    <Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
      <Issuer>Issuer</Issuer>
      <AlgorithmParameters><ResponseFormat Length="8" Encoding="DECIMAL"/></AlgorithmParameters>
      <Data>
        <Secret><EncryptedValue>
          <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/>
          <xenc:CipherData><xenc:CipherValue>{secret}</xenc:CipherValue></xenc:CipherData>
        </EncryptedValue><ValueMAC>{mac}</ValueMAC></Secret>
        <Counter><PlainValue>0</PlainValue></Counter>
      </Data>
    </Key>
  </KeyPackage>
</KeyContainer>"#
    )
}

const SECRET: &str = "AAECAwQFBgcICQoLDA0OD+cIHItlB3Wra1DUpxVvOx2lef1VmNPCMl8jwZqIUqGv";

fn figure_6() -> String {
    rfc(
        "<ds:KeyName>Pre-shared-key</ds:KeyName>",
        "ESIzRFVmd4iZABEiM0RVZgKn6WjLaTC1sbeBMSvIhRejN9vJa2BOlSaMrR7I5wSX",
        SECRET,
        "Su+NvtQfmvfJzF6bmQiJqoLRExc=",
    )
}

fn key() -> ContainerKey {
    let key = HEXLOWER
        .decode(b"12345678901234567890123456789012")
        .unwrap();
    ContainerKey::PreShared(SecretBytes::new(key))
}

#[test]
fn the_containers_of_the_rfc_open() {
    let container = KeyContainer::read(figure_6().as_bytes()).unwrap();
    assert_eq!(container.encryption(), Encryption::PreSharedKey);
    let keys = container.open(&key()).unwrap();
    let [Ok(key)] = keys.as_slice() else {
        panic!("{keys:?}");
    };
    assert_eq!(key.secret.expose(), b"12345678901234567890");
    assert_eq!(key.package.serial, "987654321");
}

#[test]
fn changed_values_and_other_keys_are_refused() {
    let other = ContainerKey::PreShared(SecretBytes::from([7; 16]));
    let passphrase = ContainerKey::Passphrase(SecretBytes::from(*b"qwerty"));
    let container = KeyContainer::read(figure_6().as_bytes()).unwrap();
    for key in [other, passphrase, ContainerKey::None] {
        assert_eq!(container.open(&key), Err(ContainerError::WrongKey));
    }
    for (from, to) in [
        ("+cIHItlB3W", "+cIHItlB3X"),
        ("Su+NvtQf", "Su+NvtQg"),
        ("ESIzRFVmd4", "ESIzRFVmd5"),
    ] {
        let changed = figure_6().replace(from, to);
        let container = KeyContainer::read(changed.as_bytes()).unwrap();
        assert_eq!(
            container.open(&key()),
            Err(ContainerError::WrongKey),
            "{to}"
        );
    }
}

/// A value in CBC mode without a MAC could be changed at will: it is not taken.
#[test]
fn cbc_without_a_mac_is_refused() {
    let without = figure_6().replace("<ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=</ValueMAC>", "");
    let keys = KeyContainer::read(without.as_bytes())
        .unwrap()
        .open(&key())
        .unwrap();
    let [Err(refused)] = keys.as_slice() else {
        panic!("{keys:?}");
    };
    assert_eq!(refused.error, PskcError::Missing("ValueMAC"));
    assert_eq!(refused.name, "987654321");
}

#[test]
fn what_is_not_supported_is_named() {
    for (from, to, expected) in [
        ("pskc:hotp", "pskc:pin", PskcError::Algorithm),
        (
            "#aes128-cbc",
            "#tripledes-cbc",
            PskcError::Unsupported("this encryption, or it is not one for a key of this length"),
        ),
        (
            "xmldsig#hmac-sha1",
            "xmldsig#hmac-md5",
            PskcError::Unsupported("this MACMethod"),
        ),
    ] {
        let changed = figure_6().replace(from, to);
        let opened = KeyContainer::read(changed.as_bytes()).unwrap().open(&key());
        let error = match opened {
            Err(ContainerError::Content(error)) => error,
            Ok(keys) => keys.into_iter().next().unwrap().unwrap_err().error,
            Err(other) => panic!("{to}: {other}"),
        };
        assert_eq!(error, expected, "{to}");
    }
    let certificate =
        figure_6().replace("<ds:KeyName>Pre-shared-key</ds:KeyName>", "<ds:X509Data/>");
    assert_eq!(
        KeyContainer::read(certificate.as_bytes()).unwrap_err(),
        PskcError::Unsupported("a certificate")
    );
}

fn package(serial: &str, mode: OtpMode, counter: u64, secret: &[u8]) -> SecretKeyPackage {
    SecretKeyPackage {
        package: KeyPackage {
            issuer: "Example".to_owned(),
            user: "alice".to_owned(),
            counter,
            exportable: Exportable::Yes,
            ..KeyPackage::new(serial, mode)
        },
        secret: secret.into(),
    }
}

fn packages() -> Vec<SecretKeyPackage> {
    let time = OtpMode::Time {
        hash: HashAlgorithm::Sha512,
        digits: Digits::EIGHT,
        period: Period::THIRTY,
    };
    let event = OtpMode::Event {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
    };
    let challenge = OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA1-6:QN08".parse().unwrap(),
    };
    vec![
        package("CS-1", time, 0, &[1; 64]),
        package("CS-2", event, 99, b"12345678901234567890"),
        package("CS-3", challenge, 0, &[3; 20]),
    ]
}

fn written(passphrase: &SecretBytes) -> String {
    let container = NewContainer {
        keys: &packages(),
        passphrase,
        rounds: 1000,
    };
    container.to_xml(&mut Counting(5)).unwrap().to_string()
}

#[test]
fn what_is_written_opens_with_the_passphrase_only() {
    let passphrase = SecretBytes::from(*b"qwerty");
    let document = written(&passphrase);
    let container = KeyContainer::read(document.as_bytes()).unwrap();
    assert_eq!(container.encryption(), Encryption::Passphrase);
    let keys = container
        .open(&ContainerKey::Passphrase(passphrase))
        .unwrap();
    let keys: Vec<_> = keys.into_iter().map(Result::unwrap).collect();
    assert_eq!(keys, packages());
    let wrong = ContainerKey::Passphrase(SecretBytes::from(*b"Qwerty"));
    assert_eq!(container.open(&wrong), Err(ContainerError::WrongKey));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_container_never_panics(at: prop::sample::Index, byte: u8) {
        let passphrase = SecretBytes::from(*b"qwerty");
        let mut document = figure_6().into_bytes();
        let at = at.index(document.len());
        document[at] = byte;
        if let Ok(container) = KeyContainer::read(&document) {
            drop(container.open(&key()));
            drop(container.open(&ContainerKey::Passphrase(passphrase)));
        }
    }
}
