//! A process that is ended with the value that stands for it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::{PATIENCE, block_on, patiently};

/// A running process. Killed and reaped on drop, by its own id.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    stdout: Option<BufReader<ChildStdout>>,
}

/// Where a process's stdout goes. Its stderr goes to its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stdout {
    /// To the log as well.
    Log,
    /// To [`Process::line`].
    Lines,
}

impl Process {
    /// Starts `command`; what it says goes to `logs/NAME.log`. `input`, if any, is all of its stdin.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn spawn(
        name: &'static str,
        command: std::process::Command,
        logs: &Path,
        stdout: Stdout,
        input: Option<&[u8]>,
    ) -> Result<Self> {
        let log = logs.join(format!("{name}.log"));
        let file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&log)?;
        let mut command = Command::from(command);
        command.stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        });
        command.stdout(match stdout {
            Stdout::Log => Stdio::from(file.try_clone()?),
            Stdout::Lines => Stdio::piped(),
        });
        command.stderr(file);
        block_on(async {
            let mut child = command
                .spawn()
                .with_context(|| format!("{name} could not be started"))?;
            if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
                stdin
                    .write_all(input)
                    .await
                    .with_context(|| format!("{name} reads no input"))?;
            }
            let stdout = child.stdout.take().map(BufReader::new);
            Ok(Self {
                name,
                child,
                log,
                stdout,
            })
        })
    }

    /// The next line of its stdout ([`Stdout::Lines`]).
    ///
    /// # Errors
    ///
    /// It ended, or none came in time.
    pub fn line(&mut self) -> Result<String> {
        let stdout = self.stdout.as_mut().context("its stdout goes to the log")?;
        let mut line = String::new();
        let read = patiently(
            &format!("a line of {}", self.name),
            stdout.read_line(&mut line),
        )??;
        if read == 0 {
            bail!("{} ended early:\n{}", self.name, self.log());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Its process id while it has not been reaped.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// All that it has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal.
    ///
    /// # Errors
    ///
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self
            .child
            .id()
            .with_context(|| format!("{} has ended", self.name))?;
        let pid = Pid::from_raw(id.try_into()?).context("no process has the id 0")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// It did not end in time.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        Ok(patiently(
            &format!("the end of {}", self.name),
            self.child.wait(),
        )??)
    }

    /// SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// It cannot be killed.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        block_on(async { self.child.start_kill() })?;
        self.wait()
    }

    /// SIGTERM, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// It did not end in time.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait()
    }

    /// Resolves when it ends.
    pub(crate) async fn ended_by_itself(&mut self) {
        // An error means that the process is no longer ours to wait for.
        drop(self.child.wait().await);
    }

    /// Whether it has ended by now; reaps it if so.
    ///
    /// # Errors
    ///
    /// The system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(block_on(async { self.child.try_wait() })?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let ended = block_on(async {
            drop(self.child.start_kill());
            tokio::time::timeout(PATIENCE, self.child.wait()).await
        });
        // Nothing is left to do about a process that SIGKILL does not end.
        drop(ended);
    }
}

/// Runs `command` to its end with `input` as its stdin.
///
/// # Errors
///
/// It cannot be started, or did not end in time.
pub fn output(command: std::process::Command, input: &[u8]) -> Result<std::process::Output> {
    let name = command.get_program().display().to_string();
    let mut command = Command::from(command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let ended = async {
        let mut child = command
            .spawn()
            .with_context(|| format!("{name} could not be started"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading its input says so by its exit status.
            drop(stdin.write_all(input).await);
        }
        anyhow::Ok(child.wait_with_output().await?)
    };
    patiently(&format!("the end of {name}"), ended)?
}
