//! Whole DSKPP runs in memory: both sides agree, and nothing that was changed on the way is taken.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests fail by panicking"
)]

mod four_pass;
mod parts;
mod two_pass;
