use super::*;
use crate::{
    otp::{Digits, HashAlgorithm, Period},
    pskc::TokenPin,
    seal::slot::Argon2Cost,
};

const CHEAP: Argon2Cost = Argon2Cost {
    memory_kib: 64,
    passes: 1,
    lanes: 1,
};

fn tokens() -> Vec<ExportedToken> {
    let time = ExportedToken {
        name: "Work".to_owned(),
        issuer: "Example".to_owned(),
        user: "alice@example.com".to_owned(),
        serial: String::new(),
        mode: OtpMode::Time {
            hash: HashAlgorithm::Sha256,
            digits: Digits::EIGHT,
            period: Period::THIRTY,
        },
        secret: SecretBytes::from(*b"12345678901234567890"),
        counter: 0,
        pin: PinPolicy::Token(TokenPin::default()),
        policy_name: "standard".to_owned(),
        policy_level: "2".to_owned(),
    };
    let event = ExportedToken {
        name: "Counter".to_owned(),
        mode: OtpMode::Event {
            hash: HashAlgorithm::Sha1,
            digits: Digits::SIX,
        },
        counter: 41,
        pin: PinPolicy::None,
        ..time.clone()
    };
    vec![time, event]
}

fn passphrase() -> SecretBytes {
    SecretBytes::from(*b"a passphrase")
}

fn file() -> String {
    let passphrase = passphrase();
    let export = NewSealed {
        tokens: tokens(),
        passphrase: &passphrase,
        cost: CHEAP,
        salt: [1; 16],
        nonce: [2; 24],
    };
    export.to_file().unwrap()
}

#[test]
fn what_was_exported_opens_again() {
    let sealed = Sealed::parse(&file()).unwrap();
    assert_eq!(sealed.open(&passphrase()), Ok(tokens()));
}

/// Made once by this code and kept: an export of an older build must still open.
#[test]
fn the_form_is_stable() {
    assert_eq!(file(), include_str!("../../tests/import/countersign.json"));
}

#[test]
fn another_passphrase_or_a_changed_file_is_refused() {
    let other = SecretBytes::from(*b"A passphrase");
    let opened = |file: &str| Sealed::parse(file).and_then(|sealed| sealed.open(&passphrase()));
    assert_eq!(
        Sealed::parse(&file()).unwrap().open(&other),
        Err(ExportError::WrongPassphrase)
    );
    for (from, to, expected) in [
        ("\"passes\":1", "\"passes\":2", ExportError::WrongPassphrase),
        (
            "\"memory_kib\":64",
            "\"memory_kib\":65",
            ExportError::WrongPassphrase,
        ),
        ("\"salt\":\"A", "\"salt\":\"B", ExportError::WrongPassphrase),
        (
            "\"nonce\":\"A",
            "\"nonce\":\"B",
            ExportError::WrongPassphrase,
        ),
        (
            "\"memory_kib\":64",
            "\"memory_kib\":4000000000",
            ExportError::Cost,
        ),
        ("\"memory_kib\":64", "\"memory_kib\":0", ExportError::Cost),
        ("\"passes\":1", "\"passes\":1000", ExportError::Cost),
        ("\"version\":1", "\"version\":2", ExportError::Version),
        ("argon2id", "argon2d", ExportError::Version),
        ("\"cipher\"", "\"more\":1,\"cipher\"", ExportError::Damaged),
        ("countersign-export", "other", ExportError::Damaged),
    ] {
        assert!(file().contains(from), "{from}: {}", file());
        assert_eq!(opened(&file().replacen(from, to, 1)), Err(expected), "{to}");
    }
    assert_eq!(
        opened(file().trim_end().trim_end_matches('}')),
        Err(ExportError::Damaged)
    );
}

#[test]
fn a_link_carries_the_token_and_its_demand() {
    let list = uri_list(&tokens()).unwrap();
    assert_eq!(
        list.as_str(),
        "otpauth://totp/Example:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA256&digits=8&period=30&issuer=Example&pin=True\n\
         otpauth://hotp/Example:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&algorithm=SHA1&digits=6&counter=41&issuer=Example\n"
    );
}

#[test]
fn a_token_without_a_serial_gets_one_in_a_container() {
    let key = tokens()[0].to_key_package(3).unwrap();
    assert_eq!(key.package.serial, "token-3");
    assert_eq!(key.package.friendly_name, "Work");
    assert_eq!(key.package.exportable, Exportable::Yes);
}
