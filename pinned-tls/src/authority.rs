//! The pinned key as the only authority for a server's certificates.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::{
    key::{Pin, pin_of},
    provider,
};

/// Where in the chain the pinned key may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Above the server's own certificate: it signs them.
    Above,
    /// There, or the server's own certificate is around it.
    Anywhere,
}

/// Believes a chain whose leaf the pinned key vouches for, for the name that was asked for, and nothing else.
#[derive(Debug)]
pub struct PinnedAuthority {
    pins: Vec<Pin>,
    place: Place,
    provider: Arc<CryptoProvider>,
}

impl PinnedAuthority {
    /// One of `pins` must be in the chain, at that place. Without pins nobody is believed.
    #[must_use]
    pub fn new(pins: Vec<Pin>, place: Place) -> Self {
        Self {
            pins,
            place,
            provider: provider(),
        }
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        pin_of(certificate).is_some_and(|pin| self.pins.contains(&pin))
    }
}

impl ServerCertVerifier for PinnedAuthority {
    /// A certificate with the pinned key only names the key: what makes it an authority is that we take it
    /// for the one root. So a forged certificate around the right public key helps nobody: the leaf must
    /// still be signed by that key, or be that key's own and sign the handshake.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let own = match self.place {
            Place::Above => None,
            Place::Anywhere => Some(end_entity),
        };
        let anchor = intermediates
            .iter()
            .chain(own)
            .find(|certificate| self.is_pinned(certificate))
            .ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(anchor.clone().into_owned())?;
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|fault| Error::General(fault.to_string()))?
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
