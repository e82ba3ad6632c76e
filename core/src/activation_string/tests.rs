use data_encoding::BASE64_NOPAD;
use proptest::prelude::*;

use super::*;

/// The form that was seen in public, with another host: three lines, LF.
const SEEN: &str = "RW5yb2xsbWVudFVSTD1odHRwczovL3NlLmV4YW1wbGUuY29tL3NlbGZlbnJvbGxtZW50L2Rza3BwLmFz\
                    cHg/c2M9QWJDZEVmMTIzNApVc2VySUQ9YWxpY2UKUGFzc3BocmFzZT00ODIxCg==";

const URL: &str = "https://gate.example.org:8443/enroll/dskpp?sc=AbCdEf1234";

fn parse(input: &str) -> Result<ActivationString, ActivationStringError> {
    ActivationString::parse(input.as_bytes(), AllowHttp::Never)
}

fn parse_lines(lines: &str) -> Result<ActivationString, ActivationStringError> {
    parse(&BASE64.encode(lines.as_bytes()))
}

fn parse_url(url: &str, allow_http: AllowHttp) -> Result<ActivationString, ActivationStringError> {
    let lines = format!("EnrollmentURL={url}\nUserID=alice\nPassphrase=4821\n");
    ActivationString::parse(BASE64.encode(lines.as_bytes()).as_bytes(), allow_http)
}

fn ours() -> ActivationString {
    let pins = vec![[0xab; 32], [0x01; 32]];
    let passphrase = SecretText::from("ABCD-EFGH-IJKL7");
    ActivationString::new(&URL.parse().unwrap(), "alice@example.org", passphrase, pins).unwrap()
}

#[test]
fn the_seen_form_is_read() {
    let read = parse(SEEN).unwrap();
    assert_eq!(
        read.url.as_str(),
        "https://se.example.com/selfenrollment/dskpp.aspx?sc=AbCdEf1234"
    );
    assert_eq!(read.user, "alice");
    assert_eq!(read.passphrase.expose(), "4821");
    assert_eq!(read.service_pins, Vec::<[u8; 32]>::new());
    assert_eq!(read.host_port(), "se.example.com:443");
    assert_eq!(read.origin(), "https://se.example.com");
    assert_eq!(read.short_code().as_deref(), Some("AbCdEf1234"));
}

#[test]
fn what_we_print_has_one_form() {
    let printed = ours().to_text();
    let lines = BASE64.decode(printed.expose().as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(lines).unwrap(),
        format!(
            "EnrollmentURL={URL}\nUserID=alice@example.org\nPassphrase=ABCD-EFGH-IJKL7\n\
             ServicePin={},{}\n",
            "ab".repeat(32),
            "01".repeat(32)
        )
    );
    assert_eq!(parse(printed.expose()), Ok(ours()));
    assert_eq!(ours().host_port(), "gate.example.org:8443");
    assert_eq!(ours().origin(), "https://gate.example.org:8443");
}

#[test]
fn links_carry_the_same() {
    let link = ours().to_link();
    assert!(link.expose().starts_with("countersign://enroll?data="));
    assert_eq!(parse(link.expose()), Ok(ours()));
    let data = link.expose().split_once('=').unwrap().1;
    let standard = ours()
        .to_text()
        .expose()
        .replace('+', "%2B")
        .replace('=', "%3d");
    for link in [
        format!("  countersign://enroll/?data={data}\n"),
        format!("COUNTERSIGN://Enroll?from=mail&data={data}&x"),
        format!("countersign://enroll?data={standard}"),
        format!("countersign://enroll?data={}", ours().to_text().expose()),
    ] {
        assert_eq!(parse(&link), Ok(ours()), "{link}");
    }
}

#[test]
fn other_links_are_not_enrollment_links() {
    for link in [
        "countersign://enroll",
        "countersign://enroll?",
        "countersign://enroll?dat=AAAA",
        "countersign://enroll?data=AAAA&data=AAAA",
        "countersign://approve?data=AAAA",
        "https://gate.example.org/enroll?data=AAAA",
        "otpauth://totp/a?secret=JBSWY3DP",
    ] {
        assert_eq!(
            parse(link),
            Err(ActivationStringError::NotAnEnrollmentLink),
            "{link}"
        );
    }
}

#[test]
fn pasted_text_may_be_wrapped_and_spelled_in_any_base64() {
    let unpadded = SEEN.trim_end_matches('=');
    let wrapped: String = SEEN
        .chars()
        .enumerate()
        .flat_map(|(place, symbol)| {
            let gap = if place.is_multiple_of(20) {
                "\r\n \t\u{A0}\u{200B}"
            } else {
                ""
            };
            gap.chars().chain([symbol])
        })
        .collect();
    for text in [
        unpadded,
        &wrapped,
        &SEEN.replace('/', "_"),
        &format!("\u{FEFF}{SEEN}"),
    ] {
        assert_eq!(parse(text), parse(SEEN), "{text}");
    }
}

#[test]
fn lines_may_come_in_any_order_case_and_line_ending() {
    for lines in [
        "EnrollmentURL=https://a.example/?sc=1\nUserID=alice\nPassphrase=4821",
        "\u{FEFF}enrollmenturl=https://a.example/?sc=1\r\nUSERID=alice\r\npassPhrase=4821\r\n\r\n",
        "Passphrase=4821\n  UserID =alice\n\nEnrollmentURL= https://a.example/?sc=1 \n",
        "UserID=alice\nEnrollmentURL=https://a.example/?sc=1\nPassphrase=4821\nServicePin=\n",
    ] {
        let read = parse_lines(lines).unwrap();
        assert_eq!(read.url_text(), "https://a.example/?sc=1", "{lines:?}");
        assert_eq!(
            (read.user.as_str(), read.passphrase.expose()),
            ("alice", "4821")
        );
    }
}

#[test]
fn a_value_is_everything_after_the_first_equals_sign() {
    let read = parse_lines("EnrollmentURL=https://a.example/?sc=a=b\nUserID=a=b\nPassphrase= =x= ");
    let read = read.unwrap();
    assert_eq!(read.short_code().as_deref(), Some("a=b"));
    assert_eq!(
        (read.user.as_str(), read.passphrase.expose()),
        ("a=b", " =x= ")
    );
}

#[test]
fn unknown_lines_are_kept_by_name_only() {
    let lines = "EnrollmentURL=https://a.example/\nUserID=a\nPassphrase=b\nPush\u{202E}Id=secret\n";
    let read = parse_lines(lines).unwrap();
    assert_eq!(read.unknown_names, ["Push\u{FFFD}Id"]);
    assert!(!format!("{read:?}").contains("secret"));
    assert_eq!(read.short_code(), None);
    let many = format!("{lines}{}", "x=\n".repeat(200));
    assert_eq!(parse_lines(&many).unwrap().unknown_names.len(), 16);
}

#[test]
fn a_refused_string_says_why() {
    use ActivationStringError as E;
    for (input, error) in [
        ("", E::Empty),
        (" \r\n\u{200B}", E::Empty),
        ("not base64!", E::NotBase64),
        ("EnrollmentURL=https://a.example/", E::NotBase64),
        (&SEEN[..97], E::NotBase64),
        ("/////w==", E::NotText),
    ] {
        assert_eq!(parse(input), Err(error), "{input:?}");
    }
    assert_eq!(parse(&"A".repeat(MAX_INPUT + 1)), Err(E::TooLong));
    assert_eq!(
        ActivationString::parse(b"\xFF", AllowHttp::Never),
        Err(E::NotBase64)
    );
    let url = "EnrollmentURL=https://a.example/";
    for (lines, error) in [
        ("\n".to_owned(), E::Missing(Line::EnrollmentUrl)),
        ("hello".to_owned(), E::LineWithoutValue),
        (
            "UserID=a\nPassphrase=b".to_owned(),
            E::Missing(Line::EnrollmentUrl),
        ),
        (
            "EnrollmentURL=\nUserID=a\nPassphrase=b".to_owned(),
            E::Missing(Line::EnrollmentUrl),
        ),
        (format!("{url}\nPassphrase=b"), E::Missing(Line::UserId)),
        (
            format!("{url}\nUserID= \nPassphrase=b"),
            E::Missing(Line::UserId),
        ),
        (format!("{url}\nUserID=a"), E::Missing(Line::Passphrase)),
        (
            format!("{url}\nUserID=a\nPassphrase="),
            E::Missing(Line::Passphrase),
        ),
        (
            format!("{url}\nUserID=a\nuserid=b\nPassphrase=c"),
            E::Repeated(Line::UserId),
        ),
        (
            format!("{url}\nUserID=a\x1B[2J\nPassphrase=c"),
            E::ControlCharacter,
        ),
        (
            format!("{url}\nUserID=a\rb\nPassphrase=c"),
            E::ControlCharacter,
        ),
        (
            format!("{url}\nUserID=a\tb\nPassphrase=c"),
            E::ControlCharacter,
        ),
        (
            format!("{url}\nUserID={}\nPassphrase=c", "a".repeat(257)),
            E::ValueTooLong(Line::UserId),
        ),
        (
            format!("{url}{}\nUserID=a\nPassphrase=c", "a".repeat(1024)),
            E::ValueTooLong(Line::EnrollmentUrl),
        ),
        (
            format!("{url}\nUserID=a\nPassphrase={}", "a".repeat(257)),
            E::ValueTooLong(Line::Passphrase),
        ),
        (
            format!("{url}\nUserID=a\nPassphrase=c\nServicePin=abcd"),
            E::ServicePin,
        ),
        (
            format!(
                "{url}\nUserID=a\nPassphrase=c\nServicePin={},",
                "ab".repeat(32)
            ),
            E::ServicePin,
        ),
        (
            format!(
                "{url}\nUserID=a\nPassphrase=c\nServicePin={}",
                vec!["ab".repeat(32); 5].join(",")
            ),
            E::ServicePin,
        ),
    ] {
        assert_eq!(parse_lines(&lines), Err(error), "{lines:?}");
    }
}

#[test]
fn only_https_is_connected_to_or_loopback_by_a_switch() {
    use ActivationStringError as E;
    for url in [
        "http://127.0.0.1:8080/e",
        "http://[::1]/e",
        "http://localhost/e",
        "http://127.9.9.9/",
    ] {
        assert_eq!(parse_url(url, AllowHttp::Never), Err(E::NotHttps), "{url}");
        assert!(parse_url(url, AllowHttp::Loopback).is_ok(), "{url}");
    }
    for (url, error) in [
        ("http://a.example/", E::NotHttps),
        ("http://localhost.example/", E::NotHttps),
        ("http://10.0.0.1/", E::NotHttps),
        ("http://[::ffff:10.0.0.1]/", E::NotHttps),
        ("ftp://127.0.0.1/", E::NotHttps),
        ("file:///etc/passwd", E::NotHttps),
        ("javascript:alert(1)", E::NotHttps),
        ("a.example/enroll", E::Url),
        ("https://", E::Url),
        ("https://a b/", E::Url),
        ("https://good.example@evil.example/", E::UserInfo),
        ("https://good.example:443@evil.example/", E::UserInfo),
        ("https://@evil.example/", E::UserInfo),
        ("https:@evil.example/", E::UserInfo),
        ("https:\\\\good.example@evil.example/", E::UserInfo),
    ] {
        assert_eq!(parse_url(url, AllowHttp::Loopback), Err(error), "{url}");
    }
    assert!(parse_url("https://a.example/?mail=a@b", AllowHttp::Never).is_ok());
}

#[test]
fn the_host_is_safe_to_show_and_the_url_kept_as_given() {
    for (url, shown) in [
        ("https://A.Example/e", "a.example:443"),
        ("https://а.example/e", "xn--80a.example:443"),
        ("https://[2001:db8::1]:8443/e", "[2001:db8::1]:8443"),
        ("https://a.example:443/e", "a.example:443"),
        ("https://0x7f.1/e", "127.0.0.1:443"),
    ] {
        let read = parse_url(url, AllowHttp::Never).unwrap();
        assert_eq!(read.host_port(), shown);
        assert_eq!(read.url_text(), url);
        assert_eq!(parse(read.to_text().expose()), Ok(read), "{url}");
    }
}

#[test]
fn what_could_not_be_read_back_is_not_made() {
    use ActivationStringError as E;
    let new = |user: &str, passphrase: &str, pins| {
        let passphrase = SecretText::from(passphrase);
        ActivationString::new(&URL.parse().unwrap(), user, passphrase, pins)
    };
    assert_eq!(
        new("a\nPassphrase=b", "c", vec![]),
        Err(E::ControlCharacter)
    );
    assert_eq!(new("a", "b\n", vec![]), Err(E::ControlCharacter));
    assert_eq!(new("", "b", vec![]), Err(E::Missing(Line::UserId)));
    assert_eq!(new("a", "", vec![]), Err(E::Missing(Line::Passphrase)));
    assert_eq!(new("a", "b", vec![[0; 32]; 5]), Err(E::ServicePin));
}

#[test]
fn nothing_secret_is_printed() {
    let printed = format!("{:?} {:?} {:?}", ours(), ours().to_text(), ours().to_link());
    assert!(printed.contains("gate.example.org:8443") && printed.contains("alice"));
    assert!(!printed.contains("ABCD") && !printed.contains("AbCdEf1234"));
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(
        code in "[A-Za-z0-9]{10}",
        user in "\\PC{1,60}",
        passphrase in "\\PC{1,60}",
        pins in proptest::collection::vec(any::<[u8; 32]>(), 0..=4),
    ) {
        prop_assume!(!user.trim().is_empty());
        let url = format!("https://gate.example.org/enroll/dskpp?sc={code}").parse()?;
        let made = ActivationString::new(&url, &user, SecretText::from(passphrase), pins)?;
        prop_assert_eq!(parse(made.to_text().expose()), Ok(made.clone()));
        prop_assert_eq!(parse(made.to_link().expose()), Ok(made.clone()));
        prop_assert_eq!(made.short_code(), Some(code));
    }

    #[test]
    fn the_longest_lines_are_read_back(user in "[a-z]{256}", passphrase in "[ -~]{256}") {
        let url = format!("https://gate.example.org/?sc={}", "a".repeat(995)).parse()?;
        let made = ActivationString::new(&url, &user, SecretText::from(passphrase), vec![[7; 32]; 4])?;
        prop_assert_eq!(parse(made.to_text().expose()), Ok(made.clone()));
        prop_assert_eq!(parse(made.to_link().expose()), Ok(made));
    }

    #[test]
    fn no_input_makes_the_parser_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        lines in "(EnrollmentURL=|UserID=|Passphrase=|ServicePin=|https://|[a-z@:/?#\\[\\]%]|\n|\r|\\PC){0,40}",
    ) {
        let _verdict = ActivationString::parse(&bytes, AllowHttp::Loopback);
        let encoded = BASE64_NOPAD.encode(lines.as_bytes());
        let _verdict = ActivationString::parse(encoded.as_bytes(), AllowHttp::Loopback);
        let _verdict = ActivationString::parse(format!("countersign://enroll?data={lines}").as_bytes(), AllowHttp::Never);
    }
}
