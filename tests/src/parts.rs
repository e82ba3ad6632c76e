//! Real parts that a test needs and that may not be installed: skipped visibly, a fault in CI.

use std::io::Write as _;

use crate::surroundings;

/// Whether the programs that `test` needs are there. If not, says so in one line on stderr (past the test
/// runner's capture) and in the list that `cargo xtask test` sums up.
///
/// # Panics
///
/// In CI, where everything has been installed before.
#[must_use]
pub fn are_there(test: &str, programs: &[&str]) -> bool {
    let missing: Vec<_> = programs
        .iter()
        .copied()
        .filter(|name| !is_there(name))
        .collect();
    if missing.is_empty() {
        return true;
    }
    let reason = format!("not installed: {}", missing.join(", "));
    assert!(!surroundings::is_ci(), "{test}: {reason}");
    skipped(test, &reason);
    false
}

/// Says something that whoever runs the tests must see, past the test runner's capture.
pub fn note(line: &str) {
    // A test that cannot say it has nobody to say it to.
    drop(std::io::stderr().write_all(format!("{line}\n").as_bytes()));
}

/// Notes that `test` cannot be run here for a reason that no package mends (a privilege, a kernel).
pub fn skipped(test: &str, reason: &str) {
    let line = format!("skipped: {test}: {reason}\n");
    // A test that cannot even say that it was skipped has nobody to say it to.
    drop(std::io::stderr().write_all(line.as_bytes()));
    if let Some(list) = surroundings::skipped_list() {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(list);
        drop(file.and_then(|mut file| file.write_all(line.as_bytes())));
    }
}

fn is_there(program: &str) -> bool {
    surroundings::search_path()
        .iter()
        .any(|folder| folder.join(program).exists())
}
