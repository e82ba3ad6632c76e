//! Import and export with the real programs, and key containers beside two foreign implementations: pskctool
//! (libpskc) and python-pskc.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, process::Command};

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    parts, process,
    stage::{CLICK_TOKEN, PASSPHRASE, Stage},
};
use data_encoding::BASE64;

/// The passphrase of the sample files.
const SAMPLES: &str = "correct horse battery staple";
const SEED: &[u8] = b"12345678901234567890";

fn sample(name: &str) -> String {
    format!("{}/../core/tests/import/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn path(stage: &Stage, name: &str) -> String {
    stage.workspace.join(name).to_str().unwrap().to_owned()
}

/// Runs a foreign program to its good end.
fn run(program: &str, words: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(words);
    let output = process::output(command, b"").unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn import(stage: &Stage, file: &str, passphrase: &str) -> String {
    let words = ["import", file, "--yes", "--passphrase-stdin"];
    stage
        .cli
        .ask_with(&words, &format!("{passphrase}\n"))
        .unwrap()
}

/// Exports all that may leave, with the vault's passphrase as the proof.
fn export(stage: &Stage, file: &str, more: &[&str]) {
    let mut words = vec!["export", file, "--pin-stdin"];
    words.extend(more);
    let input = if more.contains(&"uri-list") {
        format!("{PASSPHRASE}\n")
    } else {
        words.push("--passphrase-stdin");
        format!("{SAMPLES}\n{PASSPHRASE}\n")
    };
    stage.cli.ask_with(&words, &input).unwrap();
}

fn names(stage: &Stage) -> Vec<String> {
    let listed = stage.cli.json(&["list"]).unwrap();
    let tokens = listed["tokens"].as_array().unwrap();
    let name = |token: &serde_json::Value| token["name"].as_str().unwrap().to_owned();
    tokens.iter().map(name).collect()
}

#[test]
fn what_aegis_exported_comes_in_and_goes_out_again() {
    let stage = Stage::new().unwrap();
    let aegis = sample("aegis-encrypted.json");
    let look = stage
        .cli
        .say_with(
            &[
                "import",
                &aegis,
                "--dry-run",
                "--json",
                "--passphrase-stdin",
            ],
            &format!("{SAMPLES}\n"),
        )
        .unwrap();
    let look: serde_json::Value = serde_json::from_str(&look.stdout).unwrap();
    let standings: Vec<_> = look["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["standing"].as_str().unwrap())
        .collect();
    assert_eq!(standings, ["new", "new", "new", "refused", "refused"]);
    assert!(names(&stage).is_empty());
    stage
        .cli
        .refused(
            &["import", &aegis, "--yes"],
            "",
            Reason::FilePassphraseRequired,
        )
        .unwrap();
    let wrong = ["import", &aegis, "--yes", "--passphrase-stdin"];
    stage
        .cli
        .refused(&wrong, "not this one\n", Reason::FilePassphraseWrong)
        .unwrap();

    assert_eq!(import(&stage, &aegis, SAMPLES), "3");
    let all = ["Example alice@example.com", "Bank alice", "Counter alice"];
    assert_eq!(names(&stage), all);
    // The counter of the sample is 7: RFC 4226, appendix D.
    assert_eq!(stage.cli.ask(&["next", "Counter alice"]).unwrap(), "162583");

    let file = path(&stage, "tokens.json");
    export(&stage, &file, &[]);
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let content = fs::read_to_string(&file).unwrap();
    assert!(!content.contains("alice"), "{content}");
    let again = ["export", file.as_str(), "--passphrase-stdin"];
    stage
        .cli
        .refused(&again, &format!("{SAMPLES}\n"), Reason::Usage)
        .unwrap();

    for name in all {
        stage.cli.ask(&["delete", name, "--yes"]).unwrap();
    }
    assert_eq!(import(&stage, &file, SAMPLES), "3");
    assert_eq!(names(&stage), all);
    assert_eq!(stage.cli.ask(&["next", "Counter alice"]).unwrap(), "399871");
    let log = stage.cli.ask(&["log"]).unwrap();
    for words in ["exported", "imported: Aegis", "imported: Countersign"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    for secret in [SAMPLES, PASSPHRASE, "GEZDGNBVGY3TQOJQ"] {
        assert!(!log.contains(secret), "{log}");
        assert!(!stage.agent.log().contains(secret));
    }
}

/// The links of an export are read by another authenticator's rules: oathtool makes the same passcode of them.
#[test]
fn plain_links_leave_only_with_a_yes() {
    let stage = Stage::new().unwrap();
    import(&stage, &sample("stratum-encrypted.stratum"), SAMPLES);
    let file = path(&stage, "links.txt");
    let words = ["export", file.as_str(), "--format", "uri-list"];
    stage.cli.refused(&words, "", Reason::NotConfirmed).unwrap();
    assert!(!Path::new(&file).exists());
    export(&stage, &file, &["--format", "uri-list", "--yes"]);
    let links = fs::read_to_string(&file).unwrap();
    assert_eq!(links.lines().count(), 3);
    assert!(links.contains("otpauth://hotp/Counter:alice?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"));
}

#[test]
fn the_token_of_an_organisation_stays() {
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    stage.enroll(&gateway, "Work", &CLICK_TOKEN).unwrap();
    import(&stage, &sample("andotp-encrypted.json.aes"), SAMPLES);
    let file = path(&stage, "links.txt");
    let plain = ["export", &file, "Work", "--format", "uri-list", "--yes"];
    stage
        .cli
        .refused(&plain, "", Reason::ExportRefused)
        .unwrap();
    assert!(!Path::new(&file).exists());
    let words = [
        "export",
        &file,
        "--format",
        "uri-list",
        "--yes",
        "--pin-stdin",
        "--json",
    ];
    let said = stage
        .cli
        .ask_with(&words, &format!("{PASSPHRASE}\n"))
        .unwrap();
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["tokens"], 3);
    assert_eq!(
        said["left_out"][0],
        "The policy of Work does not let it leave."
    );
    assert!(!fs::read_to_string(&file).unwrap().contains("Work"));
}

/// Our container beside pskctool: valid by its schema, and with the same keys in it once python-pskc has opened it.
#[test]
fn pskctool_reads_what_was_exported() {
    let test = "files::pskctool_reads_what_was_exported";
    if !parts::are_there(test, &["pskctool", "pskc2pskc"]) {
        return;
    }
    let stage = Stage::new().unwrap();
    import(&stage, &sample("aegis-encrypted.json"), SAMPLES);
    let (sealed, plain) = (path(&stage, "sealed.xml"), path(&stage, "plain.xml"));
    export(&stage, &sealed, &["--format", "pskc"]);
    run("pskctool", &["--validate", &sealed]);
    let seed = BASE64.encode(SEED);
    assert!(!fs::read_to_string(&sealed).unwrap().contains(&seed));
    run(
        "pskc2pskc",
        &["--password", SAMPLES, "--output", &plain, &sealed],
    );
    let info = run("pskctool", &["--info", "--verbose", &plain]);
    for words in [
        "Issuer: Example",
        "FriendlyName: Bank alice",
        "Algorithm: urn:ietf:params:xml:ns:keyprov:pskc:totp",
        "Algorithm: urn:ietf:params:xml:ns:keyprov:pskc:hotp",
        &format!("Key Secret (base64): {seed}"),
        "Key Counter: 7",
        "Key TimeInterval: 60",
        "Algorithm Parameters Suite: HMAC-SHA256",
        "Response Format Length: 8",
        "Key User Id: UID=alice",
    ] {
        assert!(info.contains(words), "{words}: {info}");
    }
}

/// The other direction: what pskctool signs and python-pskc encrypts, we read.
#[test]
fn what_pskctool_and_python_pskc_write_is_imported() {
    let test = "files::what_pskctool_and_python_pskc_write_is_imported";
    if !parts::are_there(test, &["pskctool", "pskc2pskc"]) {
        return;
    }
    let stage = Stage::new().unwrap();
    let source = path(&stage, "source.xml");
    // Without its PIN, so that nobody has to choose one here.
    let container = fs::read_to_string(sample("pskc-plain.xml")).unwrap();
    let pin = container.find("<PINPolicy").unwrap();
    let end = pin + container[pin..].find("/>").unwrap() + 2;
    fs::write(&source, [&container[..pin], &container[end..]].concat()).unwrap();

    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::new(["tests".to_owned()]).unwrap();
    let certified = certificate.self_signed(&pair).unwrap();
    let (key, certificate) = (path(&stage, "key.pem"), path(&stage, "certificate.pem"));
    fs::write(&key, pair.serialize_pem()).unwrap();
    fs::write(&certificate, certified.pem()).unwrap();
    let signed = path(&stage, "signed.xml");
    let words = [
        "--sign",
        "--sign-key",
        &key,
        "--sign-crt",
        &certificate,
        &source,
    ];
    fs::write(&signed, run("pskctool", &words)).unwrap();
    let (passphrase, shared) = (path(&stage, "passphrase.xml"), path(&stage, "shared.xml"));
    run(
        "pskc2pskc",
        &["--new-password", SAMPLES, "--output", &passphrase, &source],
    );
    let shared_key = "000102030405060708090a0b0c0d0e0f";
    run(
        "pskc2pskc",
        &["--new-secret", shared_key, "--output", &shared, &source],
    );

    let look = |words: &[&str], input: &str| {
        let all = [&["import", "--dry-run", "--json"], words].concat();
        let said = stage.cli.ask_with(&all, input).unwrap();
        serde_json::from_str::<serde_json::Value>(&said).unwrap()
    };
    let seen = look(&[&signed], "");
    assert_eq!(
        seen["notes"][0],
        "The container is signed; the signature was not checked."
    );
    for (file, secret) in [(&passphrase, SAMPLES), (&shared, shared_key)] {
        let seen = look(&[file, "--passphrase-stdin"], &format!("{secret}\n"));
        assert_eq!(seen["entries"][0]["standing"], "new", "{seen}");
        assert_eq!(seen["entries"][1]["algorithm"], "SHA256", "{seen}");
    }
    assert_eq!(import(&stage, &passphrase, SAMPLES), "2");
    // The same keys, whatever they came in.
    let seen = look(&[&signed], "");
    assert_eq!(seen["entries"][0]["standing"], "known", "{seen}");
    assert_eq!(seen["entries"][1]["standing"], "known", "{seen}");
    assert_eq!(stage.cli.ask(&["next", "Counter"]).unwrap(), "162583");
}
