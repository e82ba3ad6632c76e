use proptest::prelude::*;

use super::*;
use crate::otp::{Digits, HashAlgorithm, Period};

/// "Hello!" and DE AD BE EF: the example of the format's own description.
const EXAMPLE: &str =
    "otpauth://totp/Example:alice@google.com?secret=JBSWY3DPEHPK3PXP&issuer=Example";

fn parse(uri: &str) -> Result<OtpauthUri, OtpauthError> {
    OtpauthUri::parse(uri)
}

fn example() -> OtpauthUri {
    OtpauthUri {
        mode: OtpMode::Time {
            hash: HashAlgorithm::Sha1,
            digits: Digits::SIX,
            period: Period::THIRTY,
        },
        secret: SecretBytes::from(*b"Hello!\xDE\xAD\xBE\xEF"),
        issuer: "Example".to_owned(),
        account: "alice@google.com".to_owned(),
        serial: String::new(),
        counter: 0,
        two_step: None,
        demand: UnlockDemand::None,
    }
}

#[test]
fn the_example_is_read_with_its_defaults() {
    assert_eq!(parse(EXAMPLE), Ok(example()));
}

#[test]
fn the_output_is_strict() {
    let uri = OtpauthUri {
        issuer: "ACME Co".to_owned(),
        ..example()
    };
    assert_eq!(
        uri.to_uri().unwrap().expose(),
        "otpauth://totp/ACME%20Co:alice%40google.com?secret=JBSWY3DPEHPK3PXP&algorithm=SHA1\
         &digits=6&period=30&issuer=ACME%20Co"
    );
    let event = OtpauthUri {
        mode: OtpMode::Event {
            hash: HashAlgorithm::Sha512,
            digits: Digits::EIGHT,
        },
        issuer: String::new(),
        counter: u64::MAX,
        demand: UnlockDemand::PinOrFinger,
        ..example()
    };
    assert_eq!(
        event.to_uri().unwrap().expose(),
        "otpauth://hotp/alice%40google.com?secret=JBSWY3DPEHPK3PXP&algorithm=SHA512&digits=8\
         &counter=18446744073709551615&pin=True"
    );
}

#[test]
fn many_spellings_are_one() {
    for uri in [
        " otpauth://totp/Example:alice@google.com?secret=JBSWY3DPEHPK3PXP&issuer=Example\n",
        "OTPAUTH://TOTP/Example:alice@google.com?Secret=jbswy3dpehpk3pxp&ISSUER=Example",
        "otpauth://totp/Example%3Aalice%40google.com?secret=JBSW+Y3DP-EHPK%203PXP",
        "otpauth://totp/Example:%20%20alice@google.com?secret=JBSWY3DPEHPK3PXP%3D%3D",
        "otpauth://totp/Other:alice@google.com?issuer=Example&secret=JBSWY3DPEHPK3PXP",
        "otpauth://totp/alice@google.com?&secret=JBSWY3DPEHPK3PXP&issuer=Example&",
        "otpauth://totp/Example:alice@google.com?secret=JBSWY3DPEHPK3PXP&issuer=",
        "otpauth://totp/Example:alice@google.com?secret=JBSWY3DPEHPK3PXP&digits=06&period=030",
        "otpauth://totp/Example:alice@google.com?secret=JBSWY3DPEHPK3PXP&algorithm=HmacSHA1",
        "otpauth://totp/Example:alice@google.com?secret=JBSWY3DPEHPK3PXP&image=https://x/y.png#z",
    ] {
        assert_eq!(parse(uri), Ok(example()), "{uri}");
    }
}

#[test]
fn labels_may_be_missing_and_keep_their_signs() {
    let bare = parse("otpauth://totp?secret=JBSWY3DPEHPK3PXP").unwrap();
    assert_eq!((bare.issuer.as_str(), bare.account.as_str()), ("", ""));
    let plus =
        parse("otpauth://totp/a+b@example.org?secret=JBSWY3DPEHPK3PXP&issuer=A+B%2BC").unwrap();
    assert_eq!(
        (plus.issuer.as_str(), plus.account.as_str()),
        ("A B+C", "a+b@example.org")
    );
}

#[test]
fn parameters_are_read() {
    let uri =
        "otpauth://hotp/a?secret=JBSWY3DPEHPK3PXP&algorithm=HMAC-SHA-256&digits=10&counter=007";
    let read = parse(uri).unwrap();
    let digits = Digits::try_from(10).unwrap();
    assert_eq!(
        read.mode,
        OtpMode::Event {
            hash: HashAlgorithm::Sha256,
            digits
        }
    );
    assert_eq!(read.counter, 7);
}

#[test]
fn left_over_bits_of_a_secret_do_not_matter() {
    let canonical = parse("otpauth://totp/a?secret=JBSWY3DPEE").unwrap();
    assert_eq!(canonical.secret.expose(), b"Hello!");
    let random = parse("otpauth://totp/a?secret=JBSWY3DPEF").unwrap();
    assert_eq!(random.secret, canonical.secret);
}

#[test]
fn a_demand_for_a_pin_is_honoured() {
    for extension in ["pin=True", "lock=true", "app_force_unlock=biometric"] {
        let read = parse(&format!("{EXAMPLE}&{extension}")).unwrap();
        assert_eq!(read.demand, UnlockDemand::PinOrFinger, "{extension}");
    }
    assert_eq!(parse(&format!("{EXAMPLE}&pin=False")), Ok(example()));
}

#[test]
fn a_refused_link_says_why() {
    for (uri, error) in [
        ("", OtpauthError::NotOtpauth),
        ("JBSWY3DPEHPK3PXP", OtpauthError::NotOtpauth),
        (
            "https://example.org/?secret=JBSWY3DPEHPK3PXP",
            OtpauthError::NotOtpauth,
        ),
        (
            "otpauth://daypassword/a?secret=JBSWY3DPEHPK3PXP",
            OtpauthError::Type,
        ),
        (
            "otpauth://ocra/a?secret=JBSWY3DPEHPK3PXP",
            OtpauthError::Suite,
        ),
        (
            "otpauth://ocra/a?secret=JBSWY3DPEHPK3PXP&suite=OCRA-9",
            OtpauthError::Suite,
        ),
        (
            "otpauth://ocra/a?secret=JBSWY3DPEHPK3PXP&suite=OCRA-1:HOTP-SHA1-6:QN08&digits=8",
            OtpauthError::Digits,
        ),
        (
            "otpauth://ocra/a?secret=JBSWY3DPEHPK3PXP&suite=OCRA-1:HOTP-SHA1-6:QN08&algorithm=SHA256",
            OtpauthError::Algorithm,
        ),
        ("otpauth://totp/a", OtpauthError::NoSecret),
        ("otpauth://totp/a?secret=", OtpauthError::NoSecret),
        (
            "otpauth://totp/a?secret=JBSWY3DPEHPK3PX1",
            OtpauthError::SecretNotBase32,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DPEHPK3PXPA",
            OtpauthError::SecretNotBase32,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&secret=JBSWY3DP",
            OtpauthError::Repeated(Parameter::Secret),
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&algorithm=MD5",
            OtpauthError::Algorithm,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&digits=3",
            OtpauthError::Digits,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&digits=11",
            OtpauthError::Digits,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&digits=-6",
            OtpauthError::Digits,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&digits=262",
            OtpauthError::Digits,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&period=0",
            OtpauthError::Period,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&period=86401",
            OtpauthError::Period,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&period=4294967326",
            OtpauthError::Period,
        ),
        ("otpauth://hotp/a?secret=JBSWY3DP", OtpauthError::Counter),
        (
            "otpauth://hotp/a?secret=JBSWY3DP&counter=18446744073709551616",
            OtpauthError::Counter,
        ),
        ("otpauth://totp/%FF?secret=JBSWY3DP", OtpauthError::NotText),
        (
            "otpauth://totp/a?secret=JBSWY3DP&2step_salt=10",
            OtpauthError::TwoStep,
        ),
        (
            "otpauth://totp/a?secret=JBSWY3DP&encoder=steam",
            OtpauthError::Other(OtherLink::Steam),
        ),
        (
            "otpauth://steam/a?secret=JBSWY3DP",
            OtpauthError::Other(OtherLink::Steam),
        ),
        (
            "otpauth://pipush/a?url=x",
            OtpauthError::Other(OtherLink::PrivacyIdeaPush),
        ),
        (
            "otpauth-migration://offline?data=AA",
            OtpauthError::Other(OtherLink::GoogleExport),
        ),
        ("motp://a:b?secret=00", OtpauthError::Other(OtherLink::Motp)),
    ] {
        assert_eq!(parse(uri), Err(error), "{uri}");
    }
    let long_secret = format!("otpauth://totp/a?secret={}", "A".repeat(208));
    assert_eq!(parse(&long_secret), Err(OtpauthError::SecretTooLong));
    let long_name = format!("otpauth://totp/{}?secret=JBSWY3DP", "a".repeat(257));
    assert_eq!(parse(&long_name), Err(OtpauthError::NameTooLong));
    assert_eq!(parse(&"a".repeat(MAX_URI + 1)), Err(OtpauthError::TooLong));
}

#[test]
fn a_challenge_token_has_a_link_of_our_own() {
    let uri = parse(
        "otpauth://ocra/Bank:alice?secret=JBSWY3DPEHPK3PXP&suite=OCRA-1%3AHOTP-SHA1-6%3AQN08",
    );
    let mode = OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA1-6:QN08".parse().unwrap(),
    };
    let expected = OtpauthUri {
        mode,
        issuer: "Bank".to_owned(),
        account: "alice".to_owned(),
        ..example()
    };
    assert_eq!(uri, Ok(expected));
}

#[test]
fn a_link_of_two_steps_says_how_the_second_is_made() {
    let uri = parse(
        "otpauth://totp/TOTP1?secret=JBSWY3DP&serial=TOTP00012A&2step_salt=8&2step_output=20&2step_difficulty=10000",
    )
    .unwrap();
    assert_eq!(uri.two_step, Some(TwoStep::new(8, 20, 10_000).unwrap()));
    assert_eq!(uri.serial, "TOTP00012A");
    assert_eq!(uri.to_uri(), Err(OtpauthError::TwoStep));
    for bad in [
        "&2step_salt=8&2step_output=20",
        "&2step_salt=8&2step_output=20&2step_difficulty=0",
    ] {
        let uri = format!("otpauth://totp/TOTP1?secret=JBSWY3DP{bad}");
        assert_eq!(parse(&uri), Err(OtpauthError::TwoStep));
    }
}

#[test]
fn a_serial_that_cannot_be_shown_is_left_out() {
    let uri = parse("otpauth://totp/a?secret=JBSWY3DP&serial=%E2%80%AEx").unwrap();
    assert_eq!(uri.serial, "");
}

#[test]
fn challenge_tokens_have_no_link_for_others() {
    let mode = OtpMode::Challenge {
        suite: "OCRA-1:HOTP-SHA1-6:QN08".parse().unwrap(),
    };
    let uri = OtpauthUri { mode, ..example() };
    assert_eq!(uri.to_uri(), Err(OtpauthError::ChallengeMode));
    let own = uri.to_own_uri().unwrap();
    assert_eq!(OtpauthUri::parse(own.expose()).unwrap(), uri);
    assert_eq!(example().to_own_uri(), example().to_uri());
}

#[test]
fn the_secret_is_never_printed() {
    let printed = format!("{:?}", example());
    assert!(printed.contains("[REDACTED]"));
    assert!(!printed.contains("Hello") && !printed.contains("JBSWY"));
    assert!(!format!("{:?}", example().to_uri()).contains("JBSWY"));
}

fn any_uri() -> impl Strategy<Value = OtpauthUri> {
    let hash = prop_oneof![
        Just(HashAlgorithm::Sha1),
        Just(HashAlgorithm::Sha256),
        Just(HashAlgorithm::Sha512)
    ];
    let mode = (hash, 4_u8..=10, proptest::option::of(1_u32..=86_400)).prop_map(
        |(hash, digits, period)| {
            let digits = Digits::try_from(digits).unwrap();
            match period {
                None => OtpMode::Event { hash, digits },
                Some(period) => OtpMode::Time {
                    hash,
                    digits,
                    period: Period::try_from(period).unwrap(),
                },
            }
        },
    );
    let name = proptest::collection::vec(any::<char>(), 0..=256)
        .prop_map(|name| name.into_iter().collect::<String>().trim().to_owned());
    let secret = proptest::collection::vec(any::<u8>(), 1..=128);
    let demand = prop_oneof![Just(UnlockDemand::None), Just(UnlockDemand::PinOrFinger)];
    let serial = "[A-Za-z0-9._-]{0,64}";
    (
        mode,
        secret,
        name.clone(),
        name,
        serial,
        any::<u64>(),
        demand,
    )
        .prop_map(
            |(mode, secret, issuer, account, serial, counter, demand)| OtpauthUri {
                counter: if matches!(mode, OtpMode::Event { .. }) {
                    counter
                } else {
                    0
                },
                mode,
                secret: SecretBytes::new(secret),
                issuer,
                account,
                serial,
                two_step: None,
                demand,
            },
        )
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(uri in any_uri()) {
        let printed = uri.to_uri().unwrap();
        prop_assert!(printed.expose().is_ascii());
        prop_assert_eq!(parse(printed.expose()), Ok(uri));
    }

    #[test]
    fn colons_in_names_are_read_back(issuer in "[a:%+ ]{0,6}", account in "[a:%+ ]{0,6}") {
        let (issuer, account) = (issuer.trim().to_owned(), account.trim().to_owned());
        let uri = OtpauthUri { issuer, account, ..example() };
        prop_assert_eq!(parse(uri.to_uri().unwrap().expose()), Ok(uri));
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        text in any::<String>(),
        query in "(totp|hotp|steam|)[/?](secret|digits|period|counter|issuer|pin|&|=|%|:|[0-9A-Z]|\\PC){0,40}",
    ) {
        let _verdict = parse(&text);
        let _verdict = parse(&format!("otpauth://{query}"));
    }
}
