//! Tokens in the administrator's hands: suspend, resume, unlock, revoke, delete, reset the PIN.

use countersign_core::{ids::DeviceId, login_transition::Event, time::UnixMillis};
use countersign_proto::push::v1 as push;

use super::{
    Operator, Service, ServiceError,
    token_info::{TokenInfo, info},
};
use crate::store::{
    AuditEvent, PinStanding, RequestRow, Rows, StoreError, TokenRow, TokenState, Typing,
};

/// Why nothing was done to a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is no such token.
    #[error("there is no token with this serial")]
    Unknown,
    /// Not in this state.
    #[error("the token is {0}; this cannot be done to it")]
    State(TokenState),
    /// There is no such device.
    #[error("there is no device with this identifier; `device list` shows them")]
    UnknownDevice,
    /// Nothing is locked.
    #[error("nothing of this token is locked")]
    NotLocked,
    /// The gateway keeps no PIN for it.
    #[error("the token has no server PIN; a token PIN is known to its agent alone")]
    NoServerPin,
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// What an administrator does to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Suspend,
    Resume,
    Unlock,
    Revoke,
    Delete,
    ResetPin,
}

impl Service {
    /// The tokens of a user, or all; `None`: there is no such user.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn tokens(&self, user: Option<&str>) -> Result<Option<Vec<TokenInfo>>, ServiceError> {
        let user = user.map(str::to_owned);
        let now = self.now();
        let tokens = self
            .store()
            .read(move |rows| {
                let tokens = match user {
                    Some(name) => match rows.user_id(&name)? {
                        Some(user) => rows.tokens_of_user(user)?,
                        None => return Ok(None),
                    },
                    None => rows.all_tokens()?,
                };
                tokens
                    .into_iter()
                    .map(|token| info(rows, token, now))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Some)
            })
            .await?;
        Ok(tokens)
    }

    /// One token; `None`: there is none of this serial.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn token(&self, serial: &str) -> Result<Option<TokenInfo>, ServiceError> {
        let serial = serial.to_owned();
        let now = self.now();
        let token = self
            .store()
            .read(move |rows| {
                rows.token(&serial)?
                    .map(|token| info(rows, token, now))
                    .transpose()
            })
            .await?;
        Ok(token)
    }

    /// Tells agents and fronts what an order has changed.
    pub(super) fn carried_out(&self, done: Done) -> Change {
        for (transaction_id, requests) in &done.cancelled {
            let reason = push::CancelReason::ByAdministrator;
            self.login_ended(transaction_id, requests, None, reason);
        }
        if let Some(device) = done.device {
            self.streams().renew(device);
        }
        Change {
            device: done.device,
            cancelled: done.cancelled.into_iter().map(|(id, _)| id).collect(),
        }
    }

    /// Takes up what another process did to the rows: its agents and fronts are told.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn take_up(&self, change: Change) -> Result<(), ServiceError> {
        for transaction_id in change.cancelled {
            let id = transaction_id.clone();
            let requests = self.store().read(move |rows| rows.requests_of(&id)).await?;
            let reason = push::CancelReason::ByAdministrator;
            self.login_ended(&transaction_id, &requests, None, reason);
        }
        if let Some(device) = change.device {
            self.streams().renew(device);
        }
        Ok(())
    }
}

impl Operator {
    /// Stops a token until it is resumed.
    ///
    /// # Errors
    ///
    /// Every variant of [`TokenError`].
    pub async fn suspend_token(&self, serial: &str) -> Result<Change, TokenError> {
        self.order(serial, Order::Suspend).await
    }

    /// Forgets the token's server PIN; its agent asks the user for a new one. Until then no approval and no
    /// typed passcode of the token counts.
    ///
    /// # Errors
    ///
    /// Every variant of [`TokenError`].
    pub async fn reset_server_pin(&self, serial: &str) -> Result<Change, TokenError> {
        self.order(serial, Order::ResetPin).await
    }

    /// Lets a suspended token go on. Also unlocks typing and the server PIN.
    ///
    /// # Errors
    ///
    /// Every variant of [`TokenError`].
    pub async fn resume_token(&self, serial: &str) -> Result<Change, TokenError> {
        self.order(serial, Order::Resume).await
    }

    /// Ends the locks of typing for the token, its user and every source of the user, and that of the server PIN.
    ///
    /// # Errors
    ///
    /// Every variant of [`TokenError`].
    pub async fn unlock_token(&self, serial: &str) -> Result<Change, TokenError> {
        self.order(serial, Order::Unlock).await
    }

    /// Ends a token for good; its agent erases the secrets.
    ///
    /// # Errors
    ///
    /// Every variant of [`TokenError`].
    pub async fn revoke_token(&self, serial: &str) -> Result<Change, TokenError> {
        self.order(serial, Order::Revoke).await
    }

    /// Ends a token for good and forgets it, save in the audit log.
    ///
    /// # Errors
    ///
    /// Every variant of [`TokenError`].
    pub async fn delete_token(&self, serial: &str) -> Result<Change, TokenError> {
        self.order(serial, Order::Delete).await
    }

    async fn order(&self, serial: &str, order: Order) -> Result<Change, TokenError> {
        let service = self.service();
        let (now, operator) = (service.now(), self.name().to_owned());
        let name = serial.to_owned();
        let done = service
            .store()
            .write(move |rows| carry_out(rows, &name, order, &operator, now))
            .await
            .map_err(ServiceError)??;
        Ok(service.carried_out(done))
    }
}

/// What an administrator's order changed beside the token's own row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The device that has to be told.
    pub device: Option<DeviceId>,
    /// The pending logins that were cancelled.
    pub cancelled: Vec<String>,
}

/// A login that was cancelled, and its requests.
type Cancelled = (String, Vec<RequestRow>);

/// What an order came to.
pub(super) struct Done {
    device: Option<DeviceId>,
    cancelled: Vec<Cancelled>,
}

/// Cancels the pending logins that ask this token.
fn cancel_logins(
    rows: Rows<'_>,
    serial: &str,
    now: UnixMillis,
) -> Result<Vec<Cancelled>, StoreError> {
    let mut cancelled = Vec::new();
    for request in rows.open_requests_of_token(serial)? {
        let Some(login) = rows.login(&request.transaction_id)? else {
            continue;
        };
        if rows
            .change_login(&login, Event::Cancel, "by an administrator", now)?
            .is_ok()
        {
            let requests = rows.requests_of(&login.transaction_id)?;
            cancelled.push((login.transaction_id, requests));
        }
    }
    Ok(cancelled)
}

/// Ends every token of a device.
pub(super) fn revoke_all(
    rows: Rows<'_>,
    device: DeviceId,
    operator: &str,
    now: UnixMillis,
) -> Result<Done, StoreError> {
    let mut done = Done {
        device: Some(device),
        cancelled: Vec::new(),
    };
    for token in rows.tokens_of_device(device)? {
        if let Ok(revoked) = carry_out(rows, &token.serial, Order::Revoke, operator, now)? {
            done.cancelled.extend(revoked.cancelled);
        }
    }
    Ok(done)
}

/// Is anything locked that `token unlock` would end?
fn is_locked(rows: Rows<'_>, token: &TokenRow) -> Result<bool, StoreError> {
    let typing = rows.typing(token.user)?;
    Ok(token.typing_locked_until.is_some()
        || token.pin_locked_until.is_some()
        || typing.locked_until.is_some()
        || rows.is_source_locked(token.user)?)
}

fn unlock(rows: Rows<'_>, token: &TokenRow) -> Result<(), StoreError> {
    rows.put_typing(&token.serial, 0, None)?;
    rows.put_pin_tries(&token.serial, 0, None)?;
    rows.put_user_typing(token.user, Typing::default())?;
    rows.unlock_sources(token.user)
}

fn carry_out(
    rows: Rows<'_>,
    serial: &str,
    order: Order,
    operator: &str,
    now: UnixMillis,
) -> Result<Result<Done, TokenError>, StoreError> {
    let Some(token) = rows.token(serial)? else {
        return Ok(Err(TokenError::Unknown));
    };
    if order == Order::ResetPin && token.pin_standing == PinStanding::None {
        return Ok(Err(TokenError::NoServerPin));
    }
    if order == Order::Unlock && !is_locked(rows, &token)? {
        return Ok(Err(TokenError::NotLocked));
    }
    let allowed = match order {
        Order::Suspend => token.state == TokenState::Active,
        Order::Resume => {
            token.state == TokenState::Suspended
                || token.typing_locked_until.is_some()
                || token.pin_locked_until.is_some()
        }
        // Before the enrollment there is none, and the user chooses it there.
        Order::ResetPin => matches!(token.state, TokenState::Active | TokenState::Suspended),
        Order::Revoke | Order::Unlock => token.state != TokenState::Revoked,
        Order::Delete => true,
    };
    if !allowed {
        return Ok(Err(TokenError::State(token.state)));
    }
    let cancelled = match order {
        Order::Suspend | Order::Revoke | Order::Delete => cancel_logins(rows, serial, now)?,
        Order::Resume | Order::Unlock | Order::ResetPin => Vec::new(),
    };
    let event = match order {
        Order::Suspend => {
            rows.put_token_state(serial, TokenState::Suspended)?;
            AuditEvent::TokenSuspended
        }
        Order::Resume => {
            if token.state == TokenState::Suspended {
                rows.put_token_state(serial, TokenState::Active)?;
            }
            unlock(rows, &token)?;
            AuditEvent::TokenResumed
        }
        Order::Unlock => {
            unlock(rows, &token)?;
            AuditEvent::TokenUnlocked
        }
        Order::ResetPin => {
            rows.reset_pin(serial)?;
            AuditEvent::ServerPinReset
        }
        Order::Revoke => {
            rows.revoke_token(serial)?;
            rows.remove_activation_of(serial)?;
            AuditEvent::TokenRevoked
        }
        Order::Delete => {
            rows.delete_token(serial)?;
            AuditEvent::TokenDeleted
        }
    };
    rows.audit_by(operator, now, event, serial, "")?;
    Ok(Ok(Done {
        // A lock is no matter of the agent's: its stream goes on.
        device: token.device.filter(|_| order != Order::Unlock),
        cancelled,
    }))
}
