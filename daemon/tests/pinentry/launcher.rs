//! The process that starts the dialogs.

use std::{ffi::OsString, fs, os::unix::net::UnixStream, path::PathBuf, process::Command};

use countersign_tests::{
    Workspace,
    agent::{AgentProcess, Session},
    parts, patiently,
    process::{Process, Stdout, output},
};
use countersignd::{
    agent::ports::CallerScreen,
    launcher::{LaunchError, Launcher, Program, WORD},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Rig, answer, children, dialog, fake, own_program, runs, sockets, typed};

fn rig(at_question: &str) -> Rig {
    let workspace = Workspace::new().unwrap();
    let program = fake(&workspace, "", at_question);
    Rig::new(
        workspace,
        program,
        &[("PATH", "/usr/bin:/bin"), ("DISPLAY", ":77")],
    )
}

fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let come = async {
        let mut looks = tokio::time::interval(core::time::Duration::from_millis(20));
        while !condition() {
            looks.tick().await;
        }
    };
    patiently(what, come).unwrap();
}

#[test]
fn several_dialogs_are_open_at_a_time() {
    // The first to ask waits until the second has been answered.
    let rig = rig(
        "if mkdir first; then while [ ! -e second ]; do sleep 0.05; done; echo 'D 1'; else echo 'D 2'; : >second; fi; echo OK",
    );
    let first = rig.ask(dialog(), CallerScreen::default());
    wait_for("the first question", || {
        rig.workspace.join("first").exists()
    });
    let second = rig.ask(dialog(), CallerScreen::default());
    assert_eq!(answer(second), Ok(typed("2")));
    assert_eq!(answer(first), Ok(typed("1")));
    rig.wait_until_gone();
}

#[test]
fn dialogs_end_with_the_agent_also_the_stubborn() {
    let workspace = Workspace::new().unwrap();
    for trap in ["INT", "INT TERM"] {
        let launcher = Launcher::start(own_program()).unwrap();
        let ready = workspace.join(trap);
        let script = format!(
            "trap '' {trap}; : >'{}'; while :; do sleep 600; done",
            ready.display()
        );
        let program = Program {
            path: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("PATH", "/usr/bin:/bin".into())],
        };
        let (stdio, _other) = UnixStream::pair().unwrap();
        let program = launcher.launch(&program, &stdio.into()).unwrap();
        wait_for("the program", || ready.exists());
        // All that a killed agent leaves: a closed socket.
        drop(launcher);
        assert!(!runs(program.id));
    }
}

#[test]
fn without_its_launcher_the_agent_says_what_to_do() {
    let rig = rig("echo OK");
    kill_process(rig.launcher(), Signal::KILL).unwrap();
    let asking = rig.ask(dialog(), CallerScreen::default());
    let failed = answer(asking).unwrap_err().to_string();
    assert!(failed.contains("restart the agent"), "{failed}");
}

#[test]
fn a_killed_agent_takes_its_launcher_and_dialogs_with_it() {
    let workspace = Workspace::new().unwrap();
    let session = Session::new(&workspace, None);
    let mut agent = AgentProcess::start(&workspace, session).unwrap();
    let launchers = children(agent.id().unwrap());
    assert_eq!(launchers.len(), 1);
    let id = launchers[0];
    let line = fs::read(format!("/proc/{id}/cmdline")).unwrap();
    assert_eq!(line, format!("countersignd\0{WORD}\0").as_bytes());
    // Neither what the agent forbids itself, nor what the agent has open.
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t0\n"), "{status}");
    assert!(status.contains("Threads:\t1\n"), "{status}");
    if let Some(sockets) = sockets(id) {
        assert_eq!(sockets.len(), 1, "{sockets:?}");
        assert_eq!(fs::read(format!("/proc/{id}/environ")).unwrap(), b"");
    }
    // "Read your configuration again" to the whole service does not end it.
    let mask = |name: &str| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let digits = line.split_ascii_whitespace().last().unwrap();
        u64::from_str_radix(digits, 16).unwrap()
    };
    wait_for("its handler of SIGHUP", || mask("SigCgt") & 1 == 1);
    let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    kill_process(pid, Signal::HUP).unwrap();
    wait_for("SIGHUP to be taken", || mask("ShdPnd") & 1 == 0);
    assert!(runs(id));
    agent.process().kill().unwrap();
    wait_for("the launcher's end", || !runs(id));
}

#[test]
fn the_service_manager_s_socket_stays_with_the_agent() {
    if !parts::are_there("pinentry::manager_s_socket", &["systemd-socket-activate"]) {
        return;
    }
    let workspace = Workspace::new().unwrap();
    let session = Session::new(&workspace, None);
    let socket = workspace.join("run/agent.sock");
    let mut command = session.command("/bin/sh".into());
    command
        .args(["-c", "exec \"$@\" 2>&1", "sh", "systemd-socket-activate"])
        .arg(format!("--listen={}", socket.display()));
    for (name, value) in session.variables() {
        command.arg(format!("--setenv={}={}", name.display(), value.display()));
    }
    command.arg(own_program());
    let logs = workspace.logs();
    let mut agent = Process::spawn("activated", command, &logs, Stdout::Lines, None).unwrap();
    assert!(agent.line().unwrap().contains("Listening"));
    // The first caller starts it, in the same process.
    let _caller = UnixStream::connect(&socket).unwrap();
    let id = agent.id().unwrap();
    wait_for("the launcher", || {
        children(id)
            .first()
            .is_some_and(|launcher| name(*launcher) == "countersign-dlg")
    });
    let launcher = children(id)[0];
    if sockets(launcher).is_none() || sockets(id).is_none() {
        parts::skipped(
            "pinentry::manager_s_socket",
            "only root sees what they have open",
        );
        return;
    }
    // The launcher is there before the agent has closed the launcher's end of their own pair.
    wait_for("each to have its own sockets only", || {
        let (own, agent_s) = (sockets(launcher), sockets(id));
        own.zip(agent_s)
            .is_some_and(|(own, agent_s)| own.len() == 1 && agent_s.is_disjoint(&own))
    });
}

fn name(id: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    name.trim_end().to_owned()
}

#[test]
fn what_cannot_be_started_is_told_apart() {
    let _workspace = Workspace::new().unwrap();
    let launcher = Launcher::start(own_program()).unwrap();
    let (stdio, _other) = UnixStream::pair().unwrap();
    let stdio = stdio.into();
    let launch = |path: &str, argument: &str| {
        let program = Program {
            path: PathBuf::from(path),
            arguments: vec![OsString::from(argument)],
            environment: Vec::new(),
        };
        launcher.launch(&program, &stdio)
    };
    assert!(matches!(
        launch("/nonexistent", ""),
        Err(LaunchError::NotThere)
    ));
    assert!(matches!(
        launch("/etc/passwd", ""),
        Err(LaunchError::NotThere)
    ));
    assert!(matches!(
        launch("/bin/true", &"a".repeat(20_000)),
        Err(LaunchError::Unfit)
    ));
    assert!(launch("/bin/true", "").is_ok());
    // Bounded: the seventeenth is refused.
    let open: Vec<_> = (0..17).map(|_| launch("/bin/sleep", "600")).collect();
    let refused = open.iter().filter(|launched| launched.is_err()).count();
    assert!((1..=2).contains(&refused), "{open:?}");
    let id = launcher.id();
    drop(launcher);
    assert!(children(id).is_empty() && !runs(id));
}

#[test]
fn started_by_hand_it_ends_at_once() {
    let mut command = Command::new(own_program());
    command.arg(WORD);
    let ended = output(command, b"hello").unwrap();
    assert!(!ended.status.success());
}
