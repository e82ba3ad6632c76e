//! A thousand logins in one process lose no memory and no descriptor.

use core::ops::Range;

use countersign_tests::{
    parts,
    sandbox::{Sandbox, USER, said},
};

use crate::rig::{SEED_TYPED, administrator, passcode_of_seed};

/// Logs in so many times in one process, from a counter on; returns what valgrind calls lost for good.
fn lost(sandbox: &Sandbox, counters: Range<u64>) -> String {
    let passcodes: Vec<_> = counters.map(passcode_of_seed).collect();
    let operations = vec!["authenticate"; passcodes.len()];
    let mut words = vec![
        "valgrind",
        "--leak-check=full",
        "--track-fds=no",
        "pamtester",
        "passcode",
        USER,
    ];
    words.extend(operations);
    let input = format!("{}\n", passcodes.join("\n"));
    let output = sandbox.run(&words, &input).unwrap();
    let text = said(&output);
    let tail = text.get(text.len().saturating_sub(4000)..).unwrap_or(&text);
    assert!(output.status.success(), "{tail}");
    assert_eq!(
        text.matches("successfully authenticated").count(),
        passcodes.len(),
        "{tail}"
    );
    assert!(
        !text.contains("Invalid read") && !text.contains("Invalid write"),
        "{tail}"
    );
    // Nothing lost at all is told in other words.
    if text.contains("no leaks are possible") {
        return "0 bytes".to_owned();
    }
    let line = text
        .lines()
        .find(|line| line.contains("definitely lost:"))
        .unwrap();
    let lost = line.split("definitely lost:").nth(1).unwrap().trim();
    lost.split(" in ").next().unwrap().to_owned()
}

#[test]
fn a_thousand_logins_in_one_process_lose_nothing() {
    let test = "leaks::a_thousand_logins";
    if !Sandbox::is_possible(test) || !parts::are_there(test, &["valgrind"]) {
        return;
    }
    let sandbox = super::logins::sandbox_with_service("");
    let words = ["add", USER, "--mode", "event", "--seed-stdin"];
    let (said, given) = administrator(&sandbox, &words, SEED_TYPED);
    assert!(given, "{said}");
    let few = lost(&sandbox, 0..10);
    let many = lost(&sandbox, 10..1010);
    assert_eq!(few, many, "each login loses some");
    sandbox.end().unwrap();
}
