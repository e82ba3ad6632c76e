//! `countersign`, the command line of the Countersign agent.
//!
//! A call goes `main` > [`cli`] (what was typed) > one file of [`commands`] (what to ask the agent) >
//! [`output`] (how it is shown); `tui` is a command with a screen of its own, [`tui`]. Everything about the agent goes through `countersign-client`.
//!
//! Invariant: decides nothing about tokens, PINs or login requests: it carries answers to the agent and
//! shows what the agent says. Secrets are never taken from options and never printed, passcodes excepted.

mod cli;
mod clock;
mod commands;
mod desktop;
mod environment;
mod exit;
mod interrupts;
mod output;
mod prompt;
mod secret_line;
mod text;
mod tui;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{cli::Cli, environment::Environment};

fn main() -> ExitCode {
    let environment = Environment::read();
    match Cli::try_parse() {
        Ok(cli) => commands::main(cli, environment),
        Err(error) => exit::usage(&error),
    }
}
