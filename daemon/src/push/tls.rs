//! TLS to a service: the pinned key is the only authority; without a pin the system's authorities are.

use std::{io, net::IpAddr, net::SocketAddr, sync::Arc};

use core::time::Duration;

use countersign_pinned_tls::{Pin, PinnedAuthority, Place};
use rustls::{ClientConfig, Error as TlsError, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::ServerName;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::{Host, Url};

use crate::agent::ports::TransportError;

/// RFC 9266: binds what is signed to this very connection.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
/// How long a connection may take to be made, name and handshake included.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one address of several may take before the next is tried: a route may be a black hole.
const ADDRESS: Duration = Duration::from_secs(3);

/// The application protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    /// gRPC.
    H2,
    /// Plain requests.
    Http11,
}

impl Alpn {
    const fn id(self) -> &'static [u8] {
        match self {
            Self::H2 => b"h2",
            Self::Http11 => b"http/1.1",
        }
    }
}

/// A connection to the service that was meant.
#[derive(Debug)]
pub(super) struct Connected {
    /// For HTTP.
    pub(super) stream: TlsStream<TcpStream>,
    /// The TLS exporter of this connection.
    pub(super) exporter: [u8; 32],
    /// This computer's end of it.
    pub(super) local: IpAddr,
}

/// Connects to the origin of `url`, which is `https`.
///
/// # Errors
///
/// [`TransportError::Unreachable`], [`TransportError::Untrusted`], [`TransportError::Protocol`].
pub(super) async fn connect(
    url: &Url,
    pins: &[Pin],
    alpn: Alpn,
) -> Result<Connected, TransportError> {
    in_time(url, connected(url, pins, alpn)).await
}

/// What comes of `connecting` in the time that a connection may take, with the host in its failure.
pub(super) async fn in_time<T>(
    url: &Url,
    connecting: impl Future<Output = Result<T, Failure>>,
) -> Result<T, TransportError> {
    let host = host_port(url);
    timeout(CONNECT, connecting)
        .await
        .unwrap_or(Err(Failure::Unreachable("no answer in time".to_owned())))
        .map_err(|failure| match failure {
            Failure::Unreachable(why) => TransportError::Unreachable { host, why },
            Failure::Untrusted => TransportError::Untrusted { host },
            Failure::Protocol(why) => TransportError::Protocol {
                host,
                why: why.to_owned(),
            },
        })
}

/// host:port, for sentences and for HTTP.
pub(super) fn host_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or(443))
}

/// A [`TransportError`] whose host is known already.
#[derive(Debug)]
pub(super) enum Failure {
    Unreachable(String),
    Untrusted,
    Protocol(&'static str),
}

async fn connected(url: &Url, pins: &[Pin], alpn: Alpn) -> Result<Connected, Failure> {
    if url.scheme() != "https" {
        return Err(Failure::Protocol("its address does not begin with https:"));
    }
    let server = server_name(url).ok_or(Failure::Protocol("its address names no host"))?;
    let config = config(pins.to_vec(), alpn)
        .await
        .map_err(|_fault| Failure::Protocol("TLS could not be set up"))?;
    let tcp = dial(url).await?;
    tcp.set_nodelay(true).map_err(|error| unreachable(&error))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(server, tcp);
    let stream = connecting.await.map_err(|error| refused(&error))?;
    let (tcp, session) = stream.get_ref();
    let local = tcp.local_addr().map_err(|error| unreachable(&error))?.ip();
    // HTTP/1 was there before ALPN; HTTP/2 must be chosen by name (RFC 9113, section 3.2).
    if alpn == Alpn::H2 && session.alpn_protocol() != Some(alpn.id()) {
        return Err(Failure::Protocol("it does not speak HTTP/2"));
    }
    let exporter = session
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|_early| Failure::Protocol("TLS gave no exporter"))?;
    Ok(Connected {
        stream,
        exporter,
        local,
    })
}

pub(super) fn server_name(url: &Url) -> Option<ServerName<'static>> {
    match url.host()? {
        Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
        Host::Ipv4(address) => Some(ServerName::from(IpAddr::V4(address))),
        Host::Ipv6(address) => Some(ServerName::from(IpAddr::V6(address))),
    }
}

/// The first address that answers. All but the last have [`ADDRESS`] each.
pub(super) async fn dial(url: &Url) -> Result<TcpStream, Failure> {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let port = url.port_or_known_default().unwrap_or(443);
    let unknown = || Failure::Unreachable("its name is not known".to_owned());
    let found = lookup_host((host, port)).await;
    let mut addresses: Vec<SocketAddr> = found.map_err(|_resolver| unknown())?.collect();
    let last = addresses.pop().ok_or_else(unknown)?;
    for address in addresses {
        if let Ok(Ok(stream)) = timeout(ADDRESS, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    let connected = TcpStream::connect(last).await;
    connected.map_err(|error| unreachable(&error))
}

/// The short cause of a failed connection; an error's own text may hold anything.
pub(super) fn unreachable(error: &io::Error) -> Failure {
    let kind = error.kind();
    let known = [
        (io::ErrorKind::ConnectionRefused, "nobody listens there"),
        (io::ErrorKind::TimedOut, "no answer in time"),
        (io::ErrorKind::UnexpectedEof, "the connection was closed"),
        (io::ErrorKind::ConnectionReset, "the connection was closed"),
        (io::ErrorKind::NetworkUnreachable, "the network is down"),
        (io::ErrorKind::HostUnreachable, "the host is away"),
    ];
    let found = known.iter().find(|(known, _)| *known == kind);
    Failure::Unreachable(found.map_or_else(|| kind.to_string(), |(_, why)| (*why).to_owned()))
}

/// Why a handshake failed: the certificate, something that is not our TLS, or the network.
pub(super) fn refused(error: &io::Error) -> Failure {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsError>());
    match tls {
        Some(TlsError::InvalidCertificate(_) | TlsError::NoCertificatesPresented) => {
            Failure::Untrusted
        }
        Some(_) => Failure::Protocol("it does not speak TLS as we do"),
        None => unreachable(error),
    }
}

async fn config(pins: Vec<Pin>, alpn: Alpn) -> Result<ClientConfig, TlsError> {
    let mut config = if pins.is_empty() {
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(system_roots().await)
            .with_no_client_auth()
    } else {
        let verifier = PinnedAuthority::new(pins, Place::Anywhere);
        countersign_pinned_tls::client(Arc::new(verifier))?
    };
    config.alpn_protocols = vec![alpn.id().to_vec()];
    // Connections are rare and each one's exporter is signed: nothing is carried over.
    config.resumption = rustls::client::Resumption::disabled();
    // Without it an exporter of TLS 1.2 binds nothing (RFC 9266, section 3).
    config.require_ems = true;
    Ok(config)
}

/// Read at each use, off the event loop: enrollments are rare, and a hundred authorities need not stay in memory.
async fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
    // With none of them nobody is believed.
    roots.add_parsable_certificates(found.map(|found| found.certs).unwrap_or_default());
    roots
}
