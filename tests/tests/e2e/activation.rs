//! The agent is started by whoever needs it: by its socket, or by its name on the bus.

use std::{fs, os::unix::fs::DirBuilderExt as _, process::Command};

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
        .args([
            "-c",
            "umask 077; exec \"$@\"",
            "sh",
            "systemd-socket-activate",
        ])
        .arg(format!("--listen={}", socket.display()))
        .arg("--fdname=agent");
    for (name, value) in session.variables() {
        command.arg(format!("--setenv={}={}", name.display(), value.display()));
    }
    command.arg(programs::program("countersignd").unwrap());
    let activator = Process::spawn(
        "socket-activate",
        command,
        &workspace.logs(),
        Stdout::Log,
        None,
    )
    .unwrap();
    // The listener says so on stderr once it listens; the client retries until the socket is there.
    let cli = Cli::new(&session);
    let status = loop {
        let said = cli.say(&["status", "--json"]).unwrap();
        if said.code == Some(0) {
            break said.stdout;
        }
        assert!(activator.log().len() < 100_000, "{}", activator.log());
    };
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
