//! The process that is thousands of clients.

use core::{net::SocketAddr, time::Duration};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use countersign_tests::{
    process::{Process, Stdout},
    programs,
};
use data_encoding::HEXLOWER;

/// What the clients speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaking {
    Gateway,
    Nats,
    Mqtt,
}

/// The running program `fleet`.
pub(crate) struct Fleet(Process);

impl Fleet {
    /// Starts `count` clients of the server at `address`.
    pub(crate) fn start(
        speaking: Speaking,
        address: SocketAddr,
        pin: [u8; 32],
        count: u32,
        logs: &Path,
    ) -> Result<Self> {
        let mut command = std::process::Command::new(programs::program("fleet")?);
        command.env_clear().args([
            match speaking {
                Speaking::Gateway => "gateway",
                Speaking::Nats => "nats",
                Speaking::Mqtt => "mqtt",
            },
            &address.to_string(),
            &HEXLOWER.encode(&pin),
            &count.to_string(),
        ]);
        Process::spawn("fleet", command, logs, Stdout::Lines, None).map(Self)
    }

    /// Waits until all are connected; how long that took from the first of them on.
    pub(crate) fn up(&mut self) -> Result<Duration> {
        loop {
            let line = self.0.line()?;
            if let Some(rest) = line.strip_prefix("up ") {
                let millis = rest.split(' ').nth(1).context("no time")?;
                return Ok(Duration::from_millis(millis.parse()?));
            }
        }
    }

    /// Waits for a login request; when it was there, in nanoseconds of `CLOCK_MONOTONIC`.
    pub(crate) fn request(&mut self) -> Result<i64> {
        let line = self.0.line()?;
        let Some(nanos) = line.strip_prefix("request ") else {
            bail!("not a request: {line}");
        };
        Ok(nanos.parse()?)
    }
}
