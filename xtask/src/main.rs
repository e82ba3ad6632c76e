//! `cargo xtask`: the chores of the project.

mod codegen;

use std::path::Path;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("xtask lies in the tree")?;
    match std::env::args().nth(1).as_deref() {
        Some("codegen") if std::env::args().any(|word| word == "--check") => {
            codegen::run(root, codegen::Mode::Check)
        }
        Some("codegen") => codegen::run(root, codegen::Mode::Write),
        _ => bail!("cargo xtask codegen [--check]"),
    }
}
