//! Who is believed to be the gateway.

use std::{path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use sha2::{Digest as _, Sha256};
use x509_parser::parse_x509_certificate;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the file holds no certificate")]
    NoCertificate,
    #[error("TLS: {0}")]
    Tls(#[from] Error),
    #[error("the system has no authorities")]
    NoAuthorities,
}

/// A gateway whose certificates go back to the key with this SHA-256.
pub(crate) fn pinned(pin: [u8; 32]) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Pinned {
        pin,
        provider: Arc::clone(&provider),
    });
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// A gateway that the authorities of a PEM file vouch for.
pub(crate) fn vouched_by(path: &Path) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|_unreadable| TlsError::NoCertificate)?;
    for certificate in certificates {
        roots.add(certificate.map_err(|_damaged| TlsError::NoCertificate)?)?;
    }
    with(roots)
}

/// A gateway that the system's authorities vouch for.
pub(crate) fn vouched_by_the_systems() -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    // One that is not understood vouches for nobody.
    let (_known, _unknown) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    with(roots)
}

fn with(roots: RootCertStore) -> Result<ClientConfig, TlsError> {
    if roots.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The pinned key stands for the authorities: it has signed the certificate that is shown.
#[derive(Debug)]
struct Pinned {
    pin: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let identity = intermediates.iter().find(|certificate| {
            parse_x509_certificate(certificate).is_ok_and(|(_, parsed)| {
                Sha256::digest(parsed.public_key().raw).as_slice() == self.pin.as_slice()
            })
        });
        let identity =
            identity.ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(identity.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
