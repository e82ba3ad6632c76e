//! TLS to a service: the pinned key is the only authority; without a pin the system's authorities are.

use std::{io, sync::Arc};

use core::time::Duration;

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error as TlsError,
    RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::agent::ports::TransportError;

/// RFC 9266: binds what is signed to this very connection.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";
/// How long a connection may take to be made, name and handshake included.
const CONNECT: Duration = Duration::from_secs(15);

/// The application protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpn {
    /// gRPC.
    H2,
    /// Plain requests.
    Http11,
}

/// A connection to the service that was meant.
pub(super) struct Connected {
    pub(super) stream: TlsStream<TcpStream>,
    /// The TLS exporter of this connection.
    pub(super) exporter: [u8; 32],
}

/// Connects to the origin of `url`.
///
/// # Errors
///
/// [`TransportError::Unreachable`], [`TransportError::Untrusted`], [`TransportError::Protocol`].
pub(super) async fn connect(
    url: &Url,
    pins: &[[u8; 32]],
    alpn: Alpn,
) -> Result<Connected, TransportError> {
    let host = host_port(url);
    let unreachable = |why: String| TransportError::Unreachable {
        host: host.clone(),
        why,
    };
    match tokio::time::timeout(CONNECT, handshake(url, &host, pins, alpn)).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(unreachable("no answer in time".to_owned())),
    }
}

async fn handshake(
    url: &Url,
    host: &str,
    pins: &[[u8; 32]],
    alpn: Alpn,
) -> Result<Connected, TransportError> {
    let unreachable = |error: io::Error| TransportError::Unreachable {
        host: host.to_owned(),
        why: cause(&error),
    };
    let protocol = |why: &str| TransportError::Protocol {
        host: host.to_owned(),
        why: why.to_owned(),
    };
    let name = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let config = config(pins, alpn).map_err(|_fault| protocol("TLS could not be set up"))?;
    let server =
        ServerName::try_from(name.clone()).map_err(|_malformed| protocol("not a host name"))?;
    let tcp = TcpStream::connect((name.as_str(), port))
        .await
        .map_err(unreachable)?;
    tcp.set_nodelay(true).map_err(unreachable)?;
    let stream = match TlsConnector::from(Arc::new(config))
        .connect(server, tcp)
        .await
    {
        Ok(stream) => stream,
        Err(error) if is_distrust(&error) => {
            return Err(TransportError::Untrusted {
                host: host.to_owned(),
            });
        }
        Err(error) => return Err(unreachable(error)),
    };
    let exporter = stream
        .get_ref()
        .1
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|_early| protocol("TLS gave no exporter"))?;
    Ok(Connected { stream, exporter })
}

/// host:port, for sentences.
pub(super) fn host_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}:{}", url.port_or_known_default().unwrap_or(443))
}

/// The short cause of a failed connection; an error's own text may hold anything.
fn cause(error: &io::Error) -> String {
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
    found.map_or_else(|| kind.to_string(), |(_, sentence)| (*sentence).to_owned())
}

fn is_distrust(error: &io::Error) -> bool {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsError>());
    matches!(
        inner,
        Some(TlsError::InvalidCertificate(_) | TlsError::NoCertificatesPresented)
    )
}

fn config(pins: &[[u8; 32]], alpn: Alpn) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let mut config = if pins.is_empty() {
        builder
            .with_root_certificates(system_roots())
            .with_no_client_auth()
    } else {
        let verifier = PinnedVerifier {
            pins: pins.to_vec(),
            provider,
        };
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()
    };
    config.alpn_protocols = match alpn {
        Alpn::H2 => vec![b"h2".to_vec()],
        Alpn::Http11 => vec![b"http/1.1".to_vec()],
    };
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Believes a chain that ends in a pinned key, and nothing else.
#[derive(Debug)]
struct PinnedVerifier {
    pins: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl PinnedVerifier {
    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| {
            let pin: [u8; 32] = Sha256::digest(certificate.tbs_certificate.subject_pki.raw).into();
            self.pins.contains(&pin)
        })
    }
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let unknown = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        let anchor = intermediates
            .iter()
            .find(|certificate| self.is_pinned(certificate));
        let mut roots = RootCertStore::empty();
        roots.add(anchor.ok_or(unknown)?.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|fault| TlsError::General(fault.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
