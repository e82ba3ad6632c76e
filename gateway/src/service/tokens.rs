//! Tokens in the administrator's hands: issue, suspend, resume, revoke, delete, resynchronise.

use countersign_core::{
    activation_string::{ActivationString, ActivationStringError},
    ids::DeviceId,
    login_transition::Event,
    otp::{
        OtpMode,
        validation::{
            TimeParameters, TimeState, TimeWindow, resynchronise_event, resynchronise_time,
        },
    },
    secret::{SecretBytes, SecretText},
    time::UnixMillis,
    token::{PinType, PushPolicy},
};
use countersign_proto::push::v1 as push;
use serde::Serialize;
use url::Url;

use super::{Service, ServiceError};
use crate::{
    random::SystemRandom,
    store::{Activation, AuditEvent, NewToken, RequestRow, Rows, StoreError, TokenRow, TokenState},
};

/// An activation string is good for three days, in milliseconds.
const ACTIVATION_MS: i64 = 72 * 3_600_000;
/// Counters ahead that are searched for two passcodes in a row.
const RESYNC_EVENTS: u32 = 1000;
/// Steps each way that are searched for two passcodes in a row: a clock that is half a day off.
const RESYNC_STEPS: TimeWindow = TimeWindow {
    past: 1440,
    future: 1440,
};

/// A token to be issued.
#[derive(Clone, Debug)]
pub struct NewTokenSpec {
    /// What it generates.
    pub mode: OtpMode,
    /// How its PIN is checked.
    pub pin: PinType,
    /// Does it answer login requests, and how sure must the agent be?
    pub push: PushPolicy,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
pub enum NewTokenError {
    /// There is no such user.
    #[error("there is no such user; `user add` makes one")]
    UnknownUser,
    /// PINs are not there yet.
    #[error(
        "token PINs and server PINs are not supported by this version's agent yet; use --pin none"
    )]
    Pin,
    /// The suite takes something that this gateway does not have.
    #[error(
        "OCRA suites with a PIN (P) or session information (S) are not supported; leave them out"
    )]
    Suite,
    /// The activation string cannot be made of these values.
    #[error("the activation string cannot be made")]
    Activation(#[from] ActivationStringError),
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Why nothing was done to a token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// There is no such token.
    #[error("there is no token with this serial")]
    Unknown,
    /// Not in this state.
    #[error("the token is {0}; this cannot be done to it")]
    State(TokenState),
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// Why a token was not resynchronised.
#[derive(Debug, thiserror::Error)]
pub enum ResyncError {
    /// There is no such token, or it is not active.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Challenge-response tokens have nothing to resynchronise.
    #[error("only time-based and event-based tokens can be resynchronised")]
    Mode,
    /// The two passcodes are not found in a row.
    #[error(
        "the two passcodes do not follow each other in this token; give two that were generated one after the other, and were not used"
    )]
    NotFound,
}

/// A token as the administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenInfo {
    /// Serial.
    pub serial: String,
    /// Whose.
    pub user: String,
    /// Where it stands.
    pub state: TokenState,
    /// `time`, `event` or `challenge`, and its parameters in words.
    pub mode: String,
    /// Does it answer login requests?
    pub push: bool,
    /// Its device, if it has one.
    pub device: Option<String>,
    /// Wrong passcodes typed in a row.
    pub typing_failures: u32,
    /// Typing is locked until then, Unix milliseconds.
    pub typing_locked_until_ms: Option<i64>,
    /// When it was issued, Unix milliseconds.
    pub created_ms: i64,
}

/// What an administrator does to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Suspend,
    Resume,
    Revoke,
    Delete,
}

impl Service {
    /// Issues a token and returns its activation string.
    ///
    /// # Errors
    ///
    /// Every variant of [`NewTokenError`].
    pub async fn issue_token(
        &self,
        user: &str,
        spec: NewTokenSpec,
    ) -> Result<ActivationString, NewTokenError> {
        if spec.pin != PinType::None {
            return Err(NewTokenError::Pin);
        }
        if let OtpMode::Challenge { suite } = &spec.mode
            && (suite.uses_pin().is_some() || suite.uses_session().is_some())
        {
            return Err(NewTokenError::Suite);
        }
        let now = self.now();
        let code = SystemRandom::base32(10);
        let passphrase = passphrase();
        let url = enrollment_url(&self.settings().config.origin(), &code)?;
        let activation = ActivationString::new(
            &url,
            user.to_owned(),
            passphrase.clone(),
            vec![self.keys().pin()],
        )?;
        let name = user.to_owned();
        let issued = self
            .store()
            .write(move |rows| {
                let Some(user) = rows.user_id(&name)? else {
                    return Ok(false);
                };
                let token = NewToken {
                    serial: free_serial(rows)?,
                    user,
                    mode: spec.mode,
                    pin: spec.pin,
                    push: spec.push,
                };
                rows.add_token(&token, now)?;
                rows.put_activation(&Activation {
                    code,
                    serial: token.serial.clone(),
                    passphrase: SecretBytes::from(passphrase.expose().as_bytes()),
                    expires: now.plus_ms(ACTIVATION_MS),
                    first_run: None,
                    runs: 0,
                    failures: 0,
                })?;
                rows.audit(
                    now,
                    AuditEvent::TokenIssued,
                    &token.serial,
                    &format!("to {name}: {}", token.mode),
                )?;
                Ok(true)
            })
            .await
            .map_err(ServiceError)?;
        if issued {
            Ok(activation)
        } else {
            Err(NewTokenError::UnknownUser)
        }
    }

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

    /// Stops a token until it is resumed.
    ///
    /// # Errors
    ///
    /// Every variant of [`TokenError`].
    pub async fn suspend_token(&self, serial: &str) -> Result<Change, TokenError> {
        self.order(serial, Order::Suspend).await
    }

    /// Lets a suspended token go on. Also unlocks typing.
    ///
    /// # Errors
    ///
    /// Every variant of [`TokenError`].
    pub async fn resume_token(&self, serial: &str) -> Result<Change, TokenError> {
        self.order(serial, Order::Resume).await
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
        let now = self.now();
        let name = serial.to_owned();
        let done = self
            .store()
            .write(move |rows| carry_out(rows, &name, order, now))
            .await
            .map_err(ServiceError)??;
        for (transaction_id, requests) in &done.cancelled {
            let reason = push::CancelReason::ByAdministrator;
            self.login_ended(transaction_id, requests, None, reason);
        }
        if let Some(device) = done.device {
            self.streams().renew(device);
        }
        Ok(Change {
            device: done.device,
            cancelled: done.cancelled.into_iter().map(|(id, _)| id).collect(),
        })
    }

    /// Finds a token's counter or clock again from two passcodes in a row. Both are used up.
    ///
    /// # Errors
    ///
    /// Every variant of [`ResyncError`].
    pub async fn resynchronise_token(
        &self,
        serial: &str,
        first: SecretText,
        second: SecretText,
    ) -> Result<(), ResyncError> {
        let now = self.now();
        let name = serial.to_owned();
        self.store()
            .write(move |rows| resynchronise(rows, &name, &first, &second, now))
            .await
            .map_err(|error| TokenError::from(ServiceError(error)))?
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

/// What an administrator's order changed beside the token's own row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The device that has to be told.
    pub device: Option<DeviceId>,
    /// The pending logins that were cancelled.
    pub cancelled: Vec<String>,
}

/// What an order came to.
struct Done {
    device: Option<DeviceId>,
    cancelled: Vec<(String, Vec<RequestRow>)>,
}

fn carry_out(
    rows: Rows<'_>,
    serial: &str,
    order: Order,
    now: UnixMillis,
) -> Result<Result<Done, TokenError>, StoreError> {
    let Some(token) = rows.token(serial)? else {
        return Ok(Err(TokenError::Unknown));
    };
    let allowed = match order {
        Order::Suspend => token.state == TokenState::Active,
        Order::Resume => {
            token.state == TokenState::Suspended || token.typing_locked_until.is_some()
        }
        Order::Revoke => token.state != TokenState::Revoked,
        Order::Delete => true,
    };
    if !allowed {
        return Ok(Err(TokenError::State(token.state)));
    }
    let mut cancelled = Vec::new();
    if order != Order::Resume {
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
    }
    let event = match order {
        Order::Suspend => {
            rows.put_token_state(serial, TokenState::Suspended)?;
            AuditEvent::TokenSuspended
        }
        Order::Resume => {
            if token.state == TokenState::Suspended {
                rows.put_token_state(serial, TokenState::Active)?;
            }
            rows.put_typing(serial, 0, None)?;
            AuditEvent::TokenResumed
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
    rows.audit(now, event, serial, "")?;
    Ok(Ok(Done {
        device: token.device,
        cancelled,
    }))
}

fn resynchronise(
    rows: Rows<'_>,
    serial: &str,
    first: &SecretText,
    second: &SecretText,
    now: UnixMillis,
) -> Result<Result<(), ResyncError>, StoreError> {
    let Some(token) = rows.token(serial)? else {
        return Ok(Err(TokenError::Unknown.into()));
    };
    if token.state != TokenState::Active {
        return Ok(Err(TokenError::State(token.state).into()));
    }
    let Some(seed) = rows.seed(serial)? else {
        return Err(StoreError::Unreadable("token without a seed"));
    };
    let (first, second) = (first.expose(), second.expose());
    let found = match &token.mode {
        OtpMode::Event { hash, digits } => {
            let next = token.next_counter;
            match resynchronise_event(&seed, *hash, *digits, first, second, next, RESYNC_EVENTS) {
                Some(counter) => {
                    rows.raise_counter(serial, counter)?;
                    true
                }
                None => false,
            }
        }
        OtpMode::Time {
            hash,
            digits,
            period,
        } => {
            let parameters = TimeParameters {
                hash: *hash,
                digits: *digits,
                period: *period,
            };
            let state = TimeState {
                drift: token.drift,
                last: token.last_step,
            };
            let secs = now.secs();
            match resynchronise_time(&seed, parameters, first, second, secs, RESYNC_STEPS, state) {
                Some(found) => {
                    rows.raise_step(serial, found.step, found.drift)?;
                    true
                }
                None => false,
            }
        }
        OtpMode::Challenge { .. } => return Ok(Err(ResyncError::Mode)),
    };
    if !found {
        return Ok(Err(ResyncError::NotFound));
    }
    rows.put_typing(serial, 0, None)?;
    rows.audit(now, AuditEvent::TokenResynchronised, serial, "")?;
    Ok(Ok(()))
}

fn info(rows: Rows<'_>, token: TokenRow, now: UnixMillis) -> Result<TokenInfo, StoreError> {
    let device = match token.device {
        Some(id) => rows.device(id)?.map(|device| device.name),
        None => None,
    };
    Ok(TokenInfo {
        user: rows.user_name(token.user)?,
        mode: token.mode.to_string(),
        push: matches!(token.push, PushPolicy::Allowed(_)),
        device,
        state: token.state,
        typing_failures: token.typing_failures,
        typing_locked_until_ms: token
            .typing_locked_until
            .filter(|until| now < *until)
            .map(|until| until.0),
        created_ms: token.created.0,
        serial: token.serial,
    })
}

/// A serial that no token has: `CS` and eight symbols that are not mistaken for each other.
fn free_serial(rows: Rows<'_>) -> Result<String, StoreError> {
    loop {
        let serial = format!("CS{}", SystemRandom::base32(8));
        if rows.token(&serial)?.is_none() {
            return Ok(serial);
        }
    }
}

/// Thirteen symbols in groups of 4-4-5: 65 random bits.
fn passphrase() -> SecretText {
    let symbols = SystemRandom::base32(13);
    let (first, rest) = symbols.split_at_checked(4).unwrap_or_default();
    let (second, third) = rest.split_at_checked(4).unwrap_or_default();
    SecretText::new(format!("{first}-{second}-{third}"))
}

/// The enrollment URL of an activation code.
///
/// # Errors
///
/// The origin makes no URL.
pub(crate) fn enrollment_url(origin: &str, code: &str) -> Result<Url, ServiceError> {
    Url::parse(&format!("{origin}/enroll/dskpp?sc={code}"))
        .map_err(|_malformed| ServiceError(StoreError::Unreadable("gateway URL")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_has_thirteen_symbols_in_three_groups() {
        let text = passphrase();
        let groups: Vec<usize> = text.expose().split('-').map(str::len).collect();
        assert_eq!(groups, [4, 4, 5]);
    }
}
