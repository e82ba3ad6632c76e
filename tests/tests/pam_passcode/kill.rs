//! Killed before each of its system calls, no program has a passcode accepted twice, and what it leaves is a record.

use std::os::unix::process::ExitStatusExt as _;

use countersign_tests::{
    parts, programs,
    sandbox::{Sandbox, USER, said},
};

use crate::rig::{SEED_TYPED, administrator, passcode_of_seed, tried};

/// All calls that touch files, and the one that answers.
const CALLS: [&str; 9] = [
    "openat", "read", "flock", "unlinkat", "write", "fchmod", "fsync", "renameat", "close",
];
/// More calls of one kind than a try makes.
const MOST: u32 = 60;

/// How a try under `strace` ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Killed,
    Right,
    NotRight,
}

/// Tries `passcode`, and is killed at the start of the `number`th call of a kind.
fn killed_at(sandbox: &Sandbox, passcode: &str, call: &str, number: u32) -> Ended {
    let program = programs::program("countersign-pam").unwrap();
    let inject = format!("inject={call}:signal=SIGKILL:when={number}");
    let program = program.to_str().unwrap();
    let words = [
        "strace",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &inject,
        program,
        "passcode",
        "test",
        USER,
    ];
    let output = sandbox.run(&words, &format!("{passcode}\n")).unwrap();
    let said_right = String::from_utf8_lossy(&output.stdout).contains("right");
    match (said_right, output.status.signal(), output.status.code()) {
        (true, _, _) => Ended::Right,
        (false, Some(_), _) | (false, _, Some(137)) => Ended::Killed,
        (false, None, Some(1)) => Ended::NotRight,
        other => panic!("{other:?}: {}", said(&output)),
    }
}

fn sandbox_with_counter() -> Sandbox {
    let sandbox = Sandbox::start().unwrap();
    let words = [
        "add",
        USER,
        "--mode",
        "event",
        "--limit",
        "20/3600",
        "--seed-stdin",
    ];
    let (said, given) = administrator(&sandbox, &words, SEED_TYPED);
    assert!(given, "{said}");
    sandbox
}

#[test]
fn no_passcode_is_accepted_twice_wherever_the_program_is_killed() {
    let test = "kill::no_passcode_twice";
    if !Sandbox::is_possible(test) || !parts::are_there(test, &["strace"]) {
        return;
    }
    let sandbox = sandbox_with_counter();
    let mut counter = 0;
    let (mut killed, mut used_up) = (0, 0);
    for call in CALLS {
        for number in 1..=MOST {
            let passcode = passcode_of_seed(counter);
            counter += 1;
            let first = killed_at(&sandbox, &passcode, call, number);
            let (said, accepted) = tried(&sandbox, &passcode);
            assert!(
                !(first == Ended::Right && accepted),
                "{call} {number}: accepted twice"
            );
            // Either the record of before, or the one of after: nothing between, nothing lost.
            assert!(
                accepted || said.contains("used before"),
                "{call} {number}: {first:?}, then {said}"
            );
            if first != Ended::Killed {
                assert!(number > 1, "{call} is not called at all");
                break;
            }
            killed += 1;
            used_up += u32::from(!accepted);
            let (said, unlocked) = administrator(&sandbox, &["unlock", USER], "");
            assert!(unlocked, "{said}");
        }
    }
    assert!(killed > 20, "{killed} kills");
    assert!(used_up > 0, "none came between the record and the answer");
    sandbox.end().unwrap();
}

/// A try is durable before it is looked at: killed when the verdict is to be written, it has been counted.
#[test]
fn no_try_is_free_for_who_is_killed() {
    let test = "kill::no_try_is_free";
    if !Sandbox::is_possible(test) || !parts::are_there(test, &["strace"]) {
        return;
    }
    let sandbox = sandbox_with_counter();
    let wrong_tries = || {
        let (listed, _) = administrator(&sandbox, &["list", "--json"], "");
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        listed["passcodes"][0]["wrong_tries"].as_u64().unwrap()
    };
    let ended = killed_at(&sandbox, &passcode_of_seed(0), "renameat", 1);
    assert_eq!(
        (ended, wrong_tries()),
        (Ended::Killed, 0),
        "before the count"
    );
    for tries in 1..=3 {
        let ended = killed_at(&sandbox, &passcode_of_seed(0), "renameat", 2);
        assert_eq!((ended, wrong_tries()), (Ended::Killed, tries));
    }
    assert!(tried(&sandbox, &passcode_of_seed(0)).1);
    assert_eq!(wrong_tries(), 0);
    sandbox.end().unwrap();
}
