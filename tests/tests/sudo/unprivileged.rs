//! The module that is installed, without root: an ordinary user's own namespace, where her uid is root's and all files are
//! hers, and an application that holds the conversation. What each question came to is libpam's own code.

use std::{
    os::unix::net::UnixStream,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use countersign_core::sudo::Least;
use countersign_proto::sudo::v1::{Approval, Ask, Level, Why};
use countersign_tests::{
    PATIENCE, parts,
    process::{Process, Stdout, output},
    sandbox::{USER, said},
    sudo_agent::{self, PlayedAgent},
    user_namespace::UserNamespace,
};
use prost::Message as _;

use crate::{
    desk::{PASSPHRASE, PIN, PINENTRY, until},
    liar::{self, approval, question},
};

const APPLICATION: &str = "/opt/pam_application";
const MODULE: &str = "/opt/pam_countersign.so";
const KEYS: &str = "/etc/countersign/pam/keys.d/alice";
/// Where the services are: not libpam's own folder.
const SERVICES: &str = "/opt/services";
/// What is said while the question is on the desktop.
const SHOWN: &str = r#"told 4 "Countersign: approve on your desktop.""#;

/// The module, its application, and a file that accepts the key of byte 1.
fn system(words: &str) -> UserNamespace {
    let system = UserNamespace::start().unwrap();
    system.install("libpam_countersign.so", MODULE).unwrap();
    system.install("pam_application", APPLICATION).unwrap();
    system.shell(&format!("mkdir {SERVICES}")).unwrap();
    let deny = "auth required pam_deny.so\n";
    system
        .write(&format!("{SERVICES}/other"), deny, 0o644)
        .unwrap();
    line(&system, words);
    accept(&system);
    system
}

/// The service is the module alone: its code is libpam's.
fn line(system: &UserNamespace, words: &str) {
    let service = format!("{SERVICES}/sudo");
    let line = format!("auth required {MODULE} {words}\n");
    system.write(&service, &line, 0o644).unwrap();
}

fn accept(system: &UserNamespace) {
    let keys = sudo_agent::accepted(Least::User).unwrap();
    system.write(KEYS, &keys, 0o644).unwrap();
}

/// The agent of the account, played.
fn listen(system: &UserNamespace, behave: impl Fn(UnixStream) + Send + 'static) -> PlayedAgent {
    let folder = system.path("/run/user/0/countersign");
    let user = system.outer_uid();
    PlayedAgent::listen_in(&folder, user, user, behave).unwrap()
}

fn answering(
    system: &UserNamespace,
    make: impl Fn(&Ask) -> Vec<u8> + Send + 'static,
) -> PlayedAgent {
    listen(
        system,
        sudo_agent::once(move |ask| [liar::shown(), make(ask)].concat()),
    )
}

/// What the application was told, and what each of its tries came to.
fn tries(system: &UserNamespace, number: &str) -> Vec<String> {
    let words = [APPLICATION, SERVICES, "sudo", USER, number];
    let ended = output(system.command(&words), b"").unwrap();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{}",
        said(&ended)
    );
    lines(&ended.stdout)
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn comes_to(system: &UserNamespace, lines: &[&str]) {
    assert_eq!(tries(system, "1"), lines);
}

#[test]
fn an_ordinary_user_sees_the_code_of_each_ending() {
    if !UserNamespace::is_possible("sudo::codes") {
        return;
    }
    let system = system("timeout=30");
    {
        let _honest = answering(&system, |ask| liar::answer(approval(ask, 1, Level::Pin)));
        comes_to(&system, &[SHOWN, "PAM_SUCCESS"]);
    }
    {
        // sudo's three tries are of one handle: the user is asked once.
        let asked = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&asked);
        let _denying = answering(&system, move |_| {
            counts.fetch_add(1, Ordering::Relaxed);
            liar::refusal(Why::Denied)
        });
        let no = "PAM_AUTH_ERR";
        assert_eq!(tries(&system, "3"), [SHOWN, no, no, no]);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
    {
        let _altered = answering(&system, |ask| {
            let mut answer = approval(ask, 1, Level::Presence);
            // The level is raised after signing.
            let mut signed = Approval::decode(answer.approval.as_slice()).unwrap();
            signed.level = Level::Pin.into();
            answer.approval = signed.encode_to_vec();
            liar::answer(answer)
        });
        comes_to(&system, &[SHOWN, "PAM_AUTH_ERR"]);
    }
    {
        let _turned = answering(&system, |ask| {
            let mut answer = approval(ask, 1, Level::Pin);
            answer.signature[40] ^= 1;
            liar::answer(answer)
        });
        comes_to(&system, &[SHOWN, "PAM_AUTH_ERR"]);
    }
    {
        let _another_key = answering(&system, |ask| liar::answer(approval(ask, 2, Level::Pin)));
        comes_to(&system, &[SHOWN, "PAM_AUTH_ERR"]);
    }
    {
        let _locked = listen(&system, sudo_agent::once(|_| liar::refusal(Why::Locked)));
        let told = r#"told 4 "Countersign is locked; `countersign unlock` opens it.""#;
        comes_to(&system, &[told, "PAM_AUTHINFO_UNAVAIL"]);
    }
    let absent = r#"told 4 "Countersign does not run.""#;
    comes_to(&system, &[absent, "PAM_AUTHINFO_UNAVAIL"]);
    line(&system, "timeout=30 nullok");
    comes_to(&system, &["PAM_AUTHINFO_UNAVAIL"]);
    system.end().unwrap();
}

#[test]
fn an_ordinary_user_sees_that_no_unsafe_file_is_believed() {
    if !UserNamespace::is_possible("sudo::unsafe_files") {
        return;
    }
    let system = system("timeout=30");
    let log = system.log().unwrap();
    let _honest = answering(&system, |ask| liar::answer(approval(ask, 1, Level::Pin)));
    comes_to(&system, &[SHOWN, "PAM_SUCCESS"]);
    // A file of this machine's root, who is a stranger inside.
    let foreign = "mount --bind /usr/bin/env FILE";
    let written = "chmod 664 FILE";
    let folder = "chmod 777 /etc/countersign/pam/keys.d";
    for (spoil, mend, why) in [
        (
            foreign,
            "umount FILE",
            "it belongs to uid 65534, not to root",
        ),
        (written, "chmod 644 FILE", "others can write it (mode 664)"),
        (
            folder,
            "chmod 755 /etc/countersign/pam/keys.d",
            "others can write it (mode 777)",
        ),
        (
            "mv FILE /opt/keys; ln -s /opt/keys FILE",
            "rm FILE; mv /opt/keys FILE",
            "it is not a regular file",
        ),
    ] {
        system.shell(&spoil.replace("FILE", KEYS)).unwrap();
        comes_to(&system, &["PAM_AUTH_ERR"]);
        log.line(why).unwrap();
        system.shell(&mend.replace("FILE", KEYS)).unwrap();
        comes_to(&system, &[SHOWN, "PAM_SUCCESS"]);
    }
    system.shell(&format!("rm {KEYS}")).unwrap();
    comes_to(&system, &["PAM_AUTHINFO_UNAVAIL"]);
    system.end().unwrap();
}

#[test]
fn an_ordinary_user_is_told_the_number_and_nothing_else() {
    if !UserNamespace::is_possible("sudo::told_number") {
        return;
    }
    // `quiet` takes every sentence but this one.
    let system = system("timeout=60 number quiet");
    let (keyboard, typed) = mpsc::channel::<String>();
    let _waiting = listen(&system, move |mut stream| {
        let Some(ask) = question(&mut stream) else {
            return;
        };
        drop(std::io::Write::write_all(&mut stream, &liar::shown()));
        let Ok(number) = typed.recv_timeout(PATIENCE) else {
            return;
        };
        let answer = sudo_agent::approval_with(&ask, 1, Level::Pin, &number).unwrap();
        drop(std::io::Write::write_all(
            &mut stream,
            &liar::answer(answer),
        ));
        drop(std::io::Read::read(&mut stream, &mut [0; 64]));
    });
    let other = |number: &str| if number == "111" { "112" } else { "111" }.to_owned();
    for code in ["PAM_SUCCESS", "PAM_AUTH_ERR"] {
        let words = [APPLICATION, SERVICES, "sudo", USER];
        let logs = system.workspace().logs();
        let command = system.command(&words);
        let mut application =
            Process::spawn("application", command, &logs, Stdout::Lines, None).unwrap();
        let told = application.line().unwrap();
        let number = told
            .strip_prefix(r#"told 4 "Countersign: to approve, type "#)
            .and_then(|rest| rest.strip_suffix(r#" on your desktop.""#))
            .unwrap_or_else(|| panic!("{told}"));
        assert!(
            number.len() == 3 && number.bytes().all(|digit| digit.is_ascii_digit()),
            "{told}"
        );
        let number = match code {
            "PAM_SUCCESS" => number.to_owned(),
            _ => other(number),
        };
        keyboard.send(number).unwrap();
        assert_eq!(application.line().unwrap(), code);
        assert!(application.wait().unwrap().success());
    }
    system.end().unwrap();
}

/// A C library whose clock is out of all bounds: what reads it panics.
const CLOCK: &str = "#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) { now->tv_sec = -1; now->tv_nsec = 1000000000; return 0; }
";

fn install_clock(system: &UserNamespace) {
    let source = system.workspace().join("clock.c");
    let library = system.workspace().join("clock.so");
    std::fs::write(&source, CLOCK).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source);
    let built = output(cc, b"").unwrap();
    assert!(built.status.success(), "{}", said(&built));
    system.copy(&library, "/opt/clock.so").unwrap();
}

/// No way into the module makes it panic on purpose; a process whose C library is out of order does.
#[test]
fn a_panic_in_the_module_aborts_and_says_nothing_on_the_terminal() {
    let test = "sudo::panic";
    if !UserNamespace::is_possible(test) || !parts::are_there(test, &["cc"]) {
        return;
    }
    let system = system("timeout=30");
    let log = system.log().unwrap();
    install_clock(&system);
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    let _honest = answering(&system, move |ask| {
        counts.fetch_add(1, Ordering::Relaxed);
        liar::answer(approval(ask, 1, Level::Pin))
    });
    let preload = "LD_PRELOAD=/opt/clock.so";
    let words = ["env", preload, "RUST_BACKTRACE=full", APPLICATION, SERVICES];
    let words = [&words[..], &["sudo", USER, "2"]].concat();
    let ended = output(system.command(&words), b"").unwrap();
    assert_eq!(lines(&ended.stdout), ["PAM_ABORT", "PAM_ABORT"]);
    assert!(ended.stderr.is_empty(), "{}", said(&ended));
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    log.line("countersign: a fault at ").unwrap();
    comes_to(&system, &[SHOWN, "PAM_SUCCESS"]);
    system.end().unwrap();
}

/// The real agent beside it: its key is made, accepted and asked for as on a desk. In there the user is root already, and
/// what stands in for sudo at the enrollment only starts what it is given.
#[test]
fn an_ordinary_user_is_asked_by_the_real_agent() {
    if !UserNamespace::is_possible("sudo::ordinary_agent")
        || !parts::are_there("sudo::ordinary_agent", &["sudo"])
    {
        return;
    }
    let system = system("timeout=60");
    for (program, place) in [
        ("countersignd", "/opt/countersignd"),
        ("countersign", "/opt/countersign"),
        ("countersign-pam", "/usr/sbin/countersign-pam"),
    ] {
        system.install(program, place).unwrap();
    }
    let config =
        "[notifications]\nenabled = false\n[pinentry]\nprogram = \"/home/alice/pinentry\"\n";
    system
        .shell(&format!(
            "rm {KEYS}; mkfifo /home/alice/answers; mkdir -p /home/alice/.config/countersign"
        ))
        .unwrap();
    system
        .write("/home/alice/.config/countersign/config.toml", config, 0o600)
        .unwrap();
    system
        .write("/home/alice/pinentry", PINENTRY, 0o755)
        .unwrap();
    let sudo = "#!/bin/sh\nshift\nexec \"$@\"\n";
    system.write("/opt/sudo", sudo, 0o755).unwrap();
    system
        .shell("mount --bind /opt/sudo /usr/bin/sudo")
        .unwrap();
    let logs = system.workspace().logs();
    let mut command = system.command(&["/opt/countersignd"]);
    command.env("DISPLAY", ":77");
    let mut agent = Process::spawn("countersignd", command, &logs, Stdout::Log, None).unwrap();
    let countersign = |words: &[&str], typed: &str| {
        let words = [&["/opt/countersign"], words].concat();
        let mut command = system.command(&words);
        command.env("DISPLAY", ":77");
        output(command, typed.as_bytes()).unwrap()
    };
    until("the agent", || {
        let status = countersign(&["--timeout", "5", "status"], "");
        status.status.success().then_some(())
    });
    for (words, typed) in [
        (&["setup", "--passphrase-stdin"][..], PASSPHRASE),
        (&["sudo", "enroll", "--pin-stdin", "--yes"], PIN),
    ] {
        let done = countersign(words, &format!("{typed}\n"));
        assert!(done.status.success(), "{}", said(&done));
    }
    let types = |answer: &str| {
        let script = format!("echo {answer} > /home/alice/answers");
        // Waits for the dialog: a pipe is opened by both ends at once.
        system.shell(&script).unwrap();
    };
    for (answer, code) in [(PIN, "PAM_SUCCESS"), ("cancel", "PAM_AUTH_ERR")] {
        std::thread::scope(|scope| {
            let typing = scope.spawn(|| types(answer));
            comes_to(&system, &[SHOWN, code]);
            typing.join().unwrap();
        });
    }
    agent.terminate().unwrap();
    let absent = r#"told 4 "Countersign does not run.""#;
    comes_to(&system, &[absent, "PAM_AUTHINFO_UNAVAIL"]);
    system.end().unwrap();
}
