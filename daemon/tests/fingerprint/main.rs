//! The fingerprint reader: the real fprintd with a reader without hardware, on a private system bus; programs
//! that forge its verdicts; a stand-in where an order of messages cannot be had from the real one.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unwrap_in_result,
    reason = "tests stop at the first surprise"
)]

mod ends;
mod forged;
mod order;
mod refusals;
mod rig;
mod verdicts;
