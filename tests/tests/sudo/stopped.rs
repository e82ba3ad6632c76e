//! Ctrl-Z while the question is open: a real shell stops sudo and goes on with it.

use std::{
    io::{Read as _, Write as _},
    sync::mpsc,
};

use countersign_proto::sudo::v1::Level;
use countersign_tests::{PATIENCE, process::Process, sandbox::said, terminal::Terminal};

use crate::{
    desk::{Desk, PIN, is_possible, on, until},
    liar::{self, approval, question},
};

/// Ctrl-Z.
const STOP: &str = "\u{1a}";
/// How long the user is away, in a shell's words: longer than the shortest time of a question, and longer than the agent waits
/// for a word that is due.
const BACK_LATER: &str = "read -t 6; fg\n";
const ASKED: &str = "approve on your desktop";

/// A shell with job control, in which sudo was stopped as it asked.
fn stopped(desk: &Desk) -> (Terminal, Process) {
    let mut terminal = Terminal::open().unwrap();
    desk.root(&format!("chown alice {}", terminal.path()));
    let shell = on(&terminal, desk, &["bash", "--norc", "--noprofile", "-i"]);
    terminal.see("$").unwrap();
    terminal.press("sudo id -un\n").unwrap();
    terminal.see(ASKED).unwrap();
    terminal.press(STOP).unwrap();
    terminal.see("Stopped").unwrap();
    (terminal, shell)
}

/// sudo has run the command.
fn sees_root(terminal: &mut Terminal) {
    terminal
        .wait_until_seen("root", |seen| {
            seen.lines().any(|line| line.trim() == "root")
        })
        .unwrap();
    assert_eq!(terminal.count(ASKED), 1, "{}", terminal.shown());
}

/// The shell asks for the next command: what is typed before that may be sudo's.
fn leave(mut terminal: Terminal, mut shell: Process) {
    terminal
        .wait_until_seen("a prompt", |seen| seen.trim_end().ends_with('$'))
        .unwrap();
    terminal.press("exit\n").unwrap();
    shell.wait().unwrap();
}

/// An agent that approves once it is told to, and says how often it was asked.
fn approving_when_told(
    desk: &Desk,
) -> (
    countersign_tests::sudo_agent::PlayedAgent,
    mpsc::Sender<()>,
    mpsc::Receiver<&'static str>,
) {
    let (tell, told) = mpsc::channel();
    let (say, said) = mpsc::channel();
    let agent = liar::listen(desk, desk.sandbox.user_id(), move |mut stream| {
        let Some(ask) = question(&mut stream) else {
            return;
        };
        let _nobody_hears = say.send("asked").is_err();
        drop(stream.write_all(&liar::shown()));
        if told.recv_timeout(PATIENCE).is_err() {
            return;
        }
        drop(stream.write_all(&liar::answer(approval(&ask, 1, Level::Pin))));
        let _nobody_hears = say.send("answered").is_err();
        // Until the module has taken it, or has gone.
        drop(stream.read(&mut [0; 64]));
    });
    (agent, tell, said)
}

#[test]
fn a_stopped_sudo_takes_the_answer_when_it_goes_on() {
    if !is_possible("sudo::stopped") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=100");
    let (agent, tell, said) = approving_when_told(&desk);
    // Answered while sudo is stopped.
    let (mut terminal, shell) = stopped(&desk);
    tell.send(()).unwrap();
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "asked");
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "answered");
    terminal.press("fg\n").unwrap();
    sees_root(&mut terminal);
    leave(terminal, shell);
    // Answered once it goes on.
    let (mut terminal, shell) = stopped(&desk);
    terminal.press("fg\n").unwrap();
    terminal.wait_for("sudo id -un", 3).unwrap();
    tell.send(()).unwrap();
    sees_root(&mut terminal);
    leave(terminal, shell);
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "asked");
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "answered");
    drop(agent);
    assert!(said.try_recv().is_err(), "asked twice");
    desk.end();
}

#[test]
fn a_stopped_sudo_takes_no_answer_after_its_time() {
    if !is_possible("sudo::stopped_late") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=5");
    let (_agent, tell, said) = approving_when_told(&desk);
    let (mut terminal, shell) = stopped(&desk);
    // In time by itself; nobody was there to take it.
    tell.send(()).unwrap();
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "asked");
    assert_eq!(said.recv_timeout(PATIENCE).unwrap(), "answered");
    terminal.press(BACK_LATER).unwrap();
    terminal.see("nobody answered in time").unwrap();
    terminal
        .wait_for_secret_prompt("password for alice", 1)
        .unwrap();
    terminal.press("\u{3}").unwrap();
    leave(terminal, shell);
    desk.end();
}

/// The user approves while sudo is stopped, and goes on with it later: what the agent says of it is what happened.
#[test]
fn an_answer_that_a_stopped_sudo_takes_later_is_no_refusal_in_the_history() {
    if !is_possible("sudo::stopped_history") {
        return;
    }
    let desk = Desk::enrolled("timeout=100");
    let (mut terminal, shell) = stopped(&desk);
    desk.types(PIN);
    terminal.press(BACK_LATER).unwrap();
    sees_root(&mut terminal);
    leave(terminal, shell);
    let history = || said(&desk.countersign(&["--json", "requests", "--history"], ""));
    until("the outcome", || {
        let history = history();
        assert!(!history.contains("had gone"), "{history}");
        history.contains("\"approved\"").then_some(())
    });
    assert_eq!(desk.dialogs(), 1);
    desk.end();
}
