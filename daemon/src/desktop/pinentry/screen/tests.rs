use super::*;

fn session(variables: &[(&'static str, &str)]) -> Surroundings {
    Surroundings::from_variables(|name| {
        variables
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

fn desktop() -> Surroundings {
    session(&[
        ("PATH", "/usr/bin"),
        ("HOME", "/home/alice"),
        ("DISPLAY", ":0"),
        ("XAUTHORITY", "/run/user/1000/xauth"),
        ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ("LANG", "de_AT.UTF-8"),
        ("LC_CTYPE", "en_GB.UTF-8"),
        ("SECRET", "not to be passed on"),
    ])
}

fn environment(surroundings: &Surroundings, caller: &CallerScreen) -> Vec<String> {
    let place = surroundings.place(caller).unwrap();
    surroundings
        .environment(&place)
        .into_iter()
        .map(|(name, value)| format!("{name}={}", value.display()))
        .collect()
}

/// A terminal of this user's, for as long as the value lives.
fn terminal() -> (std::os::fd::OwnedFd, String) {
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    (master, name.into_string().unwrap())
}

#[test]
fn without_a_caller_s_screen_it_is_the_session_s() {
    assert_eq!(
        environment(&desktop(), &CallerScreen::default()),
        [
            "PATH=/usr/bin",
            "HOME=/home/alice",
            "LC_CTYPE=en_GB.UTF-8",
            "LC_MESSAGES=de_AT.UTF-8",
            "DISPLAY=:0",
            "XAUTHORITY=/run/user/1000/xauth",
            "XDG_RUNTIME_DIR=/run/user/1000",
            "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
        ]
    );
    let place = desktop().place(&CallerScreen::default()).unwrap();
    assert_eq!(place.arguments(), ["--display", ":0"]);
}

#[test]
fn a_caller_on_a_terminal_is_not_answered_on_the_desktop() {
    let (_master, tty) = terminal();
    let caller = CallerScreen {
        tty: tty.clone(),
        ..CallerScreen::default()
    };
    assert_eq!(
        environment(&desktop(), &caller),
        [
            "PATH=/usr/bin".to_owned(),
            "HOME=/home/alice".to_owned(),
            format!("GPG_TTY={tty}"),
            "TERM=vt100".to_owned(),
            "LC_CTYPE=en_GB.UTF-8".to_owned(),
            "LC_MESSAGES=de_AT.UTF-8".to_owned(),
        ]
    );
    let place = desktop().place(&caller).unwrap();
    assert!(place.arguments().is_empty());
    assert_eq!(
        place.options(),
        [
            ("grab", ""),
            ("ttyname", tty.as_str()),
            ("ttytype", "vt100"),
            ("lc-ctype", "en_GB.UTF-8"),
            ("lc-messages", "de_AT.UTF-8"),
        ]
    );
}

#[test]
fn with_neither_screen_nor_terminal_there_is_no_place() {
    let bare = session(&[("PATH", "/usr/bin"), ("XDG_RUNTIME_DIR", "/run/user/1000")]);
    assert_eq!(bare.place(&CallerScreen::default()), None);
    let unusable = CallerScreen {
        tty: "/dev/null/x".to_owned(),
        display: "a".repeat(LONGEST + 1),
        wayland_display: "wayland-0\n".to_owned(),
        lc_ctype: "C.UTF-8".to_owned(),
        ..CallerScreen::default()
    };
    assert_eq!(bare.place(&unusable), None);
    let wayland = session(&[("WAYLAND_DISPLAY", "wayland-0")]);
    let place = wayland.place(&CallerScreen::default()).unwrap();
    assert!(place.arguments().is_empty());
    assert_eq!(place.options(), [("grab", ""), ("lc-ctype", "C.UTF-8")]);
}

#[test]
fn what_is_not_right_is_left_out_and_the_rest_is_used() {
    let caller = CallerScreen {
        tty: "/etc/passwd".to_owned(),
        tty_type: "xterm\u{1b}[2J".to_owned(),
        display: ":7".to_owned(),
        xauthority: "relative".to_owned(),
        ..CallerScreen::default()
    };
    let expected = CallerScreen {
        display: ":7".to_owned(),
        ..CallerScreen::default()
    };
    assert_eq!(checked(&caller), expected);
    // Another display than the session's: its key is not the session's either.
    let place = desktop().place(&caller).unwrap();
    assert_eq!(place.0.xauthority, "");
}

#[test]
fn a_terminal_is_a_device_of_this_user() {
    let (master, tty) = terminal();
    assert!(is_own_terminal(&tty));
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("tty");
    std::os::unix::fs::symlink(&tty, &link).unwrap();
    let through_link = format!("/dev/..{}", link.display());
    for other in [
        link.to_str().unwrap(),
        &through_link,
        "/dev/fd",
        "/dev",
        "/dev/none",
        "dev/pts/0",
        "/etc/passwd",
        "/dev/../etc/passwd",
    ] {
        assert!(!is_own_terminal(other), "{other}");
    }
    drop(master);
    assert!(!is_own_terminal(&tty), "it has gone");
}

#[test]
fn fields_are_short_and_without_controls() {
    assert!(is_fit(&"a".repeat(LONGEST)));
    assert!(!is_fit(&"a".repeat(LONGEST + 1)));
    for control in ["a\nb", "a\0b", "\u{1b}[2J", "a\u{85}b", "\u{7f}"] {
        assert!(!is_fit(control), "{control:?}");
    }
}
