//! `cargo xtask bench`: builds for use and hands over to the measuring program.

use std::{os::unix::process::CommandExt as _, path::Path, process::Command};

use anyhow::{Context as _, Result, anyhow};
use clap::ValueEnum;

use crate::{install, packages, say, tree, tree::Tree};

/// The release of privacyIDEA that is measured.
const PRIVACYIDEA: &str = "privacyidea==3.14";

/// What can be measured alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The agent and its command line.
    Desktop,
    /// Typed passcodes at the gateway, beside privacyIDEA.
    Validation,
    /// Idle streams at the gateway, beside message brokers.
    Streams,
    /// Agents that come back after a restart of the gateway.
    Restarts,
    /// Passcodes and approvals through PAM, beside `pam_oath` and `pam_google_authenticator`.
    Pam,
    /// A passcode for a browser, with its host's start.
    Browser,
}

impl Part {
    const fn word(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Validation => "validation",
            Self::Streams => "streams",
            Self::Restarts => "restarts",
            Self::Pam => "pam",
            Self::Browser => "browser",
        }
    }
}

/// Builds the programs as they are installed, the peers, and measures.
///
/// # Errors
///
/// A package or a build failed, or the measuring program could not be started.
pub(crate) fn run(tree: &Tree, markdown: bool, only: Option<Part>) -> Result<()> {
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
    let measures = |part| only.is_none_or(|only| only == part);
    if measures(Part::Desktop)
        && let Err(error) = rbw(tree, &peers)
    {
        say::line(format_args!("rbw is not measured: {error:#}"))?;
    }
    if measures(Part::Validation)
        && let Err(error) = privacyidea(&peers)
    {
        say::line(format_args!("privacyIDEA is not measured: {error:#}"))?;
    }
    let mut bench = Command::new(tree.target.join("release/bench"));
    bench
        .arg("--programs")
        .arg(&programs)
        .arg("--peers")
        .arg(&peers);
    if let Some(part) = only {
        bench.arg("--only").arg(part.word());
    }
    if markdown {
        bench.arg("--markdown");
    }
    Err(anyhow!(bench.exec()).context("cannot start the measuring program"))
}

fn rbw(tree: &Tree, peers: &Path) -> Result<()> {
    say::line("Building the peer rbw into the bench's own folder ...")?;
    tree::run(
        tree.cargo(["install", "--quiet", "--locked", "rbw", "--root"])
            .arg(peers)
            .env("CARGO_TARGET_DIR", peers.join("target")),
    )
}

fn privacyidea(peers: &Path) -> Result<()> {
    let folder = peers.join("privacyidea");
    if folder.join("bin/gunicorn").exists() {
        return Ok(());
    }
    say::line("Installing the peer privacyIDEA into the bench's own folder ...")?;
    tree::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
        .context("python3 -m venv")?;
    tree::run(Command::new(folder.join("bin/pip")).args([
        "install",
        "--quiet",
        PRIVACYIDEA,
        "gunicorn",
    ]))
}
