//! `serve`.

use std::{io, path::Path};

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

use crate::{control::Control, service::Service, web};

/// Agents come back spread over this time, in milliseconds: about a thousand handshakes a second.
const DRAIN_SPREAD_MS: u32 = 2000;

pub(super) async fn run(data: &Path) -> anyhow::Result<()> {
    log();
    let service = Service::open(data).await?;
    let control = Control::bind(data)
        .await
        .context("the control socket in the data folder")?;
    let config = &service.settings().config;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen at {}", config.listen))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let timer = service.clone();
    let timer = tokio::spawn(async move { timer.keep_deadlines().await });
    let control = tokio::spawn(control.serve(service.clone()));
    let draining = service.clone();
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        notify(NotifyState::Stopping);
        draining.streams().drain(DRAIN_SPREAD_MS);
    };
    tracing::info!(listen = %config.listen, url = %config.url, "serving");
    notify(NotifyState::Ready);
    let served = web::serve(service.clone(), listener, shutdown).await;
    timer.abort();
    control.abort();
    Ok(served?)
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
