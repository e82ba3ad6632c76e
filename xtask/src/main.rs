//! `cargo xtask`: the chores of the project. `cargo xtask --help` lists them.

mod bench;
mod check;
mod codegen;
mod demo;
mod extension;
mod install;
mod layers;
mod licences;
mod links;
mod packages;
mod privacyidea;
mod say;
mod tree;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};

use crate::tree::Tree;

/// The chores of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// One login from end to end on private buses, with a real notification; also without a screen
    Demo {
        /// Stay up until Ctrl-C and print the commands to play with it by hand
        #[arg(long)]
        keep: bool,
    },
    /// Everything CI runs, fastest first
    Test {
        /// And what takes too long for that: ten thousand logins through the fault server
        #[arg(long)]
        long: bool,
    },
    /// Measure, beside peers in the same run
    Bench {
        /// Print the table as Markdown
        #[arg(long)]
        markdown: bool,
        /// Measure one part alone
        #[arg(long, value_enum)]
        only: Option<bench::Part>,
    },
    /// Check who uses whom, licences, and that the large dependencies are there once
    Layers,
    /// Generate the Rust of proto/ (committed, so that builds need no protoc)
    Codegen {
        /// Only fail when a committed file is stale
        #[arg(long)]
        check: bool,
    },
    /// Pack the browser extension for both stores, the same bytes from the same source
    Extension,
    /// Install privacyIDEA beside the build products, for the tests against it
    Privacyidea,
    /// Build for use and put programs, units and D-Bus activation in place for this user
    Install {
        /// For this user, below ~/.local and ~/.config
        #[arg(long)]
        user: bool,
        /// Open otpauth:// links as well, which other programs may do too
        #[arg(long, requires = "user")]
        otpauth_links: bool,
    },
    /// Take away what `install` put in place; tokens and settings stay
    Uninstall {
        /// Of this user
        #[arg(long)]
        user: bool,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr there is nobody to tell; the exit code still does.
            drop(writeln!(io::stderr(), "error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let tree = Tree::open()?;
    match arguments.chore {
        Chore::Demo { keep } => demo::run(&tree, keep),
        Chore::Test { long } => check::run(&tree, long),
        Chore::Bench { markdown, only } => bench::run(&tree, markdown, only),
        Chore::Extension => extension::run(&tree),
        Chore::Privacyidea => privacyidea::run(&tree),
        Chore::Layers => layers::run(&tree),
        Chore::Codegen { check: true } => codegen::run(&tree.root, codegen::Mode::Check),
        Chore::Codegen { check: false } => codegen::run(&tree.root, codegen::Mode::Write),
        Chore::Install {
            user: true,
            otpauth_links,
        } => install::run(&tree, otpauth_links),
        Chore::Uninstall { user: true } => install::remove(),
        Chore::Install { user: false, .. } | Chore::Uninstall { user: false } => {
            bail!("only `--user` exists; distributions package the files of systemd/")
        }
    }
}
