//! The unit files: what systemd says of them, with the programs where the units expect them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use countersign_tests::{Workspace, parts, process, programs};

/// Copies systemd/ with the programs' folder in place of the packaged one.
fn placed(workspace: &Workspace) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd");
    let (bin, units) = (workspace.join("bin"), workspace.join("units"));
    fs::create_dir(&bin).unwrap();
    fs::create_dir(&units).unwrap();
    for name in ["countersignd", "countersign-gateway"] {
        symlink(programs::program(name).unwrap(), bin.join(name)).unwrap();
    }
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path()).unwrap();
        let text = text.replace("/usr/bin/", &format!("{}/", bin.display()));
        fs::write(units.join(entry.file_name()), text).unwrap();
    }
    units
}

fn verify(workspace: &Workspace, words: &[&str], units: &[PathBuf]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command
        .args(words)
        .args(units)
        .envs(workspace.user_environment());
    process::output(command, b"").unwrap()
}

/// An unknown key is only a warning to systemd; here any word is a fault.
fn assert_silent(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    // What it reads beside ours, of packages of the system, is not ours to mend.
    let said: Vec<_> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .filter(|line| !line.starts_with("/lib/systemd/") && !line.starts_with("/usr/lib/systemd/"))
        .collect();
    let said = said.join("\n");
    assert!(
        output.status.success() && said.is_empty(),
        "{}: {said}",
        output.status
    );
}

#[test]
fn systemd_has_nothing_to_say_about_the_user_units() {
    if !parts::are_there("units::user", &["systemd-analyze"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let units = placed(&workspace);
    let files = ["countersignd.service", "countersignd.socket"].map(|name| units.join(name));
    assert_silent(&verify(
        &workspace,
        &["verify", "--user", "--man=no"],
        &files,
    ));
}

#[test]
fn systemd_has_nothing_to_say_about_the_gateway_unit() {
    if !parts::are_there("units::gateway", &["systemd-analyze"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let files = [placed(&workspace).join("countersign-gateway.service")];
    assert_silent(&verify(&workspace, &["verify", "--man=no"], &files));
    let rated = verify(
        &workspace,
        &["security", "--offline=yes", "--threshold=20"],
        &files,
    );
    assert!(
        rated.status.success(),
        "{}",
        String::from_utf8_lossy(&rated.stdout)
    );
}

#[test]
fn the_gateway_user_and_folder_are_understood() {
    if !parts::are_there("units::sysusers", &["systemd-sysusers", "systemd-tmpfiles"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let units = placed(&workspace);
    let root = workspace.join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    for (program, words, file) in [
        (
            "systemd-sysusers",
            [].as_slice(),
            "countersign-gateway.sysusers",
        ),
        (
            "systemd-tmpfiles",
            ["--create"].as_slice(),
            "countersign-gateway.tmpfiles",
        ),
    ] {
        let mut command = Command::new(program);
        command
            .args(words)
            .arg(format!("--root={}", root.display()))
            .arg(units.join(file));
        let output = process::output(command, b"").unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("Operation not permitted") {
            parts::skipped("units::sysusers", "needs root");
            return;
        }
        assert!(output.status.success(), "{program}: {said}");
    }
    let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert!(users.contains("countersign-gateway"));
    assert!(root.join("var/lib/countersign-gateway").is_dir());
}

#[test]
fn the_activation_file_and_the_unit_agree_on_names() {
    let activation = include_str!("../../../systemd/org.countersign.Agent1.service");
    assert!(activation.contains(&format!("Name={}\n", countersign_proto::dbus::NAME)));
    assert!(activation.contains("SystemdService=countersignd.service\n"));
    let socket = include_str!("../../../systemd/countersignd.socket");
    assert!(socket.contains("ListenStream=%t/countersign/agent.sock\n"));
}
