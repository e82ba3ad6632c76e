//! `countersign-pam passcode …`

use std::{fs, os::unix::fs::PermissionsExt as _};

use countersign_core::otpauth::OtpauthUri;
use countersign_tests::{
    programs,
    sandbox::{Sandbox, USER, said},
};

use crate::rig::{Device, SEED_TYPED, administrator, passcode_of_seed, tried};

#[test]
fn passcodes_are_given_tried_and_taken_away() {
    if !Sandbox::is_possible("administration::given") {
        return;
    }
    let sandbox = Sandbox::start().unwrap();
    let device = Device::added(&sandbox, &[]);
    assert_eq!(
        tried(&sandbox, &device.steps_from_now(0)),
        ("right\n".to_owned(), true)
    );
    let (said, right) = tried(&sandbox, &device.wrong());
    assert!(!right && said.contains("wrong"), "{said}");
    let (listed, _) = administrator(&sandbox, &["list", "--json"], "");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["passcodes"][0]["user"], USER);
    assert_eq!(listed["passcodes"][0]["mode"], "TOTP SHA1, 6 digits, 30 s");
    assert_eq!(listed["passcodes"][0]["wrong_tries"], 1);
    let (_, gone) = administrator(&sandbox, &["remove", USER], "");
    assert!(gone);
    let (said, right) = tried(&sandbox, &device.steps_from_now(1));
    assert!(!right && said.contains("has no passcodes"), "{said}");
    let (_, gone) = administrator(&sandbox, &["remove", USER], "");
    assert!(!gone, "there is nothing any more");
    sandbox.end().unwrap();
}

#[test]
fn a_seed_is_roots_alone_and_printed_once() {
    if !Sandbox::is_possible("administration::seed") {
        return;
    }
    let sandbox = Sandbox::start().unwrap();
    let (said, given) = administrator(
        &sandbox,
        &["add", USER, "--mode", "event", "--seed-stdin"],
        SEED_TYPED,
    );
    assert!(given, "{said}");
    assert_eq!(said, "", "who has brought the seed is not told it");
    let folder = "/etc/countersign/pam/passcodes";
    for (path, mode) in [
        (folder.to_owned(), 0o40700),
        (format!("{folder}/{USER}"), 0o100_600),
    ] {
        let found = fs::metadata(sandbox.path(&path)).unwrap();
        assert_eq!(found.permissions().mode(), mode, "{path}");
    }
    let (listed, _) = administrator(&sandbox, &["list"], "");
    assert!(!listed.contains("GEZDGNBV"), "{listed}");
    let (said, right) = tried(&sandbox, &passcode_of_seed(3));
    assert!(right, "{said}");
    let (said, again) = administrator(&sandbox, &["add", USER], "");
    assert!(!again && said.contains("--replace"), "{said}");
    let before = fs::read(sandbox.path(&format!("{folder}/{USER}"))).unwrap();
    let device = Device::added(&sandbox, &["--replace"]);
    let after = fs::read(sandbox.path(&format!("{folder}/{USER}"))).unwrap();
    assert_ne!(before, after);
    let (said, right) = tried(&sandbox, &passcode_of_seed(4));
    assert!(!right, "{said}");
    assert!(tried(&sandbox, &device.steps_from_now(0)).1);
    sandbox.end().unwrap();
}

#[test]
fn whole_links_and_other_modules_files_are_taken_over() {
    if !Sandbox::is_possible("administration::taken_over") {
        return;
    }
    let sandbox = Sandbox::start().unwrap();
    let link = format!(
        "otpauth://hotp/x?secret={}&counter=41&digits=6\n",
        SEED_TYPED.trim()
    );
    let (said, given) = administrator(&sandbox, &["add", USER, "--seed-stdin"], &link);
    assert!(given, "{said}");
    assert!(!tried(&sandbox, &passcode_of_seed(40)).1);
    assert!(tried(&sandbox, &passcode_of_seed(41)).1);
    let key = "3132333435363738393031323334353637383930";
    let oath = format!("HOTP {USER} - {key} 70\nHOTP nobody-here - {key}\n");
    sandbox.write("/etc/users.oath", &oath, 0o600).unwrap();
    let words = ["import", "--users-oath", "/etc/users.oath", "--replace"];
    let (said, all) = administrator(&sandbox, &words, "");
    assert!(!all && said.contains("nobody-here"), "{said}");
    assert!(!tried(&sandbox, &passcode_of_seed(69)).1);
    assert!(tried(&sandbox, &passcode_of_seed(70)).1);
    let google = format!("{SEED_TYPED}\" HOTP_COUNTER 90\n12345678\n");
    sandbox.write("/root/google", &google, 0o400).unwrap();
    let words = [
        "import",
        "--google-authenticator",
        "/root/google",
        "--user",
        USER,
        "--replace",
    ];
    let (said, taken) = administrator(&sandbox, &words, "");
    assert!(taken, "{said}");
    assert!(tried(&sandbox, &passcode_of_seed(90)).1);
    fs::remove_file(sandbox.path("/root/google")).unwrap();
    sandbox.end().unwrap();
}

#[test]
fn a_challenge_is_shown_and_answered() {
    if !Sandbox::is_possible("administration::challenge") {
        return;
    }
    let sandbox = Sandbox::start().unwrap();
    let device = Device::added(&sandbox, &["--mode", "challenge"]);
    let (said, right) = tried(&sandbox, "000000");
    assert!(!right, "{said}");
    // The next one stays until it is answered: it is asked for without an answer first.
    let (said, _) = administrator(&sandbox, &["test", USER], "");
    let challenge = said
        .lines()
        .next()
        .unwrap()
        .strip_prefix("Challenge: ")
        .unwrap();
    let (answered, right) = tried(&sandbox, &device.answer(challenge));
    assert!(right && answered.contains(challenge), "{answered}");
    let (answered, right) = tried(&sandbox, &device.answer(challenge));
    assert!(!right && !answered.contains(challenge), "{answered}");
    sandbox.end().unwrap();
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    if !Sandbox::is_possible("administration::refused") {
        return;
    }
    let sandbox = Sandbox::start().unwrap();
    for (words, input, why) in [
        (
            ["add", "nobody-here", "--mode", "time"],
            "",
            "no user of this system",
        ),
        (["add", USER, "--digits", "5"], "", "6 digits at least"),
        (["add", USER, "--digits", "11"], "", "4 to 10"),
        (["add", USER, "--limit", "0/1"], "", "a limit is"),
        (
            ["add", USER, "--mode", "sms"],
            "",
            "time, event or challenge",
        ),
        (["add", "../shadow", "--mode", "time"], "", "a user's name"),
        (
            ["add", USER, "--seed-stdin", "--replace"],
            "JBSWY3DP\n",
            "16 to 128 bytes",
        ),
        (
            ["add", USER, "--seed-stdin", "--replace"],
            "0189\n",
            "base 32",
        ),
        (
            ["add", USER, "--seed-stdin", "--replace"],
            "",
            "there was nothing",
        ),
    ] {
        let (said, given) = administrator(&sandbox, &words, input);
        assert!(!given && said.contains(why), "{words:?}: {said}");
    }
    assert!(
        !sandbox
            .path(&format!("/etc/countersign/pam/passcodes/{USER}"))
            .exists()
    );
    let program = programs::program("countersign-pam").unwrap();
    let program = program.to_str().unwrap();
    let output = sandbox
        .run_as_user(&["sh", "-c", "exec \"$0\" passcode list", program], "")
        .unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    assert!(OtpauthUri::parse(&said(&output)).is_err());
    sandbox.end().unwrap();
}
