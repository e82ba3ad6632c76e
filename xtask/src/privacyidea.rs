//! privacyIDEA for the tests: a Python environment beside the build products, made once for each list of versions.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{say, tree, tree::Tree};

/// What it is made of, in the tree.
const REQUIREMENTS: &str = "tests/privacyidea/requirements.txt";
/// Where it goes, in the target folder. `tests/src/privacyidea.rs` looks there.
const FOLDER: &str = "privacyidea";
/// Holds the requirements that the environment was made of, once it is whole.
const WHOLE: &str = "installed";
/// Interpreters that it runs on, the usual ones first.
const INTERPRETERS: [&str; 6] = [
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.10",
    "python3.14",
    "python3",
];

/// Makes the environment if it is not there. Where that is not possible the tests that need it say so.
///
/// # Errors
///
/// The list of versions cannot be read.
pub(crate) fn ensure(tree: &Tree) -> Result<()> {
    let requirements = fs::read_to_string(tree.root.join(REQUIREMENTS))
        .with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    let folder = tree.target.join(FOLDER);
    let whole = folder.join(WHOLE);
    if fs::read_to_string(&whole).is_ok_and(|made_of| made_of == requirements) {
        return Ok(say::line("there")?);
    }
    match make(tree, &folder) {
        Ok(()) => {
            fs::write(&whole, requirements)?;
            Ok(say::line("installed")?)
        }
        Err(error) => Ok(say::line(format_args!(
            "privacyIDEA cannot be installed, so no test runs against it: {error:#}"
        ))?),
    }
}

fn make(tree: &Tree, folder: &Path) -> Result<()> {
    let interpreter = INTERPRETERS
        .into_iter()
        .find(|name| fits(name))
        .context("there is no Python of 3.10 or newer")?;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    tree::run(Command::new(interpreter).args(["-m", "venv"]).arg(folder))?;
    tree::run(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-deps"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(tree.root.join(REQUIREMENTS)),
    )
}

fn fits(interpreter: &str) -> bool {
    let new_enough = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
    let output = Command::new(interpreter).args(["-c", new_enough]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Makes it, or says why not.
///
/// # Errors
///
/// It cannot be made.
pub(crate) fn run(tree: &Tree) -> Result<()> {
    ensure(tree)?;
    if !tree.target.join(FOLDER).join(WHOLE).exists() {
        bail!("privacyIDEA is not installed");
    }
    Ok(())
}
