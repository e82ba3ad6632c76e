//! `countersignd`: one agent per user, started by systemd or by hand.

use std::process::ExitCode;

use countersignd::{hardening, start};

/// Wipes what is freed: buffers of libraries (HTTP/2, protobuf) hold PINs and passcodes too.
#[global_allocator]
static ALLOCATOR: hardening::WipingAllocator = hardening::WipingAllocator;

fn main() -> ExitCode {
    match start::start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => start::report(&error),
    }
}
