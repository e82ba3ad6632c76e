//! A passcode that the user typed at a resource, with the server PIN if the token has one.
//!
//! Outside, a wrong PIN looks like a wrong passcode; only the audit log tells them apart. So with a token that
//! has a server PIN a passcode that was used before is just wrong: "used before" would say that the PIN was right.
//! A right passcode beside a wrong PIN is used up: it must not be good for one guess after the other.

use countersign_core::{
    login_transition::{Event, State},
    otp::OtpMode,
    pskc::PinPolicy,
    secret::SecretText,
    server_pin::{self as server_pin_rules, split},
    time::UnixMillis,
};
use countersign_proto::push::v1 as push;

use super::{
    Service, ServiceError, helpdesk,
    login::own,
    passcode_check::{Check, Computation, Factor, check_typed, use_up},
    server_pin::{self, Given, PinCheck},
    typing::Typist,
};
use crate::store::{
    AuditEvent, FrontId, LoginRow, Redeemed, RequestRow, Rows, StoreError, TokenRow, TokenState,
    UserId,
};

/// The longest passcode: the hex of a whole HMAC-SHA-512.
pub(super) const LONGEST_PASSCODE: usize = 128;
/// The longest server PIN and passcode in one text.
const LONGEST_TYPED: usize = LONGEST_PASSCODE + *server_pin_rules::LENGTH.end();

/// Whose passcode it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Any active token of this user.
    User(String),
    /// This token.
    Serial(String),
}

/// A passcode that somebody typed at a resource.
#[derive(Debug)]
pub struct PasscodeAttempt {
    /// Which front asks.
    pub front: FrontId,
    /// Whose passcode it is to be.
    pub subject: Subject,
    /// What was typed: the passcode, with the server PIN if the token has one.
    pub passcode: SecretText,
    /// The pending login of this front that it is for. An accepted passcode ends that login as consumed, and
    /// challenge-response tokens answer its challenges.
    pub transaction_id: Option<String>,
    /// Where the user is, as the front says; empty: it does not know.
    pub client_address: String,
}

/// Is the passcode right?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasscodeVerdict {
    /// It is, and is used up: let the user in.
    Accepted {
        /// The token that made it; none: it was a one-time code of the helpdesk.
        serial: Option<String>,
    },
    /// It is not, or the server PIN with it is not. Counted.
    Wrong,
    /// It was right, and was used before: wait for the next one.
    UsedBefore,
    /// Too many wrong ones, or too many wrong server PINs: not looked at.
    Locked {
        /// Typing is locked until then, there or everywhere. Login requests are not, unless it is the server PIN that
        /// is.
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
    /// Checks a typed passcode, with the server PIN before or behind it, against the active tokens. What it returns is durable: the used-up moving
    /// factor as well as the counted failure.
    ///
    /// # Errors
    ///
    /// The database failed; then nothing was accepted.
    pub async fn check_passcode(
        &self,
        attempt: PasscodeAttempt,
    ) -> Result<PasscodeVerdict, ServiceError> {
        let now = self.now();
        let tries = self.settings().config.server_pin.tries;
        let (verdict, ended) = self
            .store()
            .write(move |rows| {
                let typed = Typed {
                    text: &attempt.passcode,
                    tries,
                    now,
                };
                check(rows, &attempt, &typed)
            })
            .await?;
        self.metrics().validated(verdict.word());
        if let Some((login, requests)) = ended {
            let reason = push::CancelReason::AnsweredElsewhere;
            self.login_ended(&login.transaction_id, &requests, None, reason);
        }
        Ok(verdict)
    }
}

impl PasscodeVerdict {
    /// In one word, for the metrics.
    const fn word(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Wrong => "wrong",
            Self::UsedBefore => "used_before",
            Self::Locked { .. } => "locked",
            Self::NoToken => "no_token",
            Self::Suspended => "suspended",
        }
    }
}

fn check(
    rows: Rows<'_>,
    attempt: &PasscodeAttempt,
    typed: &Typed<'_>,
) -> Result<(PasscodeVerdict, Ended), StoreError> {
    let now = typed.now;
    let (name, user, tokens) = match &attempt.subject {
        Subject::User(name) => {
            let user = rows.user_id(name)?;
            let tokens = user.map(|user| rows.tokens_of_user(user)).transpose()?;
            (name, user, tokens.unwrap_or_default())
        }
        Subject::Serial(serial) => {
            let token = rows.token(serial)?;
            let user = token.as_ref().map(|token| token.user);
            (serial, user, token.into_iter().collect())
        }
    };
    let refuse = |verdict: PasscodeVerdict, detail: &str| {
        rows.audit(now, AuditEvent::PasscodeRefused, name, detail)?;
        Ok((verdict, None))
    };
    let Some(user) = user else {
        return refuse(PasscodeVerdict::NoToken, "no token");
    };
    let login = match &attempt.transaction_id {
        Some(id) => own(rows, attempt.front, id)?
            .filter(|login| login.state == State::Pending && now < login.deadline),
        None => None,
    };
    match helpdesk::redeem(rows, user, typed.text, now)? {
        Some(Redeemed::Now) => {
            let ended = end_login(rows, login, user, "helpdesk code", now)?;
            return Ok((PasscodeVerdict::Accepted { serial: None }, ended));
        }
        Some(Redeemed::Before) => {
            return refuse(PasscodeVerdict::UsedBefore, "helpdesk code: used before");
        }
        None => {}
    }
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
    let typist = Typist::of(rows, user, &attempt.client_address, now)?;
    let locked_here = typist.locked(now);
    let locked_until = |token: &TokenRow| typist.token_locked(token, now);
    let (locked, open): (Vec<_>, Vec<_>) = active
        .into_iter()
        .partition(|token| locked_until(token).is_some());
    if open.is_empty() || locked_here.is_some() {
        let tokens = locked.iter().filter_map(locked_until).min();
        let tokens = tokens.filter(|_| open.is_empty());
        let until = locked_here.max(tokens).unwrap_or(now);
        return refuse(PasscodeVerdict::Locked { until }, "typing is locked");
    }
    let requests = match &login {
        Some(login) => rows.requests_of(&login.transaction_id)?,
        None => Vec::new(),
    };
    let mut used_before = false;
    let mut tried = Vec::new();
    for token in open {
        let asked = requests
            .iter()
            .find(|request| request.serial == token.serial && !request.challenge.is_empty());
        if matches!(token.mode, OtpMode::Challenge { .. }) && asked.is_none() {
            continue;
        }
        match typed.judge(rows, &token, asked)? {
            Check::Right(_used_up) => {
                typist.accepted(rows, &token, now)?;
                rows.audit(now, AuditEvent::PasscodeAccepted, &token.serial, "typed")?;
                let ended = end_login(rows, login, token.user, &token.serial, now)?;
                let serial = Some(token.serial);
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
    if !tried.is_empty() {
        typist.count_wrong(rows, &tried, now)?;
    }
    refuse(PasscodeVerdict::Wrong, "wrong")
}

/// What was typed has let the user in: the login for which it was typed is consumed.
fn end_login(
    rows: Rows<'_>,
    login: Option<LoginRow>,
    user: UserId,
    by: &str,
    now: UnixMillis,
) -> Result<Ended, StoreError> {
    let Some(login) = login.filter(|login| login.user == user) else {
        return Ok(None);
    };
    if rows.change_login(&login, Event::Type, by, now)?.is_err() {
        return Ok(None);
    }
    let requests = rows.requests_of(&login.transaction_id)?;
    Ok(Some((login, requests)))
}

/// What somebody typed.
struct Typed<'t> {
    text: &'t SecretText,
    /// So many wrong server PINs in a row lock them.
    tries: u32,
    now: UnixMillis,
}

impl Typed<'_> {
    /// What it is for this token. What a right passcode uses up is written, and a wrong PIN beside it counted.
    fn judge(
        &self,
        rows: Rows<'_>,
        token: &TokenRow,
        asked: Option<&RequestRow>,
    ) -> Result<Check, StoreError> {
        let PinPolicy::Server(place) = token.pin else {
            let check = self.passcode(rows, token, self.text, asked)?;
            match check {
                Check::Right(factor) => {
                    use_up(rows, token, factor, self.now)?;
                    server_pin::forget_wrong(rows, token)?;
                }
                Check::UsedBefore => self.reused(rows, token)?,
                Check::Wrong => {}
            }
            return Ok(check);
        };
        if self.text.expose().len() > LONGEST_TYPED {
            return Ok(Check::Wrong);
        }
        let Some((pin, passcode)) = split(self.text, place, passcode_len(&token.mode)) else {
            return Ok(Check::Wrong);
        };
        // Both are always looked at, so that the time does not tell which one was wrong.
        let check = self.passcode(rows, token, &passcode, asked)?;
        let pin = server_pin::check(rows, token, &pin, self.now)?;
        let Check::Right(factor) = check else {
            if check == Check::UsedBefore {
                self.reused(rows, token)?;
            }
            if pin == PinCheck::Right {
                let detail = "typed: wrong, or used before, beside the right PIN";
                rows.audit(self.now, AuditEvent::PasscodeRefused, &token.serial, detail)?;
            }
            return Ok(Check::Wrong);
        };
        use_up(rows, token, factor, self.now)?;
        match pin {
            PinCheck::Right => {
                server_pin::forget_wrong(rows, token)?;
                return Ok(check);
            }
            PinCheck::Wrong => {
                server_pin::count_wrong(rows, token, self.tries, Given::Typed, self.now)?;
            }
            PinCheck::Due => server_pin::refused(rows, token, Given::Typed, "reset", self.now)?,
            PinCheck::Locked { .. } => {
                server_pin::refused(rows, token, Given::Typed, "locked", self.now)?;
            }
        }
        // Nothing moves in such a token but the challenge.
        if let (Factor::Challenge, Some(asked)) = (factor, asked) {
            rows.use_up_challenge(asked.id)?;
        }
        Ok(Check::Wrong)
    }

    /// Somebody has a passcode that was used: the user, twice, or who looked over the shoulder.
    fn reused(&self, rows: Rows<'_>, token: &TokenRow) -> Result<(), StoreError> {
        rows.audit(self.now, AuditEvent::PasscodeReused, &token.serial, "typed")
    }

    fn passcode(
        &self,
        rows: Rows<'_>,
        token: &TokenRow,
        passcode: &SecretText,
        asked: Option<&RequestRow>,
    ) -> Result<Check, StoreError> {
        let computation = Computation::of(rows, token)?;
        if passcode.expose().len() > LONGEST_PASSCODE
            || asked.is_some_and(|asked| asked.challenge_used)
        {
            return Ok(Check::Wrong);
        }
        let challenge = asked.map(|asked| asked.challenge.as_str());
        Ok(check_typed(
            token,
            &computation,
            passcode,
            challenge,
            self.now,
        ))
    }
}

/// Length of a token's passcodes, in characters: digits, or the hex of the whole HMAC.
pub(super) fn passcode_len(mode: &OtpMode) -> usize {
    mode.digits().map_or_else(
        || mode.hash().output_len().saturating_mul(2),
        |digits| usize::from(digits.count()),
    )
}
