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
mod enrolling;
mod fake_agent;
mod files;
mod log_share;
mod pins;
mod pins_typed;
mod refusals;
mod samples;
mod screen;
mod script;
mod secrets;
mod setup;
mod slots;
mod stage;
mod status;
mod terminal;
mod tui;
mod typist;
mod unlock;
mod viewer;
