//! `countersignd`: one agent per user, started by systemd or by hand.

use std::process::ExitCode;

use countersignd::{hardening, start};

/// Keeps what is small in locked pages and wipes what is freed: buffers of libraries (HTTP/2, protobuf) hold
/// PINs and passcodes too.
#[global_allocator]
static ALLOCATOR: hardening::WipingAllocator = hardening::WipingAllocator::new();

fn main() -> ExitCode {
    ALLOCATOR.lock_pages();
    match start::start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => start::report(&error),
    }
}
