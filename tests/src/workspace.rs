//! A temporary folder that holds all a test makes: home, runtime folder, logs, sockets.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::runtime;

/// The most that is shown of one log when a test fails, in bytes.
const LOG_TAIL: usize = 4000;

/// The folder of one test. Removed on drop; when the test is failing its logs are shown first.
#[derive(Debug)]
pub struct Workspace {
    folder: tempfile::TempDir,
}

impl Workspace {
    /// Makes the folder with `home`, `run` (0700, for sockets) and `logs` in it.
    ///
    /// # Errors
    ///
    /// The folder cannot be made.
    pub fn new() -> Result<Self> {
        runtime::enter();
        let folder = tempfile::Builder::new()
            .prefix("countersign-")
            .tempdir()
            .context("cannot make a temporary folder")?;
        for name in ["home", "run", "logs"] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(folder.path().join(name))?;
        }
        Ok(Self { folder })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path in it.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Where the processes write what they have to say.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.join("logs")
    }

    /// `HOME` and the XDG folders of the user in this workspace.
    #[must_use]
    pub fn user_environment(&self) -> Vec<(&'static str, PathBuf)> {
        let home = self.join("home");
        vec![
            ("XDG_RUNTIME_DIR", self.join("run")),
            ("XDG_CONFIG_HOME", home.join(".config")),
            ("XDG_DATA_HOME", home.join(".local/share")),
            ("XDG_STATE_HOME", home.join(".local/state")),
            ("XDG_CACHE_HOME", home.join(".cache")),
            ("HOME", home),
        ]
    }

    /// Writes the agent's `config.toml`.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_config(&self, text: &str) -> Result<()> {
        let folder = self.join("home/.config/countersign");
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join("config.toml"), text)?)
    }

    /// The agent's database.
    #[must_use]
    pub fn vault(&self) -> PathBuf {
        self.join("home/.local/share/countersign/vault.db")
    }

    fn show_logs(&self) {
        let Ok(logs) = fs::read_dir(self.logs()) else {
            return;
        };
        for log in logs.flatten() {
            let mut text = String::new();
            let read =
                fs::File::open(log.path()).and_then(|mut file| file.read_to_string(&mut text));
            if read.is_err() || text.is_empty() {
                continue;
            }
            let begin = text.ceil_char_boundary(text.len().saturating_sub(LOG_TAIL));
            let tail = text.get(begin..).unwrap_or_default();
            let shown = writeln!(
                std::io::stderr(),
                "--- {}\n{tail}",
                log.file_name().display()
            );
            drop(shown);
        }
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_logs();
        }
    }
}
