//! Who may administer on the web pages, and how they log in there: password, then passcode, by the gateway's own rules.

use core::time::Duration;

use countersign_core::{fatigue::Source, role::Role, secret::SecretText, text};

use super::{
    FrontId, Operator, PasscodeAttempt, PasscodeVerdict, PasswordVerdict, Service, ServiceError,
    Subject,
};
use crate::store::{Administrator, AuditEvent};

/// Logins of no front: no row has this number.
const NO_FRONT: FrontId = FrontId(0);
/// The longest name in the audit log, in characters.
const SHOWN: usize = 64;

/// Why no role was given or taken.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// There is no such user.
    #[error("there is no such user; `user add` makes one")]
    UnknownUser,
    /// The user has none.
    #[error("this user has no role")]
    NoRole,
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// What somebody typed to log in at the administration pages.
#[derive(Debug)]
pub struct OperatorAttempt {
    /// User name.
    pub user: String,
    /// Password.
    pub password: SecretText,
    /// Passcode, with the server PIN if the token has one.
    pub passcode: SecretText,
    /// Where it was typed.
    pub client_address: String,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorLogin {
    /// Password, passcode and role are there.
    In(Role),
    /// Something of it is wrong. What, is not told: the audit log knows.
    Refused,
    /// Too many wrong tries: it was not looked at.
    Wait {
        /// When to try again.
        retry_after: Duration,
    },
}

impl Operator {
    /// Gives a user a role, in place of the one before.
    ///
    /// # Errors
    ///
    /// [`RoleError::UnknownUser`], or the database failed.
    pub async fn give_role(&self, user: &str, role: Role) -> Result<(), RoleError> {
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let name = user.to_owned();
        self.service()
            .store()
            .write(move |rows| {
                let Some(user) = rows.user_id(&name)? else {
                    return Ok(Err(RoleError::UnknownUser));
                };
                rows.put_role(user, role, now)?;
                rows.audit_by(&operator, now, AuditEvent::RoleGiven, &name, role.word())?;
                Ok(Ok(()))
            })
            .await
            .map_err(ServiceError)?
    }

    /// Takes a user's role; it counts from the next page on.
    ///
    /// # Errors
    ///
    /// Every variant of [`RoleError`].
    pub async fn take_role(&self, user: &str) -> Result<(), RoleError> {
        let (now, operator) = (self.service().now(), self.name().to_owned());
        let name = user.to_owned();
        self.service()
            .store()
            .write(move |rows| {
                let Some(user) = rows.user_id(&name)? else {
                    return Ok(Err(RoleError::UnknownUser));
                };
                if !rows.remove_role(user)? {
                    return Ok(Err(RoleError::NoRole));
                }
                rows.audit_by(&operator, now, AuditEvent::RoleTaken, &name, "")?;
                Ok(Ok(()))
            })
            .await
            .map_err(ServiceError)?
    }
}

impl Service {
    /// Everybody with a role, by name.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn administrators(&self) -> Result<Vec<Administrator>, ServiceError> {
        Ok(self.store().read(|rows| rows.administrators()).await?)
    }

    /// The role of a user; `None`: none, or there is no such user.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn role_of(&self, user: &str) -> Result<Option<Role>, ServiceError> {
        let user = user.to_owned();
        let role = self
            .store()
            .read(move |rows| match rows.user_id(&user)? {
                Some(user) => rows.role_of(user),
                None => Ok(None),
            })
            .await?;
        Ok(role)
    }

    /// Looks at what somebody typed to log in. A code of the helpdesk is no passcode here: who may issue one must not
    /// become somebody with a role by it.
    ///
    /// # Errors
    ///
    /// The database failed; then nobody is in.
    pub async fn log_in_operator(
        &self,
        attempt: OperatorAttempt,
    ) -> Result<OperatorLogin, ServiceError> {
        let now = self.now();
        let source = Source::of(&attempt.client_address);
        let there = source.as_str();
        let wait = self.0.operators.wait_ms(there, now);
        if wait > 0 {
            let retry_after = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
            return Ok(OperatorLogin::Wait { retry_after });
        }
        self.0.operators.count(there, now);
        match self.check_password(&attempt.user, attempt.password).await? {
            PasswordVerdict::Right => {}
            PasswordVerdict::Wrong => {
                return self.refuse_operator(&attempt.user, there, "password").await;
            }
            PasswordVerdict::Throttled { retry_after } => {
                return Ok(OperatorLogin::Wait { retry_after });
            }
        }
        // Before the passcode: that of a user without a role is not used up here.
        let Some(role) = self.role_of(&attempt.user).await? else {
            return self.refuse_operator(&attempt.user, there, "no role").await;
        };
        let passcode = PasscodeAttempt {
            front: NO_FRONT,
            subject: Subject::User(attempt.user.clone()),
            passcode: attempt.passcode,
            transaction_id: None,
            client_address: attempt.client_address.clone(),
        };
        match self.check_passcode(passcode).await? {
            PasscodeVerdict::Accepted {
                serial: Some(serial),
            } => {
                self.0.operators.forget(there);
                let (user, from) = (attempt.user, text::display(there, SHOWN));
                self.store()
                    .write(move |rows| {
                        let detail = format!("as {role}, from {from}, with {serial}");
                        rows.audit(now, AuditEvent::OperatorLoggedIn, &user, &detail)
                    })
                    .await?;
                Ok(OperatorLogin::In(role))
            }
            PasscodeVerdict::Accepted { serial: None } => {
                let why = "a code of the helpdesk";
                self.refuse_operator(&attempt.user, there, why).await
            }
            PasscodeVerdict::Locked { until } => {
                let left = u64::try_from(until.since_ms(now)).unwrap_or(0);
                Ok(OperatorLogin::Wait {
                    retry_after: Duration::from_millis(left),
                })
            }
            PasscodeVerdict::Wrong
            | PasscodeVerdict::UsedBefore
            | PasscodeVerdict::NoToken
            | PasscodeVerdict::Suspended => {
                self.refuse_operator(&attempt.user, there, "passcode").await
            }
        }
    }

    async fn refuse_operator(
        &self,
        user: &str,
        from: &str,
        why: &'static str,
    ) -> Result<OperatorLogin, ServiceError> {
        let now = self.now();
        let user = text::display(user, SHOWN);
        let detail = format!("{why}, from {}", text::display(from, SHOWN));
        self.store()
            .write(move |rows| rows.audit(now, AuditEvent::OperatorRefused, &user, &detail))
            .await?;
        Ok(OperatorLogin::Refused)
    }
}
