//! `countersign completions SHELL`: what a shell completes.

use clap::CommandFactory as _;

use crate::{
    cli::{self, Cli},
    exit::Failure,
    output,
};

/// Prints the script; the agent is not asked.
pub(crate) fn run(arguments: &cli::Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "countersign",
        &mut script,
    );
    output::raw(&script)
}
