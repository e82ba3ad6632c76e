//! Four passes.

use countersign_core::{
    dskpp::{AuthenticationCode, DskppError, NonceEncryption, Prf, Status, client, server},
    pskc::{KeyPackage, XmlError},
    secret::SecretBytes,
};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::parts::{TestRng, URL, code, modes, package, right_code};

/// What stands for the server's key: K is opaque to both sides.
const PUBLIC_KEY: &[u8] = b"a SubjectPublicKeyInfo";

/// Stands for RSA with padding: a changed ciphertext is found in most cases.
fn encrypt(plain: &[u8]) -> Vec<u8> {
    let mut encrypted: Vec<u8> = plain.iter().map(|byte| byte ^ 0xa5).collect();
    encrypted.extend_from_slice(&Sha256::digest(plain)[..8]);
    encrypted
}

fn decrypt(encrypted: &[u8]) -> Result<SecretBytes, ()> {
    let (body, tag) = encrypted.split_last_chunk::<8>().ok_or(())?;
    let plain: Vec<u8> = body.iter().map(|byte| byte ^ 0xa5).collect();
    if Sha256::digest(&plain)[..8] == *tag {
        Ok(plain.into())
    } else {
        Err(())
    }
}

/// How far a run came.
#[derive(Debug)]
enum End {
    Provisioned {
        client: Box<client::Provisioned>,
        server: server::Provisioned,
    },
    ClientRefused(DskppError),
    ServerRefused(Status),
    NotDskpp,
}

/// One run. `meddle` sees every body on its way: 0 client hello, 1 server hello, 2 client nonce, 3 server finished.
struct Run<'a> {
    package: KeyPackage,
    client_code: AuthenticationCode,
    server_code: Option<AuthenticationCode>,
    client_url: &'a str,
    prfs: &'a [Prf],
    meddle: &'a dyn Fn(usize, Vec<u8>) -> Vec<u8>,
}

impl Default for Run<'_> {
    fn default() -> Self {
        Self {
            package: package(modes().remove(0)),
            client_code: right_code(),
            server_code: Some(right_code()),
            client_url: URL,
            prfs: &[Prf::Sha256],
            meddle: &|_step, body| body,
        }
    }
}

impl Run<'_> {
    fn go(&self) -> End {
        let mut rng = TestRng::new(1);
        let (client, body) = client::start_with(self.client_url, self.prfs);
        let hello = match server::read(&(self.meddle)(0, body)) {
            Ok(server::ClientMessage::Hello(hello)) => hello,
            Ok(server::ClientMessage::Nonce(_)) => panic!("a hello was sent"),
            Err(server::ReadError::NotDskpp(_)) => return End::NotDskpp,
            Err(server::ReadError::Refused(refusal)) => {
                return Self::refused(
                    &client
                        .on_server_hello(&refusal.body(), &mut rng)
                        .unwrap_err(),
                    &refusal,
                );
            }
        };
        let answer = hello.answer(
            &self.package.mode,
            &NonceEncryption::ALL,
            PUBLIC_KEY,
            &mut rng,
        );
        let (server, body) = match answer {
            Ok(answer) => answer,
            Err(refusal) => {
                return Self::refused(
                    &client
                        .on_server_hello(&refusal.body(), &mut rng)
                        .unwrap_err(),
                    &refusal,
                );
            }
        };
        let client = match client.on_server_hello(&(self.meddle)(1, body), &mut rng) {
            Ok(client) => client,
            Err(error) => return End::ClientRefused(error),
        };
        let nonce_len = if self.prfs[0] == Prf::Aes128 { 16 } else { 32 };
        assert_eq!(client.nonce().len(), nonce_len);
        let encrypted = encrypt(client.nonce().expose());
        let (client, body) = client.client_nonce(&encrypted, &self.client_code);
        let nonce = match server::read(&(self.meddle)(2, body)) {
            Ok(server::ClientMessage::Nonce(nonce)) => nonce,
            Ok(server::ClientMessage::Hello(_)) => panic!("a nonce was sent"),
            Err(server::ReadError::NotDskpp(_)) => return End::NotDskpp,
            Err(server::ReadError::Refused(refusal)) => {
                // A changed session id comes back changed: the client refuses that too.
                return Self::refused(
                    &client.on_server_finished(&refusal.body()).unwrap_err(),
                    &refusal,
                );
            }
        };
        let server =
            server.on_client_nonce(&nonce, URL, self.server_code.as_ref(), &mut rng, decrypt);
        let finished =
            server.and_then(|server| server.finish(&self.package, "https://gateway.example"));
        let (body, server) = match finished {
            Ok(finished) => finished,
            Err(refusal) => {
                return Self::refused(
                    &client.on_server_finished(&refusal.body()).unwrap_err(),
                    &refusal,
                );
            }
        };
        match client.on_server_finished(&(self.meddle)(3, body)) {
            Ok(client) => End::Provisioned {
                client: Box::new(client),
                server,
            },
            Err(error) => End::ClientRefused(error),
        }
    }

    /// The client hears from the body what the server decided.
    fn refused(heard: &DskppError, refusal: &server::Refusal) -> End {
        assert_eq!(*heard, DskppError::Refused(refusal.status()));
        End::ServerRefused(refusal.status())
    }
}

#[test]
fn both_sides_get_the_same_keys_for_every_mode_and_hash() {
    let with_both = modes()
        .into_iter()
        .flat_map(|mode| Prf::ALL.map(|prf| (prf, mode.clone())));
    for (prf, mode) in with_both {
        let run = Run {
            package: package(mode.clone()),
            prfs: &[prf],
            ..Run::default()
        };
        let End::Provisioned { client, server } = run.go() else {
            panic!("{prf:?} {mode:?}")
        };
        assert_eq!(client.k_token, server.k_token);
        assert_eq!(client.k_mac, server.k_mac);
        assert_ne!(client.k_mac, client.k_token);
        assert_eq!(client.k_token.len(), mode.hash().output_len());
        assert_eq!(client.package, run.package);
    }
}

#[test]
fn a_wrong_code_an_unknown_activation_and_a_broken_nonce_look_the_same() {
    let flip_nonce = |step, body: Vec<u8>| {
        if step != 2 {
            return body;
        }
        let body = String::from_utf8(body).unwrap();
        let at = body.find("EncryptedNonce>").unwrap() + "EncryptedNonce>".len();
        let other = if body.as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        [&body[..at], other, &body[at + 1..]].concat().into_bytes()
    };
    for run in [
        Run {
            client_code: code("AbCdEf1234", "ABCD-EFGH-IJKLN"),
            ..Run::default()
        },
        Run {
            client_code: code("AbCdEf1235", "ABCD-EFGH-IJKLM"),
            ..Run::default()
        },
        Run {
            server_code: None,
            ..Run::default()
        },
        Run {
            client_url: "https://other.example/enroll",
            ..Run::default()
        },
        Run {
            meddle: &flip_nonce,
            ..Run::default()
        },
    ] {
        let end = run.go();
        assert!(
            matches!(end, End::ServerRefused(Status::AuthenticationDataInvalid)),
            "{end:?}"
        );
    }
}

#[test]
fn the_refusals_do_not_differ_in_a_byte() {
    let bodies: Vec<Vec<u8>> = [None, Some(code("AbCdEf1234", "wrong")), Some(right_code())]
        .into_iter()
        .enumerate()
        .map(|(case, server_code)| {
            let mut rng = TestRng::new(2);
            let (client, body) = client::start(URL);
            let Ok(server::ClientMessage::Hello(hello)) = server::read(&body) else {
                panic!("hello")
            };
            let mode = modes().remove(0);
            let (server, body) = hello
                .answer(&mode, &NonceEncryption::ALL, PUBLIC_KEY, &mut rng)
                .unwrap();
            let client = client.on_server_hello(&body, &mut rng).unwrap();
            let encrypted = encrypt(client.nonce().expose());
            let (_client, body) = client.client_nonce(&encrypted, &right_code());
            let Ok(server::ClientMessage::Nonce(nonce)) = server::read(&body) else {
                panic!("nonce")
            };
            // The right code, but the nonce cannot be decrypted.
            let fails = case == 2;
            let decrypt = |bytes: &[u8]| if fails { Err(()) } else { decrypt(bytes) };
            server
                .on_client_nonce(&nonce, URL, server_code.as_ref(), &mut rng, decrypt)
                .expect_err("refused")
                .body()
        })
        .collect();
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(bodies[1], bodies[2]);
}

#[test]
fn the_server_takes_its_preferred_encryption_and_refuses_what_it_lacks() {
    let (_client, body) = client::start(URL);
    let hello = || match server::read(&body) {
        Ok(server::ClientMessage::Hello(hello)) => hello,
        other => panic!("{other:?}"),
    };
    let mode = modes().remove(0);
    for encryption in NonceEncryption::ALL {
        let (state, _body) = hello()
            .answer(&mode, &[encryption], PUBLIC_KEY, &mut TestRng::new(3))
            .unwrap();
        assert_eq!(state.encryption(), encryption);
    }
    let refusal = hello()
        .answer(&mode, &[], PUBLIC_KEY, &mut TestRng::new(3))
        .unwrap_err();
    assert_eq!(refusal.status(), Status::NoSupportedEncryptionAlgorithms);
}

#[test]
fn a_nonce_of_another_run_is_refused() {
    let mut rng = TestRng::new(4);
    let mode = modes().remove(0);
    let mut begin = || {
        let (client, body) = client::start(URL);
        let Ok(server::ClientMessage::Hello(hello)) = server::read(&body) else {
            panic!("hello")
        };
        let (server, body) = hello
            .answer(&mode, &NonceEncryption::ALL, PUBLIC_KEY, &mut rng)
            .unwrap();
        (
            client.on_server_hello(&body, &mut TestRng::new(5)).unwrap(),
            server,
        )
    };
    let (client, _first) = begin();
    let (_client, second) = begin();
    let (_client, body) = client.client_nonce(b"", &right_code());
    let Ok(server::ClientMessage::Nonce(nonce)) = server::read(&body) else {
        panic!("nonce")
    };
    let refusal = second
        .on_client_nonce(
            &nonce,
            URL,
            Some(&right_code()),
            &mut TestRng::new(6),
            decrypt,
        )
        .unwrap_err();
    assert_eq!(refusal.status(), Status::UnknownRequest);
}

#[test]
fn every_status_reaches_the_client() {
    for status in Status::ALL {
        let (client, body) = client::start(URL);
        let Ok(server::ClientMessage::Hello(hello)) = server::read(&body) else {
            panic!("hello")
        };
        let error = client
            .on_server_hello(&hello.refuse(status).body(), &mut TestRng::new(7))
            .unwrap_err();
        match Some(status).filter(|status| matches!(status, Status::Continue | Status::Success)) {
            // A hello without content, or with a status that belongs to the other message.
            Some(Status::Continue) => assert_eq!(error, DskppError::Missing("SessionID")),
            Some(_) => assert_eq!(error, DskppError::UnexpectedMessage),
            None => assert_eq!(error, DskppError::Refused(status)),
        }
    }
}

fn edited(step: usize, from: &'static str, to: &'static str) -> End {
    let meddle = move |at, body: Vec<u8>| {
        if at != step {
            return body;
        }
        let text = String::from_utf8(body).unwrap();
        assert!(text.contains(from), "{text}");
        text.replacen(from, to, 1).into_bytes()
    };
    Run {
        meddle: &meddle,
        ..Run::default()
    }
    .go()
}

#[test]
fn hellos_that_do_not_fit_get_the_status_that_says_why() {
    for (from, to, expected) in [
        (
            "Version=\"1.0\"",
            "Version=\"2.0\"",
            Status::UnsupportedVersion,
        ),
        ("Version=\"1.0\"", "", Status::MalformedRequest),
        ("pskc:totp", "pskc:xotp", Status::NoSupportedKeyTypes),
        (
            ":prf-sha256",
            ":prf-sha257",
            Status::NoSupportedMacAlgorithms,
        ),
        (
            "<dskpp:FourPass/>",
            "<dskpp:TwoPass/>",
            Status::NoProtocolVariants,
        ),
        (
            ":pskc-key-container",
            ":pkcs12-key-container",
            Status::NoSupportedKeyPackages,
        ),
        (
            "</dskpp:SupportedKeyPackages>",
            "</dskpp:SupportedKeyPackages><dskpp:Extensions><dskpp:Extension xsi:type=\"cs:New\" Critical=\"true\"/></dskpp:Extensions>",
            Status::UnknownCriticalExtension,
        ),
    ] {
        match edited(0, from, to) {
            End::ServerRefused(status) => assert_eq!(status, expected, "{from}"),
            end @ (End::Provisioned { .. } | End::ClientRefused(_) | End::NotDskpp) => {
                panic!("{from}: {end:?}")
            }
        }
    }
}

#[test]
fn what_the_server_ignores_in_a_hello_the_mac_still_notices() {
    let end = edited(
        0,
        "dskpp:KeyProvClientHello ",
        "dskpp:KeyProvClientHello Colour=\"red\" ",
    );
    assert!(
        matches!(end, End::ClientRefused(DskppError::Mac)),
        "{end:?}"
    );
}

#[test]
fn document_types_entities_and_oversized_messages_are_no_messages() {
    let (_client, hello) = client::start(URL);
    let hello = String::from_utf8(hello).unwrap();
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    assert!(hello.starts_with(declaration));
    let bomb = "<!DOCTYPE b [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    let outside = "<!DOCTYPE b SYSTEM \"file:///etc/passwd\">";
    for (message, expected) in [
        (hello.replacen(declaration, bomb, 1), XmlError::DocumentType),
        (
            hello.replacen(declaration, outside, 1),
            XmlError::DocumentType,
        ),
        (hello.replacen(":prf-sha256", ":&prf;", 1), XmlError::Entity),
        (
            format!("{hello}{}", " ".repeat(64 * 1024)),
            XmlError::TooLarge,
        ),
    ] {
        match server::read(message.as_bytes()) {
            Err(server::ReadError::NotDskpp(Some(error))) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
        let (client, _body) = client::start(URL);
        let error = client
            .on_server_hello(message.as_bytes(), &mut TestRng::new(12))
            .unwrap_err();
        assert_eq!(error, DskppError::Xml(expected));
    }
    assert!(matches!(
        server::read(b"<html/>"),
        Err(server::ReadError::NotDskpp(None))
    ));
}

#[test]
fn client_nonces_without_a_good_proof_are_refused() {
    for (from, to, expected) in [
        (">100000<", ">99999<", Status::AuthenticationDataInvalid),
        (
            ">100000<",
            ">4000000000<",
            Status::AuthenticationDataInvalid,
        ),
        (">100000<", ">many<", Status::MalformedRequest),
        (
            "<dskpp:AuthenticationData>",
            "<cs:AuthenticationData>",
            Status::MalformedRequest,
        ),
        (
            "prf-sha256",
            "prf-aes-128",
            Status::AuthenticationDataInvalid,
        ),
    ] {
        match edited(2, from, to) {
            End::ServerRefused(status) => assert_eq!(status, expected, "{from}"),
            End::NotDskpp => assert_eq!(from, "<dskpp:AuthenticationData>"),
            end @ (End::Provisioned { .. } | End::ClientRefused(_)) => panic!("{from}: {end:?}"),
        }
    }
}

#[test]
fn a_stripped_or_foreign_body_mac_is_refused() {
    let announcement =
        "<dskpp:Extensions><dskpp:Extension xsi:type=\"csd:BodyMacType\"/></dskpp:Extensions>";
    assert!(matches!(
        edited(1, announcement, ""),
        End::ClientRefused(DskppError::Mac)
    ));
    assert!(matches!(
        edited(3, "csd:BodyMacType", "csd:OtherType"),
        End::ClientRefused(DskppError::Mac)
    ));
    assert!(matches!(
        edited(3, "push=\"pin\"", "push=\"click\""),
        End::ClientRefused(DskppError::Mac)
    ));
    assert!(matches!(
        edited(
            3,
            "</dskpp:KeyProvServerFinished>",
            "</dskpp:KeyProvServerFinished> "
        ),
        End::ClientRefused(DskppError::Mac)
    ));
}

#[test]
fn opaque_data_of_the_other_side_comes_back_unchanged() {
    let mut rng = TestRng::new(8);
    let (_client, body) = client::start(URL);
    let hello = String::from_utf8(body).unwrap().replace(
        "</dskpp:KeyProvClientHello>",
        "<dskpp:Extensions><dskpp:Extension xsi:type=\"dskpp:ClientInfoType\"><dskpp:Data>aGVsbG8=</dskpp:Data></dskpp:Extension></dskpp:Extensions></dskpp:KeyProvClientHello>",
    );
    let Ok(server::ClientMessage::Hello(hello)) = server::read(hello.as_bytes()) else {
        panic!("hello")
    };
    let (_server, body) = hello
        .answer(
            &modes().remove(0),
            &NonceEncryption::ALL,
            PUBLIC_KEY,
            &mut rng,
        )
        .unwrap();
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.contains("<dskpp:Extension xsi:type=\"dskpp:ClientInfoType\"><dskpp:Data>aGVsbG8=")
    );

    let (client, _body) = client::start(URL);
    let hello = body
        .replace("csd:BodyMacType", "csd:Unknown")
        .replace("ClientInfoType", "ServerInfoType");
    let client = client.on_server_hello(hello.as_bytes(), &mut rng).unwrap();
    let (_client, body) = client.client_nonce(b"", &right_code());
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.contains("<dskpp:Extension xsi:type=\"dskpp:ServerInfoType\"><dskpp:Data>aGVsbG8=")
    );
}

#[test]
fn an_rsa_key_value_is_taken_as_its_subject_public_key_info() {
    let meddle = |hello: &str| {
        let (start, end) = (
            hello.find("<ds11:").unwrap(),
            hello.find("</dskpp:EncryptionKey>").unwrap(),
        );
        [
            &hello[..start],
            "<d:KeyValue xmlns:d='http://www.w3.org/2000/09/xmldsig#'><d:RSAKeyValue>\
             <d:Modulus>\n AL\nj/ </d:Modulus><d:Exponent>AQAB</d:Exponent></d:RSAKeyValue></d:KeyValue>",
            &hello[end..],
        ]
        .concat()
    };
    let mut rng = TestRng::new(9);
    let (client, body) = client::start(URL);
    let Ok(server::ClientMessage::Hello(hello)) = server::read(&body) else {
        panic!("hello")
    };
    let (_server, body) = hello
        .answer(
            &modes().remove(0),
            &NonceEncryption::ALL,
            PUBLIC_KEY,
            &mut rng,
        )
        .unwrap();
    let body = meddle(&String::from_utf8(body).unwrap());
    let client = client.on_server_hello(body.as_bytes(), &mut rng).unwrap();
    assert_eq!(
        client.public_key(),
        [
            0x30, 0x1e, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
            0x01, 0x05, 0x00, 0x03, 0x0d, 0x00, 0x30, 0x0a, 0x02, 0x03, 0x00, 0xb8, 0xff, 0x02,
            0x03, 0x01, 0x00, 0x01
        ]
    );
}

#[test]
fn a_package_that_is_not_agreed_is_refused_by_the_server() {
    let mut rng = TestRng::new(10);
    let (client, body) = client::start(URL);
    let Ok(server::ClientMessage::Hello(hello)) = server::read(&body) else {
        panic!("hello")
    };
    let (server, body) = hello
        .answer(&modes()[0], &NonceEncryption::ALL, PUBLIC_KEY, &mut rng)
        .unwrap();
    let client = client.on_server_hello(&body, &mut rng).unwrap();
    let encrypted = encrypt(client.nonce().expose());
    let (_client, body) = client.client_nonce(&encrypted, &right_code());
    let Ok(server::ClientMessage::Nonce(nonce)) = server::read(&body) else {
        panic!("nonce")
    };
    let server = server
        .on_client_nonce(&nonce, URL, Some(&right_code()), &mut rng, decrypt)
        .unwrap();
    let refusal = server
        .finish(&package(modes()[1].clone()), "id")
        .unwrap_err();
    assert_eq!(refusal.status(), Status::InitializationFailed);
}

#[test]
fn nothing_secret_is_printed() {
    let End::Provisioned { client, server } = Run::default().go() else {
        panic!("not provisioned")
    };
    let printed = format!("{client:?} {server:?} {:?}", right_code());
    assert!(
        !printed.contains("ABCD") && printed.contains("[REDACTED]"),
        "{printed}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_changed_byte_of_any_message_ends_the_run(
        step in 0_usize..4,
        place in any::<prop::sample::Index>(),
        change in 1_u8..=255,
    ) {
        let meddle = move |at, mut body: Vec<u8>| {
            if at == step {
                let place = place.index(body.len());
                body[place] ^= change;
            }
            body
        };
        let end = Run { meddle: &meddle, ..Run::default() }.go();
        prop_assert!(!matches!(end, End::Provisioned { .. }), "step {step}");
    }

    #[test]
    fn a_cut_message_ends_the_run(step in 0_usize..4, place in any::<prop::sample::Index>()) {
        let meddle = move |at, mut body: Vec<u8>| {
            if at == step {
                body.truncate(place.index(body.len()));
            }
            body
        };
        let end = Run { meddle: &meddle, ..Run::default() }.go();
        prop_assert!(!matches!(end, End::Provisioned { .. }), "step {step}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_side_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(server::read(&bytes).is_err());
        let (client, _body) = client::start(URL);
        prop_assert!(client.on_server_hello(&bytes, &mut TestRng::new(11)).is_err());
        prop_assert!(KeyPackage::from_xml(&bytes).is_err());
    }
}
