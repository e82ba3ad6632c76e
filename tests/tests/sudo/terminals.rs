//! sudo on a terminal: keys that interrupt, other callers, and what the environment may not say.

use countersign_proto::sudo::v1::{Challenge, Level};
use countersign_tests::{
    sandbox::{PASSWORD, said},
    terminal::Terminal,
};
use prost::Message as _;

use crate::{
    desk::{is_possible, on, was_refused, was_root},
    liar::{self, approval, question},
};

#[test]
fn keys_that_interrupt_end_the_question() {
    if !is_possible("sudo::keys") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=100");
    for key in ["\u{3}", "\u{1c}"] {
        let mut terminal = Terminal::open().unwrap();
        desk.root(&format!("chown alice {}", terminal.path()));
        let (gone, is_gone) = std::sync::mpsc::channel();
        let _silent = liar::listen(&desk, desk.sandbox.user_id(), move |mut stream| {
            drop(question(&mut stream));
            drop(std::io::Write::write_all(&mut stream, &liar::shown()));
            // Returns when the module has gone.
            drop(std::io::Read::read(&mut stream, &mut [0; 1]));
            let _nobody_waits = gone.send(()).is_err();
        });
        let mut sudo = on(&terminal, &desk, &["sudo", "id", "-un"]);
        terminal.see("approve on your desktop").unwrap();
        terminal.press(key).unwrap();
        let ended = sudo.wait().unwrap();
        assert!(!ended.success());
        is_gone
            .recv_timeout(core::time::Duration::from_mins(1))
            .unwrap();
        let shown = terminal.shown();
        assert!(
            !shown.contains("password for alice") && !shown.contains("root"),
            "{shown}"
        );
    }
    desk.end();
}

#[test]
fn the_question_says_what_was_typed_and_not_what_the_environment_says() {
    if !is_possible("sudo::question") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=20");
    let (tell, told) = std::sync::mpsc::channel();
    let _honest = liar::answering(&desk, move |ask| {
        tell.send(Challenge::decode(ask.challenge.as_slice()).unwrap())
            .unwrap();
        liar::answer(approval(ask, 1, Level::Pin))
    });
    let mut command = desk.of_user(&["sudo", "-S", "id", "-un"]);
    for (name, value) in [
        ("XDG_RUNTIME_DIR", "/tmp/elsewhere"),
        ("SUDO_COMMAND", "/bin/harmless"),
        ("SUDO_USER", "root"),
        ("RUST_BACKTRACE", "full"),
        ("HOME", "/root"),
        ("LD_PRELOAD", "/nowhere.so"),
        ("USER", "root"),
    ] {
        command.env(name, value);
    }
    let output = countersign_tests::process::output(command, b"").unwrap();
    was_root(&output);
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
    let challenge = told.recv().unwrap();
    assert_eq!(challenge.command, b"sudo\0-S\0id\0-un\0");
    assert_eq!(
        (challenge.user.as_str(), challenge.service.as_str()),
        ("alice", "sudo")
    );
    assert_eq!(challenge.uid, desk.sandbox.user_id());
    assert_eq!(challenge.ruid, desk.sandbox.user_id());
    assert_eq!(challenge.nonce.len(), 32);
    assert_ne!(challenge.started, 0);
    assert_eq!(challenge.expires_ms - challenge.issued_ms, 20_000);
    desk.end();
}

#[test]
fn another_account_is_not_proved_by_the_callers_agent_unless_the_line_says_so() {
    if !is_possible("sudo::targetpw") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=10");
    let _honest = liar::answering(&desk, |ask| liar::answer(approval(ask, 1, Level::Pin)));
    desk.root(
        "printf 'Defaults targetpw\\n' > /etc/sudoers.d/target; chmod 440 /etc/sudoers.d/target",
    );
    // With targetpw the account to be proved is root's; alice's password is not root's.
    was_refused(&desk.sudo(&["id", "-un"], &format!("{PASSWORD}\n")));
    desk.sudo_asks("timeout=10 ask=caller");
    was_root(&desk.sudo(&["id", "-un"], ""));
    desk.root("rm /etc/sudoers.d/target");

    // su: the target's account, asked by alice.
    let line = format!(
        "auth sufficient {} timeout=10 ask=caller\nauth required pam_deny.so",
        desk.module
    );
    desk.service("su", &line);
    let su =
        countersign_tests::process::output(desk.of_user(&["su", "-c", "id -un"]), b"").unwrap();
    was_root(&su);
    desk.service("su", &line.replace(" ask=caller", ""));
    let su =
        countersign_tests::process::output(desk.of_user(&["su", "-c", "id -un"]), b"").unwrap();
    was_refused(&su);
    desk.end();
}

#[test]
fn a_call_that_must_not_ask_asks_nobody_unless_sudo_lets_modules() {
    if !is_possible("sudo::noninteractive") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=10");
    let _honest = liar::answering(&desk, |ask| liar::answer(approval(ask, 1, Level::Pin)));
    let quietly = || {
        countersign_tests::process::output(desk.of_user(&["sudo", "-n", "id", "-un"]), b"").unwrap()
    };
    was_refused(&quietly());
    desk.root("printf 'Defaults noninteractive_auth\\n' > /etc/sudoers.d/quiet; chmod 440 /etc/sudoers.d/quiet");
    was_root(&quietly());
    desk.end();
}

/// Whoever knows a name could have its owner asked, from anywhere.
#[test]
fn a_login_from_another_host_asks_nobody_unless_the_line_says_so() {
    if !is_possible("sudo::remote") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=10");
    let _honest = liar::answering(&desk, |ask| liar::answer(approval(ask, 1, Level::Pin)));
    let from = |host: &str| {
        let rhost = format!("rhost={host}");
        let words = ["pamtester", "-I", &rhost, "remote", "alice", "authenticate"];
        desk.sandbox.run(&words, "").unwrap().status.success()
    };
    desk.service(
        "remote",
        &format!("auth required {} timeout=10", desk.module),
    );
    assert!(from("localhost") && from("::1"));
    assert!(!from("203.0.113.7") && !from("localhost.example.com"));
    desk.service(
        "remote",
        &format!("auth required {} timeout=10 remote", desk.module),
    );
    assert!(from("203.0.113.7"));
    desk.end();
}

#[test]
fn login_and_polkit_are_asked_as_their_own_accounts() {
    if !is_possible("sudo::login") {
        return;
    }
    let desk = liar::desk();
    desk.sudo_asks("timeout=10");
    let (tell, told) = std::sync::mpsc::channel();
    let _honest = liar::answering(&desk, move |ask| {
        tell.send(Challenge::decode(ask.challenge.as_slice()).unwrap())
            .unwrap();
        liar::answer(approval(ask, 1, Level::Pin))
    });
    for service in ["login", "polkit-1"] {
        desk.service(
            service,
            &format!("auth required {} timeout=10", desk.module),
        );
        let (said, let_in) = desk.sandbox.login(service, "alice", "").unwrap();
        assert!(let_in, "{said}");
        let challenge = told.recv().unwrap();
        assert_eq!((challenge.service.as_str(), challenge.ruid), (service, 0));
    }
    // setcred of a stack with nothing else in it.
    let output = desk
        .sandbox
        .run(
            &[
                "pamtester",
                "login",
                "alice",
                "authenticate",
                "setcred(PAM_ESTABLISH_CRED)",
            ],
            "",
        )
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    desk.end();
}
