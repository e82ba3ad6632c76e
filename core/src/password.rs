//! Passwords at the gateway: Argon2id (RFC 9106) with 19 MiB and two passes, the parameters inside the stored text.

use core::{fmt, str::FromStr};

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64_NOPAD;
use subtle::ConstantTimeEq as _;

use crate::secret::SecretText;

/// Length of the salt, in bytes.
pub const SALT_LEN: usize = 16;
/// Length of the hash, in bytes.
const HASH_LEN: usize = 32;
/// What a new hash costs: KiB of memory, passes, lanes.
const COST: Cost = Cost {
    memory_kib: 19 * 1024,
    passes: 2,
    lanes: 1,
};
/// A stored text may not ask for more than this: nobody can make the gateway run out of memory with a row.
const MOST: Cost = Cost {
    memory_kib: 256 * 1024,
    passes: 16,
    lanes: 4,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A password as it is stored: `argon2id,m=19456,t=2,p=1,SALT,HASH`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    cost: Cost,
    salt: [u8; SALT_LEN],
    hash: [u8; HASH_LEN],
}

impl PasswordHash {
    /// Hashes `password`. Takes about 20 ms and 19 MiB.
    ///
    /// # Errors
    ///
    /// [`PasswordHashError`] where there is no memory for it.
    pub fn new(password: &SecretText, salt: [u8; SALT_LEN]) -> Result<Self, PasswordHashError> {
        Ok(Self {
            cost: COST,
            salt,
            hash: digest(password, &salt, COST)?,
        })
    }

    /// A hash that no password meets, for users that do not exist: checking it takes as long as a real one.
    #[must_use]
    pub const fn unmeetable(salt: [u8; SALT_LEN]) -> Self {
        Self {
            cost: COST,
            salt,
            hash: [0; HASH_LEN],
        }
    }

    /// Is `password` the one? Any failure is a no.
    #[must_use]
    pub fn is_met_by(&self, password: &SecretText) -> bool {
        digest(password, &self.salt, self.cost)
            .is_ok_and(|found| bool::from(found.ct_eq(&self.hash)))
    }
}

fn digest(
    password: &SecretText,
    salt: &[u8; SALT_LEN],
    cost: Cost,
) -> Result<[u8; HASH_LEN], PasswordHashError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(HASH_LEN))
        .map_err(|_out_of_bounds| PasswordHashError)?;
    let mut hash = [0; HASH_LEN];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.expose().as_bytes(), salt, &mut hash)
        .map_err(|_no_memory| PasswordHashError)?;
    Ok(hash)
}

/// The password could not be hashed, or a stored text is not a password hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password hash cannot be used")]
pub struct PasswordHashError;

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "argon2id,m={},t={},p={},{},{}",
            self.cost.memory_kib,
            self.cost.passes,
            self.cost.lanes,
            BASE64_NOPAD.encode(&self.salt),
            BASE64_NOPAD.encode(&self.hash),
        )
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([REDACTED])")
    }
}

impl FromStr for PasswordHash {
    type Err = PasswordHashError;

    fn from_str(text: &str) -> Result<Self, PasswordHashError> {
        let mut fields = text.split(',');
        let mut field = || fields.next().ok_or(PasswordHashError);
        if field()? != "argon2id" {
            return Err(PasswordHashError);
        }
        let cost = Cost {
            memory_kib: number(field()?, "m=", MOST.memory_kib)?,
            passes: number(field()?, "t=", MOST.passes)?,
            lanes: number(field()?, "p=", MOST.lanes)?,
        };
        Ok(Self {
            cost,
            salt: bytes(field()?)?,
            hash: bytes(field()?)?,
        })
    }
}

fn number(field: &str, name: &str, most: u32) -> Result<u32, PasswordHashError> {
    field
        .strip_prefix(name)
        .and_then(|digits| digits.parse().ok())
        .filter(|number| *number <= most)
        .ok_or(PasswordHashError)
}

fn bytes<const N: usize>(field: &str) -> Result<[u8; N], PasswordHashError> {
    BASE64_NOPAD
        .decode(field.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(PasswordHashError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_meets_its_hash() {
        let hash = PasswordHash::new(&"correct horse".into(), [7; SALT_LEN]).unwrap();
        let stored: PasswordHash = hash.to_string().parse().unwrap();
        assert!(stored.is_met_by(&"correct horse".into()));
        assert!(!stored.is_met_by(&"correct horsf".into()));
        assert!(!PasswordHash::unmeetable([7; SALT_LEN]).is_met_by(&"correct horse".into()));
    }

    #[test]
    fn a_stored_text_cannot_ask_for_all_memory() {
        let hash = PasswordHash::unmeetable([7; SALT_LEN]).to_string();
        assert!(hash.parse::<PasswordHash>().is_ok());
        for bad in [
            hash.replace("m=19456", "m=4194304"),
            hash.replace("t=2", "t=4000000"),
            hash.replace("argon2id", "argon2i"),
            hash.replace("p=1", "q=1"),
            String::new(),
        ] {
            assert_eq!(bad.parse::<PasswordHash>(), Err(PasswordHashError), "{bad}");
        }
    }

    #[test]
    fn a_hash_never_prints() {
        let hash = PasswordHash::unmeetable([7; SALT_LEN]);
        assert_eq!(format!("{hash:?}"), "PasswordHash([REDACTED])");
    }
}
