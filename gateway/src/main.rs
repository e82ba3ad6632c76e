//! `countersign-gateway`: reads its command line and runs it.

use std::process::ExitCode;

use clap::Parser as _;
use countersign_gateway::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
