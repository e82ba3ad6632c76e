use proptest::prelude::*;

use super::*;
use crate::{
    otp::{Digits, HashAlgorithm, Period},
    otpauth::OtherLink,
    pskc::{PinEncoding, TokenPin},
};

const SEED: &[u8] = b"12345678901234567890";
const SEED256: &[u8] = b"12345678901234567890123456789012";

macro_rules! sample {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../../tests/import/", $name)).as_slice(),
        )
    };
}

type Sample = (&'static str, &'static [u8]);

fn passphrase() -> SecretBytes {
    SecretBytes::from(&b"correct horse battery staple"[..])
}

fn opened(file: &[u8]) -> Result<Import, ImportError> {
    read(&[SecretBytes::from(file)], Some(&passphrase()))
}

fn time(hash: HashAlgorithm, digits: Digits, secs: u32) -> OtpMode {
    OtpMode::Time {
        hash,
        digits,
        period: Period::try_from(secs).unwrap(),
    }
}

fn candidate(issuer: &str, account: &str, mode: OtpMode, secret: &[u8], counter: u64) -> Entry {
    Entry::Token(Candidate {
        name: String::new(),
        issuer: issuer.to_owned(),
        account: account.to_owned(),
        serial: String::new(),
        mode,
        secret: secret.into(),
        counter,
        pin: PinPolicy::None,
        exportable: Exportable::Yes,
        policy_name: String::new(),
        policy_level: String::new(),
    })
}

fn refused(issuer: &str, account: &str, why: Refusal) -> Entry {
    Entry::Refused(Refused {
        issuer: issuer.to_owned(),
        account: account.to_owned(),
        why,
    })
}

/// What every sample holds.
fn accounts() -> Vec<Entry> {
    let sha1 = time(HashAlgorithm::Sha1, Digits::SIX, 30);
    let sha256 = time(HashAlgorithm::Sha256, Digits::EIGHT, 60);
    let event = OtpMode::Event {
        hash: HashAlgorithm::Sha1,
        digits: Digits::SIX,
    };
    vec![
        candidate("Example", "alice@example.com", sha1, SEED, 0),
        candidate("Bank", "alice", sha256, SEED256, 0),
        candidate("Counter", "alice", event, SEED, 7),
    ]
}

fn steam() -> Entry {
    refused("Steam", "gamer", Refusal::Kind(OtherLink::Steam))
}

#[test]
fn every_sample_is_read() {
    let samples: [(Sample, Format, Vec<Entry>); 18] = [
        (sample!("2fas-plain.2fas"), Format::TwoFas, vec![steam()]),
        (
            sample!("2fas-encrypted.2fas"),
            Format::TwoFas,
            vec![steam()],
        ),
        (
            sample!("aegis-plain.json"),
            Format::Aegis,
            vec![
                steam(),
                refused("Office", "bob", Refusal::Kind(OtherLink::Motp)),
            ],
        ),
        (
            sample!("aegis-encrypted.json"),
            Format::Aegis,
            vec![
                steam(),
                refused("Office", "bob", Refusal::Kind(OtherLink::Motp)),
            ],
        ),
        (sample!("andotp-plain.json"), Format::AndOtp, vec![steam()]),
        (
            sample!("andotp-encrypted.json.aes"),
            Format::AndOtp,
            vec![steam()],
        ),
        (
            sample!("andotp-first.json.aes"),
            Format::AndOtp,
            vec![steam()],
        ),
        (
            sample!("freeotp-plus.json"),
            Format::FreeOtpPlus,
            vec![candidate(
                "Signed",
                "bytes",
                time(HashAlgorithm::Sha1, Digits::SIX, 30),
                &[0, 127, 128, 255].repeat(5),
                0,
            )],
        ),
        (
            sample!("stratum-plain.json"),
            Format::Stratum,
            vec![
                steam(),
                refused("Yandex", "bob", Refusal::Kind(OtherLink::Yandex)),
            ],
        ),
        (
            sample!("stratum-encrypted.stratum"),
            Format::Stratum,
            vec![
                steam(),
                refused("Yandex", "bob", Refusal::Kind(OtherLink::Yandex)),
            ],
        ),
        (
            sample!("stratum-former.authpro"),
            Format::Stratum,
            vec![
                steam(),
                refused("Yandex", "bob", Refusal::Kind(OtherLink::Yandex)),
            ],
        ),
        (
            sample!("proton-plain.json"),
            Format::Proton,
            vec![refused("", "Steam gamer", Refusal::Kind(OtherLink::Steam))],
        ),
        (
            sample!("proton-encrypted.json"),
            Format::Proton,
            vec![refused("", "Steam gamer", Refusal::Kind(OtherLink::Steam))],
        ),
        (
            sample!("bitwarden-plain.json"),
            Format::Bitwarden,
            vec![steam()],
        ),
        (sample!("bitwarden.csv"), Format::Bitwarden, vec![steam()]),
        (
            sample!("bitwarden-pbkdf2.json"),
            Format::Bitwarden,
            vec![steam()],
        ),
        (
            sample!("bitwarden-argon2.json"),
            Format::Bitwarden,
            vec![steam()],
        ),
        (
            sample!("links.txt"),
            Format::UriList,
            vec![
                steam(),
                refused("", "", Refusal::Kind(OtherLink::Motp)),
                guarded(),
                refused("", "", Refusal::NotALink),
                refused("Broken", "alice", Refusal::SecretNotBase32),
            ],
        ),
    ];
    for ((name, file), format, more) in samples {
        let import = opened(file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(import.formats, [format], "{name}");
        let expected = [accounts(), more].concat();
        assert_eq!(import.entries, expected, "{name}");
        assert_eq!(import.missing_parts, [], "{name}");
    }
}

fn guarded() -> Entry {
    let Entry::Token(token) = candidate(
        "Guarded",
        "alice",
        time(HashAlgorithm::Sha1, Digits::SIX, 30),
        SEED256,
        0,
    ) else {
        unreachable!("a candidate is a token");
    };
    Entry::Token(Candidate {
        pin: PinPolicy::Token(TokenPin {
            biometric: crate::pskc::BiometricPin::Allowed,
            ..TokenPin::default()
        }),
        ..token
    })
}

#[test]
fn key_containers_are_read_as_other_programs_write_them() {
    let key = SecretBytes::from(*b"12345678901234567890123456789012");
    for ((name, file), key, signature) in [
        (sample!("pskc-plain.xml"), None, Signature::Absent),
        (sample!("pskc-signed.xml"), None, Signature::NotChecked),
        (
            sample!("pskc-passphrase.xml"),
            Some(passphrase()),
            Signature::Absent,
        ),
        (sample!("pskc-key.xml"), Some(key), Signature::Absent),
    ] {
        let import = read(&[SecretBytes::from(file)], key.as_ref())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(import.formats, [Format::Pskc]);
        assert_eq!(import.signature, signature, "{name}");
        let [Entry::Token(counter), Entry::Token(bank)] = import.entries.as_slice() else {
            panic!("{name}: {:?}", import.entries);
        };
        assert_eq!(
            (
                counter.name.as_str(),
                counter.issuer.as_str(),
                counter.account.as_str()
            ),
            ("Counter", "Example", "alice")
        );
        assert_eq!((counter.counter, counter.serial.as_str()), (7, "987654321"));
        assert_eq!(counter.secret.expose(), SEED);
        assert_eq!(counter.exportable, Exportable::No);
        assert_eq!(bank.secret.expose(), SEED256);
        assert_eq!(bank.mode, time(HashAlgorithm::Sha256, Digits::EIGHT, 60));
        let PinPolicy::Token(limits) = bank.pin else {
            panic!("{name}: {:?}", bank.pin);
        };
        assert_eq!(
            (limits.max_length, limits.encoding),
            (8, PinEncoding::Decimal)
        );
    }
}

#[test]
fn a_passphrase_is_asked_for_and_a_wrong_one_told() {
    let wrong = SecretBytes::from(*b"another");
    let samples: [(Sample, Format); 10] = [
        (sample!("2fas-encrypted.2fas"), Format::TwoFas),
        (sample!("aegis-encrypted.json"), Format::Aegis),
        (sample!("andotp-encrypted.json.aes"), Format::AndOtp),
        (sample!("andotp-first.json.aes"), Format::AndOtp),
        (sample!("stratum-encrypted.stratum"), Format::Stratum),
        (sample!("stratum-former.authpro"), Format::Stratum),
        (sample!("proton-encrypted.json"), Format::Proton),
        (sample!("bitwarden-pbkdf2.json"), Format::Bitwarden),
        (sample!("bitwarden-argon2.json"), Format::Bitwarden),
        (sample!("pskc-passphrase.xml"), Format::Pskc),
    ];
    for ((name, file), format) in samples {
        let files = [SecretBytes::from(file)];
        assert_eq!(
            read(&files, None),
            Err(ImportError::PassphraseNeeded(format)),
            "{name}"
        );
        assert_eq!(
            read(&files, Some(&wrong)),
            Err(ImportError::WrongPassphrase(format)),
            "{name}"
        );
    }
    let key = [SecretBytes::from(sample!("pskc-key.xml").1)];
    let other = SecretBytes::from(*b"00000000000000000000000000000000");
    assert_eq!(read(&key, None), Err(ImportError::KeyNeeded));
    assert_eq!(read(&key, Some(&wrong)), Err(ImportError::KeyInvalid));
    assert_eq!(
        read(&key, Some(&other)),
        Err(ImportError::WrongPassphrase(Format::Pskc))
    );
}

#[test]
fn what_cannot_be_opened_says_what_to_do() {
    for (_, file) in [
        sample!("aegis-fingerprint-only.json"),
        sample!("bitwarden-account.json"),
    ] {
        let refused = opened(file).unwrap_err();
        assert!(
            matches!(refused, ImportError::Unsupported { .. }),
            "{refused}"
        );
    }
}

/// The passphrase of a hostile file costs nothing: its parameters are looked at first.
#[test]
fn a_file_cannot_ask_for_memory_or_work_without_bound() {
    let aegis = String::from_utf8(sample!("aegis-encrypted.json").1.to_vec()).unwrap();
    let bitwarden = String::from_utf8(sample!("bitwarden-argon2.json").1.to_vec()).unwrap();
    let pskc = String::from_utf8(sample!("pskc-passphrase.xml").1.to_vec()).unwrap();
    for (file, from, to, format) in [
        (&aegis, "\"n\": 32768", "\"n\": 1073741824", Format::Aegis),
        (&aegis, "\"p\": 1", "\"p\": 1000000", Format::Aegis),
        (
            &bitwarden,
            "\"kdfMemory\": 32",
            "\"kdfMemory\": 100000",
            Format::Bitwarden,
        ),
        (
            &bitwarden,
            "\"kdfIterations\": 3",
            "\"kdfIterations\": 4000000",
            Format::Bitwarden,
        ),
        (&pskc, ">100000<", ">4000000000<", Format::Pskc),
    ] {
        assert!(file.contains(from), "{from}");
        let hostile = file.replace(from, to);
        assert_eq!(
            opened(hostile.as_bytes()),
            Err(ImportError::Cost(format)),
            "{to}"
        );
    }
}

#[test]
fn an_export_in_parts_is_collected_in_any_order() {
    let (one, two) = (sample!("google-1.txt").1, sample!("google-2.txt").1);
    let files = |files: &[&[u8]]| {
        let files: Vec<_> = files.iter().map(|file| SecretBytes::from(*file)).collect();
        read(&files, None).unwrap()
    };
    let whole = files(&[two, one, two, one]);
    assert_eq!(whole.missing_parts, []);
    assert_eq!(whole.entries.len(), 4);
    // Its periods are always 30 seconds.
    let mut expected = accounts();
    let thirty = time(HashAlgorithm::Sha256, Digits::EIGHT, 30);
    expected[1] = candidate("Bank", "alice", thirty, SEED256, 0);
    expected.push(refused("Old", "md5", Refusal::Hash));
    let at_once = files(&[sample!("google-both.txt").1]);
    assert_eq!((at_once.entries, at_once.missing_parts), (expected, vec![]));
    let missing = |missing: &[u64]| {
        vec![MissingParts {
            of: 2,
            missing: missing.to_vec(),
        }]
    };
    assert_eq!(files(&[one]).missing_parts, missing(&[2]));
    assert_eq!(files(&[two]).missing_parts, missing(&[1]));
}

#[test]
fn files_of_several_formats_are_read_together() {
    let files = [sample!("aegis-plain.json").1, sample!("links.txt").1];
    let import = read(&files.map(SecretBytes::from), None).unwrap();
    assert_eq!(import.formats, [Format::Aegis, Format::UriList]);
    assert_eq!(import.entries.len(), 13);
}

#[test]
fn what_is_no_export_is_told() {
    let long = SecretBytes::new(vec![b' '; MAX_FILE + 1]);
    assert_eq!(read(&[long], None), Err(ImportError::TooLarge));
    let many = vec![SecretBytes::from(*b"[]"); MAX_FILES + 1];
    assert_eq!(read(&many, None), Err(ImportError::TooManyFiles));
    for text in [
        "",
        "  ",
        "hello",
        "{}",
        "{\"a\":1}",
        "{",
        "\u{feff}",
        "password=1",
    ] {
        assert_eq!(opened(text.as_bytes()), Err(ImportError::Unknown), "{text}");
    }
    for (text, format) in [
        ("[{]", Format::AndOtp),
        ("{\"header\":{},\"db\":7,\"version\":1}", Format::Aegis),
        ("{\"services\":[{\"otp\":7}]}", Format::TwoFas),
        ("{\"tokens\":7}", Format::FreeOtpPlus),
        ("{\"format\":\"other\",\"version\":1}", Format::Countersign),
        ("otpauth-migration://offline?data=%25", Format::Google),
        ("otpauth-migration://offline?data=CgMKAQ", Format::Google),
    ] {
        assert_eq!(
            opened(text.as_bytes()),
            Err(ImportError::Damaged(format)),
            "{text}"
        );
    }
    assert_eq!(
        opened(b"{\"version\":2,\"header\":{},\"db\":{\"version\":3,\"entries\":[]}}"),
        Err(ImportError::Version(Format::Aegis))
    );
    assert_eq!(
        opened(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
        Err(ImportError::Container(crate::pskc::PskcError::Xml(
            crate::pskc::XmlError::DocumentType
        )))
    );
}

#[test]
fn more_entries_than_a_person_has_are_refused() {
    let token = "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"TOTP\"},";
    let list = |count: usize| format!("[{}]", token.repeat(count).trim_end_matches(','));
    assert_eq!(
        opened(list(MAX_ENTRIES).as_bytes()).unwrap().entries.len(),
        MAX_ENTRIES
    );
    assert_eq!(
        opened(list(MAX_ENTRIES + 1).as_bytes()),
        Err(ImportError::TooManyEntries)
    );
    // A list that would fill the memory ends early.
    let empty = format!("[{}]", "{},".repeat(1_000_000).trim_end_matches(','));
    assert_eq!(
        opened(empty.as_bytes()),
        Err(ImportError::Damaged(Format::AndOtp))
    );
    let links = "otpauth://totp/a?secret=JBSWY3DPEHPK3PXP\n".repeat(MAX_ENTRIES + 1);
    assert_eq!(opened(links.as_bytes()), Err(ImportError::TooManyEntries));
}

#[test]
fn an_odd_entry_is_refused_and_its_neighbours_are_kept() {
    let good = "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"TOTP\"}";
    for (odd, why) in [
        (
            "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"TOTP\",\"digits\":3}",
            Refusal::Digits,
        ),
        (
            "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"TOTP\",\"digits\":-6}",
            Refusal::Digits,
        ),
        (
            "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"TOTP\",\"period\":0}",
            Refusal::Period,
        ),
        (
            "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"TOTP\",\"period\":1.5}",
            Refusal::Period,
        ),
        (
            "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"HOTP\",\"counter\":\"x\"}",
            Refusal::Counter,
        ),
        (
            "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"HOTP\",\"counter\":9223372036854775808}",
            Refusal::Counter,
        ),
        (
            "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"TOTP\",\"algorithm\":\"MD5\"}",
            Refusal::Hash,
        ),
        (
            "{\"secret\":\"1\",\"type\":\"TOTP\"}",
            Refusal::SecretNotBase32,
        ),
        ("{\"secret\":\"\",\"type\":\"TOTP\"}", Refusal::NoSecret),
        ("{\"secret\":null,\"type\":\"TOTP\"}", Refusal::NoSecret),
        (
            "{\"secret\":\"JBSWY3DPEHPK3PXP\",\"type\":\"XOTP\"}",
            Refusal::UnknownKind,
        ),
    ] {
        let import = opened(format!("[{good},{odd},{good}]").as_bytes()).unwrap();
        assert_eq!(import.entries[1], refused("", "", why), "{odd}");
        assert!(matches!(import.entries[2], Entry::Token(_)));
    }
}

/// Neither a refusal nor an error repeats what may be a secret.
#[test]
fn no_message_repeats_a_secret() {
    const SECRET: &str = "NBSWY3DPO5XXE3DE";
    for text in [
        format!("steam://{SECRET}"),
        format!("otpauth://{SECRET}"),
        format!("otpauth://totp?secret={SECRET}&digits=99"),
        format!("otpauth://totp/?secret={SECRET}&secret={SECRET}"),
        format!("otpauth://totp/a?secret={SECRET}&algorithm={SECRET}"),
        format!("motp://a?secret={SECRET}"),
        format!("otpauth:{SECRET}\n{SECRET}"),
        format!("[{{\"secret\":\"{SECRET}1\",\"type\":\"TOTP\"}}]"),
        format!("[{{\"secret\":{SECRET}}}]"),
        format!("{{\"items\":[{{\"login\":{{\"totp\":\"steam://{SECRET}\"}}}}]}}"),
        format!("{{\"entries\":[{{\"content\":{{\"uri\":\"{SECRET}\"}}}}]}}"),
        format!("{{\"header\":{{}},\"db\":\"{SECRET}\",\"version\":\"{SECRET}\"}}"),
    ] {
        let said = match opened(text.as_bytes()) {
            Ok(import) => import
                .entries
                .iter()
                .map(|entry| match entry {
                    Entry::Token(_) => panic!("{text} made a token"),
                    Entry::Refused(refused) => format!("{refused:?} {}", refused.why),
                })
                .collect(),
            Err(error) => format!("{error:?} {error}"),
        };
        assert!(!said.contains(SECRET), "{text}: {said}");
    }
}

const SAMPLES: [Sample; 24] = [
    sample!("2fas-plain.2fas"),
    sample!("2fas-encrypted.2fas"),
    sample!("aegis-plain.json"),
    sample!("aegis-encrypted.json"),
    sample!("aegis-fingerprint-only.json"),
    sample!("andotp-plain.json"),
    sample!("andotp-encrypted.json.aes"),
    sample!("andotp-first.json.aes"),
    sample!("freeotp-plus.json"),
    sample!("google-1.txt"),
    sample!("google-2.txt"),
    sample!("stratum-plain.json"),
    sample!("stratum-encrypted.stratum"),
    sample!("stratum-former.authpro"),
    sample!("proton-plain.json"),
    sample!("proton-encrypted.json"),
    sample!("bitwarden-plain.json"),
    sample!("bitwarden.csv"),
    sample!("bitwarden-pbkdf2.json"),
    sample!("bitwarden-argon2.json"),
    sample!("links.txt"),
    sample!("pskc-plain.xml"),
    sample!("pskc-signed.xml"),
    sample!("pskc-passphrase.xml"),
];

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(read(&[SecretBytes::new(bytes)], None));
    }

    /// Without a passphrase, so that no time goes into deriving keys.
    #[test]
    fn a_damaged_sample_never_panics(
        which: prop::sample::Index,
        at: prop::sample::Index,
        byte: u8,
        cut: prop::sample::Index,
        end in any::<bool>(),
    ) {
        let (_, file) = SAMPLES[which.index(SAMPLES.len())];
        let mut file = file.to_vec();
        let at = at.index(file.len());
        file[at] = byte;
        if end {
            file.truncate(cut.index(file.len()));
        }
        drop(read(&[SecretBytes::new(file)], None));
    }

    #[test]
    fn a_message_of_google_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let link = format!("otpauth-migration://offline?data={}", data_encoding::BASE64URL.encode(&bytes));
        drop(opened(link.as_bytes()));
    }

    #[test]
    fn lines_never_panic(text in "(otpauth|steam|motp)://[a-z0-9:/?&=%+\\n]{0,60}") {
        drop(opened(text.as_bytes()));
    }
}
