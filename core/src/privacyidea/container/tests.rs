use aes_gcm::{
    AesGcm, KeyInit as _, Nonce,
    aead::{AeadInOut as _, consts::U16},
    aes::Aes256,
};
use data_encoding::{BASE64URL, HEXLOWER};
use p384::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier as _};
use p384::pkcs8::DecodePublicKey as _;
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use super::*;
use crate::{
    ids::TokenId,
    otp::OtpMode,
    privacyidea::{LinkError, LinkParameter, ReplyError, Transport},
    secret::{SecretBytes, SecretText},
};

/// A registration and a first synchronisation with a real server (3.14).
fn vectors() -> Value {
    serde_json::from_str(include_str!(
        "../../../tests/vectors/privacyidea_container.json"
    ))
    .unwrap()
}

fn body(name: &str) -> Vec<u8> {
    vectors()[name].to_string().into_bytes()
}

fn key() -> ContainerKey {
    let bytes = HEXLOWER
        .decode(vectors()["private_key"].as_str().unwrap().as_bytes())
        .unwrap();
    ContainerKey::from_bytes(&bytes.into()).unwrap()
}

fn shared() -> SecretBytes {
    let shared = vectors()["shared"].as_str().unwrap().to_owned();
    HEXLOWER.decode(shared.as_bytes()).unwrap().into()
}

const LINK: &str = "pia://container/SMPH1?issuer=privacyIDEA&ttl=10&nonce=c238392af49250804c25bbd7d86408839e91fe97\
    &time=2026-11-23T17%3A53%3A58.819183%2B00%3A00&url=https%3A//pi.example/base&serial=SMPH1\
    &key_algorithm=secp384r1&hash_algorithm=SHA256&ssl_verify=True&passphrase=&send_passphrase=False";

fn altered(from: &str, to: &str) -> Result<ContainerLink, LinkError> {
    let link = LINK.replace(from, to);
    assert_ne!(link, LINK, "{from}");
    ContainerLink::parse(&link)
}

fn link() -> ContainerLink {
    ContainerLink::parse(LINK).unwrap()
}

/// The fields of a form.
fn fields(form: &SecretText) -> Vec<(String, String)> {
    form_urlencoded::parse(form.expose().as_bytes())
        .into_owned()
        .collect()
}

fn field(form: &SecretText, name: &str) -> String {
    let found = fields(form).into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

/// Is the signature in the form over this text?
fn is_signed(form: &SecretText, text: &str) -> bool {
    let signature = BASE64URL
        .decode(field(form, "signature").as_bytes())
        .unwrap();
    let signature = Signature::from_der(&signature).unwrap();
    public_key()
        .verify_prehash(&Sha256::digest(text.as_bytes()), &signature)
        .is_ok()
}

/// The public key as the server reads it.
fn public_key() -> VerifyingKey {
    let pem = key().public_pem().unwrap();
    let base64: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let der = data_encoding::BASE64.decode(base64.as_bytes()).unwrap();
    VerifyingKey::from_public_key_der(&der).unwrap()
}

#[test]
fn a_link_of_the_real_server_is_read() {
    let link = ContainerLink::parse(vectors()["link"].as_str().unwrap()).unwrap();
    assert_eq!(link.serial, "SMPH00002152");
    assert_eq!(link.url.as_str(), "http://127.0.0.1:5091");
    assert_eq!(link.transport, Transport::PlainHttp);
    assert_eq!(link.time, "2026-11-26T01:42:11.694529+00:00");
    assert_eq!(link.issuer, "privacyIDEA");
    assert_eq!(link.ttl.as_secs(), 600);
    assert_eq!(link.passphrase, Passphrase::None);
    assert!(ContainerLink::looks_like_one(" PIA://Container/x?serial=A"));
    assert!(!ContainerLink::looks_like_one("otpauth://container/x"));
    assert!(!ContainerLink::looks_like_one("pia://pipush/x"));
}

#[test]
fn what_the_user_has_to_know_is_heard() {
    let asked =
        |to: &str| altered("&passphrase=&send_passphrase=False", to).map(|link| link.passphrase);
    assert_eq!(
        asked("&passphrase=Name%20of%20the%20dog%3F&send_passphrase=False"),
        Ok(Passphrase::Signed("Name of the dog?".to_owned()))
    );
    assert_eq!(
        asked("&passphrase=&send_passphrase=True"),
        Ok(Passphrase::Sent(String::new()))
    );
    assert_eq!(
        asked("&passphrase=Password&send_passphrase=1"),
        Ok(Passphrase::Sent("Password".to_owned()))
    );
    assert_eq!(asked(""), Ok(Passphrase::None));
    assert_eq!(
        asked("&send_passphrase=perhaps"),
        Err(LinkError::Value(LinkParameter::SendPassphrase))
    );
    let long = format!("&passphrase={}", "x".repeat(300));
    assert_eq!(asked(&long), Err(LinkError::NameTooLong));
}

#[test]
fn a_damaged_link_is_refused() {
    use LinkParameter as P;
    for (from, to, expected) in [
        ("&serial=SMPH1", "", LinkError::Missing(P::Serial)),
        ("&serial=SMPH1", "&serial=A%7CB", LinkError::Serial),
        ("&nonce=c238", "&nonce=c2%7C38", LinkError::Credential),
        ("&time=2026", "&time=2026%7C", LinkError::Value(P::Time)),
        ("secp384r1", "secp256k1", LinkError::Value(P::KeyAlgorithm)),
        ("SHA256", "MD5", LinkError::Value(P::HashAlgorithm)),
        (
            "&ssl_verify=True",
            "&ssl_verify=1",
            LinkError::Value(P::ContainerSslVerify),
        ),
        ("/base", "/base%3Fa%3Db", LinkError::Url),
        ("https%3A//pi", "ftp%3A//pi", LinkError::Url),
        ("https%3A//pi", "https%3A//u%3Ap%40pi", LinkError::Url),
        ("&ttl=10", "&ttl=0", LinkError::Value(P::Ttl)),
        (
            "&serial=SMPH1",
            "&serial=SMPH1&serial=SMPH2",
            LinkError::Repeated(P::Serial),
        ),
        (
            "pia://container",
            "pia://containers",
            LinkError::NotContainer,
        ),
    ] {
        assert_eq!(altered(from, to), Err(expected), "{to}");
    }
    let insecure = altered("&ssl_verify=True", "&ssl_verify=False").unwrap();
    assert_eq!(insecure.transport, Transport::UnverifiedTls);
}

#[test]
fn a_registration_signs_what_the_link_says_and_what_the_user_knows() {
    let mut link = link();
    let said = "c238392af49250804c25bbd7d86408839e91fe97|2026-11-23T17:53:58.819183+00:00|SMPH1|\
                https://pi.example/base/container/register/finalize|Countersign|Linux";
    let plain = registration_form(&link, &key(), None).unwrap();
    assert!(is_signed(&plain, said));
    assert!(!is_signed(&plain, &said.replace("SMPH1", "SMPH2")));
    assert!(field(&plain, "public_client_key").starts_with("-----BEGIN PUBLIC KEY-----\nMHYw"));

    let word = SecretText::from("rex");
    link.passphrase = Passphrase::Signed("Dog?".to_owned());
    let signed = registration_form(&link, &key(), Some(&word)).unwrap();
    assert!(is_signed(&signed, &format!("{said}|rex")));
    assert!(!signed.expose().contains("rex"));

    link.passphrase = Passphrase::Sent(String::new());
    let sent = registration_form(&link, &key(), Some(&word)).unwrap();
    assert!(is_signed(&sent, &format!("{said}|rex")));
    assert_eq!(field(&sent, "passphrase"), "rex");
}

#[test]
fn a_call_signs_its_challenge_its_address_and_what_it_says() {
    let link = link();
    let challenge = read_challenge_reply(&body("challenge")).unwrap();
    let call = ContainerCall::Synchronize;
    assert_eq!(
        field(&challenge_form(&link.url, "SMPH1", call), "scope"),
        "https://pi.example/base/container/synchronize"
    );
    let tokens = [ClientToken {
        serial: "OATH1".to_owned(),
        kind: TokenType::Hotp,
    }];
    let request = SyncRequest {
        base: &link.url,
        serial: "SMPH1",
        tokens: &tokens,
        public_key: &[7; 32],
    };
    let form = sync_form(request, &challenge, &key()).unwrap();
    let container = field(&form, "container_dict_client");
    assert_eq!(
        container,
        r#"{"serial":"SMPH1","type":"smartphone","tokens":[{"serial":"OATH1","tokentype":"hotp"}]}"#
    );
    let public = field(&form, "public_enc_key_client");
    let said = format!(
        "{}|{}|SMPH1|https://pi.example/base/container/synchronize|{public}|{container}",
        challenge.nonce, challenge.time
    );
    assert!(is_signed(&form, &said));

    let end = ContainerCall::Unregister;
    let form = signed_call_form(&link.url, "SMPH1", end, &challenge, &key()).unwrap();
    let said = format!(
        "{}|{}|SMPH1|https://pi.example/base/container/register/terminate/client",
        challenge.nonce, challenge.time
    );
    assert!(is_signed(&form, &said));
}

#[test]
fn a_key_survives_and_damage_does_not() {
    let key = key();
    let again = ContainerKey::from_bytes(&key.to_bytes()).unwrap();
    assert_eq!(again.sign("a").unwrap(), key.sign("a").unwrap());
    for bytes in [vec![0; 48], vec![255; 48], vec![1; 32]] {
        assert!(ContainerKey::from_bytes(&bytes.into()).is_err());
    }
}

#[test]
fn what_the_real_server_answered_is_read() {
    let policies = read_registration_reply(&body("registered")).unwrap();
    assert_eq!(policies.renewal, Permission::Allowed);
    assert_eq!(policies.token_deletion, Permission::Forbidden);
    assert_eq!(policies.unregistration, Permission::Allowed);
    for (name, code) in [("registered_twice", CONTAINER_FAULT), ("unknown", UNKNOWN)] {
        let Err(ReplyError::Refused(fault)) = read_challenge_reply(&body(name)) else {
            panic!("{name}");
        };
        assert_eq!(fault.code, code);
    }
}

#[test]
fn the_real_servers_package_opens_with_the_agreed_secret_only() {
    let (sealed, policies) = read_sync_reply(&body("sync")).unwrap();
    assert_eq!(policies.token_deletion, Permission::Forbidden);
    let package = sealed.open(&shared(), "SMPH00002152").unwrap();
    let serials: Vec<_> = package.add.iter().map(Addition::serial).collect();
    assert_eq!(serials, ["TOTP00001C46", "OATH00004EE3", "PIPU0000B133"]);
    let [Addition::Passcode(totp), Addition::Passcode(hotp), _] = package.add.as_slice() else {
        panic!("{package:?}");
    };
    assert!(matches!(totp.mode, OtpMode::Time { .. }));
    assert_eq!(hotp.counter, 1);
    // Day passwords are of no kind that is known here.
    assert_eq!(package.left_out.len(), 1);
    assert_eq!(package.left_out[0].token, "DYPW0000DC63");
    assert_eq!(package.known, []);

    let other = SecretBytes::from([1; 32]);
    assert_eq!(sealed.open(&other, "SMPH00002152"), Err(PackageError::Seal));
    assert_eq!(sealed.open(&shared(), "SMPH2"), Err(PackageError::Foreign));
    let mut changed = sealed;
    changed.text[40] ^= 1;
    assert_eq!(
        changed.open(&shared(), "SMPH00002152"),
        Err(PackageError::Seal)
    );
}

/// A package as a server would seal it.
fn sealed(content: &Value) -> SealedPackage {
    let mut text = content.to_string().into_bytes();
    let nonce = [9; 16];
    AesGcm::<Aes256, U16>::new_from_slice(&[5; 32])
        .unwrap()
        .encrypt_in_place(&Nonce::<U16>::from(nonce), b"", &mut text)
        .unwrap();
    let tag = text
        .split_off(text.len().saturating_sub(16))
        .try_into()
        .unwrap();
    SealedPackage {
        server_key: [0; 32],
        nonce,
        tag,
        text,
    }
}

fn package(add: &[&str], update: &Value) -> Result<Package, PackageError> {
    let content = json!({"container": {"serial": "SMPH1", "type": "smartphone"},
        "tokens": {"add": add, "update": update}});
    sealed(&content).open(&SecretBytes::from([5; 32]), "SMPH1")
}

#[test]
fn a_package_that_is_not_understood_in_whole_changes_nothing() {
    for update in [
        json!([{"tokentype": "hotp"}]),
        json!([{"serial": "A|B"}]),
        json!([{"serial": ""}]),
        json!([{"serial": "A", "counter": -1}]),
        json!({}),
        json!(null),
    ] {
        assert_eq!(
            package(&[], &update),
            Err(PackageError::Malformed),
            "{update}"
        );
    }
    let nothing = sealed(&json!({"container": {"serial": "SMPH1"}, "tokens": {"add": []}}));
    assert_eq!(
        nothing.open(&SecretBytes::from([5; 32]), "SMPH1"),
        Err(PackageError::Malformed)
    );
    let many = vec![json!({"serial": "A"}); MAX_TOKENS + 1];
    assert_eq!(package(&[], &json!(many)), Err(PackageError::TooMany));
}

const HOTP: &str = "otpauth://hotp/A?secret=GEZDGNBVGY3TQOJQ&counter=1&serial=A";

fn push_at(url: &str, flag: &str) -> String {
    format!("otpauth://pipush/P?url={url}&ttl=10&enrollment_credential=1&v=1&serial=P{flag}")
}

#[test]
fn tokens_that_cannot_be_taken_are_named_with_the_reason() {
    let twice = "otpauth://totp/B?secret=GEZDGNBVGY3TQOJQ&serial=B&2step_salt=8&2step_output=20&2step_difficulty=1000";
    let nameless = "otpauth://totp/C?secret=GEZDGNBVGY3TQOJQ";
    let hostile = "otpauth://x\u{1b}[2J\u{202e}/y?secret=GEZDGNBVGY3TQOJQ";
    let package = package(&[twice, nameless, hostile, "", HOTP], &json!([])).unwrap();
    assert_eq!(package.add.len(), 1);
    let named: Vec<_> = package
        .left_out
        .iter()
        .map(|left| left.token.as_str())
        .collect();
    assert_eq!(named[..2], ["B", "otpauth://totp/C"]);
    for left in &package.left_out {
        assert!(!left.token.contains(['\u{1b}', '\u{202e}']), "{left:?}");
        assert!(!left.token.contains("GEZDGNBVGY3TQOJQ"), "{left:?}");
        assert!(!left.why.is_empty());
    }
}

#[test]
fn a_push_token_of_another_server_is_not_enrolled() {
    let link = link();
    let origin = Origin {
        url: &link.url,
        transport: link.transport,
    };
    let plan = |url: &str, flag: &str| {
        let package = package(&[&push_at(url, flag)], &json!([])).unwrap();
        package.plan(origin, &[])
    };
    assert_eq!(plan("https%3A//pi.example/ttype/push", "").add.len(), 1);
    for (url, flag) in [
        ("https%3A//other.example/ttype/push", ""),
        ("http%3A//pi.example/ttype/push", ""),
        ("https%3A//pi.example%3A8443/ttype/push", ""),
        ("https%3A//pi.example/ttype/push", "&sslverify=0"),
    ] {
        let plan = plan(url, flag);
        assert_eq!((plan.add.len(), plan.left_out.len()), (0, 1), "{url}{flag}");
    }
}

#[test]
fn what_is_here_is_compared_with_what_should_be() {
    let link = link();
    let origin = Origin {
        url: &link.url,
        transport: link.transport,
    };
    let held = |id, serial: &str| Held {
        id: TokenId(id),
        serial: serial.to_owned(),
    };
    let here = [held(1, "A"), held(2, "B"), held(3, "C")];
    let update = json!([{"serial": "B", "tokentype": "hotp", "counter": 17, "offline": false}]);
    let plan = package(&[HOTP], &update).unwrap().plan(origin, &here);
    assert_eq!(plan.remove, [TokenId(3)]);
    assert_eq!(plan.raise, [(TokenId(2), 17)]);
    assert_eq!(plan.add.len(), 1);
    assert_eq!(plan.add[0].1, Some(TokenId(1)));
    // Both new and known is neither: the one that is here stays.
    let update = json!([{"serial": "A"}]);
    let plan = package(&[HOTP], &update).unwrap().plan(origin, &here[..1]);
    assert_eq!((plan.add.len(), plan.remove.len()), (0, 0));
    assert_eq!(plan.left_out.len(), 1);
}

proptest! {
    #[test]
    fn every_token_that_is_here_stays_is_renewed_or_goes(
        here in prop::collection::btree_set(0_u8..8, 0..8),
        add in prop::collection::vec(0_u8..8, 0..8),
        known in prop::collection::vec(0_u8..8, 0..8),
    ) {
        let link = link();
        let origin = Origin { url: &link.url, transport: link.transport };
        let serial = |number: &u8| format!("T{number}");
        let links: Vec<_> = add
            .iter()
            .map(|number| format!("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&serial={}", serial(number)))
            .collect();
        let links: Vec<_> = links.iter().map(String::as_str).collect();
        let update: Vec<_> = known.iter().map(|number| json!({"serial": serial(number)})).collect();
        let held: Vec<_> = here
            .iter()
            .map(|number| Held { id: TokenId(i64::from(*number)), serial: serial(number) })
            .collect();
        let plan = package(&links, &json!(update)).unwrap().plan(origin, &held);
        for number in &here {
            let id = TokenId(i64::from(*number));
            let removed = plan.remove.contains(&id);
            let renewed = plan.add.iter().filter(|(_, old)| *old == Some(id)).count();
            let named = known.contains(number) || add.contains(number);
            prop_assert_eq!(removed, !named);
            prop_assert_eq!(renewed, usize::from(add.contains(number) && !known.contains(number)));
        }
        let mut serials: Vec<_> = plan.add.iter().map(|(new, _)| new.serial().to_owned()).collect();
        let all = serials.len();
        serials.sort();
        serials.dedup();
        prop_assert_eq!(serials.len(), all);
    }

    #[test]
    fn arbitrary_answers_are_refused_quietly(bytes in prop::collection::vec(any::<u8>(), 0..300), text in ".{0,200}") {
        drop(read_sync_reply(&bytes));
        drop(read_challenge_reply(&bytes));
        drop(ContainerLink::parse(&format!("pia://container/{text}")));
        prop_assert!(read_registration_reply(&bytes).is_err());
    }
}
