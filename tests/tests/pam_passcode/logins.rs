//! The real module under pamtester, sudo, su, login and sshd.

use std::{fs, os::unix::fs::symlink, thread};

use countersign_tests::{
    pam_module,
    sandbox::{PASSWORD, Sandbox, USER, said},
};

use crate::rig::{Device, SEED_TYPED, administrator, passcode_of_seed};

/// A sandbox with a service `passcode` that asks for nothing else.
pub(crate) fn sandbox_with_service(words: &str) -> Sandbox {
    let sandbox = Sandbox::start().unwrap();
    let module = pam_module::path().unwrap();
    let line = format!("auth required {module} passcode {words}");
    for service in ["passcode", "sudo", "su", "login", "sshd"] {
        sandbox.service(service, &line).unwrap();
    }
    sandbox
}

/// Gives [`USER`] an event-based token whose passcodes are [`passcode_of_seed`].
fn give_counter(sandbox: &Sandbox, words: &[&str]) {
    let mut all = vec!["add", USER, "--mode", "event", "--seed-stdin"];
    all.extend_from_slice(words);
    let (said, given) = administrator(sandbox, &all, SEED_TYPED);
    assert!(given, "{said}");
}

fn login(sandbox: &Sandbox, typed: &str) -> (String, bool) {
    sandbox
        .login("passcode", USER, &format!("{typed}\n"))
        .unwrap()
}

#[test]
fn a_passcode_lets_in_once_and_a_wrong_one_does_not() {
    if !Sandbox::is_possible("logins::once") {
        return;
    }
    let sandbox = sandbox_with_service("");
    let (said, let_in) = login(&sandbox, "123456");
    assert!(
        !let_in && !said.contains("Passcode:"),
        "who has none is not asked: {said}"
    );
    let device = Device::added(&sandbox, &[]);
    let (said, let_in) = login(&sandbox, &device.wrong());
    assert!(!let_in && said.contains("Passcode:"), "{said}");
    let passcode = device.steps_from_now(0);
    let (said, let_in) = login(&sandbox, &passcode);
    assert!(let_in, "{said}");
    let (said, let_in) = login(&sandbox, &passcode);
    assert!(!let_in && said.contains("used before"), "{said}");
    let (said, let_in) = login(&sandbox, &device.steps_from_now(1));
    assert!(let_in, "one step ahead: {said}");
    for nothing in ["", "hunter2", "1234567890123"] {
        let (said, let_in) = login(&sandbox, nothing);
        assert!(!let_in, "{nothing:?}: {said}");
    }
    sandbox.end().unwrap();
}

#[test]
fn the_window_is_what_the_line_says() {
    if !Sandbox::is_possible("logins::window") {
        return;
    }
    let sandbox = sandbox_with_service("window=3");
    give_counter(&sandbox, &[]);
    let (said, let_in) = login(&sandbox, &passcode_of_seed(4));
    assert!(!let_in && said.contains("type the next one too"), "{said}");
    let (said, let_in) = login(&sandbox, &passcode_of_seed(5));
    assert!(let_in, "two in a row: {said}");
    let (said, let_in) = login(&sandbox, &passcode_of_seed(9));
    assert!(let_in, "three ahead: {said}");
    sandbox.end().unwrap();
}

#[test]
fn wrong_ones_slow_down_for_a_while() {
    if !Sandbox::is_possible("logins::limit") {
        return;
    }
    let sandbox = sandbox_with_service("");
    give_counter(&sandbox, &["--limit", "2/3600"]);
    for _ in 0..2 {
        assert!(!login(&sandbox, "000000").1);
    }
    let (said, let_in) = login(&sandbox, &passcode_of_seed(0));
    assert!(
        !let_in && said.contains("Too many wrong passcodes"),
        "{said}"
    );
    assert!(
        !said.contains("Passcode:"),
        "nothing is asked in vain: {said}"
    );
    let (_, unlocked) = administrator(&sandbox, &["unlock", USER], "");
    assert!(unlocked && login(&sandbox, &passcode_of_seed(0)).1);
    sandbox.end().unwrap();
}

#[test]
fn a_challenge_stands_above_the_passcode() {
    if !Sandbox::is_possible("logins::challenge") {
        return;
    }
    let sandbox = sandbox_with_service("");
    let device = Device::added(&sandbox, &["--mode", "challenge"]);
    // Nothing typed: the challenge stays.
    let (said, let_in) = login(&sandbox, "");
    assert!(!let_in, "{said}");
    let challenge = said
        .lines()
        .find_map(|line| line.split("Challenge: ").nth(1))
        .unwrap()
        .trim();
    let answer = device.answer(challenge);
    let (said, let_in) = login(&sandbox, &answer);
    assert!(let_in && said.contains(challenge), "{said}");
    let (said, let_in) = login(&sandbox, &answer);
    assert!(!let_in && !said.contains(challenge), "{said}");
    sandbox.end().unwrap();
}

/// What is wrong with a record, and how it comes to that.
type Spoil<'a> = (&'static str, Box<dyn Fn() + 'a>);

#[test]
fn a_record_that_is_not_roots_alone_lets_nobody_in() {
    if !Sandbox::is_possible("logins::unsafe") {
        return;
    }
    let sandbox = sandbox_with_service("");
    give_counter(&sandbox, &[]);
    let record = sandbox.path(&format!("/etc/countersign/pam/passcodes/{USER}"));
    let path = record.to_str().unwrap().to_owned();
    let text = fs::read(&record).unwrap();
    let spoil: [Spoil<'_>; 6] = [
        (
            "owner",
            Box::new(|| {
                let user = rustix::process::Uid::from_raw(sandbox.user_id());
                rustix::fs::chown(&path, Some(user), None).unwrap();
            }),
        ),
        (
            "mode",
            Box::new(|| {
                rustix::fs::chmod(&path, rustix::fs::Mode::from_raw_mode(0o640)).unwrap();
            }),
        ),
        (
            "link",
            Box::new(|| {
                fs::rename(&record, format!("{path}.real")).unwrap();
                symlink(format!("{USER}.real"), &record).unwrap();
            }),
        ),
        (
            "fifo",
            Box::new(|| {
                fs::remove_file(&record).unwrap();
                let (kind, mode) = (
                    rustix::fs::FileType::Fifo,
                    rustix::fs::Mode::from_raw_mode(0o600),
                );
                rustix::fs::mknodat(rustix::fs::CWD, &record, kind, mode, 0).unwrap();
            }),
        ),
        (
            "size",
            Box::new(|| fs::write(&record, vec![b'1'; 1 << 16]).unwrap()),
        ),
        (
            "half",
            Box::new(|| fs::write(&record, &text[..40]).unwrap()),
        ),
    ];
    for (what, spoil) in spoil {
        let inside = format!("/etc/countersign/pam/passcodes/{USER}");
        drop(fs::remove_file(&record));
        sandbox
            .write(&inside, core::str::from_utf8(&text).unwrap(), 0o600)
            .unwrap();
        spoil();
        let (said, let_in) = login(&sandbox, &passcode_of_seed(0));
        assert!(!let_in && !said.contains("Passcode:"), "{what}: {said}");
        assert!(said.contains("cannot be checked"), "{what}: {said}");
    }
    drop(fs::remove_file(&record));
    let inside = format!("/etc/countersign/pam/passcodes/{USER}");
    sandbox
        .write(&inside, core::str::from_utf8(&text).unwrap(), 0o600)
        .unwrap();
    assert!(login(&sandbox, &passcode_of_seed(0)).1, "it was the file");
    sandbox.end().unwrap();
}

#[test]
fn of_two_who_type_the_same_passcode_at_once_one_is_let_in() {
    if !Sandbox::is_possible("logins::at_once") {
        return;
    }
    let sandbox = sandbox_with_service("");
    give_counter(&sandbox, &["--limit", "20/60"]);
    for counter in 0..5 {
        let passcode = passcode_of_seed(counter);
        let let_in = thread::scope(|scope| {
            let logins: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| login(&sandbox, &passcode).1))
                .collect();
            logins
                .into_iter()
                .map(|login| login.join().unwrap())
                .filter(|let_in| *let_in)
                .count()
        });
        assert_eq!(let_in, 1, "counter {counter}");
    }
    sandbox.end().unwrap();
}

#[test]
fn sudo_and_su_ask_for_the_passcode_of_the_account_that_is_proved() {
    if !Sandbox::is_possible("logins::sudo_and_su") {
        return;
    }
    let sandbox = sandbox_with_service("");
    give_counter(&sandbox, &[]);
    let sudo = |typed: &str| {
        let words = ["sudo", "-S", "-p", "", "id", "-un"];
        sandbox.run_as_user(&words, typed).unwrap()
    };
    let output = sudo(&format!("{}\n", passcode_of_seed(0)));
    assert_eq!(output.stdout, b"root\n", "{}", said(&output));
    // The second of sudo's three tries.
    let output = sudo(&format!("hunter2\n{}\n", passcode_of_seed(1)));
    assert!(output.status.success(), "{}", said(&output));
    let output = sudo(&format!("{0}\n{0}\n{0}\n", passcode_of_seed(1)));
    assert!(!output.status.success(), "{}", said(&output));
    // su proves the target; alice has passcodes, root has none.
    let words = [
        "setpriv",
        "--reuid",
        "daemon",
        "--clear-groups",
        "su",
        USER,
        "-c",
        "id -un",
    ];
    let output = sandbox
        .run(&words, &format!("{}\n", passcode_of_seed(2)))
        .unwrap();
    assert_eq!(output.stdout, b"alice\n", "{}", said(&output));
    // login, as a getty starts it.
    let typed = format!("{}\n", passcode_of_seed(5));
    let words = [
        "pamtester",
        "-I",
        "tty=tty1",
        "login",
        USER,
        "authenticate",
        "acct_mgmt",
    ];
    let output = sandbox.run(&words, &typed).unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let output = sandbox.run_as_user(
        &["su", "-c", "id -un"],
        &format!("{}\n", passcode_of_seed(3)),
    );
    assert!(!output.unwrap().status.success());
    sandbox.end().unwrap();
}

/// The stacks of the documentation.
#[test]
fn after_the_password_or_in_its_place() {
    if !Sandbox::is_possible("logins::stacks") {
        return;
    }
    let sandbox = sandbox_with_service("");
    let module = pam_module::path().unwrap();
    give_counter(&sandbox, &["--limit", "20/60"]);
    let second = format!("auth required pam_unix.so\nauth required {module} passcode");
    sandbox.service("second", &second).unwrap();
    let instead = format!(
        "auth [success=done authinfo_unavail=ignore default=die] {module} passcode\nauth required pam_unix.so"
    );
    sandbox.service("instead", &instead).unwrap();
    let mut counter = 0;
    let mut right = || {
        counter += 1;
        passcode_of_seed(counter - 1)
    };
    let login = |service: &str, typed: &[&str]| {
        sandbox
            .login(service, USER, &format!("{}\n", typed.join("\n")))
            .unwrap()
    };
    for (service, typed, expected) in [
        ("second", vec![PASSWORD.to_owned(), right()], true),
        (
            "second",
            vec![PASSWORD.to_owned(), "000000".to_owned()],
            false,
        ),
        ("second", vec!["wrong".to_owned(), right()], false),
        ("instead", vec![right()], true),
        (
            "instead",
            vec!["000000".to_owned(), PASSWORD.to_owned()],
            false,
        ),
        ("instead", vec![String::new(), PASSWORD.to_owned()], false),
    ] {
        let words: Vec<_> = typed.iter().map(String::as_str).collect();
        let (said, let_in) = login(service, &words);
        assert_eq!(let_in, expected, "{service} {typed:?}: {said}");
    }
    let (_, removed) = administrator(&sandbox, &["remove", USER], "");
    assert!(removed);
    let (said, let_in) = login("instead", &[PASSWORD]);
    assert!(let_in, "without a record the password is asked for: {said}");
    let (said, let_in) = login("second", &[PASSWORD, "000000"]);
    assert!(!let_in, "a second factor that is not there is none: {said}");
    sandbox.end().unwrap();
}

/// What happened stands in the log of authentications, without a secret, and without a text of others that could look like another line.
#[test]
fn the_log_says_how_each_login_ended() {
    if !Sandbox::is_possible("logins::log") {
        return;
    }
    let sandbox = sandbox_with_service("");
    let log = sandbox.log().unwrap();
    give_counter(&sandbox, &["--limit", "2/60"]);
    let login = |typed: &str| {
        let words = [
            "pamtester",
            "-I",
            "tty=pts/7\nroot: hi",
            "-I",
            "rhost=192.0.2.7",
            "passcode",
            USER,
            "authenticate",
        ];
        sandbox.run(&words, &format!("{typed}\n")).unwrap();
        log.line("countersign(").unwrap()
    };
    // LOG_AUTHPRIV is 10: informational lines are 86, notices 85.
    let right = passcode_of_seed(0);
    for (typed, priority, how) in [
        (right.as_str(), "<86>", "passcode accepted"),
        (&right, "<85>", "passcode refused: used before"),
        ("000000", "<85>", "passcode refused: wrong"),
        (
            "hunter2",
            "<85>",
            "passcode refused: not of a passcode's form",
        ),
        ("000000", "<85>", "passcode refused: wrong"),
        ("000000", "<85>", "passcode refused: too many wrong ones"),
    ] {
        let line = login(typed);
        assert!(line.starts_with(priority), "{line}");
        assert!(
            line.contains(&format!("countersign(passcode:auth): {how}")),
            "{line}"
        );
        assert!(line.contains(&format!(" user={USER} ruid=0 ")), "{line}");
        assert!(
            line.contains("tty=pts/7 root: hi rhost=192.0.2.7"),
            "{line}"
        );
        assert!(!line.contains('\n') && !line.contains(typed), "{line}");
    }
    sandbox.end().unwrap();
}
