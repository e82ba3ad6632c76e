//! Certificates of a gateway: an identity key that signs its TLS leaf.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

/// An identity key and its certificate.
pub(crate) struct Identity {
    key: KeyPair,
    parameters: CertificateParams,
    certificate: Certificate,
}

/// What a TLS server shows and holds.
pub(crate) struct Shown {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters
            .distinguished_name
            .push(DnType::CommonName, "Example Gateway");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            key,
            parameters,
            certificate,
        }
    }

    /// What an agent pins.
    pub(crate) fn pin(&self) -> [u8; 32] {
        Sha256::digest(self.key.subject_public_key_info()).into()
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// A leaf for `name`, signed by this identity, with the identity's certificate after it.
    pub(crate) fn leaf(&self, name: &str) -> Shown {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let leaf = parameters.signed_by(&key, &issuer).unwrap();
        Shown {
            chain: vec![leaf.der().clone(), self.certificate()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        }
    }
}

/// A certificate for `name` that is its own authority, and its pin.
pub(crate) fn self_signed(name: &str) -> (Shown, [u8; 32]) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let pin = Sha256::digest(key.subject_public_key_info()).into();
    let shown = Shown {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
    };
    (shown, pin)
}
