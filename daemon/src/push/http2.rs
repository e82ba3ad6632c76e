//! gRPC on a TLS connection that is made already.

use core::time::Duration;

use countersign_proto::{limits, push::v1::push_client::PushClient};
use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};
use url::Url;

use super::tls::host_port;
use crate::agent::ports::TransportError;

/// How long a probe may stay unanswered; less where probes are closer together.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// What a gateway may send ahead of our reading, in bytes.
const WINDOW: u32 = 65_536;
/// The longest headers of an answer, in bytes.
const HEADERS: u32 = 16_384;
/// Calls that may wait for the connection; there is one at a time.
const CALLS: usize = 4;

/// How often a connection is probed that is used once and not left idle.
pub(super) const BRIEF: Duration = KEEP_ALIVE_TIMEOUT;

/// A client of the service at `url` on `stream`, with both directions' messages bounded. An idle connection is probed every
/// `keep_alive`.
///
/// # Errors
///
/// [`TransportError::Protocol`].
pub(super) async fn client(
    url: &Url,
    stream: TlsStream<TcpStream>,
    keep_alive: Duration,
) -> Result<PushClient<Channel>, TransportError> {
    let host = host_port(url);
    let protocol = |why: &str| TransportError::Protocol {
        host: host.clone(),
        why: why.to_owned(),
    };
    let uri = |scheme: &str| {
        Uri::try_from(format!("{scheme}://{host}")).map_err(|_malformed| protocol("malformed URL"))
    };
    // tonic refuses https on a connection whose TLS is not its own; the requests say https all the same.
    let endpoint = Endpoint::from(uri("http")?)
        .origin(uri("https")?)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_max_header_list_size(HEADERS)
        .http2_keep_alive_interval(keep_alive)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT.min(keep_alive))
        .keep_alive_while_idle(true)
        .buffer_size(CALLS);
    let mut once = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_uri: Uri| {
        // Connecting anew is the caller's work, with an exporter of its own: a second call gets nothing.
        let stream = once
            .take()
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected));
        core::future::ready(stream)
    });
    let channel = endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|_failed| protocol("HTTP/2 could not be set up"))?;
    Ok(PushClient::new(channel)
        .max_decoding_message_size(limits::PUSH_MESSAGE)
        .max_encoding_message_size(limits::PUSH_MESSAGE))
}
