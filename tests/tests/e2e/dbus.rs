//! `org.countersign.Agent1` as people and shell extensions use it, through busctl.

use std::process::Command;

use countersign_proto::dbus::{INTERFACE, NAME, PATH};
use countersign_tests::{
    example_portal::ExamplePortal,
    parts, process,
    stage::{CLICK_TOKEN, Stage},
};

/// Calls busctl; the answer, or the error if it has one.
fn busctl(stage: &Stage, verb: &str, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new("busctl");
    command
        .arg(format!("--address={}", stage.bus.address()))
        .args([verb, NAME, PATH, INTERFACE])
        .args(words);
    let output = process::output(command, b"").map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

#[test]
fn properties_methods_and_error_names() {
    if !parts::are_there("dbus::properties", &["dbus-daemon", "busctl"]) {
        return;
    }
    let stage = Stage::new().unwrap();
    stage.bus.wait_for_name(NAME).unwrap();
    assert_eq!(
        busctl(&stage, "get-property", &["Locked"]).unwrap(),
        "b false"
    );
    assert_eq!(
        busctl(&stage, "get-property", &["PendingCount"]).unwrap(),
        "u 0"
    );
    assert_eq!(
        busctl(&stage, "get-property", &["Autosend"]).unwrap(),
        "b true"
    );

    busctl(&stage, "call", &["Lock"]).unwrap();
    assert_eq!(
        busctl(&stage, "get-property", &["Locked"]).unwrap(),
        "b true"
    );
    assert_eq!(stage.cli.json(&["status"]).unwrap()["vault"], "locked");
    stage.unlock().unwrap();

    busctl(&stage, "set-property", &["Autosend", "b", "false"]).unwrap();
    assert_eq!(stage.cli.json(&["status"]).unwrap()["autosend"], false);

    let error = busctl(&stage, "call", &["Deny", "s", "00ff00ff"]).unwrap_err();
    assert!(!error.is_empty());
}

#[test]
fn a_login_request_is_answered_over_dbus() {
    if !parts::are_there("dbus::answer", &["dbus-daemon", "busctl"]) {
        return;
    }
    let stage = Stage::new().unwrap();
    let gateway = stage.gateway().unwrap();
    stage.enroll(&gateway, "Example", &CLICK_TOKEN).unwrap();
    stage.wait_until_connected().unwrap();
    let mut requests = stage.requests().unwrap();
    let mut window = ExamplePortal::open(&gateway).unwrap();
    window.ask_the_desktop().unwrap();
    let request = requests.pending().unwrap();
    assert_eq!(
        busctl(&stage, "get-property", &["PendingCount"]).unwrap(),
        "u 1"
    );
    let listed = busctl(&stage, "call", &["ListLoginRequests"]).unwrap();
    assert!(
        listed.contains(&request.id) && listed.contains(&request.resource),
        "{listed}"
    );
    busctl(&stage, "call", &["Approve", "s", &request.id]).unwrap();
    assert_eq!(window.wait_for_outcome().unwrap(), "approved");
    assert_eq!(
        busctl(&stage, "get-property", &["PendingCount"]).unwrap(),
        "u 0"
    );
}

#[test]
fn no_method_gives_out_a_passcode() {
    if !parts::are_there("dbus::introspect", &["dbus-daemon", "busctl"]) {
        return;
    }
    let stage = Stage::new().unwrap();
    let mut command = Command::new("busctl");
    command
        .arg(format!("--address={}", stage.bus.address()))
        .args(["introspect", NAME, PATH, INTERFACE]);
    let output = process::output(command, b"").unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.contains(".ListLoginRequests"), "{listed}");
    for word in ["Passcode", "Code", "Secret", "Seed", "Pin "] {
        assert!(!listed.contains(word), "{word} in {listed}");
    }
}
