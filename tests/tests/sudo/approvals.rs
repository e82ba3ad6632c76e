//! The whole way: sudo, module, agent, dialog, signature, root.

use countersign_tests::{
    sandbox::{PASSWORD, said},
    terminal::Terminal,
};
use rustix::process::Signal;

use crate::desk::{Desk, PASSPHRASE, PIN, is_possible, on, until, was_refused, was_root};

const WHOAMI: &[&str] = &["id", "-un"];

#[test]
fn an_approval_makes_root_and_a_denial_asks_once() {
    if !is_possible("sudo::approval") {
        return;
    }
    let desk = Desk::enrolled("timeout=60");
    was_root(&desk.sudo_and_type(WHOAMI, &[PIN]));
    assert_eq!(desk.dialogs(), 1);
    let told = desk.told();
    assert!(
        told.contains("alice runs sudo -S -p 'Password please:' id -un on "),
        "{told}"
    );

    // No is final: neither a second try of sudo's nor the password makes up for it.
    let denied = std::thread::scope(|scope| {
        let typing = scope.spawn(|| desk.types("cancel"));
        let denied = desk.sudo(WHOAMI, &format!("{PASSWORD}\n"));
        typing.join().unwrap();
        denied
    });
    was_refused(&denied);
    assert_eq!(desk.dialogs(), 2, "sudo tries three times, and asks once");
    assert!(
        !said(&denied).contains("Password please"),
        "{}",
        said(&denied)
    );

    // A wrong PIN is asked for again in the same dialog, and the right one counts.
    was_root(&desk.sudo_and_type(WHOAMI, &["000000", PIN]));
    let log = desk.countersign(&["--json", "log"], "");
    let log = said(&log);
    assert!(
        log.contains("request_approved") && log.contains("request_denied"),
        "{log}"
    );
    desk.end();
}

#[test]
fn without_an_answer_the_password_is_asked_for() {
    if !is_possible("sudo::fallback") {
        return;
    }
    let mut desk = Desk::enrolled("timeout=5");
    let password = format!("{PASSWORD}\n");

    // Nobody answers.
    let late = desk.sudo(WHOAMI, &password);
    was_root(&late);
    assert!(
        said(&late).contains("nobody answered in time"),
        "{}",
        said(&late)
    );
    assert!(said(&late).contains("Password please"), "{}", said(&late));

    // Locked.
    assert!(desk.countersign(&["lock"], "").status.success());
    let locked = desk.sudo(WHOAMI, &password);
    was_root(&locked);
    assert!(
        said(&locked).contains("Countersign is locked"),
        "{}",
        said(&locked)
    );
    let wrong = desk.sudo(WHOAMI, "not it\nnor this\nnor that\n");
    was_refused(&wrong);
    let opened = desk.countersign(
        &["unlock", "--passphrase-stdin"],
        &format!("{PASSPHRASE}\n"),
    );
    assert!(opened.status.success());

    // Taking no requests.
    assert!(desk.countersign(&["autosend", "off"], "").status.success());
    let muted = desk.sudo(WHOAMI, &password);
    was_root(&muted);
    assert!(
        said(&muted).contains("takes no requests"),
        "{}",
        said(&muted)
    );
    assert!(desk.countersign(&["autosend", "on"], "").status.success());

    // Away.
    desk.end_agent();
    let away = desk.sudo(WHOAMI, &password);
    was_root(&away);
    assert!(
        said(&away).contains("Countersign does not run"),
        "{}",
        said(&away)
    );
    desk.end();
}

#[test]
fn a_question_goes_with_the_sudo_that_asked_it() {
    if !is_possible("sudo::gone") {
        return;
    }
    let desk = Desk::enrolled("timeout=60");
    let sudo = desk.sudo_beside(&["id", "-un"]);
    until("a dialog", || (desk.dialogs() == 1).then_some(()));
    let pending = || {
        let listed = desk.countersign(&["--json", "requests"], "");
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        listed["requests"].as_array().unwrap().len()
    };
    assert_eq!(pending(), 1);
    // Only root may send it a signal: sudo is root's.
    sudo.signal(Signal::KILL).unwrap();
    until("it is withdrawn", || (pending() == 0).then_some(()));
    drop(sudo);
    desk.end();
}

#[test]
fn a_number_ties_the_dialog_to_the_terminal() {
    if !is_possible("sudo::number") {
        return;
    }
    let desk = Desk::enrolled("timeout=60 number");
    let answered = |change: &dyn Fn(&str) -> String| {
        let mut terminal = Terminal::open().unwrap();
        desk.root(&format!("chown alice {}", terminal.path()));
        let mut sudo = on(&terminal, &desk, &["sudo", "id", "-un"]);
        let shown = terminal
            .wait_until_seen("the number", |shown| shown.contains(" on your desktop."))
            .unwrap();
        let (_, number) = shown.split_once("to approve, type ").unwrap();
        let number = number.get(..3).unwrap();
        assert!(!desk.told().contains(number), "the agent does not know it");
        desk.types(&change(number));
        desk.types(PIN);
        sudo.wait().unwrap().success()
    };
    assert!(answered(&str::to_owned));
    let wrong = |number: &str| if number == "111" { "112" } else { "111" }.to_owned();
    assert!(!answered(&wrong));
    let history = said(&desk.countersign(&["--json", "requests", "--history"], ""));
    assert!(
        history.contains("the number was not the one on the terminal"),
        "{history}"
    );
    desk.end();
}

/// The agent's socket is root's to ask on: a program of the user's is not heard, and so cannot relay a question either.
#[test]
fn a_program_of_the_users_cannot_ask() {
    if !is_possible("sudo::relay") {
        return;
    }
    let desk = Desk::enrolled("timeout=60");
    let script = format!(
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.settimeout(60)\ns.connect('/run/user/{}/countersign/sudo.sock')\n\
         try:\n  s.sendall(bytes([0,0,0,2,10,0]))\n  print('heard', len(s.recv(100)))\nexcept (BrokenPipeError, ConnectionResetError):\n  print('heard 0')",
        desk.sandbox.user_id()
    );
    let by_alice = desk.of_user(&["python3", "-c", &script]);
    let asked = countersign_tests::process::output(by_alice, b"").unwrap();
    assert_eq!(said(&asked).trim(), "heard 0");
    let asked = desk.sandbox.run(&["python3", "-c", &script], "").unwrap();
    let heard = said(&asked);
    assert!(
        heard.starts_with("heard ") && heard.trim() != "heard 0",
        "{heard}"
    );
    assert_eq!(desk.dialogs(), 0);
    desk.end();
}

#[test]
fn what_the_administrator_asks_for_holds() {
    if !is_possible("sudo::levels") {
        return;
    }
    let desk = Desk::new();
    desk.enroll(&["--verify", "presence"]);
    desk.sudo_asks("timeout=60");
    // The first one takes the PIN; then a click is enough until the vault locks.
    was_root(&desk.sudo_and_type(WHOAMI, &[PIN]));
    was_root(&desk.sudo(WHOAMI, ""));
    assert_eq!(desk.dialogs(), 1);
    // The line of the service asks for more than the key's own.
    desk.sudo_asks("timeout=60 verify=pin");
    was_root(&desk.sudo_and_type(WHOAMI, &[PIN]));
    assert_eq!(desk.dialogs(), 2);
    let listed = said(&desk.countersign(&["--json", "sudo", "list"], ""));
    assert!(
        listed.contains("\"accepted\":true") && listed.contains("\"verify\":\"presence\""),
        "{listed}"
    );
    // Among the tokens it is called what it is, and root's module is found where the stack names it.
    let listed = said(&desk.countersign(&["--json", "list"], ""));
    assert!(listed.contains("\"mode\":\"sudo\""), "{listed}");
    let status = said(&desk.countersign(&["--json", "sudo", "status"], ""));
    assert!(status.contains("pam_countersign.so\""), "{status}");

    // Revoked: the key is gone at root's, and here.
    desk.service("sudo", "auth required pam_deny.so");
    let revoked = desk.countersign(&["sudo", "revoke"], "");
    assert!(
        !revoked.status.success(),
        "it needs root: {}",
        said(&revoked)
    );
    desk.service("sudo", "auth sufficient pam_permit.so");
    let revoked = desk.countersign(&["sudo", "revoke"], "");
    assert!(revoked.status.success(), "{}", said(&revoked));
    desk.sudo_asks("timeout=60");
    was_root(&desk.sudo(WHOAMI, &format!("{PASSWORD}\n")));
    assert!(said(&desk.countersign(&["--json", "sudo", "list"], "")).contains("\"keys\":[]"));
    desk.end();
}
