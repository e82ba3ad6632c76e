//! A slow line: bytes pass in both directions, late and a few at a time.

use core::time::Duration;
use std::net::SocketAddr;

use anyhow::Result;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{block_on, gateway::own_address};

/// What passes at a time.
const PART: usize = 128;

/// A line to one server. It ends when it is dropped.
#[derive(Debug)]
pub struct SlowLine {
    near: SocketAddr,
    task: JoinHandle<()>,
}

impl SlowLine {
    /// To `far`, with `bytes_per_second` each way.
    ///
    /// # Errors
    ///
    /// No address is free.
    pub fn lead_to(far: SocketAddr, bytes_per_second: u32) -> Result<Self> {
        let near = SocketAddr::new(far.ip(), own_address().port());
        let listener = block_on(TcpListener::bind(near))?;
        let parts = bytes_per_second
            .checked_div(u32::try_from(PART)?)
            .unwrap_or(0)
            .max(1);
        let pause = Duration::from_secs(1)
            .checked_div(parts)
            .unwrap_or(Duration::from_secs(1));
        crate::runtime::enter();
        let task = tokio::spawn(async move {
            while let Ok((caller, _peer)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(far).await else {
                        return;
                    };
                    let (from_caller, to_caller) = caller.into_split();
                    let (from_server, to_server) = server.into_split();
                    // The first end ends both.
                    tokio::select! {
                        () = pass(from_caller, to_server, pause) => {}
                        () = pass(from_server, to_caller, pause) => {}
                    }
                });
            }
        });
        Ok(Self { near, task })
    }

    /// The end to call at.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.near
    }
}

impl Drop for SlowLine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, pause: Duration) {
    let mut part = [0; PART];
    let mut pace = interval(pause);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Ok(read @ 1..) = from.read(&mut part).await else {
            return;
        };
        pace.tick().await;
        let Some(bytes) = part.get(..read) else {
            return;
        };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
