//! A front opens a login: the user's tokens are asked.

use countersign_core::{
    fatigue::{Acquaintance, Source},
    ids::{DeviceId, LoginRequestId},
    login_transition::Event,
    otp::OtpMode,
    pskc::NumberMatching,
    signing::{self, Label},
    time::UnixMillis,
};
use countersign_proto::{limits, push::v1 as push};
use prost::Message as _;

use super::{
    Service,
    push_limits::{Standing, limits},
    typing::acquaintance,
};
use crate::{
    push::Availability,
    random::SystemRandom,
    store::{
        FrontId, LoginRow, NewLogin, NewRequest, RequestRow, Rows, StoreError, TokenRow, TokenState,
    },
};

/// What a front asks for.
#[derive(Clone, Debug)]
pub struct OpenLogin {
    /// Which front.
    pub front: FrontId,
    /// Who logs in.
    pub user: String,
    /// To what; shown to the user.
    pub resource: String,
    /// From where; shown to the user.
    pub client_address: String,
    /// With what program; shown to the user.
    pub program: String,
    /// The front's own name for this attempt: asking again with the same one opens nothing new.
    pub idempotency_key: Option<String>,
}

/// A login is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedLogin {
    /// Its name from here on.
    pub transaction_id: String,
    /// How the user can answer, besides typing a passcode.
    pub ways: Vec<Way>,
    /// For how long, in milliseconds.
    pub ttl_ms: u32,
}

/// One way to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The user's agent asks.
    Push {
        /// The number to show to the user, who types it into the agent.
        number: Option<String>,
        /// How the agent can be reached: on a locked session the user has to unlock the desktop first.
        availability: Availability,
    },
    /// The user types the answer of a challenge-response token.
    Challenge {
        /// Which token.
        serial: String,
        /// The challenge.
        challenge: String,
    },
}

/// Why no login was opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenLoginError {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The user has no token that answers login requests, or the front may not open any.
    #[error("the user has no token that answers login requests")]
    NoPush,
    /// The user's agent takes no login requests: offer typing.
    #[error("the user's agent takes no login requests")]
    AutosendOff,
    /// The user's session is locked, and requests are not held for it.
    #[error("the user's desktop is locked")]
    SessionLocked,
    /// None of the user's agents is connected: offer typing.
    #[error("none of the user's agents is connected")]
    NotConnected,
    /// A login of this user at this resource is open.
    #[error("a login of this user at this resource is open already")]
    AlreadyOpen {
        /// It.
        transaction_id: String,
    },
    /// Too many logins were denied or ignored: typing only, for a while.
    #[error("too many login requests were denied or ignored; push rests for a while")]
    Throttled,
    /// A text is too long, or the resource has no name.
    #[error("the {0} is empty or too long")]
    Invalid(&'static str),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StoreError),
}

/// What was found about a login that is to be opened.
enum Found {
    Opened(LoginRow, Vec<RequestRow>),
    New {
        tokens: Vec<TokenRow>,
        push: bool,
        standing: Standing,
    },
    UnknownUser,
}

impl Service {
    /// Opens a login and asks the user's agents. What it returns is durable; the requests are on their
    /// streams.
    ///
    /// # Errors
    ///
    /// Every variant of [`OpenLoginError`].
    pub async fn open_login(&self, open: OpenLogin) -> Result<OpenedLogin, OpenLoginError> {
        let opened = self.try_open(open).await;
        if let Err(refused) = &opened {
            self.metrics().refused(refused.word());
        }
        opened
    }

    async fn try_open(&self, open: OpenLogin) -> Result<OpenedLogin, OpenLoginError> {
        check_texts(&open)?;
        let now = self.now();
        let asked = open.clone();
        let found = self
            .store()
            .read(move |rows| find(rows, &asked, now))
            .await?;
        let (tokens, push, standing) = match found {
            Found::UnknownUser => return Err(OpenLoginError::UnknownUser),
            Found::Opened(login, requests) => return Ok(self.opened(&login, &requests, now)),
            Found::New {
                tokens,
                push,
                standing,
            } => (tokens, push, standing),
        };
        let settings = self.settings().config.push;
        let push = if push {
            match standing.may_ask(limits(&settings)) {
                Ok(()) => self.askable(&tokens, now),
                Err(_stopped) => Err(OpenLoginError::Throttled),
            }
        } else {
            Err(OpenLoginError::NoPush)
        };
        let challenge = tokens.iter().any(|token| {
            token.state == TokenState::Active && matches!(token.mode, OtpMode::Challenge { .. })
        });
        let asked: Vec<String> = match push {
            Ok(serials) => serials,
            // A challenge can be answered by typing, without any agent.
            Err(_unreachable) if challenge => Vec::new(),
            Err(refused) => return Err(refused),
        };
        let ttl_ms = settings.ttl_seconds.saturating_mul(1000);
        let user = tokens
            .first()
            .map(|token| token.user)
            .ok_or(OpenLoginError::NoPush)?;
        let login = NewLogin {
            transaction_id: data_encoding::HEXLOWER.encode(&SystemRandom::bytes::<16>()),
            front: open.front,
            user,
            resource: open.resource.clone(),
            client_address: open.client_address.clone(),
            source: Source::of(&open.client_address),
            number: (!asked.is_empty()
                && (settings.number_matching || asks_for_number(&tokens, &asked)))
            .then(|| SystemRandom::below(90).saturating_add(10).to_string()),
            idempotency_key: open.idempotency_key.clone(),
            created: now,
            expires: now.plus_ms(i64::from(ttl_ms)),
        };
        let requests = self.requests(&open, &login, &tokens, &asked, ttl_ms);
        let row = login.clone();
        let written = self
            .store()
            .write(move |rows| {
                // Somebody may have been faster since the snapshot.
                if let Some(key) = &row.idempotency_key
                    && let Some(same) = rows.login_by_key(row.front, key)?
                {
                    let requests = rows.requests_of(&same.transaction_id)?;
                    return Ok(Written::Same(same, requests));
                }
                let mut ended = None;
                if let Some(other) = rows.pending_login(row.user, &row.resource)? {
                    if other.deadline <= now {
                        super::deadlines::end(rows, other, limits(&settings), now)?;
                    } else if gives_way(rows, &other, standing.acquaintance, now)?
                        && rows
                            .change_login(&other, Event::Cancel, "for a known address", now)?
                            .is_ok()
                    {
                        let requests = rows.requests_of(&other.transaction_id)?;
                        ended = Some((other.transaction_id, requests));
                    } else {
                        return Ok(Written::Other(other.transaction_id));
                    }
                }
                rows.open_login(&row, &requests)?;
                let login = rows
                    .login(&row.transaction_id)?
                    .ok_or(StoreError::Unreadable("login"))?;
                let requests = rows.requests_of(&row.transaction_id)?;
                Ok(Written::New(login, requests, ended))
            })
            .await?;
        let (login, requests) = match written {
            Written::Same(login, requests) => return Ok(self.opened(&login, &requests, now)),
            Written::Other(transaction_id) => {
                return Err(OpenLoginError::AlreadyOpen { transaction_id });
            }
            Written::New(login, requests, ended) => {
                if let Some((transaction_id, requests)) = ended {
                    let reason = push::CancelReason::ByResource;
                    self.login_ended(&transaction_id, &requests, None, reason);
                }
                (login, requests)
            }
        };
        for request in &requests {
            if let (Some(device), Some(signed)) = (request.device, &request.signed) {
                self.streams()
                    .send(device, push::gateway_frame::Frame::Request(signed.clone()));
            }
        }
        self.arm_deadline(login.deadline);
        Ok(self.opened(&login, &requests, now))
    }

    /// The serials that are asked: of every push token whose device does not refuse.
    fn askable(&self, tokens: &[TokenRow], now: UnixMillis) -> Result<Vec<String>, OpenLoginError> {
        let push: Vec<(&TokenRow, DeviceId)> = tokens
            .iter()
            .filter(|token| token.takes_push())
            .filter_map(|token| token.device.map(|device| (token, device)))
            .collect();
        if push.is_empty() {
            return Err(OpenLoginError::NoPush);
        }
        let reach: Vec<(&TokenRow, Option<Availability>)> = push
            .into_iter()
            .map(|(token, device)| {
                (
                    token,
                    self.streams().availability(device, &token.serial, now),
                )
            })
            .collect();
        let reachable: Vec<Availability> = reach.iter().filter_map(|(_, reach)| *reach).collect();
        if reachable.is_empty() {
            return Err(OpenLoginError::NotConnected);
        }
        if reachable.iter().all(|reach| *reach == Availability::Off) {
            return Err(OpenLoginError::AutosendOff);
        }
        if !self.settings().config.push.hold_while_session_locked
            && !reachable.contains(&Availability::On)
        {
            return Err(OpenLoginError::SessionLocked);
        }
        // A device that is away now is asked when it comes back in time.
        Ok(reach
            .into_iter()
            .filter(|(_, reach)| *reach != Some(Availability::Off))
            .map(|(token, _)| token.serial.clone())
            .collect())
    }

    /// The questions, signed.
    fn requests(
        &self,
        open: &OpenLogin,
        login: &NewLogin,
        tokens: &[TokenRow],
        asked: &[String],
        ttl_ms: u32,
    ) -> Vec<NewRequest> {
        let keys = self.keys();
        let mut requests = Vec::new();
        for token in tokens
            .iter()
            .filter(|token| token.state == TokenState::Active)
        {
            let id = LoginRequestId(SystemRandom::bytes());
            let challenge = match &token.mode {
                OtpMode::Challenge { suite } => suite.random_challenge(&mut SystemRandom),
                OtpMode::Time { .. } | OtpMode::Event { .. } => String::new(),
            };
            let signed = asked.contains(&token.serial).then(|| {
                let match_mode = if login.number.is_some() {
                    push::MatchMode::Number
                } else {
                    push::MatchMode::None
                };
                let body = push::RequestBody {
                    service_id: keys.service.as_bytes().to_vec(),
                    request_id: id.as_bytes().to_vec(),
                    transaction_id: login.transaction_id.clone(),
                    serial: token.serial.clone(),
                    challenge: challenge.clone(),
                    resource: open.resource.clone(),
                    user: open.user.clone(),
                    client_address: open.client_address.clone(),
                    place: self
                        .settings()
                        .config
                        .place(&open.client_address)
                        .to_owned(),
                    program: open.program.clone(),
                    match_mode: match_mode.into(),
                    created_ms: login.created.0,
                    ttl_ms,
                }
                .encode_to_vec();
                let signature = signing::sign(&keys.identity, Label::Request, &body).to_vec();
                push::Signed { body, signature }
            });
            if signed.is_some() || !challenge.is_empty() {
                requests.push(NewRequest {
                    id,
                    serial: token.serial.clone(),
                    challenge,
                    signed,
                });
            }
        }
        requests
    }

    /// What the front is told about an open login.
    fn opened(&self, login: &LoginRow, requests: &[RequestRow], now: UnixMillis) -> OpenedLogin {
        let mut ways = Vec::new();
        let asked = requests.iter().any(|request| request.signed.is_some());
        let availability = asked.then(|| self.reach(requests, now).unwrap_or(Availability::On));
        if let Some(availability) = availability {
            ways.push(Way::Push {
                number: login.number.clone(),
                availability,
            });
        }
        ways.extend(
            requests
                .iter()
                .filter(|request| !request.challenge.is_empty())
                .map(|request| Way::Challenge {
                    serial: request.serial.clone(),
                    challenge: request.challenge.clone(),
                }),
        );
        OpenedLogin {
            transaction_id: login.transaction_id.clone(),
            ways,
            ttl_ms: u32::try_from(login.deadline.since_ms(now).max(0)).unwrap_or(u32::MAX),
        }
    }
}

enum Written {
    /// With the login that it took the place of.
    New(LoginRow, Vec<RequestRow>, Option<(String, Vec<RequestRow>)>),
    Same(LoginRow, Vec<RequestRow>),
    Other(String),
}

fn find(rows: Rows<'_>, open: &OpenLogin, now: UnixMillis) -> Result<Found, StoreError> {
    if let Some(key) = &open.idempotency_key
        && let Some(login) = rows.login_by_key(open.front, key)?
    {
        let requests = rows.requests_of(&login.transaction_id)?;
        return Ok(Found::Opened(login, requests));
    }
    let Some(user) = rows.user_id(&open.user)? else {
        return Ok(Found::UnknownUser);
    };
    Ok(Found::New {
        tokens: rows.tokens_of_user(user)?,
        push: rows
            .front_by_id(open.front)?
            .is_some_and(|front| front.push),
        standing: Standing::of(rows, user, &Source::of(&open.client_address), now)?,
    })
}

/// Does an open login give way to a new one of the user at the same resource? A stranger's does, to one from where the
/// user has logged in before: else who keeps one open keeps the user from asking.
fn gives_way(
    rows: Rows<'_>,
    open: &LoginRow,
    newcomer: Acquaintance,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let holder = acquaintance(&rows.source(open.user, &open.source)?, now);
    Ok(newcomer == Acquaintance::Known && holder == Acquaintance::Stranger)
}

impl OpenLoginError {
    /// In one word, for the metrics.
    const fn word(&self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown_user",
            Self::NoPush => "no_push",
            Self::AutosendOff => "autosend_off",
            Self::SessionLocked => "session_locked",
            Self::NotConnected => "not_connected",
            Self::AlreadyOpen { .. } => "already_open",
            Self::Throttled => "throttled",
            Self::Invalid(_) => "invalid",
            Self::Storage(_) => "storage",
        }
    }
}

fn check_texts(open: &OpenLogin) -> Result<(), OpenLoginError> {
    let key = open.idempotency_key.as_deref().unwrap_or_default();
    for (name, text) in [
        ("resource", open.resource.as_str()),
        ("user", &open.user),
        ("client address", &open.client_address),
        ("program", &open.program),
        ("idempotency key", key),
    ] {
        if text.len() > limits::REQUEST_TEXT {
            return Err(OpenLoginError::Invalid(name));
        }
    }
    if open.resource.trim().is_empty() {
        return Err(OpenLoginError::Invalid("resource"));
    }
    Ok(())
}

/// Does the policy of one of the tokens that are asked want a number to be typed?
fn asks_for_number(tokens: &[TokenRow], asked: &[String]) -> bool {
    tokens.iter().any(|token| {
        token.number_matching == NumberMatching::Required && asked.contains(&token.serial)
    })
}
