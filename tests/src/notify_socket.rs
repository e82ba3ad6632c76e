//! The supervisor's end of `sd_notify`: how a daemon says that it is ready.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use tokio::net::UnixDatagram;

use crate::{PATIENCE, block_on, process::Process};

/// A `NOTIFY_SOCKET`.
#[derive(Debug)]
pub struct NotifySocket {
    path: PathBuf,
    socket: UnixDatagram,
}

impl NotifySocket {
    /// Binds the socket at `path`; one that was there before is replaced.
    ///
    /// # Errors
    ///
    /// It cannot be bound.
    pub fn bind(path: PathBuf) -> Result<Self> {
        if path.exists() {
            fs::remove_file(&path)?;
        }
        let socket = block_on(async { UnixDatagram::bind(&path) })?;
        Ok(Self { path, socket })
    }

    /// What `NOTIFY_SOCKET` is set to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for `READY=1` from `process`.
    ///
    /// # Errors
    ///
    /// It ended first, or did not become ready in time.
    pub fn wait_ready(&self, process: &mut Process) -> Result<()> {
        let ready = block_on(async {
            let mut message = [0_u8; 4096];
            let ready = async {
                loop {
                    let length = self.socket.recv(&mut message).await?;
                    let text = message.get(..length).unwrap_or_default();
                    if text
                        .split(|byte| *byte == b'\n')
                        .any(|line| line == b"READY=1")
                    {
                        return anyhow::Ok(());
                    }
                }
            };
            let either = async {
                tokio::select! {
                    ready = ready => ready.map(|()| Readiness::Ready),
                    () = process.ended_by_itself() => Ok(Readiness::Ended),
                }
            };
            tokio::time::timeout(PATIENCE, either)
                .await
                .unwrap_or(Ok(Readiness::Late))
        })?;
        match ready {
            Readiness::Ready => Ok(()),
            Readiness::Ended => bail!("ended before it was ready:\n{}", process.log()),
            Readiness::Late => bail!("did not become ready in time:\n{}", process.log()),
        }
    }
}

enum Readiness {
    Ready,
    Ended,
    Late,
}
