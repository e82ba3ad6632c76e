//! Connections to a server that no authority vouches for: known by its key alone, or by nothing where the user has
//! accepted that.

use std::sync::Arc;

use countersign_pinned_tls::{Pin, ServerKey};
use rustls::client::Resumption;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;

use super::tls::{self, Failure};
use crate::agent::ports::TransportError;

/// A connection to a server that is known by its key and nothing else.
#[derive(Debug)]
pub(super) struct ConnectedByKey {
    /// For HTTP.
    pub(super) stream: TlsStream<TcpStream>,
    /// The one that it showed.
    pub(super) key: Pin,
}

/// Connects to the origin of `url`, which is `https`, for HTTP/1.1. `key` decides whether it is the right server;
/// without one, whoever answers is.
///
/// # Errors
///
/// As [`tls::connect`].
pub(super) async fn connect(url: &Url, key: Option<Pin>) -> Result<ConnectedByKey, TransportError> {
    let verifier = Arc::new(ServerKey::new(key));
    let connecting = async {
        let mut config = countersign_pinned_tls::client(Arc::<ServerKey>::clone(&verifier))
            .map_err(|_fault| Failure::Protocol("TLS could not be set up"))?;
        // A session carried over would show no key.
        config.resumption = Resumption::disabled();
        let server = tls::server_name(url).ok_or(Failure::Protocol("its address names no host"))?;
        let tcp = tls::dial(url).await?;
        tcp.set_nodelay(true)
            .map_err(|error| tls::unreachable(&error))?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(server, tcp);
        let stream = connecting.await.map_err(|error| tls::refused(&error))?;
        let key = verifier.shown().ok_or(Failure::Untrusted)?;
        Ok(ConnectedByKey { stream, key })
    };
    tls::in_time(url, connecting).await
}

/// Connects to the origin of `url` without TLS.
///
/// # Errors
///
/// [`TransportError::Unreachable`].
pub(super) async fn connect_plain(url: &Url) -> Result<TcpStream, TransportError> {
    let connecting = async {
        let tcp = tls::dial(url).await?;
        tcp.set_nodelay(true)
            .map_err(|error| tls::unreachable(&error))?;
        Ok(tcp)
    };
    tls::in_time(url, connecting).await
}
