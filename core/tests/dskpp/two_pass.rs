//! Two passes.

use countersign_core::{
    dskpp::{
        AuthenticationCode, DskppError, KeyProtection, Prf, SharedSecret, Status, client, server,
    },
    pskc::KeyPackage,
    secret::SecretBytes,
};
use proptest::prelude::*;

use crate::parts::{TestRng, URL, code, modes, package, right_code};

const SERVER: &str = "https://gateway.example";

fn passphrase() -> SharedSecret {
    SharedSecret::Passphrase("ABCD-EFGH-IJKLM".into())
}

fn shared(name: &str, byte: u8) -> SharedSecret {
    SharedSecret::Key {
        name: name.to_owned(),
        key: SecretBytes::from([byte; 16]),
    }
}

/// How a run ended.
#[derive(Debug)]
enum End {
    Provisioned(Box<client::Provisioned>, server::Provisioned),
    ClientRefused(DskppError),
    ServerRefused(Status),
    NotDskpp,
}

/// One run. `meddle` sees both bodies on their way: 0 hello, 1 finished.
struct Run<'a> {
    package: KeyPackage,
    prf: Prf,
    client: (AuthenticationCode, SharedSecret),
    server: Option<(AuthenticationCode, SharedSecret)>,
    client_url: &'a str,
    meddle: &'a dyn Fn(usize, Vec<u8>) -> Vec<u8>,
}

impl Default for Run<'_> {
    fn default() -> Self {
        Self {
            package: package(modes().remove(0)),
            prf: Prf::Sha256,
            client: (right_code(), shared("key of the desk", 7)),
            server: Some((right_code(), shared("key of the desk", 7))),
            client_url: URL,
            meddle: &|_step, body| body,
        }
    }
}

impl Run<'_> {
    fn go(&self) -> End {
        let mut rng = TestRng::new(1);
        let (code, secret) = &self.client;
        let (client, body) =
            client::start_two_pass(self.client_url, self.prf, code, secret.clone(), &mut rng);
        let hello = match server::read(&(self.meddle)(0, body)) {
            Ok(server::ClientMessage::Hello(hello)) => hello,
            Ok(server::ClientMessage::Nonce(_)) => panic!("a hello was sent"),
            Err(server::ReadError::NotDskpp(_)) => return End::NotDskpp,
            Err(server::ReadError::Refused(refusal)) => return Self::refused(client, &refusal),
        };
        assert!(!hello.offers_four_passes());
        let known = self.server.as_ref().map(|(code, secret)| (code, secret));
        let finished = hello
            .authenticate(URL, known, &mut rng)
            .and_then(|hello| hello.finish(&self.package, SERVER, &mut rng));
        match finished {
            Err(refusal) => Self::refused(client, &refusal),
            Ok((body, server)) => match client.on_server_finished(&(self.meddle)(1, body)) {
                Ok(client) => End::Provisioned(Box::new(client), server),
                Err(error) => End::ClientRefused(error),
            },
        }
    }

    /// The client hears from the body what the server decided.
    fn refused(client: client::AwaitingKey, refusal: &server::Refusal) -> End {
        let heard = client.on_server_finished(&refusal.body()).unwrap_err();
        assert_eq!(heard, DskppError::Refused(refusal.status()));
        End::ServerRefused(refusal.status())
    }
}

#[test]
fn both_sides_get_the_same_keys_for_every_mode_and_function() {
    let all = modes()
        .into_iter()
        .flat_map(|mode| Prf::ALL.map(|prf| (prf, mode.clone())));
    for (prf, mode) in all {
        let run = Run {
            package: package(mode.clone()),
            prf,
            ..Run::default()
        };
        let End::Provisioned(client, server) = run.go() else {
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
fn a_passphrase_wraps_as_a_key_does() {
    let run = Run {
        client: (right_code(), passphrase()),
        server: Some((right_code(), passphrase())),
        ..Run::default()
    };
    let End::Provisioned(client, server) = run.go() else {
        panic!("a good run")
    };
    assert_eq!(client.k_token, server.k_token);
}

#[test]
fn a_wrong_code_a_wrong_secret_and_an_unknown_activation_look_the_same() {
    let right = || (right_code(), shared("key of the desk", 7));
    let refusals = [
        ("wrong code", Some((code("AbCdEf1234", "wrong"), right().1))),
        (
            "wrong client",
            Some((code("ZZZZZZ0000", "ABCD-EFGH-IJKLM"), right().1)),
        ),
        (
            "wrong key",
            Some((right_code(), shared("key of the desk", 8))),
        ),
        ("another name", Some((right_code(), shared("another", 7)))),
        ("another way", Some((right_code(), passphrase()))),
        ("unknown", None),
    ];
    for (what, server) in refusals {
        let run = Run {
            server,
            ..Run::default()
        };
        match run.go() {
            End::ServerRefused(status) => {
                assert_eq!(status, Status::AuthenticationDataInvalid, "{what}");
            }
            end @ (End::Provisioned(..) | End::ClientRefused(_) | End::NotDskpp) => {
                panic!("{what}: {end:?}")
            }
        }
    }
    let other_url = Run {
        client_url: "https://other.example/enroll/dskpp?sc=AbCdEf1234",
        ..Run::default()
    };
    assert!(matches!(
        other_url.go(),
        End::ServerRefused(Status::AuthenticationDataInvalid)
    ));
}

#[test]
fn the_offer_says_how_the_key_can_travel() {
    for (secret, expected) in [
        (passphrase(), KeyProtection::PassphraseWrap),
        (
            shared("key of the desk", 7),
            KeyProtection::Wrap("key of the desk".to_owned()),
        ),
    ] {
        let mut rng = TestRng::new(3);
        let (_client, body) =
            client::start_two_pass(URL, Prf::Sha256, &right_code(), secret, &mut rng);
        let Ok(server::ClientMessage::Hello(hello)) = server::read(&body) else {
            panic!("a hello")
        };
        assert_eq!(hello.two_pass().unwrap().protections(), [expected]);
        // It is not answered with four passes.
        let refused = hello
            .answer(&modes()[0], &[], b"key", &mut rng)
            .unwrap_err();
        assert_eq!(refused.status(), Status::NoProtocolVariants);
    }
}

fn edited(step: usize, from: &'static str, to: &'static str) -> End {
    Run {
        meddle: &|at, body| {
            if at != step {
                return body;
            }
            let text = String::from_utf8(body).unwrap();
            assert!(text.contains(from), "{from} is not in {text}");
            text.replace(from, to).into_bytes()
        },
        ..Run::default()
    }
    .go()
}

#[test]
fn hellos_that_do_not_fit_get_the_status_that_says_why() {
    for (from, to, expected) in [
        (
            "kw-aes128",
            "kw-aes192",
            Status::NoSupportedEncryptionAlgorithms,
        ),
        (":wrap", ":transport", Status::NoProtocolVariants),
        ("dskpp:TwoPass", "dskpp:OnePass", Status::NoProtocolVariants),
        (
            "dskpp:ClientNonce",
            "dskpp:ServerNonce",
            Status::MalformedRequest,
        ),
        ("ds:KeyName", "ds:KeyValue", Status::MalformedRequest),
        (
            "dskpp:AuthenticationData",
            "dskpp:Data",
            Status::AuthenticationDataMissing,
        ),
        (
            "IterationCount>1<",
            "IterationCount>2<",
            Status::AuthenticationDataInvalid,
        ),
        (
            "dskpp:prf-sha256",
            "dskpp:prf-md5",
            Status::NoSupportedMacAlgorithms,
        ),
        (
            "keyprov:pskc:hotp",
            "keyprov:pskc:other",
            Status::NoSupportedKeyTypes,
        ),
    ] {
        match edited(0, from, to) {
            End::ServerRefused(status) => assert_eq!(status, expected, "{from}"),
            // The mode of the run is time-based: without the other key type nothing is missing but the MAC finds it out.
            End::ClientRefused(DskppError::Mac) if from.contains("pskc:hotp") => {}
            end @ (End::Provisioned(..) | End::ClientRefused(_) | End::NotDskpp) => {
                panic!("{from}: {end:?}")
            }
        }
    }
}

#[test]
fn another_server_id_method_or_policy_is_noticed() {
    for (from, to) in [
        (
            "<dskpp:ServerID>https://gateway",
            "<dskpp:ServerID>https://gateaway",
        ),
        (
            ">urn:ietf:params:xml:schema:keyprov:dskpp:wrap<",
            ">urn:ietf:params:xml:schema:keyprov:dskpp:transport<",
        ),
        ("standard", "lax"),
    ] {
        let end = edited(1, from, to);
        assert!(matches!(end, End::ClientRefused(_)), "{from}: {end:?}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let mut rng = TestRng::new(2);
    let (client, _body) =
        client::start_two_pass(URL, Prf::Sha256, &right_code(), passphrase(), &mut rng);
    let printed = format!("{client:?}");
    assert!(!printed.contains("ABCD"), "{printed}");
    let key = format!("{:?}", shared("name", 0x41));
    assert!(key.contains("[REDACTED]") && !key.contains("65"), "{key}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// But for white space and the name of the session, which stand for nothing.
    #[test]
    fn any_changed_byte_ends_the_run(step in 0_usize..2, place in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let run = Run {
            meddle: &|at, mut body| {
                if at == step {
                    let place = place.index(body.len());
                    body[place] ^= flip;
                }
                body
            },
            ..Run::default()
        };
        let end = run.go();
        prop_assert!(!matches!(end, End::Provisioned(..)), "{end:?}");
    }
}
