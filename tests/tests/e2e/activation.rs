//! The agent is started by whoever needs it: by its socket, or by its name on the bus.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    process::Command,
};

use countersign_proto::dbus::NAME;
use countersign_tests::{
    Workspace,
    agent::Session,
    bus::{Activation, PrivateBus},
    cli::Cli,
    parts,
    process::{self, Process, Stdout},
    programs,
};

#[test]
fn the_first_call_on_the_socket_starts_the_agent() {
    if !parts::are_there("activation::socket", &["systemd-socket-activate"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let session = Session::new(&workspace, None);
    let folder = workspace.join("run/countersign");
    fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
    let socket = folder.join("agent.sock");
    let mut command = session.command("/bin/sh".into());
    command
        .args(["-c", "exec \"$@\" 2>&1", "sh", "systemd-socket-activate"])
        .arg(format!("--listen={}", socket.display()))
        .arg("--fdname=agent");
    for (name, value) in session.variables() {
        command.arg(format!("--setenv={}={}", name.display(), value.display()));
    }
    command.arg(programs::program("countersignd").unwrap());
    let mut activator = Process::spawn(
        "socket-activate",
        command,
        &workspace.logs(),
        Stdout::Lines,
        None,
    )
    .unwrap();
    let listening = activator.line().unwrap();
    assert!(listening.contains("Listening"), "{listening}");
    // The unit says SocketMode=0600; this tool knows 0644 only.
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    let status = Cli::new(&session).ask(&["status", "--json"]).unwrap();
    assert!(status.contains("absent"), "{status}");
}

#[test]
fn the_name_on_the_bus_starts_the_agent() {
    if !parts::are_there("activation::bus", &["dbus-daemon", "busctl"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let services = workspace.join("services");
    fs::create_dir(&services).unwrap();
    let text = include_str!("../../../systemd/org.countersign.Agent1.service");
    let agent = programs::program("countersignd").unwrap();
    let text = text.replace("/usr/bin/countersignd", &agent.display().to_string());
    fs::write(services.join("org.countersign.Agent1.service"), text).unwrap();
    let bus = PrivateBus::start(&workspace, &Activation::Folder(services)).unwrap();
    assert!(!bus.has_name(NAME).unwrap());
    let mut command = Command::new("busctl");
    command.arg(format!("--address={}", bus.address())).args([
        "get-property",
        NAME,
        countersign_proto::dbus::PATH,
        countersign_proto::dbus::INTERFACE,
        "Locked",
    ]);
    let output = process::output(command, b"").unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "b true",
        "{output:?}"
    );
    bus.end_activated(NAME).unwrap();
}
