//! `cargo xtask bench`: builds for use and hands over to the measuring program.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Result, anyhow};

use crate::{install, packages, say, tree, tree::Tree};

/// Builds the programs as they are installed, the peers, and measures.
///
/// # Errors
///
/// A package or a build failed, or the measuring program could not be started.
pub(crate) fn run(tree: &Tree, markdown: bool) -> Result<()> {
    packages::ensure(&[packages::BUILD, packages::DESKTOP, packages::BENCH])?;
    let programs = install::build(tree)?;
    tree::run(&mut tree.cargo([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "countersign-tests",
        "--bins",
    ]))?;
    let peers = tree.target.join("bench-peers");
    say::line("Building the peer rbw into the bench's own folder ...")?;
    let rbw = tree::run(
        tree.cargo(["install", "--quiet", "--locked", "rbw", "--root"])
            .arg(&peers)
            .env("CARGO_TARGET_DIR", peers.join("target")),
    );
    if let Err(error) = rbw {
        say::line(format_args!("rbw is not measured: {error:#}"))?;
    }
    let mut bench = Command::new(tree.target.join("release/bench"));
    bench
        .arg("--programs")
        .arg(&programs)
        .arg("--peers")
        .arg(peers.join("bin"));
    if markdown {
        bench.arg("--markdown");
    }
    Err(anyhow!(bench.exec()).context("cannot start the measuring program"))
}
