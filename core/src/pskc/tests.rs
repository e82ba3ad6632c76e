use proptest::prelude::*;

use super::*;
use crate::{
    otp::{Digits, HashAlgorithm, OtpMode, Period},
    token::{PinType, PushPolicy, VerificationLevel},
};

fn mode() -> impl Strategy<Value = OtpMode> {
    let hash = prop_oneof![
        Just(HashAlgorithm::Sha1),
        Just(HashAlgorithm::Sha256),
        Just(HashAlgorithm::Sha512)
    ];
    let digits = (4_u8..=10).prop_map(|count| Digits::try_from(count).unwrap());
    let period = (1_u32..=86_400).prop_map(|secs| Period::try_from(secs).unwrap());
    let suite =
        "OCRA-1:HOTP-SHA(1|256|512)-(0|6|8|10):(C-)?Q[NAH](08|10|64)(-PSHA1)?(-S064)?(-T1M)?";
    prop_oneof![
        (hash.clone(), digits.clone(), period).prop_map(|(hash, digits, period)| OtpMode::Time {
            hash,
            digits,
            period
        }),
        (hash, digits).prop_map(|(hash, digits)| OtpMode::Event { hash, digits }),
        suite.prop_map(|suite| OtpMode::Challenge {
            suite: suite.parse().unwrap()
        }),
    ]
}

fn pin() -> impl Strategy<Value = PinPolicy> {
    let biometric = prop_oneof![Just(BiometricPin::Allowed), Just(BiometricPin::Refused)];
    let token = (
        1_u8..=20,
        1_u8..=64,
        0_u8..=63,
        prop::sample::select(&PinEncoding::ALL),
        biometric,
    )
        .prop_map(
            |(max_failed_attempts, min_length, more, encoding, biometric)| {
                PinPolicy::Token(TokenPin {
                    max_failed_attempts,
                    min_length,
                    max_length: min_length.saturating_add(more).min(64),
                    encoding,
                    biometric,
                })
            },
        );
    prop_oneof![
        Just(PinPolicy::None),
        Just(PinPolicy::Server(PinPlace::Prepend)),
        Just(PinPolicy::Server(PinPlace::Append)),
        token,
    ]
}

prop_compose! {
    fn package()(
        texts in prop::collection::vec("([!-~äß€][ -~äß€]{0,20}[!-~äß€])?", 6),
        serial in "[!-~]{1,64}",
        mode in mode(),
        counter in any::<u64>(),
        pin in pin(),
        push in prop_oneof![
            Just(PushPolicy::Off),
            prop::sample::select(vec![
                VerificationLevel::Click, VerificationLevel::Pin, VerificationLevel::Finger, VerificationLevel::Tpm,
            ]).prop_map(PushPolicy::Allowed),
        ],
        number_matching in prop_oneof![Just(NumberMatching::Required), Just(NumberMatching::Off)],
        exportable in prop_oneof![Just(Exportable::Yes), Just(Exportable::No)],
    ) -> KeyPackage {
        let fresh = KeyPackage::new(serial, mode);
        KeyPackage {
            manufacturer: texts[0].clone(),
            issuer: texts[1].clone(),
            friendly_name: texts[2].clone(),
            user: texts[3].clone(),
            policy_name: texts[4].clone(),
            policy_level: texts[5].clone(),
            counter: if fresh.mode.uses_counter() { counter } else { 0 },
            pin: if fresh.pin == PinPolicy::InPasscode { fresh.pin } else { pin },
            push,
            number_matching,
            exportable,
            ..fresh
        }
    }
}

proptest! {
    #[test]
    fn every_package_survives_its_document(package in package()) {
        let document = package.to_xml().unwrap();
        prop_assert_eq!(KeyPackage::from_xml(document.as_bytes()), Ok(package.clone()));
        // Always written in the same way.
        prop_assert_eq!(package.to_xml().unwrap(), document);
    }

    #[test]
    fn a_changed_document_never_panics(
        package in package(), place in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut document = package.to_xml().unwrap().into_bytes();
        let place = place.index(document.len());
        document[place] = byte;
        drop(KeyPackage::from_xml(&document));
    }
}

fn hotp() -> OtpMode {
    OtpMode::Event {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
    }
}

/// A container as others write it: other prefixes, white space, no extension of ours.
const FOREIGN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<KeyContainer Version="1.0" xmlns="urn:ietf:params:xml:ns:keyprov:pskc">
  <KeyPackage>
    <DeviceInfo><Manufacturer>ACME</Manufacturer><SerialNo>987654321</SerialNo><Model>X</Model></DeviceInfo>
    <CryptoModuleInfo><Id>CM_ID_001</Id></CryptoModuleInfo>
    <Key Id="12345678" Algorithm="urn:ietf:params:xml:ns:keyprov:pskc:hotp">
      <Issuer>Issuer-A</Issuer>
      <AlgorithmParameters>
        <ResponseFormat Length="8" Encoding="DECIMAL"/>
        <Suite> HMAC-SHA-256 </Suite>
      </AlgorithmParameters>
      <Data><Counter><PlainValue> 7 </PlainValue></Counter></Data>
      <UserId>UID=jsmith,DC=example-bank,DC=net</UserId>
      <Policy>
        <PINPolicy MinLength="4" MaxLength="8" PINEncoding="DECIMAL" PINUsageMode="Local"/>
        <KeyUsage>OTP</KeyUsage><KeyUsage>Verify</KeyUsage>
      </Policy>
    </Key>
  </KeyPackage>
</KeyContainer>"#;

#[test]
fn a_container_of_others_is_read() {
    let package = KeyPackage::from_xml(FOREIGN.as_bytes()).unwrap();
    let expected = KeyPackage {
        manufacturer: "ACME".to_owned(),
        issuer: "Issuer-A".to_owned(),
        user: "UID=jsmith,DC=example-bank,DC=net".to_owned(),
        counter: 7,
        pin: PinPolicy::Token(TokenPin {
            min_length: 4,
            max_length: 8,
            encoding: PinEncoding::Decimal,
            ..TokenPin::default()
        }),
        ..KeyPackage::new(
            "987654321",
            OtpMode::Event {
                hash: HashAlgorithm::Sha256,
                digits: Digits::EIGHT,
            },
        )
    };
    assert_eq!(package, expected);
    assert_eq!(package.push, PushPolicy::Off);
    assert_eq!(package.exportable, Exportable::No);
    assert_eq!(package.pin.pin_type(), PinType::Token);
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let item = |item: &str| PskcError::PolicyItem {
        item: item.to_owned(),
    };
    for (from, to, expected) in [
        (
            "<KeyUsage>Verify</KeyUsage>",
            "<ExpiryDate>2030-01-01T00:00:00Z</ExpiryDate>",
            item("ExpiryDate"),
        ),
        (
            "<KeyUsage>Verify</KeyUsage>",
            "<NumberOfTransactions>9</NumberOfTransactions>",
            item("NumberOfTransactions"),
        ),
        (
            "<KeyUsage>Verify</KeyUsage>",
            "<v:Only xmlns:v='urn:v'>on Mondays</v:Only>",
            item("Only"),
        ),
        (
            "<KeyUsage>Verify</KeyUsage>",
            "<KeyUsage>Dance</KeyUsage>",
            item("Dance"),
        ),
        ("<KeyUsage>OTP</KeyUsage>", "", PskcError::Usage),
        (
            "PINUsageMode=\"Local\"",
            "PINUsageMode=\"Local\" PINKeyId=\"1\"",
            item("PINKeyId"),
        ),
        (
            "PINUsageMode=\"Local\"",
            "PINUsageMode=\"Local\" MaxFailedAttempts=\"0\"",
            PskcError::Invalid("MaxFailedAttempts"),
        ),
        (
            "PINUsageMode=\"Local\"",
            "PINUsageMode=\"Local\" MaxFailedAttempts=\"-1\"",
            PskcError::Invalid("MaxFailedAttempts"),
        ),
        (
            "MinLength=\"4\"",
            "MinLength=\"9\"",
            PskcError::Invalid("MaxLength"),
        ),
        (
            "PINUsageMode=\"Local\"",
            "PINUsageMode=\"Algorithmic\"",
            PskcError::Invalid("PINUsageMode"),
        ),
        (
            "PINUsageMode=\"Local\"",
            "",
            PskcError::Missing("PINUsageMode"),
        ),
        (
            "PINEncoding=\"DECIMAL\"",
            "PINEncoding=\"BASE64\"",
            PskcError::Unsupported("this PINEncoding"),
        ),
        ("pskc:hotp", "pskc:pin", PskcError::Algorithm),
        (
            "Version=\"1.0\" ",
            "Version=\"2.0\" ",
            PskcError::NotAContainer,
        ),
        (
            "<Counter><PlainValue> 7 </PlainValue></Counter>",
            "",
            PskcError::Missing("Counter"),
        ),
        (
            "<Counter>",
            "<Secret><PlainValue>AA==</PlainValue></Secret><Counter>",
            PskcError::SecretInside,
        ),
        (
            "<PlainValue> 7 </PlainValue>",
            "<EncryptedValue/>",
            PskcError::Unsupported("EncryptedValue"),
        ),
        (
            "<PlainValue> 7 </PlainValue>",
            "<PlainValue>+7</PlainValue>",
            PskcError::Invalid("Counter"),
        ),
        (" 7 ", "18446744073709551616", PskcError::Invalid("Counter")),
        (
            "<Counter>",
            "<TimeDrift><PlainValue>3</PlainValue></TimeDrift><Counter>",
            PskcError::Unsupported("TimeDrift"),
        ),
        (
            "Length=\"8\" ",
            "Length=\"11\" ",
            PskcError::Invalid("ResponseFormat"),
        ),
        (
            "Length=\"8\" ",
            "Length=\"8\" CheckDigits=\"true\" ",
            PskcError::Unsupported("CheckDigits"),
        ),
        (
            "Length=\"8\" Encoding=\"DECIMAL\"",
            "Length=\"8\" Encoding=\"HEXADECIMAL\"",
            PskcError::Unsupported("a ResponseFormat other than DECIMAL"),
        ),
        (" HMAC-SHA-256 ", "HMAC-MD5", PskcError::Invalid("Suite")),
        (
            "<Model>X</Model>",
            "<DeviceBinding>IMEI</DeviceBinding>",
            PskcError::Unsupported("DeviceBinding"),
        ),
        (
            "<Issuer>",
            "<KeyProfileId>p</KeyProfileId><Issuer>",
            PskcError::Unsupported("KeyProfileId"),
        ),
        (
            "<Issuer>Issuer-A</Issuer>",
            "<Issuer>A</Issuer><Issuer>B</Issuer>",
            PskcError::Repeated("Issuer"),
        ),
        (
            "<Issuer>Issuer-A</Issuer>",
            "<Issuer>A&#10;B</Issuer>",
            PskcError::Invalid("Issuer"),
        ),
        (
            "<KeyPackage>",
            "<KeyPackage/><KeyPackage>",
            PskcError::NotAContainer,
        ),
        (
            "</KeyContainer>",
            "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'/></KeyContainer>",
            PskcError::Unsupported("a signature"),
        ),
    ] {
        assert!(FOREIGN.contains(from), "{from}");
        let document = FOREIGN.replacen(from, to, 1);
        assert_eq!(
            KeyPackage::from_xml(document.as_bytes()),
            Err(expected),
            "{from} -> {to}"
        );
    }
}

#[test]
fn our_own_policy_is_understood_to_the_last_attribute() {
    let document = KeyPackage::new("CS-1", hotp()).to_xml().unwrap();
    let item = |item: &str| PskcError::PolicyItem {
        item: item.to_owned(),
    };
    for (from, to, expected) in [
        ("push=\"off\"", "push=\"off\" pull=\"on\"", item("pull")),
        (
            "push=\"off\"",
            "push=\"perhaps\"",
            PskcError::Invalid("push"),
        ),
        ("cs:TokenPolicy", "cs:OtherPolicy", item("OtherPolicy")),
        (
            "exportable=\"no\"",
            "exportable=\"No\"",
            PskcError::Invalid("exportable"),
        ),
        (
            "level=\"\"/>",
            "level=\"\"/><cs:TokenPolicy/>",
            PskcError::Repeated("TokenPolicy"),
        ),
        (
            "level=\"\"/>",
            "level=\"\"><cs:More/></cs:TokenPolicy>",
            item("More"),
        ),
    ] {
        assert!(document.contains(from), "{from}: {document}");
        let changed = document.replacen(from, to, 1);
        assert_eq!(
            KeyPackage::from_xml(changed.as_bytes()),
            Err(expected),
            "{from} -> {to}"
        );
    }
    // Extensions of others do not matter.
    let changed = document.replacen(
        "<cs:TokenPolicy",
        "<v:Colour xmlns:v='urn:v'/><cs:TokenPolicy",
        1,
    );
    assert!(KeyPackage::from_xml(changed.as_bytes()).is_ok());
}

#[test]
fn packages_that_contradict_themselves_are_not_written() {
    let good = KeyPackage::new("CS-1", hotp());
    let ocra = OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA1-6:QN08-PSHA1".parse().unwrap(),
    };
    let time = OtpMode::Time {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
        period: Period::THIRTY,
    };
    for (package, expected) in [
        (
            KeyPackage {
                serial: String::new(),
                ..good.clone()
            },
            PskcError::Missing("SerialNo"),
        ),
        (
            KeyPackage {
                serial: "x".repeat(65),
                ..good.clone()
            },
            PskcError::Invalid("SerialNo"),
        ),
        (
            KeyPackage {
                issuer: "x".repeat(129),
                ..good.clone()
            },
            PskcError::Invalid("Issuer"),
        ),
        (
            KeyPackage {
                user: "a\u{0}".to_owned(),
                ..good.clone()
            },
            PskcError::Invalid("UserId"),
        ),
        (
            KeyPackage {
                pin: PinPolicy::InPasscode,
                ..good
            },
            PskcError::Invalid("PINUsageMode"),
        ),
        (
            KeyPackage {
                pin: PinPolicy::None,
                ..KeyPackage::new("CS-1", ocra)
            },
            PskcError::Invalid("PINUsageMode"),
        ),
        (
            KeyPackage {
                counter: 1,
                ..KeyPackage::new("CS-1", time)
            },
            PskcError::Invalid("Counter"),
        ),
    ] {
        assert_eq!(package.to_xml(), Err(expected));
    }
}

#[test]
fn a_suite_and_the_formats_beside_it_agree() {
    let suite = OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA256-8:QA10".parse().unwrap(),
    };
    let document = KeyPackage::new("CS-1", suite).to_xml().unwrap();
    for (from, to, expected) in [
        (
            "Encoding=\"ALPHANUMERIC\"",
            "Encoding=\"DECIMAL\"",
            PskcError::Invalid("ChallengeFormat"),
        ),
        (
            "Max=\"10\"",
            "Max=\"11\"",
            PskcError::Invalid("ChallengeFormat"),
        ),
        (
            "Length=\"8\"",
            "Length=\"6\"",
            PskcError::Invalid("ResponseFormat"),
        ),
        ("QA10", "QA99", PskcError::Invalid("Suite")),
        (">CR<", ">OTP<", PskcError::Usage),
    ] {
        assert!(document.contains(from), "{from}: {document}");
        let changed = document.replacen(from, to, 1);
        assert_eq!(
            KeyPackage::from_xml(changed.as_bytes()),
            Err(expected),
            "{from} -> {to}"
        );
    }
}
