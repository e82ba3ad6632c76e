//! Every stack of the documentation with every way a question can end: who becomes root.

use countersign_proto::sudo::v1::{Level, Why};
use countersign_tests::sandbox::{PASSWORD, said};

use crate::{
    desk::{Desk, INSTEAD, is_possible},
    liar::{self, approval},
};

/// How a question ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Approved,
    Denied,
    BadSignature,
    Unavailable,
    NoAgent,
    NotConcerned,
    WrongOption,
}

const ENDINGS: [Ending; 7] = [
    Ending::Approved,
    Ending::Denied,
    Ending::BadSignature,
    Ending::Unavailable,
    Ending::NoAgent,
    Ending::NotConcerned,
    Ending::WrongOption,
];

/// What is typed where a password or passcode is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Typed {
    Right,
    Wrong,
}

fn ask(desk: &Desk, ending: Ending, typed: Typed) -> bool {
    let _agent = match ending {
        Ending::Approved => Some(liar::answering(desk, |ask| {
            liar::answer(approval(ask, 1, Level::Pin))
        })),
        Ending::BadSignature => Some(liar::answering(desk, |ask| {
            liar::answer(approval(ask, 2, Level::Pin))
        })),
        Ending::Denied => Some(liar::answering(desk, |_| liar::refusal(Why::Denied))),
        Ending::Unavailable => Some(liar::answering(desk, |_| liar::refusal(Why::Locked))),
        Ending::NoAgent | Ending::NotConcerned | Ending::WrongOption => None,
    };
    let typed = match typed {
        Typed::Right => format!("{PASSWORD}\n"),
        Typed::Wrong => "no\nno\nno\n".to_owned(),
    };
    let output = desk.sudo(&["id", "-un"], &typed);
    said(&output).lines().any(|line| line == "root")
}

/// The module's words for an ending.
const fn options(ending: Ending) -> &'static str {
    match ending {
        Ending::NotConcerned => "timeout=10 user=nobody",
        Ending::WrongOption => "timeout=10 nullok",
        Ending::Approved
        | Ending::Denied
        | Ending::BadSignature
        | Ending::Unavailable
        | Ending::NoAgent => "timeout=10",
    }
}

/// Instead of the password: an approval is enough; a no ends it; else the password decides.
#[test]
fn instead_of_the_password() {
    if !is_possible("sudo::instead") {
        return;
    }
    let desk = liar::desk();
    for ending in ENDINGS {
        let line = format!(
            "auth {INSTEAD} {} {}\nauth required pam_unix.so nodelay",
            desk.module,
            options(ending)
        );
        desk.service("sudo", &line);
        for typed in [Typed::Right, Typed::Wrong] {
            let expected = match ending {
                Ending::Approved => true,
                Ending::Denied | Ending::BadSignature => false,
                Ending::Unavailable
                | Ending::NoAgent
                | Ending::NotConcerned
                | Ending::WrongOption => typed == Typed::Right,
            };
            assert_eq!(ask(&desk, ending, typed), expected, "{ending:?} {typed:?}");
        }
    }
    desk.end();
}

/// After the password: both are needed. Whoever it does not concern, as the administrator wrote, has the password alone.
#[test]
fn after_the_password() {
    if !is_possible("sudo::after") {
        return;
    }
    let desk = liar::desk();
    for ending in ENDINGS {
        let line = format!(
            "auth required pam_unix.so nodelay\nauth required {} {}",
            desk.module,
            options(ending)
        );
        desk.service("sudo", &line);
        for typed in [Typed::Right, Typed::Wrong] {
            let expected =
                typed == Typed::Right && matches!(ending, Ending::Approved | Ending::NotConcerned);
            assert_eq!(ask(&desk, ending, typed), expected, "{ending:?} {typed:?}");
        }
    }
    desk.end();
}

/// After the password, with a passcode where the agent is away: neither an error nor a no lets anybody in.
#[test]
fn after_the_password_with_a_passcode_in_reserve() {
    if !is_possible("sudo::reserve") {
        return;
    }
    let desk = liar::desk();
    for ending in ENDINGS {
        // The reserve is played by a module that always says yes or always no.
        for (reserve, reserve_says) in [("pam_permit.so", true), ("pam_deny.so", false)] {
            let line = format!(
                "auth required pam_unix.so nodelay\nauth [success=1 authinfo_unavail=ignore default=die] {} {}\nauth required {reserve}",
                desk.module,
                options(ending)
            );
            desk.service("sudo", &line);
            let expected = match ending {
                Ending::Approved => true,
                Ending::Denied | Ending::BadSignature | Ending::NotConcerned => false,
                Ending::Unavailable | Ending::NoAgent | Ending::WrongOption => reserve_says,
            };
            assert_eq!(
                ask(&desk, ending, Typed::Right),
                expected,
                "{ending:?} {reserve}"
            );
            assert!(
                !ask(&desk, ending, Typed::Wrong),
                "{ending:?} {reserve}: the password was wrong"
            );
        }
    }
    desk.end();
}
