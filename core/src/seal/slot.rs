//! Slots: the data key, wrapped once for each way to open the vault.
//!
//! A slot's parameters stand beside it as JSON text; that very text is associated data, so parameters
//! that were edited (another salt, cheaper Argon2id) do not open the slot.

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::{
    DataKey, FORMAT, KEY_LEN, NONCE_LEN, SealError, SealKey,
    blob::{open, seal},
    key::expand,
};
use crate::{recovery_code::RecoveryCode, secret::SecretBytes};

/// Length of a salt, in bytes.
pub const SALT_LEN: usize = 16;
/// The longest slot parameters, in bytes.
pub const MAX_PARAMETERS_LEN: usize = 4096;
/// The longest sealed object of a TPM, in hex digits.
pub const MAX_TPM_BLOB_LEN: usize = 2048;
/// The longest name of a key at its source, in bytes.
pub const MAX_KEY_NAME_LEN: usize = 128;

/// What a slot's key is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SlotParameters {
    /// A passphrase through Argon2id (RFC 9106).
    Passphrase {
        /// 16 random bytes, hex.
        salt: Salt,
        /// What a try costs.
        cost: Argon2Cost,
    },
    /// 32 random bytes that the session's keyring keeps under `name`.
    Keyring {
        /// 16 random bytes, hex.
        salt: Salt,
        /// The `slot` attribute of the keyring's item.
        name: String,
        /// What a try of the agent's PIN costs, if one is needed beside the key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<Argon2Cost>,
    },
    /// 32 bytes or more that systemd passes as a credential (`LoadCredential=`, `LoadCredentialEncrypted=`).
    Credential {
        /// 16 random bytes, hex.
        salt: Salt,
        /// The credential's name.
        name: String,
        /// As for the keyring.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<Argon2Cost>,
    },
    /// 32 random bytes that the machine's TPM has sealed.
    Tpm {
        /// 16 random bytes, hex.
        salt: Salt,
        /// The sealed object, hex.
        blob: String,
        /// As for the keyring.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<Argon2Cost>,
    },
    /// The printed recovery code: 128 random bits, so that no slow function is needed.
    RecoveryCode {
        /// 16 random bytes, hex.
        salt: Salt,
    },
}

impl SlotParameters {
    /// What a try of the agent's PIN costs, where one is needed beside a key of the machine.
    #[must_use]
    pub const fn pin_cost(&self) -> Option<Argon2Cost> {
        match self {
            Self::Keyring { pin, .. } | Self::Credential { pin, .. } | Self::Tpm { pin, .. } => {
                *pin
            }
            Self::Passphrase { .. } | Self::RecoveryCode { .. } => None,
        }
    }

    /// Its salt.
    #[must_use]
    pub const fn salt(&self) -> &Salt {
        match self {
            Self::Passphrase { salt, .. }
            | Self::Keyring { salt, .. }
            | Self::Credential { salt, .. }
            | Self::Tpm { salt, .. }
            | Self::RecoveryCode { salt } => salt,
        }
    }

    /// The text that is stored beside the slot.
    ///
    /// # Errors
    ///
    /// [`SealError::OutOfBounds`] when a part is longer than its bound.
    pub fn to_text(&self) -> Result<String, SealError> {
        self.check()?;
        let text = serde_json::to_string(self).map_err(|_never| SealError::UnknownForm)?;
        if text.len() > MAX_PARAMETERS_LEN {
            return Err(SealError::OutOfBounds);
        }
        Ok(text)
    }

    /// Reads what [`SlotParameters::to_text`] wrote.
    ///
    /// # Errors
    ///
    /// [`SealError::UnknownForm`] and [`SealError::OutOfBounds`]; the latter before any memory is spent.
    pub fn from_text(text: &str) -> Result<Self, SealError> {
        if text.len() > MAX_PARAMETERS_LEN {
            return Err(SealError::OutOfBounds);
        }
        let parameters: Self =
            serde_json::from_str(text).map_err(|_not_ours| SealError::UnknownForm)?;
        parameters.check()?;
        Ok(parameters)
    }

    fn check(&self) -> Result<(), SealError> {
        match self {
            Self::Passphrase { cost, .. } => cost.check(),
            Self::Keyring { name, pin, .. } | Self::Credential { name, pin, .. } => {
                if name.is_empty() || name.len() > MAX_KEY_NAME_LEN {
                    return Err(SealError::OutOfBounds);
                }
                pin.map_or(Ok(()), Argon2Cost::check)
            }
            Self::Tpm { blob, pin, .. } => {
                if blob.is_empty() || blob.len() > MAX_TPM_BLOB_LEN {
                    return Err(SealError::OutOfBounds);
                }
                pin.map_or(Ok(()), Argon2Cost::check)
            }
            Self::RecoveryCode { .. } => Ok(()),
        }
    }
}

/// 16 random bytes that make equal passphrases different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Salt(pub [u8; SALT_LEN]);

impl From<Salt> for String {
    fn from(salt: Salt) -> Self {
        HEXLOWER.encode(&salt.0)
    }
}

impl TryFrom<String> for Salt {
    type Error = SealError;

    fn try_from(text: String) -> Result<Self, SealError> {
        let bytes = HEXLOWER
            .decode(text.as_bytes())
            .map_err(|_not_hex| SealError::UnknownForm)?;
        <[u8; SALT_LEN]>::try_from(bytes.as_slice())
            .map(Self)
            .map_err(|_wrong_length| SealError::UnknownForm)
    }
}

/// What one try of a passphrase costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Argon2Cost {
    /// KiB of memory: 8 to 1,048,576 (1 GiB).
    pub memory_kib: u32,
    /// Passes over it: 1 to 16.
    pub passes: u32,
    /// Lanes: 1 to 4.
    pub lanes: u32,
}

impl Argon2Cost {
    /// 64 MiB, 3 passes, 1 lane: about 150 ms on a laptop; RFC 9106's second recommendation with one lane.
    pub const RECOMMENDED: Self = Self {
        memory_kib: 64 * 1024,
        passes: 3,
        lanes: 1,
    };

    /// The parameters come out of a file: a huge value must not take the machine's memory.
    fn check(self) -> Result<(), SealError> {
        let bounded = (8..=1024 * 1024).contains(&self.memory_kib)
            && (1..=16).contains(&self.passes)
            && (1..=4).contains(&self.lanes);
        if bounded {
            Ok(())
        } else {
            Err(SealError::OutOfBounds)
        }
    }
}

/// What Argon2id makes of a PIN or passphrase (RFC 9106). Wiped on drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinKey(SecretBytes);

impl PinKey {
    /// Takes `cost.memory_kib` of memory and a noticeable time: not for a thread that others wait for.
    ///
    /// # Errors
    ///
    /// [`SealError::OutOfBounds`] for a cost outside its bounds.
    pub fn derive(pin: &SecretBytes, salt: &Salt, cost: Argon2Cost) -> Result<Self, SealError> {
        cost.check()?;
        let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN))
            .map_err(|_bounds| SealError::OutOfBounds)?;
        let mut key = vec![0_u8; KEY_LEN];
        let hashed = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(
            pin.expose(),
            &salt.0,
            &mut key,
        );
        let key = SecretBytes::new(key);
        hashed.map_err(|_bounds| SealError::OutOfBounds)?;
        Ok(Self(key))
    }

    /// From what [`PinKey::expose`] gave.
    ///
    /// # Errors
    ///
    /// [`SealError::KeyLength`].
    pub fn from_bytes(bytes: SecretBytes) -> Result<Self, SealError> {
        if bytes.len() == KEY_LEN {
            Ok(Self(bytes))
        } else {
            Err(SealError::KeyLength)
        }
    }

    /// The 32 bytes, to be sealed for a finger.
    #[must_use]
    pub const fn expose(&self) -> &SecretBytes {
        &self.0
    }

    /// What is shown to the TPM in the PIN's place.
    ///
    /// # Errors
    ///
    /// None is expected.
    pub fn tpm_authorization(&self) -> Result<SecretBytes, SealError> {
        expand(self.0.expose(), &[], b"countersign/token/1 tpm")
    }

    /// The key behind which a token's keys are sealed; with a TPM's secret if one counts the tries.
    ///
    /// # Errors
    ///
    /// None is expected.
    pub fn token_key(&self, tpm: Option<&SecretBytes>) -> Result<SealKey, SealError> {
        let salt = tpm.map_or(&[][..], SecretBytes::expose);
        expand(self.0.expose(), salt, b"countersign/token/1 keys").map(SealKey)
    }
}

/// The key that wraps the data key in one slot. Wiped on drop.
#[derive(Clone, Debug)]
pub struct WrapKey(SecretBytes);

impl WrapKey {
    /// A passphrase alone.
    #[must_use]
    pub fn from_passphrase(passphrase: PinKey) -> Self {
        Self(passphrase.0)
    }

    /// A random key and the agent's PIN: neither opens without the other.
    ///
    /// # Errors
    ///
    /// [`SealError::KeyLength`].
    pub fn from_key_and_pin(
        key: &SecretBytes,
        pin: &PinKey,
        salt: &Salt,
    ) -> Result<Self, SealError> {
        if key.len() != KEY_LEN {
            return Err(SealError::KeyLength);
        }
        let mut both = Vec::with_capacity(KEY_LEN.saturating_mul(2));
        both.extend_from_slice(key.expose());
        both.extend_from_slice(pin.0.expose());
        let both = SecretBytes::new(both);
        expand(both.expose(), &salt.0, b"countersign/vault/1 slot and pin").map(Self)
    }

    /// The printed recovery code.
    ///
    /// # Errors
    ///
    /// None is expected.
    pub fn from_recovery_code(code: &RecoveryCode, salt: &Salt) -> Result<Self, SealError> {
        expand(
            code.secret().expose(),
            &salt.0,
            b"countersign/vault/1 recovery",
        )
        .map(Self)
    }

    /// HKDF over a random key of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`SealError::KeyLength`].
    pub fn from_key(key: &SecretBytes, salt: &Salt) -> Result<Self, SealError> {
        if key.len() != KEY_LEN {
            return Err(SealError::KeyLength);
        }
        expand(key.expose(), &salt.0, b"countersign/vault/1 slot").map(Self)
    }

    /// Wraps the data key for the slot with this id and these parameters (the stored text).
    ///
    /// # Errors
    ///
    /// None is expected.
    pub fn wrap(
        &self,
        data_key: &DataKey,
        slot: i64,
        parameters: &str,
        nonce: &[u8; NONCE_LEN],
    ) -> Result<Vec<u8>, SealError> {
        let associated_data = associated_data(slot, parameters);
        seal(&self.0, &associated_data, nonce, data_key.secret().expose())
    }

    /// Unwraps what [`WrapKey::wrap`] made for the same slot and parameters.
    ///
    /// # Errors
    ///
    /// [`SealError::Refused`]: a wrong passphrase or key, or a changed slot.
    pub fn unwrap(
        &self,
        slot: i64,
        parameters: &str,
        wrapped: &[u8],
    ) -> Result<DataKey, SealError> {
        DataKey::new(open(&self.0, &associated_data(slot, parameters), wrapped)?)
    }
}

fn associated_data(slot: i64, parameters: &str) -> Vec<u8> {
    let mut data = b"countersign/vault slot\0".to_vec();
    data.extend_from_slice(&FORMAT.to_be_bytes());
    data.extend_from_slice(&slot.to_be_bytes());
    data.extend_from_slice(parameters.as_bytes());
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Argon2Cost = Argon2Cost {
        memory_kib: 8,
        passes: 1,
        lanes: 1,
    };
    const NONCE: [u8; NONCE_LEN] = [4; NONCE_LEN];

    fn data_key() -> DataKey {
        DataKey::new(SecretBytes::from([7; KEY_LEN])).unwrap()
    }

    fn wrap_key(passphrase: &[u8], salt: u8) -> WrapKey {
        let key = PinKey::derive(&passphrase.into(), &Salt([salt; SALT_LEN]), CHEAP).unwrap();
        WrapKey::from_passphrase(key)
    }

    #[test]
    fn a_slot_opens_with_its_passphrase_only() {
        let key = wrap_key(b"correct horse", 1);
        let wrapped = key.wrap(&data_key(), 1, "{}", &NONCE).unwrap();
        assert_eq!(
            key.unwrap(1, "{}", &wrapped).unwrap().secret(),
            data_key().secret()
        );
        for other in [wrap_key(b"correct horsf", 1), wrap_key(b"correct horse", 2)] {
            assert_eq!(
                other.unwrap(1, "{}", &wrapped).err(),
                Some(SealError::Refused)
            );
        }
    }

    #[test]
    fn a_key_with_a_pin_opens_with_both_only() {
        let salt = Salt([1; SALT_LEN]);
        let pin = |text: &[u8]| PinKey::derive(&text.into(), &salt, CHEAP).unwrap();
        let key: SecretBytes = [5; KEY_LEN].into();
        let both = WrapKey::from_key_and_pin(&key, &pin(b"246802"), &salt).unwrap();
        let wrapped = both.wrap(&data_key(), 1, "{}", &NONCE).unwrap();
        assert!(both.unwrap(1, "{}", &wrapped).is_ok());
        for other in [
            WrapKey::from_key_and_pin(&key, &pin(b"246803"), &salt).unwrap(),
            WrapKey::from_key_and_pin(&[6; KEY_LEN].into(), &pin(b"246802"), &salt).unwrap(),
            WrapKey::from_key(&key, &salt).unwrap(),
            WrapKey::from_passphrase(pin(b"246802")),
        ] {
            assert_eq!(
                other.unwrap(1, "{}", &wrapped).err(),
                Some(SealError::Refused)
            );
        }
    }

    #[test]
    fn a_recovery_code_opens_its_slot_only() {
        let salt = Salt([1; SALT_LEN]);
        let key =
            |byte| WrapKey::from_recovery_code(&RecoveryCode::new([byte; 16]), &salt).unwrap();
        let wrapped = key(1).wrap(&data_key(), 3, "{}", &NONCE).unwrap();
        assert!(key(1).unwrap(3, "{}", &wrapped).is_ok());
        assert_eq!(
            key(2).unwrap(3, "{}", &wrapped).err(),
            Some(SealError::Refused)
        );
    }

    /// A vault of the first version has no word of a PIN: its text must stay as it is.
    #[test]
    fn a_keyring_slot_without_a_pin_has_the_first_versions_text() {
        let parameters = SlotParameters::Keyring {
            salt: Salt([0; SALT_LEN]),
            name: "a".to_owned(),
            pin: None,
        };
        assert_eq!(
            parameters.to_text().unwrap(),
            r#"{"kind":"keyring","salt":"00000000000000000000000000000000","name":"a"}"#
        );
    }

    #[test]
    fn a_slot_is_bound_to_its_id_and_parameters() {
        let key = WrapKey::from_key(&[5; KEY_LEN].into(), &Salt([1; SALT_LEN])).unwrap();
        let wrapped = key.wrap(&data_key(), 1, "{}", &NONCE).unwrap();
        assert_eq!(
            key.unwrap(2, "{}", &wrapped).err(),
            Some(SealError::Refused)
        );
        assert_eq!(
            key.unwrap(1, "{ }", &wrapped).err(),
            Some(SealError::Refused)
        );
    }

    #[test]
    fn parameters_survive_their_text() {
        let salt = Salt([0xab; SALT_LEN]);
        for parameters in [
            SlotParameters::Passphrase {
                salt,
                cost: Argon2Cost::RECOMMENDED,
            },
            SlotParameters::Keyring {
                salt,
                name: "0f3a".to_owned(),
                pin: None,
            },
            SlotParameters::Credential {
                salt,
                name: "countersign-vault-key".to_owned(),
                pin: Some(Argon2Cost::RECOMMENDED),
            },
            SlotParameters::Tpm {
                salt,
                blob: "00ff".repeat(256),
                pin: Some(CHEAP),
            },
            SlotParameters::RecoveryCode { salt },
        ] {
            let text = parameters.to_text().unwrap();
            assert_eq!(SlotParameters::from_text(&text), Ok(parameters));
        }
    }

    #[test]
    fn greedy_or_unknown_parameters_are_refused() {
        let greedy = r#"{"kind":"passphrase","salt":"00000000000000000000000000000000","cost":{"memory_kib":4294967295,"passes":3,"lanes":1}}"#;
        assert_eq!(
            SlotParameters::from_text(greedy),
            Err(SealError::OutOfBounds)
        );
        for unknown in [
            "",
            "{}",
            r#"{"kind":"tpm","salt":"00000000000000000000000000000000"}"#,
            r#"{"kind":"keyring","salt":"00","name":"a"}"#,
        ] {
            assert_eq!(
                SlotParameters::from_text(unknown),
                Err(SealError::UnknownForm)
            );
        }
        let no_name = r#"{"kind":"keyring","salt":"00000000000000000000000000000000","name":""}"#;
        assert_eq!(
            SlotParameters::from_text(no_name),
            Err(SealError::OutOfBounds)
        );
    }

    #[test]
    fn a_raw_key_has_32_bytes() {
        assert_eq!(
            WrapKey::from_key(&b"short".as_slice().into(), &Salt([1; SALT_LEN])).err(),
            Some(SealError::KeyLength)
        );
    }
}
