//! The gateway's own keys: who it is, what it signs and decrypts with, and its TLS certificates.
//!
//! The identity key signs every login request and the certificates of the agent-side TLS listener. Its
//! self-signed certificate is the agents' only trust anchor, and the pin in an activation string is the
//! SHA-256 of its `SubjectPublicKeyInfo`: so the TLS key can be renewed at any start.

use core::{fmt, time::Duration};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{
        KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
        PrivateDecryptingKey,
    },
};
use countersign_core::{
    dskpp::NonceEncryption, ids::ServiceId, secret::SecretBytes, signing, time::UnixMillis,
};
use p256::{
    ecdsa::{SigningKey, VerifyingKey},
    pkcs8::EncodePrivateKey as _,
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::{
    random::SystemRandom,
    settings::Config,
    store::{Rows, StoreError},
};

const SERVICE_ID: &str = "service id";
const IDENTITY_KEY: &str = "identity key";
const IDENTITY_CERTIFICATE: &str = "identity certificate";
const IDENTITY_NAME: &str = "identity name";
const ENROLLMENT_KEY: &str = "enrollment key";
const TLS_KEY: &str = "tls key";
const TLS_CERTIFICATE: &str = "tls certificate";
const TLS_NAMES: &str = "tls names";
const TLS_NOT_AFTER: &str = "tls not after";

/// How long a TLS certificate is good, in days; renewed at a start in the last third.
const LEAF_DAYS: i64 = 365;
const DAY_MS: i64 = 86_400_000;

/// Why the gateway has no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key or certificate is missing or damaged.
    #[error("the gateway's {0} is missing or damaged; restore the data folder from a backup")]
    Damaged(&'static str),
    /// A key or certificate could not be made.
    #[error("the gateway's {0} could not be made")]
    Unmakeable(&'static str),
}

/// The gateway's keys, opened.
pub struct Keys {
    /// The gateway's identifier in every signed message.
    pub service: ServiceId,
    /// Signs login requests and TLS certificates.
    pub identity: SigningKey,
    /// `SubjectPublicKeyInfo` of the identity key, DER.
    pub identity_spki: Vec<u8>,
    oaep: OaepPrivateDecryptingKey,
    pkcs1: Pkcs1PrivateDecryptingKey,
    /// `SubjectPublicKeyInfo` of the enrollment key, DER.
    pub enrollment_spki: Vec<u8>,
    /// What the TLS listener shows.
    pub tls: TlsIdentity,
}

/// What the TLS listener shows.
pub struct TlsIdentity {
    /// The leaf, then the identity certificate that signed it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's private key.
    pub key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

impl Clone for TlsIdentity {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

impl Keys {
    /// The pin of an activation string.
    #[must_use]
    pub fn pin(&self) -> [u8; 32] {
        signing::spki_sha256(&self.identity_spki)
    }

    /// Decrypts the client nonce of DSKPP; why it fails is nobody's business.
    ///
    /// # Errors
    ///
    /// It was not encrypted for this key.
    #[expect(clippy::result_unit_err, reason = "a reason would be an oracle")]
    pub fn decrypt_nonce(
        &self,
        encryption: NonceEncryption,
        encrypted: &[u8],
    ) -> Result<SecretBytes, ()> {
        let mut buffer = Zeroizing::new(vec![0; self.oaep.key_size_bytes()]);
        let plain = match encryption {
            NonceEncryption::RsaOaep => {
                self.oaep
                    .decrypt(&OAEP_SHA1_MGF1SHA1, encrypted, &mut buffer, None)
            }
            NonceEncryption::RsaPkcs1 => self.pkcs1.decrypt(encrypted, &mut buffer),
        };
        plain
            .map(|plain| SecretBytes::from(&*plain))
            .map_err(|_unspecified| ())
    }

    /// Makes the keys of a new gateway.
    pub(crate) fn create(rows: Rows<'_>, config: &Config, now: UnixMillis) -> Result<(), KeyError> {
        let identity = signing::new_key(&mut SystemRandom);
        let certificate = identity_parameters(&config.name)?
            .self_signed(&rcgen_key(&identity)?)
            .map_err(|_rcgen| KeyError::Unmakeable(IDENTITY_CERTIFICATE))?;
        let enrollment = PrivateDecryptingKey::generate(KeySize::Rsa3072)
            .map_err(|_unspecified| KeyError::Unmakeable(ENROLLMENT_KEY))?;
        let enrollment: Pkcs8V1Der<'_> = enrollment
            .as_der()
            .map_err(|_unspecified| KeyError::Unmakeable(ENROLLMENT_KEY))?;
        rows.put_setting(SERVICE_ID, &SystemRandom::bytes::<16>())?;
        rows.put_sealed_setting(IDENTITY_KEY, &signing::key_to_bytes(&identity))?;
        rows.put_setting(IDENTITY_CERTIFICATE, certificate.der())?;
        rows.put_setting(IDENTITY_NAME, config.name.as_bytes())?;
        rows.put_sealed_setting(ENROLLMENT_KEY, &SecretBytes::from(enrollment.as_ref()))?;
        put_leaf(rows, config, &identity, now)
    }

    /// Does the TLS certificate have to be renewed: near its end, or made for other names?
    pub(crate) fn leaf_is_due(
        rows: Rows<'_>,
        config: &Config,
        now: UnixMillis,
    ) -> Result<bool, KeyError> {
        let not_after = rows
            .setting(TLS_NOT_AFTER)?
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, i64::from_be_bytes);
        let names = rows.setting(TLS_NAMES)?.unwrap_or_default();
        let left = UnixMillis(not_after).since_ms(now);
        Ok(left < LEAF_DAYS.saturating_mul(DAY_MS).saturating_div(3)
            || names != leaf_names(config).join("\n").into_bytes())
    }

    /// Makes a new TLS key and certificate.
    pub(crate) fn renew_leaf(
        rows: Rows<'_>,
        config: &Config,
        now: UnixMillis,
    ) -> Result<(), KeyError> {
        put_leaf(rows, config, &identity(rows)?, now)
    }

    /// Opens the stored keys.
    pub(crate) fn load(rows: Rows<'_>) -> Result<Self, KeyError> {
        let identity = identity(rows)?;
        let identity_spki = signing::public_to_spki_der(&VerifyingKey::from(&identity))
            .map_err(|_malformed| KeyError::Damaged(IDENTITY_KEY))?;
        let enrollment = rows
            .sealed_setting(ENROLLMENT_KEY)?
            .and_then(|der| PrivateDecryptingKey::from_pkcs8(der.expose()).ok())
            .ok_or(KeyError::Damaged(ENROLLMENT_KEY))?;
        let public: PublicKeyX509Der<'_> = enrollment
            .public_key()
            .as_der()
            .map_err(|_unspecified| KeyError::Damaged(ENROLLMENT_KEY))?;
        let enrollment_spki = public.as_ref().to_vec();
        let certificate = |name| {
            rows.setting(name)?
                .map(CertificateDer::from)
                .ok_or(KeyError::Damaged(name))
        };
        let tls_key = rows
            .sealed_setting(TLS_KEY)?
            .ok_or(KeyError::Damaged(TLS_KEY))?;
        Ok(Self {
            service: rows
                .setting(SERVICE_ID)?
                .and_then(|id| ServiceId::try_from(id.as_slice()).ok())
                .ok_or(KeyError::Damaged(SERVICE_ID))?,
            identity,
            identity_spki,
            oaep: OaepPrivateDecryptingKey::new(enrollment.clone())
                .map_err(|_unspecified| KeyError::Damaged(ENROLLMENT_KEY))?,
            pkcs1: Pkcs1PrivateDecryptingKey::new(enrollment)
                .map_err(|_unspecified| KeyError::Damaged(ENROLLMENT_KEY))?,
            enrollment_spki,
            tls: TlsIdentity {
                chain: vec![
                    certificate(TLS_CERTIFICATE)?,
                    certificate(IDENTITY_CERTIFICATE)?,
                ],
                key: PrivatePkcs8KeyDer::from(tls_key.expose().to_vec()).into(),
            },
        })
    }
}

fn identity(rows: Rows<'_>) -> Result<SigningKey, KeyError> {
    rows.sealed_setting(IDENTITY_KEY)?
        .and_then(|bytes| signing::key_from_bytes(&bytes).ok())
        .ok_or(KeyError::Damaged(IDENTITY_KEY))
}

/// The same name and key identifier each time, so that a later leaf chains to the first certificate.
fn identity_parameters(common_name: &str) -> Result<CertificateParams, KeyError> {
    let mut parameters = CertificateParams::new(Vec::new())
        .map_err(|_rcgen| KeyError::Unmakeable(IDENTITY_CERTIFICATE))?;
    parameters.distinguished_name = name(common_name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2120, 1, 1);
    Ok(parameters)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn rcgen_key(key: &SigningKey) -> Result<KeyPair, KeyError> {
    let damaged = KeyError::Damaged(IDENTITY_KEY);
    let Ok(der) = key.to_pkcs8_der() else {
        return Err(damaged);
    };
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der.as_bytes()));
    KeyPair::from_der_and_sign_algo(&der, &rcgen::PKCS_ECDSA_P256_SHA256).map_err(|_rcgen| damaged)
}

fn leaf_names(config: &Config) -> Vec<String> {
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    let listen = config.listen.ip();
    let url = match config.url.host() {
        Some(url::Host::Domain(host)) => Some(host.to_owned()),
        Some(url::Host::Ipv4(ip)) => Some(ip.to_string()),
        Some(url::Host::Ipv6(ip)) => Some(ip.to_string()),
        None => None,
    };
    let listen = (!listen.is_unspecified()).then(|| listen.to_string());
    for name in [listen, url].into_iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn put_leaf(
    rows: Rows<'_>,
    config: &Config,
    identity: &SigningKey,
    now: UnixMillis,
) -> Result<(), KeyError> {
    let unmakeable = || KeyError::Unmakeable(TLS_CERTIFICATE);
    let names = leaf_names(config);
    let key = KeyPair::generate().map_err(|_rcgen| KeyError::Unmakeable(TLS_KEY))?;
    let mut parameters = CertificateParams::new(names.clone()).map_err(|_rcgen| unmakeable())?;
    parameters.distinguished_name = name(&format!("{} (TLS)", config.name));
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.use_authority_key_identifier_extension = true;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let after_epoch =
        |at: UnixMillis| epoch.checked_add(Duration::from_secs(at.secs()).try_into().ok()?);
    let not_after = now.plus_ms(LEAF_DAYS.saturating_mul(DAY_MS));
    // A day back, for agents whose clock is behind.
    parameters.not_before =
        after_epoch(now.plus_ms(DAY_MS.saturating_neg())).ok_or_else(unmakeable)?;
    parameters.not_after = after_epoch(not_after).ok_or_else(unmakeable)?;
    // The name in the certificate stays, also when the gateway is given another one.
    let identity_name = rows
        .setting(IDENTITY_NAME)?
        .and_then(|name| String::from_utf8(name).ok())
        .ok_or(KeyError::Damaged(IDENTITY_NAME))?;
    let issuer = Issuer::new(identity_parameters(&identity_name)?, rcgen_key(identity)?);
    let certificate = parameters
        .signed_by(&key, &issuer)
        .map_err(|_rcgen| unmakeable())?;
    rows.put_sealed_setting(TLS_KEY, &SecretBytes::new(key.serialize_der()))?;
    rows.put_setting(TLS_CERTIFICATE, certificate.der())?;
    rows.put_setting(TLS_NAMES, names.join("\n").as_bytes())?;
    rows.put_setting(TLS_NOT_AFTER, &not_after.0.to_be_bytes())?;
    Ok(())
}
