//! A TPM 2.0 in software (`swtpm`), one a test.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::{io::AsyncReadExt as _, net::unix::pipe};

use crate::{
    PATIENCE, block_on,
    process::{Process, Stdout},
};

/// What must be installed.
pub const PROGRAMS: [&str; 1] = ["swtpm"];

/// How often a pair of ports is looked for: another test may take one of them in between.
const LOOKS: usize = 20;

/// A running `swtpm`. What it keeps outlives it, in its folder.
#[derive(Debug)]
pub struct SoftwareTpm {
    folder: PathBuf,
    logs: PathBuf,
    port: u16,
    process: Process,
}

impl SoftwareTpm {
    /// Starts one that keeps its state in `folder`, with its log in `logs`. A new folder is a new TPM.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn start(folder: PathBuf, logs: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let (port, process) = launch(&folder, &logs)?;
        Ok(Self {
            folder,
            logs,
            port,
            process,
        })
    }

    /// Kills it, as a power cut would, and starts it again.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        (self.port, self.process) = launch(&self.folder, &self.logs)?;
        Ok(())
    }

    /// Where it is now, in the words of the TSS. (Its Rust library knows this transport over TCP only.)
    #[must_use]
    pub fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }
}

fn launch(folder: &Path, logs: &Path) -> Result<(u16, Process)> {
    let mut last = None;
    for _ in 0..LOOKS {
        let Some(port) = pair_of_ports()? else {
            continue;
        };
        match launch_at(port, folder, logs) {
            Ok(process) => return Ok((port, process)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| anyhow::anyhow!("no two ports in a row are free")))
}

/// A port for commands; the TSS expects the one for control after it.
fn pair_of_ports() -> Result<Option<u16>> {
    let first = TcpListener::bind("127.0.0.1:0")?;
    let port = first.local_addr()?.port();
    let Some(next) = port.checked_add(1) else {
        return Ok(None);
    };
    Ok(TcpListener::bind(("127.0.0.1", next))
        .is_ok()
        .then_some(port))
}

fn launch_at(port: u16, folder: &Path, logs: &Path) -> Result<Process> {
    // It writes its process id once it listens: a pipe with a name makes that an event.
    let pid = folder.join("pid");
    if pid.exists() {
        fs::remove_file(&pid)?;
    }
    mknodat(CWD, &pid, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
    let control = port.checked_add(1).context("no port after the last")?;
    let mut command = Command::new("swtpm");
    command
        .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
        .arg("--server")
        .arg(format!("type=tcp,port={port},bindaddr=127.0.0.1"))
        .arg("--ctrl")
        .arg(format!("type=tcp,port={control},bindaddr=127.0.0.1"))
        .arg("--tpmstate")
        .arg(format!("dir={}", folder.display()))
        .arg("--pid")
        .arg(format!("file={}", pid.display()));
    let mut process = Process::spawn("swtpm", command, logs, Stdout::Log, None)?;
    let listens = block_on(async {
        // Open for writing too: without a writer, reading would end at once.
        let mut pipe = pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(&pid)?;
        let either = async {
            tokio::select! {
                byte = pipe.read_u8() => byte.is_ok(),
                () = process.ended_by_itself() => false,
            }
        };
        anyhow::Ok(
            tokio::time::timeout(PATIENCE, either)
                .await
                .unwrap_or(false),
        )
    })?;
    if !listens {
        bail!("swtpm does not listen:\n{}", process.log());
    }
    Ok(process)
}
