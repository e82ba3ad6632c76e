//! The real gateway, on a loopback address of its own.

use core::time::Duration;
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Context as _, Result, bail, ensure};

use data_encoding::HEXLOWER_PERMISSIVE;
use rustix::process::Signal;
use serde_json::Value;

use crate::{
    PATIENCE, Workspace, block_on,
    notify_socket::NotifySocket,
    process::{Process, Stdout},
    programs::program,
    standin_notifications::now,
};

/// The name that the gateway in tests goes by.
pub const NAME: &str = "Example";

/// `countersign-gateway` with its data in a workspace.
#[derive(Debug)]
pub struct GatewayProcess {
    data: PathBuf,
    logs: PathBuf,
    notify: NotifySocket,
    address: SocketAddr,
    /// Its clock, beside this computer's.
    ahead: Duration,
    process: Option<Process>,
}

/// What tells a program another time.
const FAKETIME: &str = if cfg!(target_arch = "aarch64") {
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"
} else {
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
};

impl GatewayProcess {
    /// `init`, on an address that no other test of this machine uses.
    ///
    /// # Errors
    ///
    /// The gateway refuses.
    pub fn init(workspace: &Workspace) -> Result<Self> {
        Self::init_at(workspace, own_address(), NAME)
    }

    /// `init` with an address and a name.
    ///
    /// # Errors
    ///
    /// The gateway refuses.
    pub fn init_at(workspace: &Workspace, address: SocketAddr, name: &str) -> Result<Self> {
        let count = NUMBER.fetch_add(1, Ordering::Relaxed);
        let gateway = Self {
            data: workspace.join(format!("gateway-{count}")),
            logs: workspace.logs(),
            notify: NotifySocket::bind(workspace.join(format!("gateway-{count}.notify")))?,
            address,
            ahead: Duration::ZERO,
            process: None,
        };
        gateway.run(
            &["init", "--name", name, "--listen", &address.to_string()],
            "",
        )?;
        Ok(gateway)
    }

    /// Changes its `config.toml` before it serves: puts `line` at the head of a section, in place of the
    /// line with the same key.
    ///
    /// # Errors
    ///
    /// There is no such section.
    pub fn configure(&self, section: &str, line: &str) -> Result<()> {
        let path = self.data.join("config.toml");
        let text = fs::read_to_string(&path)?;
        let heading = format!("[{section}]\n");
        let (before, after) = text
            .split_once(&heading)
            .with_context(|| format!("no {heading} in {text}"))?;
        let key = line.split('=').next().unwrap_or_default().trim();
        let kept: Vec<_> = after
            .lines()
            .filter(|other| other.split('=').next().unwrap_or_default().trim() != key)
            .collect();
        Ok(fs::write(
            &path,
            format!("{before}{heading}{line}\n{}\n", kept.join("\n")),
        )?)
    }

    /// Before it serves: agents are told `address` as its own.
    ///
    /// # Errors
    ///
    /// Its config.toml does not name its own.
    pub fn known_at(&self, address: SocketAddr) -> Result<()> {
        let path = self.data.join("config.toml");
        let text = fs::read_to_string(&path)?;
        let told = text.replace(&self.origin(), &format!("https://{address}"));
        ensure!(told != text, "{} does not stand in {text}", self.origin());
        Ok(fs::write(&path, told)?)
    }

    /// Starts `serve` and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It does not become ready.
    pub fn serve(&mut self) -> Result<()> {
        let mut command = self.command()?;
        command
            .arg("serve")
            .env("NOTIFY_SOCKET", self.notify.path());
        if self.ahead > Duration::ZERO {
            command
                .env("LD_PRELOAD", FAKETIME)
                .env("FAKETIME", format!("+{}s", self.ahead.as_secs()))
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let mut process = Process::spawn(
            "countersign-gateway",
            command,
            &self.logs,
            Stdout::Log,
            None,
        )?;
        self.notify
            .wait_ready(&mut process)
            .context("countersign-gateway serve")?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends `serve` with SIGTERM.
    ///
    /// # Errors
    ///
    /// It does not end, or not with success.
    pub fn stop(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the gateway is not serving")?;
        let status = process.terminate()?;
        if !status.success() {
            bail!("the gateway ended with {status}:\n{}", process.log());
        }
        Ok(())
    }

    /// Ends `serve` with SIGKILL.
    ///
    /// # Errors
    ///
    /// It is not serving.
    pub fn kill(&mut self) -> Result<()> {
        self.process
            .take()
            .context("the gateway is not serving")?
            .kill()?;
        Ok(())
    }

    /// Lets `serve` have a clock that is `ahead` of this computer's, from its next start on.
    pub fn set_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
    }

    /// Sends `serve` a signal.
    ///
    /// # Errors
    ///
    /// It is not serving.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let process = self.process.as_ref();
        process
            .context("the gateway is not serving")?
            .signal(signal)
    }

    /// Adds a user.
    ///
    /// # Errors
    ///
    /// The gateway refuses.
    pub fn add_user(&self, user: &str, password: &str) -> Result<()> {
        self.run(
            &["user", "add", user, "--password-stdin"],
            &format!("{password}\n"),
        )
        .map(drop)
    }

    /// Issues a token and returns its activation string. `words` follow the user's name.
    ///
    /// # Errors
    ///
    /// The gateway refuses.
    pub fn add_token(&self, user: &str, words: &[&str]) -> Result<String> {
        let mut all = vec!["token", "add", user];
        all.extend_from_slice(words);
        let printed = self.run(&all, "")?;
        Ok(printed.trim().to_owned())
    }

    /// Registers a front and returns its key.
    ///
    /// # Errors
    ///
    /// The gateway refuses.
    pub fn add_front(&self, name: &str) -> Result<String> {
        Ok(self.run(&["front", "add", name], "")?.trim().to_owned())
    }

    /// Runs one of the gateway's commands and returns what it printed.
    ///
    /// # Errors
    ///
    /// It does not succeed; the error holds what it said.
    pub fn run(&self, words: &[&str], input: &str) -> Result<String> {
        let mut command = self.command()?;
        command.args(words);
        let output = crate::process::output(command, input.as_bytes())?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            bail!(
                "countersign-gateway {}: {}: {said}",
                words.join(" "),
                output.status
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Waits until something is in its audit log, and returns the newest entry of that.
    ///
    /// # Errors
    ///
    /// It does not happen in time.
    pub fn wait_for_event(&self, event: &str) -> Result<Value> {
        let begin = now();
        loop {
            let log: Value = serde_json::from_str(&self.run(&["audit", "list", "--json"], "")?)?;
            let events = log.get("events").and_then(Value::as_array);
            let mut events = events.into_iter().flatten();
            let found = events.rfind(|one| one.get("event").and_then(Value::as_str) == Some(event));
            if let Some(found) = found {
                return Ok(found.clone());
            }
            if begin.elapsed() > PATIENCE {
                bail!("no {event} in time: {log}");
            }
        }
    }

    /// The program with its data folder and nothing of this process's environment.
    ///
    /// # Errors
    ///
    /// It has not been built.
    pub fn command(&self) -> Result<Command> {
        let mut command = Command::new(program("countersign-gateway")?);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .arg("--data")
            .arg(&self.data);
        Ok(command)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where a browser finds it.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://{}", self.address)
    }

    /// SHA-256 of its identity key, which every certificate that it shows goes back to.
    ///
    /// # Errors
    ///
    /// It does not say.
    pub fn pin(&self) -> Result<[u8; 32]> {
        let status: Value = serde_json::from_str(&self.run(&["status", "--json"], "")?)?;
        let pin = status
            .get("pin")
            .and_then(Value::as_str)
            .context("a status without a pin")?;
        let pin = HEXLOWER_PERMISSIVE.decode(pin.as_bytes())?;
        pin.try_into()
            .map_err(|_wrong_length| anyhow::anyhow!("a pin that is no SHA-256"))
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The process id of `serve` while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::id)
    }

    /// What `serve` has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }
}

/// Gateways of this process so far.
static NUMBER: AtomicU16 = AtomicU16::new(0);

/// An address that only this process uses: its id as the last three bytes of a loopback address, and a port
/// below those that the kernel hands out. Whoever binds a free port and lets it go again may lose it.
#[must_use]
pub fn own_address() -> SocketAddr {
    static PORT: AtomicU16 = AtomicU16::new(20_000);
    let [_, a, b, c] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, a, b, c.max(1));
    SocketAddr::from((address, PORT.fetch_add(1, Ordering::Relaxed)))
}

/// A free port on 127.0.0.1, for addresses that people see.
///
/// # Errors
///
/// No port is free.
pub fn free_local_address() -> Result<SocketAddr> {
    let listener =
        block_on(async { tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await })?;
    Ok(listener.local_addr()?)
}
