//! Users and their passwords.

use core::time::Duration;

use countersign_core::{password::PasswordHash, secret::SecretText};

use super::{Operator, Service, ServiceError};
use crate::{
    directory,
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

/// What somebody typed, held against a user's password.
#[derive(Debug)]
pub(super) enum PasswordBefore {
    /// It begins with the password.
    Right {
        /// What stands behind it; empty: nothing.
        behind: SecretText,
    },
    /// As [`PasswordVerdict::Wrong`].
    Wrong,
    /// As [`PasswordVerdict::Throttled`].
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
    /// There is no such user.
    #[error("there is no such user; `user add` makes one")]
    Unknown,
    /// There is such a user.
    #[error("there is a user of this name already")]
    Taken,
    /// The database or the hash failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Operator {
    /// Adds a user.
    ///
    /// # Errors
    ///
    /// Every variant of [`NewUserError`].
    pub async fn add_user(&self, name: &str, password: SecretText) -> Result<(), NewUserError> {
        if !is_name(name) {
            return Err(NewUserError::Name);
        }
        let length = password.expose().len();
        if length == 0 || length > countersign_proto::limits::PASSPHRASE {
            return Err(NewUserError::Password);
        }
        let hash = self.service().hashed(password).await?;
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let name = name.to_owned();
        let added = self
            .service()
            .store()
            .write(move |rows| {
                let added = rows.add_user(&name, &hash, now)?;
                if added.is_some() {
                    rows.audit_by(&operator, now, AuditEvent::UserAdded, &name, "")?;
                }
                Ok(added)
            })
            .await
            .map_err(ServiceError)?;
        added.map(drop).ok_or(NewUserError::Taken)
    }
}

impl Operator {
    /// Gives a user another password.
    ///
    /// # Errors
    ///
    /// [`NewUserError::Password`], [`NewUserError::Unknown`], or the database or the hash failed.
    pub async fn set_password(&self, name: &str, password: SecretText) -> Result<(), NewUserError> {
        let length = password.expose().len();
        if length == 0 || length > countersign_proto::limits::PASSPHRASE {
            return Err(NewUserError::Password);
        }
        let hash = self.service().hashed(password).await?;
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let name = name.to_owned();
        self.service()
            .store()
            .write(move |rows| {
                let Some(user) = rows.user_id(&name)? else {
                    return Ok(Err(NewUserError::Unknown));
                };
                rows.put_password(user, &hash)?;
                rows.audit_by(&operator, now, AuditEvent::UserChanged, &name, "password")?;
                Ok(Ok(()))
            })
            .await
            .map_err(ServiceError)?
    }
}

/// Can a user be called that?
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.trim() == name
        && name.chars().count() <= NAME
        && !name.chars().any(char::is_control)
}

impl Service {
    /// The hash of a password. Each takes 19 MiB: a crowd waits here, and does not fill the memory.
    pub(super) async fn hashed(&self, password: SecretText) -> Result<PasswordHash, ServiceError> {
        let _place = self
            .0
            .hashing
            .acquire()
            .await
            .map_err(|_closed| ServiceError(StoreError::Closed))?;
        tokio::task::spawn_blocking(move || PasswordHash::new(&password, SystemRandom::bytes()))
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(ServiceError(StoreError::Closed))
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
        let checked = self
            .check_password_before(user, password, Vec::new())
            .await?;
        Ok(match checked {
            PasswordBefore::Right { .. } => PasswordVerdict::Right,
            PasswordBefore::Wrong => PasswordVerdict::Wrong,
            PasswordBefore::Throttled { retry_after } => PasswordVerdict::Throttled { retry_after },
        })
    }

    /// Checks a password with which something else was typed: nothing, or as many characters as one of
    /// `lengths` says stand behind it. However many readings there are, it is one try.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub(super) async fn check_password_before(
        &self,
        user: &str,
        typed: SecretText,
        lengths: Vec<usize>,
    ) -> Result<PasswordBefore, ServiceError> {
        if user.chars().count() > NAME
            || typed.expose().len() > countersign_proto::limits::PASSPHRASE
        {
            return Ok(PasswordBefore::Wrong);
        }
        let now = self.now();
        let wait = self.0.passwords.wait_ms(user, now);
        if wait > 0 {
            let retry_after = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
            return Ok(PasswordBefore::Throttled { retry_after });
        }
        self.0.passwords.count(user, now);
        let name = user.to_owned();
        let (hash, entry) = self
            .store()
            .read(move |rows| {
                let entry = match rows.user_id(&name)? {
                    Some(user) => rows.details(user)?.directory_dn,
                    None => None,
                };
                Ok((rows.password(&name)?, entry))
            })
            .await?;
        if let Some(entry) = entry
            && self.settings().config.ldap.check_passwords
        {
            return Ok(self.ask_directory(user, &entry, &typed).await);
        }
        let hash = hash.unwrap_or_else(|| PasswordHash::unmeetable(SystemRandom::bytes()));
        // Each hash takes 19 MiB: a crowd waits here, and does not fill the memory.
        let _place = self
            .0
            .hashing
            .acquire()
            .await
            .map_err(|_closed| ServiceError(StoreError::Closed))?;
        let behind = tokio::task::spawn_blocking(move || {
            readings(typed.expose(), &lengths)
                .find(|(password, _)| hash.is_met_by(&SecretText::from(*password)))
                .map(|(_, behind)| SecretText::from(behind))
        })
        .await
        .unwrap_or(None);
        match behind {
            Some(behind) => {
                self.0.passwords.forget(user);
                Ok(PasswordBefore::Right { behind })
            }
            None => Ok(PasswordBefore::Wrong),
        }
    }
}

impl Service {
    /// Is it the password of this entry of the directory? A passcode behind it is not looked for: each reading would be
    /// a wrong try there.
    async fn ask_directory(&self, user: &str, entry: &str, typed: &SecretText) -> PasswordBefore {
        let ldap = &self.settings().config.ldap;
        match directory::check_password(ldap, entry, typed).await {
            Ok(true) => {
                self.0.passwords.forget(user);
                PasswordBefore::Right {
                    behind: SecretText::default(),
                }
            }
            Ok(false) => PasswordBefore::Wrong,
            Err(error) => {
                tracing::error!(%error, "the directory did not check a password");
                PasswordBefore::Wrong
            }
        }
    }
}

/// What was typed as a password and what stands behind it: nothing, or so many characters of a passcode.
fn readings<'t>(typed: &'t str, lengths: &[usize]) -> impl Iterator<Item = (&'t str, &'t str)> {
    let cut = |length: &usize| {
        let (password, behind) = typed.split_at_checked(typed.len().checked_sub(*length)?)?;
        let digits = behind.bytes().all(|byte| byte.is_ascii_hexdigit());
        (digits && !password.is_empty()).then_some((password, behind))
    };
    let cuts: Vec<_> = lengths.iter().filter_map(cut).collect();
    core::iter::once((typed, "")).chain(cuts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passcode_may_stand_behind_a_password() {
        let read = |typed| readings(typed, &[6, 8]).collect::<Vec<_>>();
        assert_eq!(
            read("horse12345678"),
            [
                ("horse12345678", ""),
                ("horse12", "345678"),
                ("horse", "12345678")
            ]
        );
        // No passcode, or nothing before it.
        assert_eq!(read("correct horse"), [("correct horse", "")]);
        assert_eq!(read("123456"), [("123456", "")]);
        assert_eq!(read("\u{e4}23456"), [("\u{e4}23456", "")]);
        assert_eq!(read(""), [("", "")]);
    }
}
