//! The real `countersign`, run against an agent that says what each test wants it to say.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod answers;
mod connection;
mod fake_agent;
mod refusals;
mod samples;
mod secrets;
mod stage;
mod terminal;
mod typist;
