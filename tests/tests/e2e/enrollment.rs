//! Enrollment with the real service, and everything that can be wrong about it.

use countersign_proto::agent::v1::Reason;
use countersign_tests::{
    example_portal::ExamplePortal,
    gateway::{self, GatewayProcess},
    stage::{PASSWORD, Stage, USER},
};
use data_encoding::BASE64;

const ENROLL: [&str; 5] = ["enroll", "--yes", "--name", "Example", "-"];

/// An activation string with one of its lines changed.
fn altered(activation: &str, key: &str, change: impl Fn(&str) -> String) -> String {
    let text = String::from_utf8(BASE64.decode(activation.as_bytes()).unwrap()).unwrap();
    let lines: Vec<_> = text
        .lines()
        .map(|line| match line.split_once('=') {
            Some((name, value)) if name == key => format!("{name}={}", change(value)),
            _ => line.to_owned(),
        })
        .collect();
    BASE64.encode(format!("{}\n", lines.join("\n")).as_bytes())
}

fn tokens(stage: &Stage) -> usize {
    stage.cli.json(&["list"]).unwrap()["tokens"]
        .as_array()
        .unwrap()
        .len()
}

#[test]
fn an_activation_string_brings_the_token_and_works_once() {
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    let words = ["--mode", "event", "--hash", "sha256", "--digits", "8"];
    let activation = gateway.add_token(USER, &words).unwrap();
    assert!(
        BASE64.decode(activation.as_bytes()).is_ok(),
        "nothing but the string is printed"
    );
    stage.enroll_string("Example", &activation).unwrap();

    let info = stage.cli.json(&["info", "Example"]).unwrap();
    assert_eq!(info["mode"], "event");
    assert_eq!(info["digits"], 8);
    assert_eq!(info["user"], USER);
    assert_eq!(stage.cli.ask(&["code", "Example"]).unwrap().len(), 8);

    let said = stage
        .cli
        .say_with(&["enroll", "--yes", "--name", "Again", "-"], &activation)
        .unwrap();
    assert!(
        [Reason::EnrollmentRefused, Reason::EnrollmentExpired]
            .map(|reason| Some(i32::from(reason.exit_code())))
            .contains(&said.code),
        "{said:?}"
    );
    assert_eq!(tokens(&stage), 1);
}

#[test]
fn two_passes_are_taken_where_the_service_has_no_other() {
    let stage = Stage::new().unwrap();
    let mut gateway = GatewayProcess::init(&stage.workspace).unwrap();
    gateway
        .configure("enrollment", "protocol = \"two-pass\"")
        .unwrap();
    gateway.add_user(USER, PASSWORD).unwrap();
    gateway.serve().unwrap();
    stage
        .enroll(&gateway, "Example", &["--mode", "event", "--push", "on"])
        .unwrap();
    // The gateway knows the same seed.
    let mut window = ExamplePortal::open(&gateway).unwrap();
    let passcode = stage.cli.ask(&["code", "Example"]).unwrap();
    window.type_passcode(&passcode).unwrap();
    window.logged_in().unwrap();
}

#[test]
fn an_otpauth_uri_contacts_nobody() {
    let stage = Stage::new().unwrap();
    let uri =
        "otpauth://totp/Forge:alice?secret=JBSWY3DPEHPK3PXP&issuer=Forge&algorithm=SHA256&digits=8";
    stage.enroll_string("Forge", uri).unwrap();
    let info = stage.cli.json(&["info", "Forge"]).unwrap();
    assert_eq!(
        (info["mode"].as_str(), info["issuer"].as_str()),
        (Some("time"), Some("Forge"))
    );
    assert_eq!(stage.cli.ask(&["code", "Forge"]).unwrap().len(), 8);
}

#[test]
fn a_wrong_passphrase_is_refused_and_the_right_one_still_works() {
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    let activation = gateway.add_token(USER, &["--mode", "time"]).unwrap();
    let wrong = altered(&activation, "Passphrase", |right| {
        let last = if right.ends_with('A') { 'B' } else { 'A' };
        let mut letters: Vec<_> = right.chars().collect();
        letters.pop();
        letters.push(last);
        letters.into_iter().collect()
    });
    stage
        .cli
        .refused(&ENROLL, &wrong, Reason::EnrollmentRefused)
        .unwrap();
    assert_eq!(tokens(&stage), 0);
    stage.enroll_string("Example", &activation).unwrap();
}

#[test]
fn a_damaged_string_is_not_an_activation_string() {
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    let activation = gateway.add_token(USER, &["--mode", "time"]).unwrap();
    let (quarter, _) = activation.split_at(activation.len() / 4);
    let without_url = altered(&activation, "EnrollmentURL", |_| "not a url".to_owned());
    for damaged in [
        quarter,
        "!!!",
        &without_url,
        "otpauth://totp/x",
        "otpauth://what/x?secret=AAAA",
    ] {
        stage
            .cli
            .refused(&ENROLL, damaged, Reason::EnrollmentInvalid)
            .unwrap();
    }
    stage.cli.refused(&ENROLL, "", Reason::Usage).unwrap();
    assert_eq!(tokens(&stage), 0);
    stage.enroll_string("Example", &activation).unwrap();
}

#[test]
fn a_gateway_that_is_down_is_unreachable_and_the_string_lives_on() {
    let stage = Stage::new().unwrap();
    let mut gateway = stage.gateway().unwrap();
    let activation = gateway.add_token(USER, &["--mode", "time"]).unwrap();
    gateway.stop().unwrap();
    let said = stage
        .cli
        .refused(&ENROLL, &activation, Reason::GatewayUnreachable)
        .unwrap();
    assert!(
        said.stderr.contains(&gateway.address().to_string()),
        "{said:?}"
    );
    gateway.serve().unwrap();
    stage.enroll_string("Example", &activation).unwrap();
}

#[test]
fn a_gateway_with_another_certificate_gets_nothing() {
    let stage = Stage::new().unwrap();
    let mut right = stage.gateway().unwrap();
    let activation = right.add_token(USER, &["--mode", "time"]).unwrap();
    right.stop().unwrap();
    let mut other =
        GatewayProcess::init_at(&stage.workspace, right.address(), gateway::NAME).unwrap();
    other.add_user(USER, PASSWORD).unwrap();
    other.serve().unwrap();
    stage
        .cli
        .refused(&ENROLL, &activation, Reason::GatewayUntrusted)
        .unwrap();
    assert_eq!(tokens(&stage), 0);
    other.stop().unwrap();
    right.serve().unwrap();
    stage.enroll_string("Example", &activation).unwrap();
}
