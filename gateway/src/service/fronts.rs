//! Fronts: who may ask the gateway about logins.

use countersign_core::secret::SecretText;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Operator, Service, ServiceError};
use crate::{
    random::SystemRandom,
    store::{AuditEvent, Front},
};

/// What a front's key begins with, so that secret scanners know it.
const KEY_PREFIX: &str = "csfront_";

/// How a front shows who it is.
#[derive(Clone, Debug)]
pub enum FrontCredential {
    /// The key alone.
    Key(SecretText),
    /// Name and key, as HTTP's basic authentication carries them.
    Name {
        /// Name.
        name: String,
        /// Key.
        key: SecretText,
    },
}

/// Why a front is not let in, or not added or removed.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// No front has this key, or the name is another's.
    #[error("the front's key is not known")]
    Unknown,
    /// The name is empty, too long, or has characters beyond letters, digits, `-`, `_` and `.`.
    #[error("a front's name has 1 to 64 letters, digits, hyphens, underscores or dots")]
    Name,
    /// There is such a front.
    #[error("there is a front of this name already")]
    Taken,
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Service {
    /// Which front is it?
    ///
    /// # Errors
    ///
    /// [`FrontError::Unknown`], or the database failed.
    pub async fn authenticate_front(
        &self,
        credential: FrontCredential,
    ) -> Result<Front, FrontError> {
        let (name, key) = match credential {
            FrontCredential::Key(key) => (None, key),
            FrontCredential::Name { name, key } => (Some(name), key),
        };
        // Keys have 256 random bits: a plain hash keeps them, and finding a row by it leaks nothing.
        let hash = hash(&key);
        let front = self
            .store()
            .read(move |rows| rows.front_by_key(&hash))
            .await
            .map_err(ServiceError)?
            .ok_or(FrontError::Unknown)?;
        let named = name.is_none_or(|name| name.as_bytes().ct_eq(front.name.as_bytes()).into());
        if named {
            Ok(front)
        } else {
            Err(FrontError::Unknown)
        }
    }

    /// Every front.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn fronts(&self) -> Result<Vec<Front>, ServiceError> {
        Ok(self.store().read(|rows| rows.fronts()).await?)
    }
}

impl Operator {
    /// Adds a front and returns its key, which is not kept.
    ///
    /// # Errors
    ///
    /// [`FrontError::Name`], [`FrontError::Taken`], or the database failed.
    pub async fn add_front(&self, name: &str, push: bool) -> Result<SecretText, FrontError> {
        check_name(name)?;
        let key = SecretText::new(format!(
            "{KEY_PREFIX}{}",
            BASE64URL_NOPAD.encode(&SystemRandom::bytes::<32>())
        ));
        let hash = hash(&key);
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let name = name.to_owned();
        let added = self
            .service()
            .store()
            .write(move |rows| {
                let added = rows.add_front(&name, &hash, push, now)?;
                if added.is_some() {
                    rows.audit_by(&operator, now, AuditEvent::FrontAdded, &name, "")?;
                }
                Ok(added)
            })
            .await
            .map_err(ServiceError)?;
        added.map(|_id| key).ok_or(FrontError::Taken)
    }

    /// Removes a front: its key is no longer good.
    ///
    /// # Errors
    ///
    /// [`FrontError::Unknown`], or the database failed.
    pub async fn remove_front(&self, name: &str) -> Result<(), FrontError> {
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let name = name.to_owned();
        let removed = self
            .service()
            .store()
            .write(move |rows| {
                let Some(front) = rows.front_by_name(&name)? else {
                    return Ok(None);
                };
                rows.remove_front(front.id)?;
                rows.audit_by(&operator, now, AuditEvent::FrontRemoved, &name, "")?;
                Ok(Some(()))
            })
            .await
            .map_err(ServiceError)?;
        removed.ok_or(FrontError::Unknown)
    }
}

/// Is it a name for a front?
pub(super) fn check_name(name: &str) -> Result<(), FrontError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        return Err(FrontError::Name);
    }
    Ok(())
}

fn hash(key: &SecretText) -> [u8; 32] {
    Sha256::digest(key.expose().as_bytes()).into()
}
