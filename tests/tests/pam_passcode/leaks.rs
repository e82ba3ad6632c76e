//! A thousand logins in one process lose no memory and no descriptor.

use core::ops::Range;

use countersign_tests::{
    parts,
    sandbox::{Sandbox, USER},
    valgrind,
};

use crate::rig::{SEED_TYPED, administrator, passcode_of_seed};

/// Logs in so many times in one process, from a counter on; returns what is lost for good.
fn lost(sandbox: &Sandbox, counters: Range<u64>) -> String {
    let passcodes: Vec<_> = counters.map(passcode_of_seed).collect();
    let typed = format!("{}\n", passcodes.join("\n"));
    valgrind::lost_by_logins(sandbox, "passcode", passcodes.len(), &typed).unwrap()
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
