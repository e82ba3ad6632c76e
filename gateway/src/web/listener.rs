//! The TLS listener: TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1, every connection bounded in number and time.
//!
//! Every request carries the peer's `SocketAddr` and, over TLS 1.3, the [`TlsExporter`] of its connection
//! as extensions. TLS 1.2 exports nothing that is bound to the connection without the extended master
//! secret (RFC 9266 section 2), so agents have to speak 1.3.

use core::{convert::Infallible, pin::pin, time::Duration};
use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ProtocolVersion, ServerConfig, crypto::aws_lc_rs};
use tokio::{
    io::AsyncBufReadExt as _,
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::ServiceExt as _;

use crate::{
    keys::TlsIdentity, push::TlsExporter, service::Service, settings::PushSettings,
    store::StoreError,
};

/// Connections at a time; the next ones wait in the kernel's queue.
const CONNECTIONS: usize = 20_000;
/// Connections that are being opened at a time. The next ones wait in the kernel's queue, where they cost nothing: of ten
/// thousand agents that come back at once some are welcomed soon, instead of all too late.
const OPENING: usize = 256;
/// One that takes longer to open does not keep the next ones waiting: who says nothing holds up nobody.
const OPENING_COUNTS: Duration = Duration::from_millis(500);
/// From the connection to the first byte of the first request.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the head of an HTTP/1.1 request, and between requests.
const REQUEST_HEAD: Duration = Duration::from_secs(30);
/// Requests at a time on one HTTP/2 connection. An agent needs one or two, a front a few dozen.
const STREAMS: u32 = 100;
/// What a peer may send ahead on one HTTP/2 stream, and on a connection, in bytes.
const WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// The largest head of a request, in bytes.
const HEAD: u32 = 32 * 1024;
const HEAD_BUFFER: usize = 64 * 1024;
/// What may wait to be sent on one HTTP/2 stream, in bytes.
const SEND_BUFFER: usize = 256 * 1024;
/// Connections may finish what they do for so long after the end was asked for.
const DRAIN: Duration = Duration::from_secs(10);
/// After a failed accept (no file descriptor is free) the next one comes after this time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// RFC 9266 section 2.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// Why the gateway does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The TLS key or certificate cannot be used.
    #[error("the gateway's TLS key and certificate cannot be used")]
    Tls(#[from] rustls::Error),
    /// The key that signs the tickets of fronts cannot be read or made.
    #[error("the key for the tickets of fronts cannot be used")]
    Tickets(#[from] StoreError),
}

/// Serves everything until `shutdown` resolves; then lets requests finish for ten seconds.
///
/// # Errors
///
/// Every variant of [`ServeError`], before the first connection. A failed connection ends alone.
pub async fn serve(
    service: Service,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let acceptor = acceptor(&service.settings().tls)?;
    let router = super::router(&service).await?;
    let times = Times::of(&service.settings().config.push);
    accept_all(acceptor, router, listener, times, shutdown).await;
    Ok(())
}

/// How long a connection is waited for.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// From the connection to the first byte of the first request.
    handshake: Duration,
    /// An idle HTTP/2 connection is pinged this often.
    ping_every: Duration,
    /// A ping without an answer ends the connection after this time.
    ping_answer: Duration,
}

impl Times {
    fn of(settings: &PushSettings) -> Self {
        Self {
            handshake: HANDSHAKE,
            ping_every: Duration::from_secs(settings.keep_alive_seconds.into()),
            ping_answer: Duration::from_secs(settings.keep_alive_timeout_seconds.into()),
        }
    }
}

async fn accept_all(
    acceptor: TlsAcceptor,
    router: Router,
    listener: TcpListener,
    times: Times,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Places {
        open: Arc::new(Semaphore::new(CONNECTIONS)),
        opening: Arc::new(Semaphore::new(OPENING)),
    };
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => note(ended),
            accepted = accept(&listener, &places) => match accepted {
                Ok((tcp, peer, (opening, place))) => {
                    let connection = Connection {
                        peer,
                        router: router.clone(),
                        times,
                        stopping: stopping.clone(),
                        _place: place,
                    };
                    connections.spawn(connection.run(tcp, acceptor.clone(), opening));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    pause().await;
                }
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            note(ended);
        }
    };
    if timeout(DRAIN, all_ended).await.is_err() {
        tracing::info!(left = connections.len(), "connections are cut");
    }
}

/// How the gateway speaks TLS.
fn acceptor(identity: &TlsIdentity) -> Result<TlsAcceptor, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Room for connections.
struct Places {
    open: Arc<Semaphore>,
    opening: Arc<Semaphore>,
}

/// The two places of a connection that is being opened.
type Taken = (OwnedSemaphorePermit, OwnedSemaphorePermit);

async fn accept(
    listener: &TcpListener,
    places: &Places,
) -> io::Result<(TcpStream, SocketAddr, Taken)> {
    let place = async |of: &Arc<Semaphore>| {
        Arc::clone(of)
            .acquire_owned()
            .await
            .map_err(io::Error::other)
    };
    let taken = (place(&places.opening).await?, place(&places.open).await?);
    let (tcp, peer) = listener.accept().await?;
    // Small messages go out at once; where that cannot be set they go out a little later.
    drop(tcp.set_nodelay(true));
    Ok((tcp, peer, taken))
}

async fn pause() {
    let now = tokio::time::Instant::now();
    tokio::time::sleep_until(now.checked_add(ACCEPT_PAUSE).unwrap_or(now)).await;
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection ended in a panic");
    }
}

/// One connection.
struct Connection {
    peer: SocketAddr,
    router: Router,
    times: Times,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, tcp: TcpStream, acceptor: TlsAcceptor, place: OwnedSemaphorePermit) {
        let mut stopping = self.stopping.clone();
        // Boxed: what a handshake needs is many times what is needed afterwards, for days.
        let opening = Box::pin(timeout(self.times.handshake, handshake(tcp, acceptor)));
        let opened = tokio::select! {
            opened = counted(opening, place) => opened,
            () = stopped(&mut stopping) => return,
        };
        match opened {
            Ok(Ok(tls)) => self.requests(tls).await,
            Ok(Err(error)) => tracing::debug!(peer = %self.peer, %error, "no TLS"),
            Err(_elapsed) => tracing::debug!(peer = %self.peer, "no request in time"),
        }
    }

    async fn requests(self, tls: Box<TlsStream<TcpStream>>) {
        let (_, session) = tls.get_ref();
        let exporter = exporter(session);
        // The protocol is the one that TLS has agreed on, never one that the first bytes look like.
        let http_2 = session.alpn_protocol() == Some(HTTP_2);
        let times = self.times;
        let Self {
            peer,
            router,
            mut stopping,
            _place: place,
            ..
        } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            let extensions = request.extensions_mut();
            extensions.insert(peer);
            if let Some(exporter) = exporter {
                extensions.insert(exporter);
            }
            let router = router.clone();
            async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(never)) }
        });
        let io = TokioIo::new(tls);
        let ended = if http_2 {
            let mut connection = Box::pin(http_2_server(times).serve_connection(io, service));
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopped(&mut stopping) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        } else {
            let mut connection = Box::pin(http_1_server().serve_connection(io, service));
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopped(&mut stopping) => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection broke");
        }
        drop(place);
    }
}

const fn never<T>(never: Infallible) -> T {
    match never {}
}

/// Resolves when the listener stops, or is gone.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// Keeps the place while the connection is opened, and not for long.
async fn counted<F: Future + Unpin>(mut opening: F, place: OwnedSemaphorePermit) -> F::Output {
    if let Ok(opened) = timeout(OPENING_COUNTS, &mut opening).await {
        return opened;
    }
    drop(place);
    opening.await
}

/// Ends with the first byte of the first request: a peer that says nothing keeps no place.
async fn handshake(tcp: TcpStream, acceptor: TlsAcceptor) -> io::Result<Box<TlsStream<TcpStream>>> {
    let mut tls = Box::new(acceptor.accept(tcp).await?);
    tls.fill_buf().await?;
    Ok(tls)
}

fn exporter(session: &rustls::ServerConnection) -> Option<TlsExporter> {
    if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return None;
    }
    session
        .export_keying_material([0; 32], EXPORTER_LABEL, Some(&[]))
        .ok()
        .map(TlsExporter)
}

fn http_1_server() -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD)
        .max_buf_size(HEAD_BUFFER);
    server
}

fn http_2_server(times: Times) -> http2::Builder<TokioExecutor> {
    let mut server = http2::Builder::new(TokioExecutor::new());
    server
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(times.ping_every)
        .keep_alive_timeout(times.ping_answer);
    server
}

#[cfg(test)]
mod tests;
