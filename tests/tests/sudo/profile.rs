//! The profile for pam-auth-update: on, sudo asks the agent; off, the machine's files are what they were, byte for byte.

use std::{collections::BTreeMap, fs, path::PathBuf};

use countersign_core::sudo::Least;
use countersign_proto::sudo::v1::{Level, Why};
use countersign_tests::{
    parts,
    sandbox::{PASSWORD, said},
};

use crate::{
    desk::{Desk, is_possible, was_refused, was_root},
    liar::{self, approval},
};

/// As it is installed.
const PROFILE: &str = include_str!("../../../packaging/pam-configs/countersign");
/// Where to.
const PLACE: &str = "/usr/share/pam-configs/countersign";
/// What pam-auth-update writes to, besides `/etc`: none of it may be this machine's.
const WRITTEN: [&str; 3] = [
    "/usr/share/pam-configs",
    "/var/lib/pam",
    "/var/cache/debconf",
];

/// A desk whose PAM has the module where a distribution puts it, and a key that root accepts. The services are this machine's.
fn desk() -> Desk {
    let desk = Desk::without_agent();
    for folder in WRITTEN {
        desk.overlay(folder);
    }
    let modules = desk.root(
        "for f in /usr/lib/*/security /usr/lib64/security /usr/lib/security; do if [ -e $f/pam_unix.so ]; then echo $f; exit; fi; done; exit 1",
    );
    let modules = modules.trim();
    desk.overlay(modules);
    desk.root(&format!(
        "install -o root -m 644 {} {modules}/pam_countersign.so",
        desk.module
    ));
    liar::accept(&desk, Least::User);
    desk
}

fn pam_auth_update(desk: &Desk, words: &str) {
    desk.root(&format!(
        "DEBIAN_FRONTEND=noninteractive pam-auth-update --package {words}"
    ));
}

/// The files that pam-auth-update writes.
fn common(desk: &Desk) -> BTreeMap<PathBuf, String> {
    fs::read_dir(desk.sandbox.path("/etc/pam.d"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("/common-"))
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

fn sudo(desk: &Desk, typed: &str) -> std::process::Output {
    desk.sudo(&["id", "-un"], typed)
}

/// The profile is on.
fn asks_the_agent(desk: &Desk) {
    {
        let _approving = liar::answering(desk, |ask| liar::answer(approval(ask, 1, Level::Pin)));
        let output = sudo(desk, "");
        was_root(&output);
        assert!(!said(&output).contains("Password please"));
    }
    {
        let _denying = liar::answering(desk, |_| liar::refusal(Why::Denied));
        let output = sudo(desk, &format!("{PASSWORD}\n"));
        was_refused(&output);
        assert!(!said(&output).contains("Password please"));
    }
    {
        let _another_key = liar::answering(desk, |ask| liar::answer(approval(ask, 2, Level::Pin)));
        was_refused(&sudo(desk, &format!("{PASSWORD}\n")));
    }
    // Without an agent the password is asked for, and has to be right.
    asks_the_password(desk);
}

/// Nobody is asked but for the password.
fn asks_the_password(desk: &Desk) {
    let output = sudo(desk, &format!("{PASSWORD}\n"));
    was_root(&output);
    assert!(said(&output).contains("Password please"));
    was_refused(&sudo(desk, "no\n"));
}

#[test]
fn the_profile_goes_in_and_out_without_a_trace() {
    let test = "sudo::profile";
    if !is_possible(test) || !parts::are_there(test, &["pam-auth-update"]) {
        return;
    }
    let desk = desk();
    // What it would change for others' sake is changed first.
    pam_auth_update(&desk, "");
    let before = common(&desk);
    desk.sandbox.write(PLACE, PROFILE, 0o644).unwrap();
    pam_auth_update(&desk, "");
    assert_eq!(common(&desk), before, "nothing is switched on by itself");

    pam_auth_update(&desk, "--enable countersign");
    let stack = desk.root("grep ^auth /etc/pam.d/common-auth");
    let ours = stack.lines().next().unwrap();
    assert!(
        ours.contains("authinfo_unavail=ignore ignore=ignore default=die]")
            && ours.contains("pam_countersign.so timeout=30"),
        "it stands before every password: {stack}"
    );
    asks_the_agent(&desk);
    let doctor = said(&desk.countersign(&["doctor"], ""));
    assert!(
        doctor.contains("/etc/pam.d/sudo asks Countersign, in an order that holds."),
        "{doctor}"
    );

    pam_auth_update(&desk, "--disable countersign");
    assert_eq!(common(&desk), before);
    asks_the_password(&desk);

    // As a package does it that is taken away.
    pam_auth_update(&desk, "--enable countersign");
    assert_ne!(common(&desk), before);
    pam_auth_update(&desk, "--remove countersign");
    desk.root(&format!("rm {PLACE}"));
    assert_eq!(common(&desk), before);
    desk.end();
}
