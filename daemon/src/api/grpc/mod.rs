//! `countersign.agent.v1` on a unix socket: only the user's own programs are served.

mod browser;
mod browser_convert;
mod convert;
mod files;
mod peer;
mod service;

use std::{future::Future, sync::Arc};

use countersign_proto::{
    agent::v1::agent_server::AgentServer, browser::v1::browser_server::BrowserServer, limits,
};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use self::{browser::BrowserService, service::AgentService};
use crate::agent::Agent;

/// The server ended with an error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The descriptors in the binary are broken: a build fault.
    #[error("the gRPC reflection service could not be built")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC server failed")]
    Transport(#[from] tonic::transport::Error),
}

/// Serves `listener` until `shutdown` is ready, then lets the calls under way end.
///
/// # Errors
///
/// Every variant of [`ServeError`].
pub async fn serve(
    agent: Arc<Agent>,
    listener: UnixListener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<AgentServer<AgentService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(countersign_proto::DESCRIPTORS)
        .build_v1()?;
    // A stream without an end would keep the server from its own.
    let ending = CancellationToken::new();
    let browsers = BrowserServer::new(BrowserService::new(Arc::clone(&agent), ending.clone()))
        .max_decoding_message_size(limits::BROWSER_MESSAGE)
        .max_encoding_message_size(limits::AGENT_MESSAGE);
    let service = AgentServer::new(AgentService::new(agent, ending.clone()))
        .max_decoding_message_size(limits::AGENT_MESSAGE)
        .max_encoding_message_size(limits::AGENT_MESSAGE);
    let shutdown = async move {
        shutdown.await;
        ending.cancel();
    };
    Server::builder()
        .max_concurrent_streams(64)
        .initial_stream_window_size(65_536)
        .initial_connection_window_size(65_536)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(service)
        .add_service(browsers)
        .serve_with_incoming_shutdown(peer::own_user_only(listener), shutdown)
        .await?;
    Ok(())
}
