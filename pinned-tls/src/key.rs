//! What is pinned: a key, and not the certificates that are made around it.

use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// SHA-256 of a key's `SubjectPublicKeyInfo` in DER (RFC 7469, section 2.4).
pub type Pin = [u8; 32];

/// The pin of the key in `certificate`; `None`: that is no certificate, or more than one.
pub(crate) fn pin_of(certificate: &CertificateDer<'_>) -> Option<Pin> {
    let (rest, certificate) = X509Certificate::from_der(certificate).ok()?;
    let key = certificate.tbs_certificate.subject_pki.raw;
    rest.is_empty().then(|| Sha256::digest(key).into())
}
