//! Passcodes that the PAM module checks itself: the real programs and the real module under real services, in a sandbox with an
//! `/etc` of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helper functions of tests: what fails ends the test"
)]

mod administration;
mod gateway;
mod kill;
mod leaks;
mod logins;
mod rig;
mod ssh;
