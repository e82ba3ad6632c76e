//! `countersign-gateway`: reads its command line and runs it.

use std::process::ExitCode;

use clap::Parser as _;
use countersign_gateway::cli::Cli;

fn main() -> ExitCode {
    // Whatever it makes is its own: the database's side files too.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    Cli::parse().run()
}
