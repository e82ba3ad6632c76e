//! The caller's screen and terminal go out with each call, and nothing that is not there.

use countersign_proto::agent::v1::CallerScreen;

use crate::{
    stage::{PROGRAM, Stage, finish},
    typist::{Typist, on_terminal},
};

fn told(stage: &Stage) -> Vec<CallerScreen> {
    stage.agent.script().screens.clone()
}

#[test]
fn without_a_terminal_and_a_screen_nothing_is_told() {
    let stage = Stage::new();
    assert_eq!(stage.run(&["list"]).code, 0);
    assert_eq!(told(&stage), [CallerScreen::default()]);
}

#[test]
fn each_call_tells_terminal_screen_and_language() {
    let stage = Stage::new();
    stage.agent.script().passphrase = Some("some words");
    let mut command = on_terminal(&stage, &["unlock"]);
    command
        .env("DISPLAY", ":77")
        .env("WAYLAND_DISPLAY", "wayland-7")
        .env("XAUTHORITY", "/run/user/7/.Xauthority")
        .env("LANG", "de_DE.UTF-8")
        .env("LC_CTYPE", "ja_JP.UTF-8");
    let mut typist = Typist::start(command);
    typist.sees("Passphrase of the vault: ");
    typist.types("some words\n");
    let tty = typist.terminal.clone();
    assert_eq!(typist.ends().0, 0);
    let screen = CallerScreen {
        tty,
        tty_type: "xterm-256color".to_owned(),
        display: ":77".to_owned(),
        wayland_display: "wayland-7".to_owned(),
        xauthority: "/run/user/7/.Xauthority".to_owned(),
        lc_ctype: "ja_JP.UTF-8".to_owned(),
        lc_messages: "de_DE.UTF-8".to_owned(),
    };
    assert_eq!(told(&stage), vec![screen; 3], "unlock, status, unlock");
}

#[test]
fn one_stream_on_the_terminal_is_enough() {
    for script in [
        "\"$0\" list </dev/null | cat",
        "\"$0\" list </dev/null 2>/dev/null",
        "\"$0\" list 2>/dev/null | cat",
    ] {
        let stage = Stage::new();
        let mut command = stage.place.command("/usr/bin/setsid");
        command.args(["--ctty", "--wait", "/bin/sh", "-c", script, PROGRAM]);
        let typist = Typist::start(command);
        let tty = typist.terminal.clone();
        assert_eq!(typist.ends().0, 0);
        assert_eq!(told(&stage)[0].tty, tty, "{script}");
    }
}

#[test]
fn a_terminal_that_does_not_control_the_program_is_not_told() {
    let stage = Stage::new();
    let mut command = stage.place.command("/usr/bin/setsid");
    command.args([
        "--ctty",
        "--wait",
        "/usr/bin/setsid",
        "--wait",
        PROGRAM,
        "list",
    ]);
    assert_eq!(Typist::start(command).ends().0, 0);
    assert_eq!(told(&stage), [CallerScreen::default()]);
}

#[test]
fn all_beats_the_others_and_empty_counts_as_not_set() {
    for (variables, ctype, messages) in [
        (
            [("LC_ALL", "C"), ("LC_CTYPE", "x"), ("LANG", "y")],
            "C",
            "C",
        ),
        ([("LC_ALL", ""), ("LC_CTYPE", "x"), ("LANG", "y")], "x", "y"),
        ([("LC_ALL", ""), ("LC_CTYPE", ""), ("LANG", "")], "", ""),
    ] {
        let stage = Stage::new();
        let mut command = stage.place.command(PROGRAM);
        command.arg("list").envs(variables);
        assert_eq!(finish(command, "").code, 0);
        let screen = &told(&stage)[0];
        assert_eq!(
            (screen.lc_ctype.as_str(), screen.lc_messages.as_str()),
            (ctype, messages)
        );
    }
}

#[test]
fn what_no_screen_is_called_is_left_out() {
    let long = "x".repeat(257);
    for value in [long.as_str(), ":0\n", "\u{1b}[2J"] {
        let stage = Stage::new();
        let mut command = stage.place.command(PROGRAM);
        command
            .arg("list")
            .env("DISPLAY", value)
            .env("XAUTHORITY", value)
            .env("LC_ALL", value)
            .env("WAYLAND_DISPLAY", "wayland-7");
        assert_eq!(finish(command, "").code, 0);
        let screen = CallerScreen {
            wayland_display: "wayland-7".to_owned(),
            ..CallerScreen::default()
        };
        assert_eq!(told(&stage), [screen]);
    }
}
