//! The gateway as its agents and fronts meet it: real database, real signatures, real DSKPP, no network.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, whatever else came"
)]

mod administration;
mod approvals;
mod device;
mod enrollment;
mod openings;
mod passcodes;
mod refusals;
mod stage;
mod streams;
