//! What a token is: its policy as the administrator carries it in the key package, and its sealed content.

pub(crate) mod encoding;
mod keys;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use self::encoding::millis;
pub use self::keys::{KeyHolder, NewPin, PinLock, TokenKeys, TpmPart};
use crate::{
    autofill::Binding,
    ids::{DeviceId, ServiceId},
    otp::OtpMode,
    pskc::PinPolicy,
    secret::SecretBytes,
    time::UnixMillis,
    verification::PinCheck,
};

/// How a token's PIN is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinType {
    /// There is none.
    None,
    /// Chosen by the user, checked by the agent.
    Token,
    /// Checked by the service.
    Server,
}

/// How sure the agent was that it was the user, weakest first. Signed in every decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationLevel {
    /// A click alone; only where the administrator's policy says so.
    Click,
    /// A PIN or passphrase.
    Pin,
    /// A finger, checked by fprintd.
    Finger,
    /// A key in a TPM that checked the PIN itself.
    Tpm,
}

/// May this token answer login requests, and how sure must it be?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PushPolicy {
    /// Passcodes only.
    Off,
    /// Login requests, each approved at this level or a higher one.
    Allowed(VerificationLevel),
}

/// The service that a token belongs to, as it was when the token was enrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceBinding {
    /// The service.
    pub service: ServiceId,
    /// This device there.
    pub device: DeviceId,
    /// Its base URL.
    pub url: String,
    /// SHA-256 of its identity key's `SubjectPublicKeyInfo`, and of a spare; empty: the system's authorities vouch.
    pub pins: Vec<[u8; 32]>,
    /// Its identity key, `SubjectPublicKeyInfo` DER: it signs login requests.
    pub identity_key: Vec<u8>,
}

/// How often a token's own PIN is asked for. For passcodes only: each approval is verified by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PinAsking {
    /// For every passcode.
    #[default]
    EveryTime,
    /// Once, and then until the vault locks.
    OncePerUnlock,
}

/// All that decides something about a token: the content of its one sealed blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSecrets {
    /// What it generates; nothing: it answers login requests, and no more.
    pub mode: Option<OtpMode>,
    /// Who issued it; display-safe.
    pub issuer: String,
    /// The user's name at the issuer; display-safe.
    pub user: String,
    /// The issuer's serial number; may be empty.
    pub serial: String,
    /// Its PIN: who checks it, within which limits.
    pub pin: PinPolicy,
    /// How often the PIN is asked for. Only where the agent checks it.
    #[serde(default)]
    pub asking: PinAsking,
    /// May it answer login requests?
    pub push: PushPolicy,
    /// Its service, if it has one that this agent talks to.
    pub service: Option<ServiceBinding>,
    /// Its keys.
    pub keys: KeyHolder,
    /// May the seed leave the vault again?
    pub exportable: bool,
    /// The name of the administrator's policy; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
    /// When it was enrolled, milliseconds since the Unix epoch.
    #[serde(with = "millis")]
    pub created: UnixMillis,
    /// Where browsers fill it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Binding>,
}

impl TokenSecrets {
    /// The longest encoding, in bytes.
    pub const MAX_LEN: usize = 64 * 1024;

    /// Wrong PINs in a row before the seed is erased, if the agent checks a PIN at all.
    #[must_use]
    pub const fn tries_allowed(&self) -> Option<u8> {
        match self.pin {
            PinPolicy::Token(limits) => Some(limits.max_failed_attempts),
            PinPolicy::None | PinPolicy::Server(_) | PinPolicy::InPasscode => None,
        }
    }

    /// Who checks the PIN.
    #[must_use]
    pub fn pin_check(&self) -> PinCheck {
        let tpm = self.keys.lock().and_then(|lock| lock.tpm.as_ref());
        tpm.map_or(PinCheck::Agent, |_part| PinCheck::Tpm)
    }

    /// The versioned encoding that is sealed.
    ///
    /// # Errors
    ///
    /// [`TokenSecretsError::TooLong`].
    pub fn to_bytes(&self) -> Result<SecretBytes, TokenSecretsError> {
        // Room for the usual token at once: a buffer that grows leaves copies of the seed behind.
        let mut buffer = Zeroizing::new(Vec::with_capacity(8 * 1024));
        buffer.push(ENCODING_VERSION);
        serde_json::to_writer(&mut *buffer, self).map_err(|_never| TokenSecretsError::Damaged)?;
        if buffer.len() > Self::MAX_LEN {
            return Err(TokenSecretsError::TooLong);
        }
        Ok(SecretBytes::new(core::mem::take(&mut *buffer)))
    }

    /// Reads what [`TokenSecrets::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// [`TokenSecretsError::UnknownVersion`], [`TokenSecretsError::TooLong`], [`TokenSecretsError::Damaged`].
    pub fn from_bytes(bytes: &SecretBytes) -> Result<Self, TokenSecretsError> {
        if bytes.len() > Self::MAX_LEN {
            return Err(TokenSecretsError::TooLong);
        }
        match bytes.expose().split_first() {
            Some((&ENCODING_VERSION, json)) => {
                serde_json::from_slice(json).map_err(|_content| TokenSecretsError::Damaged)
            }
            Some((&FIRST_VERSION, json)) => serde_json::from_slice::<FirstTokenSecrets>(json)
                .map_err(|_content| TokenSecretsError::Damaged)?
                .try_into(),
            Some(_) => Err(TokenSecretsError::UnknownVersion),
            None => Err(TokenSecretsError::Damaged),
        }
    }
}

const ENCODING_VERSION: u8 = 2;
const FIRST_VERSION: u8 = 1;

/// A token as the first version kept it: no PIN, its keys beside the rest.
#[derive(Deserialize)]
struct FirstTokenSecrets {
    mode: OtpMode,
    issuer: String,
    user: String,
    serial: String,
    pin: PinType,
    push: PushPolicy,
    service: Option<ServiceBinding>,
    #[serde(flatten)]
    keys: TokenKeys,
    exportable: bool,
    policy_name: String,
    policy_level: String,
    #[serde(with = "millis")]
    created: UnixMillis,
}

impl TryFrom<FirstTokenSecrets> for TokenSecrets {
    type Error = TokenSecretsError;

    fn try_from(first: FirstTokenSecrets) -> Result<Self, TokenSecretsError> {
        // The first version enrolled no token with a PIN.
        if first.pin != PinType::None {
            return Err(TokenSecretsError::Damaged);
        }
        Ok(Self {
            mode: Some(first.mode),
            issuer: first.issuer,
            user: first.user,
            serial: first.serial,
            pin: PinPolicy::None,
            asking: PinAsking::EveryTime,
            push: first.push,
            service: first.service,
            keys: KeyHolder::Open(first.keys),
            exportable: first.exportable,
            policy_name: first.policy_name,
            policy_level: first.policy_level,
            created: first.created,
            origins: Vec::new(),
        })
    }
}

/// Why a token's content could not be written or read. Says nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenSecretsError {
    /// Longer than [`TokenSecrets::MAX_LEN`].
    #[error("the token's content is too long")]
    TooLong,
    /// Written by a newer program.
    #[error("the token's content has a version that is not known")]
    UnknownVersion,
    /// Not a token's content.
    #[error("the token's content is damaged")]
    Damaged,
}

/// A token's content without its secrets: what may be listed while the vault is unlocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSummary {
    /// What it generates; nothing: it answers login requests, and no more.
    pub mode: Option<OtpMode>,
    /// Who issued it.
    pub issuer: String,
    /// The user's name at the issuer.
    pub user: String,
    /// The issuer's serial number; may be empty.
    pub serial: String,
    /// Its PIN: who checks it, within which limits.
    pub pin: PinPolicy,
    /// How often the PIN is asked for.
    pub asking: PinAsking,
    /// Has the user let a finger stand for the PIN?
    pub finger: FingerChoice,
    /// May it answer login requests?
    pub push: PushPolicy,
    /// Its service, if it has one.
    pub service: Option<ServiceBinding>,
    /// May the seed leave the vault again?
    pub exportable: bool,
    /// The name of the administrator's policy; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
    /// When it was enrolled.
    pub created: UnixMillis,
    /// Where browsers fill it.
    pub origins: Vec<Binding>,
}

/// Has the user let a finger stand for a PIN?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FingerChoice {
    /// Yes.
    On,
    /// No.
    Off,
}

impl From<TokenSecrets> for TokenSummary {
    /// The secrets are wiped here.
    fn from(token: TokenSecrets) -> Self {
        let finger = token.keys.lock().and_then(|lock| lock.finger.as_ref());
        Self {
            finger: finger.map_or(FingerChoice::Off, |_sealed| FingerChoice::On),
            asking: token.asking,
            mode: token.mode,
            issuer: token.issuer,
            user: token.user,
            serial: token.serial,
            pin: token.pin,
            push: token.push,
            service: token.service,
            exportable: token.exportable,
            policy_name: token.policy_name,
            policy_level: token.policy_level,
            created: token.created,
            origins: token.origins,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        autofill::Scope,
        ids::TokenId,
        otp::{Digits, HashAlgorithm, Period},
        pskc::TokenPin,
        seal::slot::{Argon2Cost, PinKey, Salt},
    };

    fn keys() -> TokenKeys {
        TokenKeys {
            seed: SecretBytes::from(*b"the seed of the test"),
            decision_key: Some(SecretBytes::from(*b"the decision key of this token!!")),
        }
    }

    fn new_pin(pin: &[u8], tpm: Option<&[u8]>) -> NewPin {
        let (salt, cost) = (Salt([1; 16]), CHEAP);
        let part = |secret: &[u8]| {
            let part = TpmPart {
                index: 0x0180_0001,
                blob: vec![9; 200],
            };
            (part, secret.into())
        };
        NewPin {
            salt,
            cost,
            key: PinKey::derive(&pin.into(), &salt, cost).unwrap(),
            tpm: tpm.map(part),
        }
    }

    const CHEAP: Argon2Cost = Argon2Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };

    fn token() -> TokenSecrets {
        TokenSecrets {
            mode: Some(OtpMode::Time {
                hash: HashAlgorithm::Sha256,
                digits: Digits::SIX,
                period: Period::THIRTY,
            }),
            issuer: "Example".to_owned(),
            user: "alice".to_owned(),
            serial: "CS1".to_owned(),
            pin: PinPolicy::Token(TokenPin::default()),
            asking: PinAsking::EveryTime,
            push: PushPolicy::Allowed(VerificationLevel::Pin),
            service: Some(ServiceBinding {
                service: ServiceId([1; 16]),
                device: DeviceId([2; 16]),
                url: "https://gateway.example".to_owned(),
                pins: vec![[3; 32]],
                identity_key: vec![4; 91],
            }),
            keys: KeyHolder::Open(keys()),
            exportable: false,
            policy_name: "standard".to_owned(),
            policy_level: "2".to_owned(),
            created: UnixMillis(1_700_000_000_000),
            origins: vec![
                Binding::new("https://login.example.com".parse().unwrap(), Scope::Domain).unwrap(),
            ],
        }
    }

    #[test]
    fn content_survives_its_encoding() {
        let without = TokenSecrets {
            service: None,
            keys: KeyHolder::Open(TokenKeys {
                decision_key: None,
                ..keys()
            }),
            pin: PinPolicy::None,
            ..token()
        };
        let lock = PinLock::seal(TokenId(7), &keys(), &new_pin(b"246802", None), &[3; 24]).unwrap();
        let finger = PinLock {
            finger: Some(vec![1, 2, 3]),
            ..lock.clone()
        };
        let locked = |lock| TokenSecrets {
            keys: KeyHolder::Locked(lock),
            ..token()
        };
        let push_only = TokenSecrets {
            mode: None,
            ..token()
        };
        for content in [token(), push_only, without, locked(lock), locked(finger)] {
            let bytes = content.to_bytes().unwrap();
            assert_eq!(TokenSecrets::from_bytes(&bytes), Ok(content));
        }
    }

    /// As the first version wrote it: such a vault opens with this one.
    #[test]
    fn a_token_of_the_first_version_is_read() {
        let json = r#"{"mode":MODE,"seed":"c2VlZCBvZiB0aGUgdGVzdA==","issuer":"Example","user":"alice","serial":"CS1","pin":"none","pin_tries":null,"push":{"allowed":"click"},"service":null,"decision_key":null,"exportable":true,"policy_name":"","policy_level":"","created":7}"#;
        let mode = serde_json::to_string(&token().mode).unwrap();
        let mut bytes = vec![1];
        bytes.extend(json.replace("MODE", &mode).into_bytes());
        let read = TokenSecrets::from_bytes(&bytes.clone().into()).unwrap();
        assert_eq!(read.pin, PinPolicy::None);
        assert_eq!(
            read.keys.open().unwrap().seed,
            SecretBytes::from(*b"seed of the test")
        );
        let with_pin = String::from_utf8(bytes)
            .unwrap()
            .replace("\"none\"", "\"token\"");
        assert_eq!(
            TokenSecrets::from_bytes(&with_pin.into_bytes().into()),
            Err(TokenSecretsError::Damaged)
        );
    }

    #[test]
    fn keys_behind_a_pin_open_with_it_for_their_token_only() {
        let lock = PinLock::seal(TokenId(7), &keys(), &new_pin(b"246802", None), &[3; 24]).unwrap();
        let open = |id, pin: &[u8]| lock.open(TokenId(id), &new_pin(pin, None).key, None);
        assert_eq!(open(7, b"246802"), Ok(Some(keys())));
        assert_eq!(open(7, b"246803"), Ok(None));
        assert_eq!(open(8, b"246802"), Ok(None));
        let held = serde_json::to_string(&lock).unwrap();
        assert!(!held.contains("seed"), "{held}");
    }

    #[test]
    fn where_a_tpm_counts_the_pin_alone_opens_nothing() {
        let pin = new_pin(b"246802", Some(&[8; 32]));
        let lock = PinLock::seal(TokenId(7), &keys(), &pin, &[3; 24]).unwrap();
        let open = |tpm: Option<&SecretBytes>| lock.open(TokenId(7), &pin.key, tpm);
        assert_eq!(open(None), Ok(None));
        assert_eq!(open(Some(&[9; 32].into())), Ok(None));
        assert_eq!(open(Some(&[8; 32].into())), Ok(Some(keys())));
        let locked = TokenSecrets {
            keys: KeyHolder::Locked(lock),
            ..token()
        };
        assert_eq!(locked.pin_check(), PinCheck::Tpm);
        assert_eq!(token().pin_check(), PinCheck::Agent);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let printed = format!("{:?}", token());
        assert!(printed.contains("seed: [REDACTED]"));
        assert!(printed.contains("decision_key: Some([REDACTED])"));
        assert!(!printed.contains("the seed"));
    }

    #[test]
    fn other_versions_and_other_bytes_are_refused() {
        let mut bytes = token().to_bytes().unwrap().expose().to_vec();
        bytes[0] = 3;
        assert_eq!(
            TokenSecrets::from_bytes(&bytes.clone().into()),
            Err(TokenSecretsError::UnknownVersion)
        );
        bytes[0] = 2;
        bytes.pop();
        assert_eq!(
            TokenSecrets::from_bytes(&bytes.into()),
            Err(TokenSecretsError::Damaged)
        );
        assert_eq!(
            TokenSecrets::from_bytes(&SecretBytes::default()),
            Err(TokenSecretsError::Damaged)
        );
    }

    #[test]
    fn too_long_is_refused_both_ways() {
        let long = TokenSecrets {
            issuer: "x".repeat(TokenSecrets::MAX_LEN),
            ..token()
        };
        assert_eq!(long.to_bytes(), Err(TokenSecretsError::TooLong));
        assert_eq!(
            TokenSecrets::from_bytes(&vec![2; TokenSecrets::MAX_LEN + 1].into()),
            Err(TokenSecretsError::TooLong)
        );
    }
}
