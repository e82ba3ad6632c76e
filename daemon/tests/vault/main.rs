//! The vault on a real file system: what lasts, what is refused, and what a file gives away.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests stop at the first surprise, and say aloud what they skip"
)]

mod browsers;
mod containers;
mod disks;
mod files;
mod handle;
mod pins;
mod records;
mod rig;
mod states;
mod tampering;
mod tokens;
