//! `countersignd`: one agent per user, started by systemd or by hand.

use std::{env, process::ExitCode};

use countersignd::{hardening, launcher, start};

/// Keeps what is small in locked pages and wipes what is freed: buffers of libraries (HTTP/2, protobuf) hold
/// PINs and passcodes too.
#[global_allocator]
static ALLOCATOR: hardening::WipingAllocator = hardening::WipingAllocator::new();

fn main() -> ExitCode {
    if env::args_os()
        .nth(1)
        .is_some_and(|word| word == launcher::WORD)
    {
        return launcher::run();
    }
    ALLOCATOR.lock_pages();
    match start::start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => start::report(&error),
    }
}
