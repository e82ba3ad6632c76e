//! The desktop session, with a stand-in for logind that can put the machine to sleep, with the real one where
//! that runs, and with programs that forge its signals.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod coming_and_going;
mod forged;
mod real;
mod rig;
mod screen;
mod sleep;
