//! `countersign-pam`: the administrator's program for what the PAM module checks itself.
//!
//! Run as root; it has no power of its own. Invariant: seeds and passcodes come from standard input and never from
//! arguments; a seed is printed once, when this program has made it.

mod cli;
mod clock;
mod commands;
mod error;
mod folders;
mod keys;
mod seed;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;

use self::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match commands::run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::complain(&error);
            ExitCode::FAILURE
        }
    }
}
