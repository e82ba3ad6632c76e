//! The running agent, seen from the kernel's side and from another program of the same user.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, chown},
    path::Path,
    process::Command,
};

use countersign_tests::{
    Workspace,
    agent::Session,
    notify_socket::NotifySocket,
    parts,
    process::{self, Process, Stdout},
    programs,
};

/// Nobody's uid; root's tests run the agent as this user, since nothing is out of root's reach.
const SOMEBODY: u32 = 61_357;

/// `command` as an ordinary user.
fn as_a_user(command: &Command) -> Command {
    if !rustix::process::geteuid().is_root() {
        let mut same = Command::new(command.get_program());
        same.args(command.get_args());
        return same;
    }
    let mut user = Command::new("setpriv");
    let id = SOMEBODY.to_string();
    user.args(["--reuid", &id, "--regid", &id, "--clear-groups"])
        .arg(command.get_program())
        .args(command.get_args());
    user
}

fn give_to_the_user(folder: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    chown(folder, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            give_to_the_user(&path);
        } else {
            chown(&path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
    }
}

#[test]
fn another_program_of_the_user_cannot_look_into_the_agent() {
    if !parts::are_there("hardening::agent", &["setpriv"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    // The other user may not be able to enter the target folder.
    let program = workspace.join("countersignd");
    fs::copy(programs::program("countersignd").unwrap(), &program).unwrap();
    let notify = NotifySocket::bind(workspace.join("agent.notify")).unwrap();
    give_to_the_user(workspace.path());

    let session = Session::new(&workspace, None);
    let mut command = as_a_user(&Command::new(&program));
    command
        .env_clear()
        .envs(session.variables().iter().cloned())
        .env("NOTIFY_SOCKET", notify.path());
    let mut agent = Process::spawn(
        "countersignd",
        command,
        &workspace.logs(),
        Stdout::Log,
        None,
    )
    .unwrap();
    notify.wait_ready(&mut agent).unwrap();

    let proc = Path::new("/proc").join(agent.id().unwrap().to_string());
    let status = fs::read_to_string(proc.join("status")).unwrap();
    let value = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    assert_eq!(value("NoNewPrivs:"), "1");
    assert_eq!(value("Umask:"), "0077");
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap();
    assert_eq!(
        core.split_whitespace().take(2).collect::<Vec<_>>(),
        ["0", "0"]
    );
    // The limit of this machine may be any; the agent says which pool it got if it got none.
    if value("VmLck:") == "0 kB" {
        parts::skipped("hardening::agent", "nothing may be locked here (ulimit -l)");
    }
    if !agent.log().contains("confined to its own files (landlock") {
        assert!(agent.log().contains("not confined"), "{}", agent.log());
        parts::skipped("hardening::agent", "no landlock in this kernel");
    }

    // What an undumpable process has in /proc belongs to root.
    assert_eq!(fs::metadata(proc.join("mem")).unwrap().uid(), 0);
    for file in ["mem", "environ", "maps"] {
        let mut look = Command::new("head");
        look.args(["-c", "1"]).arg(proc.join(file));
        let said = process::output(as_a_user(&look), b"").unwrap();
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains("Permission denied"), "{file}: {said:?}");
    }
    // The same look at a program that does not protect itself.
    let mut look = Command::new("head");
    look.args(["-c", "1", "/proc/self/environ"]);
    assert!(
        process::output(as_a_user(&look), b"")
            .unwrap()
            .status
            .success()
    );
    agent.terminate().unwrap();
}
