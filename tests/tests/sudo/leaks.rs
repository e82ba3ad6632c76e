//! A thousand approvals in one process lose no memory and no descriptor.

use countersign_core::sudo::Least;
use countersign_tests::{
    pam_module, parts,
    sandbox::Sandbox,
    sudo_agent::{self, PlayedAgent},
    valgrind,
};

#[test]
fn a_thousand_approvals_in_one_process_lose_nothing() {
    let test = "sudo::leaks";
    if !Sandbox::is_possible(test) || !parts::are_there(test, &["valgrind"]) {
        return;
    }
    let sandbox = Sandbox::start().unwrap();
    sudo_agent::accept(&sandbox, Least::User).unwrap();
    let _agent = PlayedAgent::approving(&sandbox).unwrap();
    let module = pam_module::path().unwrap();
    let line = format!("auth required {module} timeout=60 quiet");
    sandbox.service("approval", &line).unwrap();
    let lost = |times| valgrind::lost_by_logins(&sandbox, "approval", times, "").unwrap();
    let few = lost(10);
    let many = lost(1000);
    assert_eq!(few, many, "each approval loses some");
    sandbox.end().unwrap();
}
