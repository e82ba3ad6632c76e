//! Where the programs under test are: beside the test program, in the target folder that it was built in.

use std::{path::PathBuf, sync::OnceLock};

use anyhow::{Context as _, Result, bail};

/// Set by programs that are told where to look.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// From now on the programs are taken from `folder`. The first call counts.
pub fn take_from(folder: PathBuf) {
    FOLDER.get_or_init(|| folder);
}

/// The folder with the programs, e.g. `target/debug`.
///
/// # Errors
///
/// The test program does not lie in a target folder.
pub fn bin_dir() -> Result<PathBuf> {
    if let Some(folder) = FOLDER.get() {
        return Ok(folder.clone());
    }
    let own = std::env::current_exe().context("this program does not know its own path")?;
    let folder = own.parent().context("this program lies nowhere")?;
    // A test lies in deps/ below the programs, demo and bench beside them.
    let folder = if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    Ok(folder.to_path_buf())
}

/// The path of one program under test.
///
/// # Errors
///
/// It has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = bin_dir()?.join(name);
    if !path.exists() {
        bail!(
            "{} has not been built; run `cargo build --workspace --bins` (`cargo xtask test` does)",
            path.display()
        );
    }
    Ok(path)
}
