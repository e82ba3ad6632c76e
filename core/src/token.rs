//! What a token is: its policy as the administrator carries it in the key package, and its sealed content.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    ids::{DeviceId, ServiceId},
    otp::OtpMode,
    secret::SecretBytes,
    time::UnixMillis,
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

/// All that decides something about a token: the content of its one sealed blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSecrets {
    /// What it generates.
    pub mode: OtpMode,
    /// The shared secret.
    #[serde(with = "base64_secret")]
    pub seed: SecretBytes,
    /// Who issued it; display-safe.
    pub issuer: String,
    /// The user's name at the issuer; display-safe.
    pub user: String,
    /// The issuer's serial number; may be empty.
    pub serial: String,
    /// How its PIN is checked.
    pub pin: PinType,
    /// Wrong PINs in a row before the seed is erased. Only for [`PinType::Token`].
    #[serde(default)]
    pub pin_tries: Option<u8>,
    /// May it answer login requests?
    pub push: PushPolicy,
    /// Its service, if it has one that this agent talks to.
    pub service: Option<ServiceBinding>,
    /// The key that signs approvals (P-256, 32 bytes); only with a service.
    #[serde(with = "base64_secret_option")]
    pub decision_key: Option<SecretBytes>,
    /// May the seed leave the vault again?
    pub exportable: bool,
    /// The name of the administrator's policy; may be empty.
    pub policy_name: String,
    /// The level of that policy; may be empty.
    pub policy_level: String,
    /// When it was enrolled, milliseconds since the Unix epoch.
    #[serde(with = "millis")]
    pub created: UnixMillis,
}

impl TokenSecrets {
    /// The longest encoding, in bytes.
    pub const MAX_LEN: usize = 64 * 1024;

    /// Wrong PINs in a row before the seed is erased, if the agent checks a PIN at all.
    #[must_use]
    pub fn tries_allowed(&self) -> Option<u8> {
        match self.pin {
            PinType::Token => Some(self.pin_tries.unwrap_or(DEFAULT_PIN_TRIES)),
            PinType::None | PinType::Server => None,
        }
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
            Some(_) => Err(TokenSecretsError::UnknownVersion),
            None => Err(TokenSecretsError::Damaged),
        }
    }
}

const ENCODING_VERSION: u8 = 1;
/// Where the policy does not say how many.
const DEFAULT_PIN_TRIES: u8 = 5;

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
    /// What it generates.
    pub mode: OtpMode,
    /// Who issued it.
    pub issuer: String,
    /// The user's name at the issuer.
    pub user: String,
    /// The issuer's serial number; may be empty.
    pub serial: String,
    /// How its PIN is checked.
    pub pin: PinType,
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
}

impl From<TokenSecrets> for TokenSummary {
    /// The secrets are wiped here.
    fn from(token: TokenSecrets) -> Self {
        Self {
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
        }
    }
}

/// Secret bytes as base64 text; the text is wiped on the way out and borrowed on the way in.
mod base64_secret {
    use core::fmt;

    use data_encoding::BASE64;
    use serde::{Deserializer, Serializer, de};
    use zeroize::Zeroizing;

    use crate::secret::SecretBytes;

    pub(super) fn serialize<S: Serializer>(
        secret: &SecretBytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64.encode(secret.expose())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SecretBytes, D::Error> {
        deserializer.deserialize_str(Base64Visitor)
    }

    pub(super) struct Base64Visitor;

    impl de::Visitor<'_> for Base64Visitor {
        type Value = SecretBytes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("base64 text")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretBytes, E> {
            // The decoder's error would name the offending byte of a secret.
            BASE64
                .decode(text.as_bytes())
                .map(SecretBytes::new)
                .map_err(|_not_base64| E::custom("not base64"))
        }
    }
}

mod base64_secret_option {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::base64_secret;
    use crate::secret::SecretBytes;

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        secret: &Option<SecretBytes>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => base64_secret::serialize(secret, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SecretBytes>, D::Error> {
        #[derive(serde::Deserialize)]
        struct Present(#[serde(with = "base64_secret")] SecretBytes);

        Option::<Present>::deserialize(deserializer).map(|found| found.map(|present| present.0))
    }
}

mod millis {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::time::UnixMillis;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the form that serde calls"
    )]
    pub(super) fn serialize<S: Serializer>(
        time: &UnixMillis,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(time.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<UnixMillis, D::Error> {
        i64::deserialize(deserializer).map(UnixMillis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otp::{Digits, HashAlgorithm, Period};

    fn token() -> TokenSecrets {
        TokenSecrets {
            mode: OtpMode::Time {
                hash: HashAlgorithm::Sha256,
                digits: Digits::SIX,
                period: Period::THIRTY,
            },
            seed: SecretBytes::from(*b"the seed of the test"),
            issuer: "Example".to_owned(),
            user: "alice".to_owned(),
            serial: "CS1".to_owned(),
            pin: PinType::Token,
            pin_tries: Some(5),
            push: PushPolicy::Allowed(VerificationLevel::Pin),
            service: Some(ServiceBinding {
                service: ServiceId([1; 16]),
                device: DeviceId([2; 16]),
                url: "https://gateway.example".to_owned(),
                pins: vec![[3; 32]],
                identity_key: vec![4; 91],
            }),
            decision_key: Some(SecretBytes::from(*b"the decision key of this token!!")),
            exportable: false,
            policy_name: "standard".to_owned(),
            policy_level: "2".to_owned(),
            created: UnixMillis(1_700_000_000_000),
        }
    }

    #[test]
    fn content_survives_its_encoding() {
        let without = TokenSecrets {
            service: None,
            decision_key: None,
            pin_tries: None,
            ..token()
        };
        for content in [token(), without] {
            let bytes = content.to_bytes().unwrap();
            assert_eq!(TokenSecrets::from_bytes(&bytes), Ok(content));
        }
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
        bytes[0] = 2;
        assert_eq!(
            TokenSecrets::from_bytes(&bytes.clone().into()),
            Err(TokenSecretsError::UnknownVersion)
        );
        bytes[0] = 1;
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
            TokenSecrets::from_bytes(&vec![1; TokenSecrets::MAX_LEN + 1].into()),
            Err(TokenSecretsError::TooLong)
        );
    }
}
