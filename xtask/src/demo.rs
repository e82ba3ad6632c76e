//! `cargo xtask demo`: brings what is missing, builds, and hands over to the demo program.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Result, anyhow};

use crate::{check, packages, say, tree::Tree};

/// Runs the demo in place of this process, so that Ctrl-C reaches it alone.
///
/// # Errors
///
/// A package or the build failed, or the demo could not be started.
pub(crate) fn run(tree: &Tree, keep: bool) -> Result<()> {
    packages::ensure(&[packages::BUILD, packages::DESKTOP])?;
    say::line("Building (the first time takes a few minutes) ...")?;
    check::programs(tree)?;
    let mut demo = Command::new(tree.target.join("debug/demo"));
    demo.arg("--pictures").arg(tree.root.join(".demo"));
    if keep {
        demo.arg("--keep");
    }
    Err(anyhow!(demo.exec()).context("cannot start the demo"))
}
