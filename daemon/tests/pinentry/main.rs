//! Dialogs: the real pinentries on a terminal and on a screen in memory, and programs that misbehave.
#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    reason = "tests stop at the first surprise"
)]

mod launcher;
mod misbehaving;
mod on_screen;
mod on_terminal;
mod rig;
