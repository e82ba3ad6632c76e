//! What is left in the agent's memory once the vault is locked: root looks, from whom nothing is hidden.

use countersign_tests::{
    memory, parts,
    stage::{PASSPHRASE, Stage},
};
use data_encoding::BASE32_NOPAD;

const SEED: &[u8; 20] =
    b"\x91\xe3\x5c\x07\xd8\x2a\xbf\x66\x13\xf0\x84\xcd\x39\x7e\xa5\x42\xb8\x1d\x6f\xc4";
/// Of letters and digits, as a PIN may be, and like nothing else in the process.
const PIN: &str = "q7Wm2xKp9d";

fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        parts::skipped(test, "only root reads the memory of the agent");
    }
    root
}

/// Where these lie in the agent, by name.
fn found<'a>(stage: &Stage, secrets: &[memory::Wanted<'a>]) -> Vec<(&'a str, memory::Place)> {
    // With this answer all that was asked before has been answered, and its threads have come to rest.
    stage.cli.ask(&["status"]).unwrap();
    memory::find(stage.agent.id().unwrap(), secrets).unwrap()
}

#[test]
fn nothing_of_seed_pin_passphrase_and_passcode_is_left_after_the_lock() {
    if !is_root("memory::after_the_lock") {
        return;
    }
    let stage = Stage::new().unwrap();
    let text = BASE32_NOPAD.encode(SEED);
    let link = format!("otpauth://totp/Bank:alice?secret={text}&digits=8&pin=True");
    stage.enroll_with_pin("bank", &link, PIN).unwrap();
    let with_pin = |words: &[&str]| {
        let words = [words, &["--pin-stdin"]].concat();
        stage.cli.ask_with(&words, &format!("{PIN}\n")).unwrap()
    };
    with_pin(&["pin", "ask", "bank", "once-per-unlock"]);
    let passcode = with_pin(&["code", "bank"]);
    assert_eq!(passcode.len(), 8);
    let again = stage.cli.ask(&["code", "bank"]).unwrap();

    let secrets: [(&str, &[u8]); 6] = [
        ("seed", SEED),
        ("seed as text", text.as_bytes()),
        ("PIN", PIN.as_bytes()),
        ("passphrase", PASSPHRASE.as_bytes()),
        ("passcode", passcode.as_bytes()),
        ("next passcode", again.as_bytes()),
    ];
    let open = found(&stage, &secrets);
    assert!(
        open.iter().any(|(name, _)| *name == "seed"),
        "the seed of an open token is in use: the look finds it ({open:?})"
    );
    stage.cli.ask(&["lock"]).unwrap();
    assert_eq!(found(&stage, &secrets), []);

    // Opened and used anew, wrongly as well.
    let wrong = stage.cli.say_with(
        &["unlock", "--passphrase-stdin"],
        "tHe wrong passphrase 4711\n",
    );
    assert_ne!(wrong.unwrap().code, Some(0));
    stage.unlock().unwrap();
    let wrong = stage
        .cli
        .say_with(&["code", "bank", "--pin-stdin"], "z3Rt8vLb5k\n");
    assert_ne!(wrong.unwrap().code, Some(0));
    with_pin(&["code", "bank"]);
    stage.cli.ask(&["lock"]).unwrap();
    assert_eq!(found(&stage, &secrets), []);
    let wrong: [(&str, &[u8]); 2] = [
        ("wrong passphrase", b"tHe wrong passphrase 4711"),
        ("wrong PIN", b"z3Rt8vLb5k"),
    ];
    assert_eq!(found(&stage, &wrong), []);
}
