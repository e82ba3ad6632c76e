//! The source tree and the cargo that works on it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// Where the tree lies, where its build products go, and how cargo is called.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// The target folder, whatever sets it.
    pub(crate) target: PathBuf,
    /// The resolved dependency graph for this machine's platform.
    pub(crate) metadata: Metadata,
}

impl Tree {
    /// Reads the tree that this program was built from.
    pub(crate) fn open() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the xtask crate does not lie in a workspace")?
            .to_path_buf();
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options([
                "--filter-platform".to_owned(),
                platform(),
                "--locked".to_owned(),
            ])
            .exec()
            .context("cargo metadata failed")?;
        let target = metadata.target_directory.clone().into_std_path_buf();
        Ok(Self {
            root,
            target,
            metadata,
        })
    }

    /// The cargo that runs this program (the pinned toolchain's), in the root of the tree.
    #[expect(clippy::disallowed_methods, reason = "cargo says so to what it runs")]
    pub(crate) fn cargo<I, S>(&self, words: I) -> Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(words).current_dir(&self.root);
        command
    }
}

/// The target triple of this machine.
pub(crate) fn platform() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

/// Runs a command to its end with our stdin, stdout and stderr; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !status.success() {
        let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        bail!(
            "`{} {}` failed ({status})",
            command.get_program().display(),
            words.join(" ")
        );
    }
    Ok(())
}
