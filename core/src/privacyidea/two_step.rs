//! Two-step enrollment: the device adds a part of its own to the secret of the link.

use data_encoding::BASE32_NOPAD;
use hmac::Hmac;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use crate::secret::{SecretBytes, SecretText};

/// Bounds of the device's part, in bytes.
const SALT: core::ops::RangeInclusive<usize> = 4..=64;
/// Bounds of the seed, in bytes.
const OUTPUT: core::ops::RangeInclusive<usize> = 16..=128;
/// Bounds of the number of rounds.
const ROUNDS: core::ops::RangeInclusive<u32> = 1..=1_000_000;

/// What a link says of its second step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwoStep {
    salt: usize,
    output: usize,
    rounds: u32,
}

/// The seed of a two-step enrollment, and the device's part for the user to type at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoStepKey {
    /// The seed.
    pub seed: SecretBytes,
    /// The device's part with a check sum. Without the secret of the link it gives nothing away.
    pub device_part: SecretText,
}

/// Why a two-step enrollment is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TwoStepError {
    /// A parameter is missing or out of bounds.
    #[error("the link's two-step enrollment has parameters out of bounds")]
    Parameters,
    /// The device's part has another length.
    #[error("the device's part has a length that was not asked for")]
    Salt,
}

impl TwoStep {
    /// `2step_salt` and `2step_output` in bytes, `2step_difficulty` in rounds of PBKDF2.
    ///
    /// # Errors
    ///
    /// [`TwoStepError::Parameters`].
    pub fn new(salt: u64, output: u64, rounds: u64) -> Result<Self, TwoStepError> {
        let fits = |_over| TwoStepError::Parameters;
        let two_step = Self {
            salt: usize::try_from(salt).map_err(fits)?,
            output: usize::try_from(output).map_err(fits)?,
            rounds: u32::try_from(rounds).map_err(fits)?,
        };
        if SALT.contains(&two_step.salt)
            && OUTPUT.contains(&two_step.output)
            && ROUNDS.contains(&two_step.rounds)
        {
            Ok(two_step)
        } else {
            Err(TwoStepError::Parameters)
        }
    }

    /// How many random bytes the device adds.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        self.salt
    }

    /// The seed from the link's secret and `salt`, [`TwoStep::salt_len`] random bytes. Slow.
    ///
    /// # Errors
    ///
    /// [`TwoStepError::Salt`].
    pub fn derive(self, secret: &SecretBytes, salt: &[u8]) -> Result<TwoStepKey, TwoStepError> {
        if salt.len() != self.salt {
            return Err(TwoStepError::Salt);
        }
        // The server derives from the text of the secret in hex, lower case.
        let password = Zeroizing::new(data_encoding::HEXLOWER.encode(secret.expose()));
        let mut seed = Zeroizing::new(vec![0; self.output]);
        pbkdf2::pbkdf2::<Hmac<Sha1>>(password.as_bytes(), salt, self.rounds, &mut seed)
            .map_err(|_length| TwoStepError::Parameters)?;
        let sum = Sha1::digest(salt);
        let mut part = Zeroizing::new(Vec::with_capacity(4_usize.saturating_add(salt.len())));
        part.extend(sum.iter().take(4));
        part.extend_from_slice(salt);
        Ok(TwoStepKey {
            seed: SecretBytes::new(core::mem::take(&mut *seed)),
            device_part: SecretText::new(BASE32_NOPAD.encode(&part)),
        })
    }
}
