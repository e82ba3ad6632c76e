//! Notifications on a private bus: the real dunst on a screen in memory, a server without actions, no server,
//! and programs that forge the server's signals.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unwrap_in_result,
    reason = "tests stop at the first surprise"
)]

mod absent;
mod dunst;
mod forged;
mod plain_server;
mod rig;
