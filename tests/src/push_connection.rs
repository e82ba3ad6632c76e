//! One TLS connection to a gateway's push service, as agents make it.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use countersign_proto::{limits, push::v1::push_client::PushClient};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};

/// RFC 9266, section 2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
/// What a gateway may send ahead, in bytes.
const WINDOW: u32 = 65_536;

/// A connection of its own, and what binds signatures to it.
#[derive(Clone, Debug)]
pub struct PushConnection {
    /// The client of the service on it.
    pub client: PushClient<Channel>,
    /// Exported keying material of its TLS.
    pub exporter: [u8; 32],
}

/// A pinned TLS configuration for HTTP/2.
#[must_use]
pub fn tls(pin: [u8; 32]) -> Arc<ClientConfig> {
    let mut config = crate::pinned::client(pin);
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

impl PushConnection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody answers, or not with the pinned key.
    pub async fn open(address: SocketAddr, tls: Arc<ClientConfig>) -> Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(address.ip().into());
        let stream = TlsConnector::from(tls).connect(name, tcp).await?;
        let (_, session) = stream.get_ref();
        let exporter =
            session.export_keying_material([0; 32], EXPORTER_LABEL, Some(b"".as_slice()))?;
        // tonic refuses https on a connection whose TLS is not its own; the requests say https all the same.
        let endpoint = Endpoint::from(Uri::try_from(format!("http://{address}"))?)
            .origin(Uri::try_from(format!("https://{address}"))?)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        let mut once = Some(TokioIo::new(stream));
        let connector = tower::service_fn(move |_uri: Uri| {
            let stream = once
                .take()
                .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected));
            core::future::ready(stream)
        });
        let channel = endpoint
            .connect_with_connector(connector)
            .await
            .context("no HTTP/2")?;
        let client = PushClient::new(channel)
            .max_decoding_message_size(limits::PUSH_MESSAGE)
            .max_encoding_message_size(limits::PUSH_MESSAGE);
        Ok(Self { client, exporter })
    }
}
