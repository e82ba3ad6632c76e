//! Connections to a server that no authority vouches for: known by its key alone, or by nothing where the user has
//! accepted that.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::Url;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::tls::{self, Failure};
use crate::agent::ports::TransportError;

/// A connection to a server that is known by its key and nothing else.
#[derive(Debug)]
pub(super) struct ConnectedByKey {
    /// For HTTP.
    pub(super) stream: TlsStream<TcpStream>,
    /// SHA-256 of the key that it showed, `SubjectPublicKeyInfo`.
    pub(super) key: [u8; 32],
}

/// Connects to the origin of `url`, which is `https`, for HTTP/1.1. `key` decides whether it is the right server;
/// without one, whoever answers is.
///
/// # Errors
///
/// As [`tls::connect`].
pub(super) async fn connect(
    url: &Url,
    key: Option<[u8; 32]>,
) -> Result<ConnectedByKey, TransportError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(KeyOnly {
        expected: key,
        shown: Mutex::default(),
        provider: Arc::clone(&provider),
    });
    let connecting = async {
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_fault| Failure::Protocol("TLS could not be set up"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::<KeyOnly>::clone(&verifier))
            .with_no_client_auth();
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

/// Believes a server that proves to have a key, whatever its certificate says of name, time and issuer.
#[derive(Debug)]
struct KeyOnly {
    expected: Option<[u8; 32]>,
    shown: Mutex<Option<[u8; 32]>>,
    provider: Arc<CryptoProvider>,
}

impl KeyOnly {
    fn shown(&self) -> Option<[u8; 32]> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for KeyOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let (_, certificate) = X509Certificate::from_der(end_entity)
            .map_err(|_malformed| TlsError::InvalidCertificate(CertificateError::BadEncoding))?;
        let key: [u8; 32] = Sha256::digest(certificate.tbs_certificate.subject_pki.raw).into();
        if self.expected.is_some_and(|expected| expected != key) {
            return Err(TlsError::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
