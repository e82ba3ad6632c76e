//! Users and their passwords.

use core::time::Duration;

use countersign_core::{password::PasswordHash, secret::SecretText};

use super::{Service, ServiceError};
use crate::{
    random::SystemRandom,
    store::{AuditEvent, StoreError, User},
};

/// The longest user name, in characters.
const NAME: usize = 128;

/// Is it the user's password?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordVerdict {
    /// Yes.
    Right,
    /// No, or there is no such user; which one is not told, nor to be measured.
    Wrong,
    /// Too many wrong ones: it was not looked at.
    Throttled {
        /// When to try again.
        retry_after: Duration,
    },
}

/// Why a user was not added.
#[derive(Debug, thiserror::Error)]
pub enum NewUserError {
    /// The name is empty, too long, or has control characters.
    #[error(
        "a user name has 1 to 128 characters, without spaces at its ends and without control characters"
    )]
    Name,
    /// The password is empty or too long.
    #[error("a password has 1 to 1024 bytes")]
    Password,
    /// There is such a user.
    #[error("there is a user of this name already")]
    Taken,
    /// The database or the hash failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Service {
    /// Adds a user.
    ///
    /// # Errors
    ///
    /// Every variant of [`NewUserError`].
    pub async fn add_user(&self, name: &str, password: SecretText) -> Result<(), NewUserError> {
        if name.is_empty()
            || name.trim() != name
            || name.chars().count() > NAME
            || name.chars().any(char::is_control)
        {
            return Err(NewUserError::Name);
        }
        let length = password.expose().len();
        if length == 0 || length > countersign_proto::limits::PASSPHRASE {
            return Err(NewUserError::Password);
        }
        let hash = tokio::task::spawn_blocking(move || {
            PasswordHash::new(&password, SystemRandom::bytes())
        })
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or(ServiceError(StoreError::Closed))?;
        let now = self.now();
        let name = name.to_owned();
        let added = self
            .store()
            .write(move |rows| {
                let added = rows.add_user(&name, &hash, now)?;
                if added.is_some() {
                    rows.audit(now, AuditEvent::UserAdded, &name, "")?;
                }
                Ok(added)
            })
            .await
            .map_err(ServiceError)?;
        added.map(drop).ok_or(NewUserError::Taken)
    }

    /// Every user.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn users(&self) -> Result<Vec<User>, ServiceError> {
        Ok(self.store().read(|rows| rows.users()).await?)
    }

    /// Checks a password. Takes as long for a user that does not exist.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn check_password(
        &self,
        user: &str,
        password: SecretText,
    ) -> Result<PasswordVerdict, ServiceError> {
        if user.chars().count() > NAME
            || password.expose().len() > countersign_proto::limits::PASSPHRASE
        {
            return Ok(PasswordVerdict::Wrong);
        }
        let now = self.now();
        let wait = self.0.passwords.wait_ms(user, now);
        if wait > 0 {
            let retry_after = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
            return Ok(PasswordVerdict::Throttled { retry_after });
        }
        self.0.passwords.count(user, now);
        let name = user.to_owned();
        let hash = self
            .store()
            .read(move |rows| rows.password(&name))
            .await?
            .unwrap_or_else(|| PasswordHash::unmeetable(SystemRandom::bytes()));
        let right = tokio::task::spawn_blocking(move || hash.is_met_by(&password))
            .await
            .unwrap_or(false);
        if right {
            self.0.passwords.forget(user);
            Ok(PasswordVerdict::Right)
        } else {
            Ok(PasswordVerdict::Wrong)
        }
    }
}
