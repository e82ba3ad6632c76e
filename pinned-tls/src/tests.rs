use core::{slice, time::Duration};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};
use rustls::CertificateError;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};

use super::*;

const NAME: &str = "gateway.example";

/// An identity key and a certificate around it.
struct Identity {
    key: KeyPair,
    parameters: CertificateParams,
    certificate: Certificate,
}

fn pin(key: &KeyPair) -> Pin {
    Sha256::digest(key.subject_public_key_info()).into()
}

impl Identity {
    fn new() -> Self {
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

    fn pin(&self) -> Pin {
        pin(&self.key)
    }

    fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    fn leaf(&self, parameters: &CertificateParams) -> CertificateDer<'static> {
        let issuer = Issuer::from_params(&self.parameters, &self.key);
        let key = KeyPair::generate().unwrap();
        parameters.signed_by(&key, &issuer).unwrap().der().clone()
    }
}

fn for_name(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters
}

fn self_signed() -> (CertificateDer<'static>, Pin) {
    let key = KeyPair::generate().unwrap();
    let certificate = for_name(NAME).self_signed(&key).unwrap();
    (certificate.der().clone(), pin(&key))
}

fn name() -> ServerName<'static> {
    ServerName::try_from(NAME).unwrap()
}

/// What `verifier` says to a server that shows `chain`, its own certificate first; `None`: it is believed.
fn fault(
    verifier: &dyn ServerCertVerifier,
    chain: &[CertificateDer<'static>],
) -> Option<CertificateError> {
    let [leaf, above @ ..] = chain else {
        panic!("a server shows a certificate");
    };
    // In January 2027.
    let now = UnixTime::since_unix_epoch(Duration::from_hours(500_000));
    match verifier.verify_server_cert(leaf, above, &name(), &[], now) {
        Ok(_) => None,
        Err(Error::InvalidCertificate(fault)) => Some(fault),
        Err(other) => panic!("not about the certificate: {other}"),
    }
}

const BOTH: [Place; 2] = [Place::Above, Place::Anywhere];

#[test]
fn a_pinned_key_vouches_for_its_leaves() {
    let (identity, spare) = (Identity::new(), Identity::new());
    let leaf = identity.leaf(&for_name(NAME));
    for place in BOTH {
        let chain = [leaf.clone(), identity.certificate()];
        let one = PinnedAuthority::new(vec![identity.pin()], place);
        assert_eq!(fault(&one, &chain), None);
        let either = PinnedAuthority::new(vec![spare.pin(), identity.pin()], place);
        assert_eq!(fault(&either, &chain), None);
        // Its certificate may stand anywhere behind, and has to be there.
        let behind = [leaf.clone(), spare.certificate(), identity.certificate()];
        assert_eq!(fault(&one, &behind), None);
        let alone = [leaf.clone()];
        assert_eq!(fault(&one, &alone), Some(CertificateError::UnknownIssuer));
    }
}

#[test]
fn whoever_is_not_pinned_vouches_for_nobody() {
    let (identity, foreign) = (Identity::new(), Identity::new());
    let chain = [foreign.leaf(&for_name(NAME)), foreign.certificate()];
    for place in BOTH {
        for pins in [vec![], vec![identity.pin()]] {
            let verifier = PinnedAuthority::new(pins, place);
            assert_eq!(
                fault(&verifier, &chain),
                Some(CertificateError::UnknownIssuer)
            );
        }
    }
}

/// The identity's certificate is public: anybody can show it behind a leaf of their own.
#[test]
fn a_borrowed_certificate_vouches_for_nothing() {
    let (identity, foreign) = (Identity::new(), Identity::new());
    for place in BOTH {
        let verifier = PinnedAuthority::new(vec![identity.pin()], place);
        for leaf in [foreign.leaf(&for_name(NAME)), self_signed().0] {
            let chain = [leaf, identity.certificate()];
            assert!(fault(&verifier, &chain).is_some());
        }
    }
}

#[test]
fn name_and_time_of_a_leaf_have_to_be_right() {
    let identity = Identity::new();
    let other_name = identity.leaf(&for_name("other.example"));
    let mut over = for_name(NAME);
    over.not_after = date_time_ymd(2020, 1, 1);
    let over = identity.leaf(&over);
    for place in BOTH {
        let verifier = PinnedAuthority::new(vec![identity.pin()], place);
        let fault_of = |leaf: &CertificateDer<'static>| {
            fault(&verifier, &[leaf.clone(), identity.certificate()])
        };
        assert!(matches!(
            fault_of(&other_name),
            Some(CertificateError::NotValidForNameContext { .. })
        ));
        assert!(matches!(
            fault_of(&over),
            Some(CertificateError::ExpiredContext { .. })
        ));
    }
}

#[test]
fn a_pinned_leaf_is_believed_where_the_pin_may_be_its_own() {
    let (leaf, pin) = self_signed();
    let anywhere = PinnedAuthority::new(vec![pin], Place::Anywhere);
    assert_eq!(fault(&anywhere, slice::from_ref(&leaf)), None);
    let above = PinnedAuthority::new(vec![pin], Place::Above);
    assert_eq!(
        fault(&above, &[leaf]),
        Some(CertificateError::UnknownIssuer)
    );
    let (another, _) = self_signed();
    assert_eq!(
        fault(&anywhere, &[another]),
        Some(CertificateError::UnknownIssuer)
    );
}

#[test]
fn what_is_no_certificate_has_no_key() {
    let identity = Identity::new();
    let leaf = identity.leaf(&for_name(NAME));
    let mut longer = identity.certificate().to_vec();
    longer.push(0);
    let shorter = identity.certificate().split_last().unwrap().1.to_vec();
    for bad in [Vec::new(), vec![0x30; 64], longer, shorter] {
        let bad = CertificateDer::from(bad);
        let verifier = PinnedAuthority::new(vec![identity.pin()], Place::Anywhere);
        assert_eq!(
            fault(&verifier, &[leaf.clone(), bad.clone()]),
            Some(CertificateError::UnknownIssuer)
        );
        let key = ServerKey::new(None);
        assert_eq!(fault(&key, &[bad]), Some(CertificateError::BadEncoding));
        assert_eq!(key.shown(), None);
    }
}

#[test]
fn a_servers_own_key_is_enough_whatever_its_certificate_says() {
    let key = KeyPair::generate().unwrap();
    let mut parameters = for_name("other.example");
    parameters.not_after = date_time_ymd(2020, 1, 1);
    let certificate = parameters.self_signed(&key).unwrap().der().clone();
    for expected in [None, Some(pin(&key))] {
        let verifier = ServerKey::new(expected);
        assert_eq!(verifier.shown(), None);
        assert_eq!(fault(&verifier, slice::from_ref(&certificate)), None);
        assert_eq!(verifier.shown(), Some(pin(&key)));
    }
}

#[test]
fn another_key_is_another_server() {
    let identity = Identity::new();
    let (certificate, _) = self_signed();
    let verifier = ServerKey::new(Some(identity.pin()));
    // A key behind the server's own proves nothing here.
    for chain in [
        vec![certificate.clone()],
        vec![certificate, identity.certificate()],
    ] {
        assert_eq!(
            fault(&verifier, &chain),
            Some(CertificateError::ApplicationVerificationFailure)
        );
        assert_eq!(verifier.shown(), None);
    }
}

#[test]
fn a_handshake_is_signed_in_the_ways_of_the_one_cryptography() {
    let pinned = PinnedAuthority::new(Vec::new(), Place::Above).supported_verify_schemes();
    let expected = provider()
        .signature_verification_algorithms
        .supported_schemes();
    assert_eq!(pinned, expected);
    assert_eq!(ServerKey::new(None).supported_verify_schemes(), expected);
}
