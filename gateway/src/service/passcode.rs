//! A passcode that the user typed at a resource.

use countersign_core::{
    login_transition::{Event, State},
    otp::OtpMode,
    secret::SecretText,
    time::UnixMillis,
};
use countersign_proto::push::v1 as push;

use super::{
    Service, ServiceError,
    login::own,
    passcode_check::{Check, check_typed, use_up},
};
use crate::store::{
    AuditEvent, FrontId, LoginRow, RequestRow, Rows, StoreError, TokenRow, TokenState,
};

/// So many wrong passcodes in a row lock typing.
const FAILURES: u32 = 10;
/// For so long, in milliseconds.
const LOCK_MS: i64 = 600_000;
/// The longest passcode: the hex of a whole HMAC-SHA-512.
pub(super) const LONGEST_PASSCODE: usize = 128;

/// Whose passcode it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Any active token of this user.
    User(String),
    /// This token.
    Serial(String),
}

/// Is the passcode right?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasscodeVerdict {
    /// It is, and is used up: let the user in.
    Accepted {
        /// The token that made it.
        serial: String,
    },
    /// It is not. Counted.
    Wrong,
    /// It was right, and was used before: wait for the next one.
    UsedBefore,
    /// Too many wrong ones: not looked at.
    Locked {
        /// Typing is locked until then. Login requests are not.
        until: UnixMillis,
    },
    /// The user has no active token, or there is no such user or token.
    NoToken,
    /// An administrator has suspended the token.
    Suspended,
}

/// A login that the passcode has ended.
type Ended = Option<(LoginRow, Vec<RequestRow>)>;

impl Service {
    /// Checks a typed passcode against the active tokens. What it returns is durable: the used-up moving
    /// factor as well as the counted failure.
    ///
    /// With the transaction of a pending login of this front, an accepted passcode ends that login as
    /// consumed, and challenge-response tokens answer its challenges.
    ///
    /// # Errors
    ///
    /// The database failed; then nothing was accepted.
    pub async fn check_passcode(
        &self,
        front: FrontId,
        subject: Subject,
        passcode: SecretText,
        transaction_id: Option<String>,
    ) -> Result<PasscodeVerdict, ServiceError> {
        let now = self.now();
        let (verdict, ended) = self
            .store()
            .write(move |rows| {
                let transaction_id = transaction_id.as_deref();
                check(rows, front, &subject, &passcode, transaction_id, now)
            })
            .await?;
        if let Some((login, requests)) = ended {
            let reason = push::CancelReason::AnsweredElsewhere;
            self.login_ended(&login.transaction_id, &requests, None, reason);
        }
        Ok(verdict)
    }
}

fn check(
    rows: Rows<'_>,
    front: FrontId,
    subject: &Subject,
    passcode: &SecretText,
    transaction_id: Option<&str>,
    now: UnixMillis,
) -> Result<(PasscodeVerdict, Ended), StoreError> {
    let (name, tokens) = match subject {
        Subject::User(name) => {
            let user = rows.user_id(name)?;
            let tokens = user.map(|user| rows.tokens_of_user(user)).transpose()?;
            (name, tokens.unwrap_or_default())
        }
        Subject::Serial(serial) => (serial, rows.token(serial)?.into_iter().collect()),
    };
    let refuse = |verdict: PasscodeVerdict, detail: &str| {
        rows.audit(now, AuditEvent::PasscodeRefused, name, detail)?;
        Ok((verdict, None))
    };
    let (active, others): (Vec<_>, Vec<_>) = tokens
        .into_iter()
        .partition(|token| token.state == TokenState::Active);
    if active.is_empty() {
        let suspended = others
            .iter()
            .any(|token| token.state == TokenState::Suspended);
        return if suspended {
            refuse(PasscodeVerdict::Suspended, "suspended")
        } else {
            refuse(PasscodeVerdict::NoToken, "no token")
        };
    }
    let locked_until = |token: &TokenRow| token.typing_locked_until.filter(|until| now < *until);
    let (locked, open): (Vec<_>, Vec<_>) = active
        .into_iter()
        .partition(|token| locked_until(token).is_some());
    if open.is_empty() {
        let until = locked.iter().filter_map(locked_until).min().unwrap_or(now);
        return refuse(PasscodeVerdict::Locked { until }, "typing is locked");
    }
    let login = match transaction_id {
        Some(id) => own(rows, front, id)?
            .filter(|login| login.state == State::Pending && now < login.deadline),
        None => None,
    };
    let requests = match &login {
        Some(login) => rows.requests_of(&login.transaction_id)?,
        None => Vec::new(),
    };
    let mut used_before = false;
    let mut tried = Vec::new();
    for token in open {
        let challenge = requests
            .iter()
            .find(|request| request.serial == token.serial && !request.challenge.is_empty())
            .map(|request| request.challenge.as_str());
        if matches!(token.mode, OtpMode::Challenge { .. }) && challenge.is_none() {
            continue;
        }
        let Some(seed) = rows.seed(&token.serial)? else {
            return Err(StoreError::Unreadable("token without a seed"));
        };
        let check = if passcode.expose().len() > LONGEST_PASSCODE {
            Check::Wrong
        } else {
            check_typed(&token, &seed, passcode, challenge, now)
        };
        match check {
            Check::Right(factor) => {
                use_up(rows, &token.serial, factor)?;
                rows.put_typing(&token.serial, 0, None)?;
                rows.audit(now, AuditEvent::PasscodeAccepted, &token.serial, "typed")?;
                let user = token.user;
                let ended = match login.filter(|login| login.user == user) {
                    Some(login)
                        if rows
                            .change_login(&login, Event::Type, &token.serial, now)?
                            .is_ok() =>
                    {
                        Some((login, requests))
                    }
                    Some(_) | None => None,
                };
                let serial = token.serial;
                return Ok((PasscodeVerdict::Accepted { serial }, ended));
            }
            Check::UsedBefore => used_before = true,
            Check::Wrong => {}
        }
        tried.push(token);
    }
    if used_before {
        return refuse(PasscodeVerdict::UsedBefore, "used before");
    }
    // Nobody can tell whose passcode a wrong one was to be: every token that was tried counts it.
    for token in &tried {
        let failures = token.typing_failures.saturating_add(1);
        if failures < FAILURES {
            rows.put_typing(&token.serial, failures, None)?;
        } else {
            rows.put_typing(&token.serial, 0, Some(now.plus_ms(LOCK_MS)))?;
            rows.audit(
                now,
                AuditEvent::TypingLocked,
                &token.serial,
                "10 wrong passcodes in a row",
            )?;
        }
    }
    refuse(PasscodeVerdict::Wrong, "wrong")
}
