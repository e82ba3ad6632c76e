//! Who is believed to be the gateway.

use std::{path::Path, sync::Arc};

use countersign_pinned_tls::{Pin, PinnedAuthority, Place};
use rustls::{ClientConfig, Error, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

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
pub(crate) fn pinned(pin: Pin) -> Result<ClientConfig, TlsError> {
    // Our own gateway's identity key signs its certificates, and serves none of its own.
    let verifier = PinnedAuthority::new(vec![pin], Place::Above);
    Ok(countersign_pinned_tls::client(Arc::new(verifier))?)
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
