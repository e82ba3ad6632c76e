//! A program that hangs, dies, babbles, or is not there; and what each is given.

use core::time::Duration;
use std::fs;

use countersign_tests::{Workspace, patiently, terminal::Terminal};
use countersignd::agent::ports::{CallerScreen, PinDialog, PinEntryError};

use crate::rig::{Rig, answer, dialog, fake, new_pin, sockets, typed};

fn rig(at_start: &str, at_question: &str) -> Rig {
    let workspace = Workspace::new().unwrap();
    let program = fake(&workspace, at_start, at_question);
    Rig::new(
        workspace,
        program,
        &[("PATH", "/usr/bin:/bin"), ("DISPLAY", ":77")],
    )
}

fn asked(
    at_start: &str,
    at_question: &str,
) -> Result<countersign_core::secret::SecretBytes, PinEntryError> {
    let rig = rig(at_start, at_question);
    let got = answer(rig.ask(dialog(), CallerScreen::default()));
    rig.wait_until_gone();
    got
}

fn failed(words: &str) -> Result<countersign_core::secret::SecretBytes, PinEntryError> {
    Err(PinEntryError::Failed(words.to_owned()))
}

#[test]
fn every_shape_of_an_answer_is_understood() {
    for (says, expected) in [
        ("echo 'D 12%2534'; echo OK", Ok(typed("12%34"))),
        (
            "echo 'D 12'; echo '# x'; echo 'S ERROR x'; echo 'D 34 '; echo OK",
            Ok(typed("1234 ")),
        ),
        ("echo D; echo OK", Ok(typed(""))),
        ("echo OK", Ok(typed(""))),
        (r"printf 'D ab\r\nOK\r\n'", Ok(typed("ab"))),
        (
            "echo 'ERR 83886179 Operation cancelled <Fake>'",
            Err(PinEntryError::Cancelled),
        ),
        (
            "echo 'ERR 83886278 Fully cancelled <Fake>'",
            Err(PinEntryError::Cancelled),
        ),
        (
            "echo 'ERR 83886194 Not confirmed <Fake>'",
            Err(PinEntryError::Cancelled),
        ),
        (
            "echo 'ERR 83886142 Timeout <Fake>'",
            Err(PinEntryError::TimedOut),
        ),
        (
            "echo 'ERR 83918950 Inappropriate ioctl <Fake>'",
            Err(PinEntryError::NoScreen),
        ),
        (
            "echo 'ERR 83886085 No luck <Fake>'",
            failed("No luck <Fake>"),
        ),
    ] {
        assert_eq!(asked("", says), expected, "{says}");
    }
}

#[test]
fn a_program_that_breaks_off_or_babbles_has_failed() {
    let strange = failed("it speaks another protocol");
    let early = failed("it ended early");
    for (at_start, at_question, expected) in [
        ("exit 0", "", &early),
        ("", "exit 1", &early),
        ("", "kill -9 $$", &early),
        ("echo Hello", "", &strange),
        ("", "echo 'INQUIRE QUALITY 1'", &strange),
        ("", "printf 'D %2000s\\nOK\\n' x", &strange),
        (
            "",
            "printf 'D %900s\\nD %900s\\nD %900s\\nOK\\n' x x x",
            &strange,
        ),
        ("", "echo 'D %4'; echo OK", &strange),
        ("", "while echo '# and'; do :; done 2>/dev/null", &strange),
    ] {
        let got = asked(at_start, at_question);
        assert_eq!(&got, expected, "{at_start}{at_question}");
    }
}

#[test]
fn a_program_that_hangs_is_ended_in_time() {
    for (at_start, at_question) in [
        ("exec sleep 600", ""),
        ("", "exec sleep 600"),
        ("trap '' INT TERM", "while :; do sleep 600; done"),
    ] {
        let rig = rig(at_start, at_question);
        let short = PinDialog {
            within: Duration::from_millis(300),
            ..dialog()
        };
        let asking = rig.ask(short, CallerScreen::default());
        assert_eq!(answer(asking), Err(PinEntryError::TimedOut));
        rig.wait_until_gone();
    }
}

/// pinentry-tty overlooks an interrupt that comes just before it waits for a key, and does not put the terminal back at SIGTERM.
#[test]
fn a_program_that_overlooks_an_interrupt_gets_another() {
    let rig = rig(
        "",
        "seen=0; trap 'seen=$((seen + 1)); test $seen -gt 3 && echo x >put-back && exit' INT; \
         echo x >asking; while :; do sleep 0.02; done",
    );
    let asking = rig.ask(dialog(), CallerScreen::default());
    let asked = rig.workspace.join("asking");
    rig.wait_until("the question", || asked.exists());
    rig.withdraw(asking);
    assert!(rig.workspace.join("put-back").exists());
}

#[test]
fn a_flavour_without_a_second_field_is_asked_again() {
    let rig = rig(
        "",
        "echo x >>count; case $(wc -l <count) in 2) echo 'D other';; *) echo 'D same';; esac; echo OK",
    );
    let asking = rig.ask(new_pin(), CallerScreen::default());
    assert_eq!(answer(asking), Ok(typed("same")));
    let asked = fs::read_to_string(rig.workspace.join("asked")).unwrap();
    assert_eq!(asked.matches("GETPIN").count(), 4, "{asked}");
    assert_eq!(
        asked.matches("SETERROR These are not").count(),
        1,
        "{asked}"
    );
}

#[test]
fn what_it_is_told_is_bounded_and_no_more_than_needed() {
    let terminal = Terminal::open().unwrap();
    let rig = rig("", "echo 'D 1'; echo OK");
    let long = PinDialog {
        title: "Bank\u{202e}\nApprove".to_owned(),
        description: format!("100 %\n{}\r\n{}", "ü".repeat(290), "% ".repeat(2000)),
        ..dialog()
    };
    let screen = CallerScreen {
        tty: terminal.path().to_owned(),
        tty_type: "xterm".to_owned(),
        display: ":7".to_owned(),
        lc_ctype: "de_AT.UTF-8\nOPTION allow-external-password-cache".to_owned(),
        ..CallerScreen::default()
    };
    assert_eq!(answer(rig.ask(long, screen)), Ok(typed("1")));
    let read = |name: &str| fs::read_to_string(rig.workspace.join(name)).unwrap();
    let asked = read("asked");
    let lines: Vec<_> = asked.lines().collect();
    assert!(lines.iter().all(|line| line.len() < 1000), "{asked}");
    assert!(!asked.contains("password-cache"), "{asked}");
    let description = lines
        .iter()
        .find(|line| line.starts_with("SETDESC"))
        .unwrap();
    assert!(description.starts_with("SETDESC 100 %25%0Aüüü"), "{asked}");
    assert!(description.ends_with('…'), "{asked}");
    for line in [
        "OPTION grab",
        &format!("OPTION ttyname={}", terminal.path()),
        "OPTION ttytype=xterm",
        "OPTION lc-ctype=C.UTF-8",
        "SETTIMEOUT 60",
        "SETTITLE Bank\u{fffd} Approve",
        "SETOK Approve",
        "SETPROMPT PIN:",
        "BYE ",
    ] {
        assert!(lines.contains(&line), "{line} in {asked}");
    }
    let environment = read("environment");
    let mut names: Vec<_> = environment
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        // The shell's own.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["DISPLAY", "GPG_TTY", "LC_CTYPE", "PATH", "TERM"]);
    assert!(environment.contains("DISPLAY=:7\n"), "{environment}");
}

#[test]
fn it_holds_no_socket_but_its_own() {
    let rig = rig("", ": >asking; exec sleep 600");
    let asking = rig.ask(dialog(), CallerScreen::default());
    patiently("the question", async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while !rig.workspace.join("asking").exists() {
            looks.tick().await;
        }
    })
    .unwrap();
    let child = rig.children()[0];
    assert_eq!(sockets(child).unwrap().len(), 1);
    rig.withdraw(asking);
}

#[test]
fn without_a_screen_or_a_program_nothing_is_started() {
    let workspace = Workspace::new().unwrap();
    let program = fake(&workspace, "", "echo OK");
    let rig = Rig::new(workspace, &program, &[("PATH", "/usr/bin:/bin")]);
    let asking = rig.ask(dialog(), CallerScreen::default());
    assert_eq!(answer(asking), Err(PinEntryError::NoScreen));
    assert!(!rig.workspace.join("environment").exists());
    assert_eq!(rig.program(), Some(program.display().to_string()));

    let workspace = Workspace::new().unwrap();
    let absent = workspace.join("absent");
    let rig = Rig::new(workspace, absent, &[("DISPLAY", ":77")]);
    let asking = rig.ask(dialog(), CallerScreen::default());
    assert_eq!(answer(asking), Err(PinEntryError::Missing));
    assert_eq!(rig.program(), None);
}
