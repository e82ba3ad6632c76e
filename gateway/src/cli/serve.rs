//! `serve`.

use std::{io, net::SocketAddr, path::Path};

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
};
use tracing_subscriber::EnvFilter;

use crate::{control::Control, radius, service::Service, web};

/// Connections that may wait for the listener, as far as the system lets them (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;

pub(super) async fn run(data: &Path) -> anyhow::Result<()> {
    log();
    // Each agent is one open file; what the system allows at most is what the administrator chose.
    if let Err(error) = raise_file_limit() {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let service = Service::open(data).await?;
    let control = Control::bind(data)
        .await
        .context("the control socket in the data folder")?;
    let config = &service.settings().config;
    let listener =
        listen(config.listen).with_context(|| format!("cannot listen at {}", config.listen))?;
    let mut radius = Vec::new();
    for address in &config.radius.listen {
        let socket = radius::bind(*address)
            .with_context(|| format!("cannot listen for RADIUS at {address}"))?;
        radius.push(socket);
        tracing::info!(listen = %address, "RADIUS");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let timer = service.clone();
    let timer = tokio::spawn(async move { timer.keep_deadlines().await });
    let control = tokio::spawn(control.serve(service.clone()));
    let alarms = service.clone();
    let alarms = tokio::spawn(async move { alarms.keep_alarms().await });
    let metrics = metrics(&service).await?;
    let radius = radius::serve(service.clone(), radius);
    let radius = tokio::spawn(async move {
        let Err(error) = radius.await;
        tracing::error!(%error, "RADIUS is not served");
    });
    let stopping = service.clone();
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        notify(NotifyState::Stopping);
        if let Err(error) = stopping.stop().await {
            tracing::warn!(%error, "the next start will not know which agents are on their way back");
        }
    };
    tracing::info!(listen = %config.listen, url = %config.url, "serving");
    notify(NotifyState::Ready);
    let served = web::serve(service.clone(), listener, shutdown).await;
    for task in [
        Some(timer),
        Some(control),
        Some(alarms),
        Some(radius),
        metrics,
    ] {
        task.inspect(JoinHandle::abort);
    }
    Ok(served?)
}

/// Serves the metrics, if the settings say so.
async fn metrics(service: &Service) -> anyhow::Result<Option<JoinHandle<()>>> {
    let settings = service.settings().config.metrics;
    if !settings.enabled {
        return Ok(None);
    }
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen for the metrics at {}", settings.listen))?;
    if !settings.listen.ip().is_loopback() {
        tracing::warn!(listen = %settings.listen, "the metrics can be read from other machines");
    }
    tracing::info!(listen = %settings.listen, "telling the metrics");
    let service = service.clone();
    Ok(Some(tokio::spawn(async move {
        if let Err(error) = web::metrics::serve(service, listener).await {
            tracing::error!(%error, "the metrics are told no longer");
        }
    })))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A gateway that starts again takes its address back at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn raise_file_limit() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    Ok(setrlimit(Resource::Nofile, highest)?)
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

fn log() {
    #[expect(
        clippy::disallowed_methods,
        reason = "read once, at the start of serve"
    )]
    let filter = std::env::var("COUNTERSIGN_LOG").unwrap_or_else(|_unset| "info".to_owned());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()));
    // Already set: a test's own subscriber stays.
    drop(subscriber.try_init());
}
