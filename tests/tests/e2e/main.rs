//! End-to-end tests: the real programs, real buses, a real notification server, a real keyring.
//!
//! One test program, so that it is linked once and all tests share the machine's cores.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helper functions of tests: what fails ends the test"
)]

mod activation;
mod administration;
mod bad_input;
mod browser;
mod credential;
mod dbus;
mod dialogs;
mod directory;
mod enrollment;
mod faults;
mod files;
mod finger;
mod hardening;
mod harness;
mod keyring;
mod kill;
mod lines;
mod links;
mod main_job;
mod memory;
mod oathtool;
mod pictures;
mod pin_types;
mod push_otp;
mod radius;
mod self_enrollment;
mod session;
mod tui;
mod units;
mod vault;

use countersign_tests::dice;
