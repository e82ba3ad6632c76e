//! A user wants in by RADIUS: a password, a passcode, both, or nothing but a push.
//!
//! Where the gateway checks the first factor, what is typed is the user's password, with a passcode behind it or
//! without; only then is the desktop asked. Where the client has checked one, it is a passcode, or nothing. What a
//! user has to do next is asked by an Access-Challenge, and the `State` in it is all that connects the two.

use core::net::IpAddr;

use countersign_core::{
    login_transition::{DenyReason, State},
    otp::OtpMode,
    secret::SecretText,
    text,
};
use sha2::{Digest as _, Sha256};

use super::{
    LoginError, OpenLogin, OpenLoginError, OpenedLogin, PasscodeAttempt, PasscodeVerdict, Service,
    ServiceError, Subject, Way,
    passcode::passcode_len,
    radius_challenges::{Asked, LIFE_SECS, STATE},
    users::PasswordBefore,
};
use crate::{
    push::Availability,
    store::{AuditEvent, Caller, FirstFactor, FrontId, RadiusClient, Rows, StoreError, TokenState},
};

/// The longest text of a client's that the user is shown, in characters.
const SHOWN: usize = 64;
/// What the length of a passcode is taken for where the user has none.
const USUAL_PASSCODE: usize = 6;

/// What a client asks.
#[derive(Clone, Debug)]
pub struct RadiusLogin {
    /// Which client.
    pub client: FrontId,
    /// Where its packet came from.
    pub from: IpAddr,
    /// Who wants in.
    pub user: String,
    /// What was typed.
    pub typed: SecretText,
    /// The `State` of the challenge that this answers.
    pub state: Option<Vec<u8>>,
    /// What the client calls the user's place.
    pub calling_station: Option<String>,
    /// What the client calls itself.
    pub nas_identifier: Option<String>,
    /// Identifier and authenticator of the packet: the same again is the same attempt.
    pub packet: (u8, [u8; 16]),
}

/// What the client is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadiusVerdict {
    /// Let the user in.
    Accept,
    /// Do not.
    Reject {
        /// Why, for the user.
        message: &'static str,
    },
    /// Ask the user.
    Challenge {
        /// What.
        message: String,
        /// Comes back with the answer.
        state: [u8; STATE],
        /// It can be answered for so long, in seconds.
        secs: u32,
    },
}

/// Why a client gets no answer.
#[derive(Debug, thiserror::Error)]
pub enum RadiusLoginError {
    /// The client has been removed.
    #[error("this RADIUS client is not known any more")]
    UnknownClient,
    /// The database failed: let the client ask another server, or again.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl From<StoreError> for RadiusLoginError {
    fn from(error: StoreError) -> Self {
        Self::Service(error.into())
    }
}

type Verdict = Result<RadiusVerdict, RadiusLoginError>;

const WRONG: RadiusVerdict = reject("Wrong password or passcode.");
const TYPE_A_PASSCODE: &str = "Type a passcode.";

impl Service {
    /// Answers one Access-Request; may wait for the desktop, as long as the configuration says.
    ///
    /// # Errors
    ///
    /// Every variant of [`RadiusLoginError`]; then nobody was let in.
    pub async fn radius_login(&self, login: RadiusLogin) -> Verdict {
        let id = login.client;
        let client = self
            .store()
            .read(move |rows| rows.radius_client(id))
            .await?
            .ok_or(RadiusLoginError::UnknownClient)?;
        let attempt = Attempt {
            service: self,
            address: client_address(&client, &login),
            client,
            login,
        };
        attempt.answer().await
    }
}

/// One Access-Request on its way.
struct Attempt<'s> {
    service: &'s Service,
    client: RadiusClient,
    /// As the user is shown it.
    address: String,
    login: RadiusLogin,
}

impl Attempt<'_> {
    async fn answer(&self) -> Verdict {
        let now = self.service.now();
        if let Some(state) = &self.login.state {
            let challenges = &self.service.0.radius_challenges;
            return match challenges.take(state, self.client.id, &self.login.user, now) {
                Some(asked) => self.go_on(asked).await,
                None => Ok(reject("This login is over. Please start again.")),
            };
        }
        match self.client.first_factor {
            FirstFactor::Password => self.password().await,
            FirstFactor::Client if self.nothing_typed() => self.ask_the_desktop().await,
            FirstFactor::Client => self.passcode(self.login.typed.clone(), None).await,
        }
    }

    /// Some clients cannot send an empty password: one character stands for it.
    fn nothing_typed(&self) -> bool {
        self.login.typed.expose().chars().nth(1).is_none()
    }

    /// The user's password, and perhaps a passcode behind it.
    async fn password(&self) -> Verdict {
        if self.login.typed.is_empty() {
            return Ok(reject(
                "Type your password, or your password and a passcode behind it.",
            ));
        }
        let name = self.login.user.clone();
        let lengths = self
            .service
            .store()
            .read(move |rows| typed_lengths(rows, &name))
            .await?;
        let typed = self.login.typed.clone();
        let checked = self
            .service
            .check_password_before(&self.login.user, typed, lengths)
            .await?;
        match checked {
            PasswordBefore::Right { behind } if behind.is_empty() => self.ask_the_desktop().await,
            PasswordBefore::Right { behind } => self.passcode(behind, None).await,
            PasswordBefore::Throttled { .. } => {
                Ok(reject("Too many wrong passwords. Please wait a minute."))
            }
            PasswordBefore::Wrong => {
                let now = self.service.now();
                let (user, client) = (self.login.user.clone(), self.client.name.clone());
                self.service
                    .store()
                    .write(move |rows| rows.audit(now, AuditEvent::PasswordRefused, &user, &client))
                    .await?;
                Ok(WRONG)
            }
        }
    }

    /// The first factor was right, or is the client's affair.
    async fn ask_the_desktop(&self) -> Verdict {
        let open = OpenLogin {
            front: self.client.id,
            user: self.login.user.clone(),
            resource: self.client.resource.clone(),
            client_address: self.address.clone(),
            program: program(&self.login),
            idempotency_key: Some(self.idempotency_key()),
        };
        let typing = match self.service.open_login(open).await {
            Ok(login) => return self.opened(login).await,
            // A user that does not exist looks like one without a token.
            Err(OpenLoginError::UnknownUser | OpenLoginError::NoPush) => TYPE_A_PASSCODE,
            Err(OpenLoginError::NotConnected) => "Your desktop is not connected. Type a passcode.",
            Err(OpenLoginError::AutosendOff) => {
                "Your desktop takes no login requests. Type a passcode."
            }
            Err(OpenLoginError::SessionLocked) => "Your desktop is locked. Type a passcode.",
            // The other login may be somebody else's: nobody joins it.
            Err(OpenLoginError::AlreadyOpen { .. }) => {
                "A login request of yours is open already. Answer it and start again, or type a passcode."
            }
            Err(OpenLoginError::Throttled) => {
                "Too many login requests were denied or ignored. Type a passcode."
            }
            Err(OpenLoginError::Invalid(_)) => return Ok(WRONG),
            Err(OpenLoginError::Storage(error)) => return Err(error.into()),
        };
        Ok(self.challenge(typing.to_owned(), None))
    }

    async fn opened(&self, login: OpenedLogin) -> Verdict {
        let id = login.transaction_id;
        let mut challenge = None;
        for way in login.ways {
            match way {
                Way::Push {
                    number: Some(number),
                    ..
                } => return Ok(self.challenge(enter(&number), Some(id))),
                Way::Push {
                    number: None,
                    availability: Availability::On | Availability::SessionLocked | Availability::Off,
                } => return self.wait(id).await,
                Way::Challenge {
                    challenge: asked, ..
                } => challenge = challenge.or(Some(asked)),
            }
        }
        Ok(match challenge {
            Some(asked) => {
                let message = format!("Type your token's answer to {asked}.");
                self.challenge(message, Some(id))
            }
            None => self.challenge(TYPE_A_PASSCODE.to_owned(), None),
        })
    }

    /// A challenge is answered.
    async fn go_on(&self, asked: Asked) -> Verdict {
        match asked.login {
            Some(id) if self.nothing_typed() => self.wait(id).await,
            None if self.nothing_typed() => Ok(reject("No passcode was typed.")),
            login => self.passcode(self.login.typed.clone(), login).await,
        }
    }

    /// Holds the answer until the desktop has decided, or asks the user to come back.
    async fn wait(&self, id: String) -> Verdict {
        let front = self.client.id;
        let wait = self.service.settings().config.radius.wait_seconds;
        let until = self
            .service
            .now()
            .plus_ms(i64::from(wait).saturating_mul(1000));
        let state = match self.service.wait_login(front, &id, until).await {
            Ok(view) => view.state,
            Err(LoginError::State { state }) => state,
            Err(LoginError::Unknown) => State::Expired,
            Err(LoginError::Storage(error)) => return Err(error.into()),
        };
        Ok(match state {
            State::Approved => match self.service.consume_login(front, &id).await {
                Ok(_consumed) => RadiusVerdict::Accept,
                Err(LoginError::Storage(error)) => return Err(error.into()),
                Err(LoginError::Unknown | LoginError::State { .. }) => {
                    reject("This login is over. Please start again.")
                }
            },
            State::Pending => {
                let number = self.number(&id).await?;
                let message = number.map_or_else(
                    || {
                        "Approve the login on your desktop, then press Enter; or type a passcode."
                            .to_owned()
                    },
                    |number| enter(&number),
                );
                self.challenge(message, Some(id))
            }
            State::Denied(DenyReason::Rule) => self.challenge(
                "Your desktop takes no login requests. Type a passcode.".to_owned(),
                None,
            ),
            State::Denied(DenyReason::User) => reject("The login was denied on the desktop."),
            State::Denied(DenyReason::WrongNumber) => {
                reject("Another number was typed on the desktop: the login was denied.")
            }
            State::Failed(_) => reject("The approval was not accepted."),
            State::Expired | State::Lapsed => reject("The login was not approved in time."),
            State::Cancelled | State::Consumed => reject("This login is over. Please start again."),
        })
    }

    /// The number that belongs to a login.
    async fn number(&self, id: &str) -> Result<Option<String>, StoreError> {
        let (front, id) = (self.client.id, id.to_owned());
        let login = self
            .service
            .store()
            .read(move |rows| super::login::own(rows, front, &id))
            .await?;
        Ok(login.and_then(|login| login.number))
    }

    /// A typed passcode; with it a login that is open ends, whatever it comes to.
    async fn passcode(&self, passcode: SecretText, login: Option<String>) -> Verdict {
        let attempt = PasscodeAttempt {
            front: self.client.id,
            subject: Subject::User(self.login.user.clone()),
            passcode,
            transaction_id: login.clone(),
            client_address: self.address.clone(),
        };
        let message = match self.service.check_passcode(attempt).await? {
            PasscodeVerdict::Accepted { .. } => return Ok(RadiusVerdict::Accept),
            // Who is unknown, or has nothing to type with, looks like who has mistyped.
            PasscodeVerdict::Wrong | PasscodeVerdict::NoToken => WRONG,
            PasscodeVerdict::UsedBefore => {
                reject("This passcode was used before. Please wait for the next one.")
            }
            PasscodeVerdict::Locked { .. } => {
                reject("Too many wrong passcodes. Please try again later.")
            }
            PasscodeVerdict::Suspended => reject("Your token is suspended."),
        };
        if let Some(id) = login {
            match self.service.cancel_login(self.client.id, &id).await {
                Err(LoginError::Storage(error)) => return Err(error.into()),
                // Ended by somebody faster.
                Ok(()) | Err(LoginError::Unknown | LoginError::State { .. }) => {}
            }
        }
        Ok(message)
    }

    fn challenge(&self, message: String, login: Option<String>) -> RadiusVerdict {
        let asked = Asked {
            client: self.client.id,
            user: self.login.user.clone(),
            login,
        };
        let challenges = &self.service.0.radius_challenges;
        RadiusVerdict::Challenge {
            message,
            state: challenges.open(asked, self.service.now()),
            secs: LIFE_SECS,
        }
    }

    /// The same packet opens the same login, also after a restart: a recorded one asks nobody a second time.
    fn idempotency_key(&self) -> String {
        let (identifier, authenticator) = self.login.packet;
        let mut hash = Sha256::new();
        hash.update([identifier]);
        hash.update(authenticator);
        hash.update(self.login.user.as_bytes());
        data_encoding::HEXLOWER.encode(&hash.finalize())
    }
}

const fn reject(message: &'static str) -> RadiusVerdict {
    RadiusVerdict::Reject { message }
}

fn enter(number: &str) -> String {
    format!("Enter {number} on your desktop, then press Enter here; or type a passcode.")
}

/// How long the passcodes are that the user could type.
fn typed_lengths(rows: Rows<'_>, user: &str) -> Result<Vec<usize>, StoreError> {
    let tokens = match rows.user_id(user)? {
        Some(user) => rows.tokens_of_user(user)?,
        None => Vec::new(),
    };
    let mut lengths: Vec<usize> = tokens
        .iter()
        .filter(|token| token.state == TokenState::Active)
        .filter(|token| !matches!(token.mode, OtpMode::Challenge { .. }))
        .map(|token| passcode_len(&token.mode))
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    if lengths.is_empty() {
        // A user without a token, or no user at all, costs as much.
        lengths.push(USUAL_PASSCODE);
    }
    Ok(lengths)
}

/// Where the user is, in words. What a client says is shown only where the administrator trusts it.
fn client_address(client: &RadiusClient, login: &RadiusLogin) -> String {
    let station = match client.client_address {
        Caller::Nas => None,
        Caller::CallingStationId => login
            .calling_station
            .as_deref()
            .map(|station| text::display(station, SHOWN))
            .filter(|station| !station.is_empty()),
    };
    station.map_or_else(
        || format!("unknown, through {}", login.from),
        |station| match station.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().to_string(),
            Err(_other) => station,
        },
    )
}

/// With what the user is there: what calls itself so.
fn program(login: &RadiusLogin) -> String {
    let name = login.nas_identifier.as_deref().unwrap_or_default();
    let name = text::display(name, SHOWN);
    if name.is_empty() {
        "RADIUS".to_owned()
    } else {
        format!("RADIUS, {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MessageAuthenticatorPolicy;

    fn client(client_address: Caller) -> RadiusClient {
        RadiusClient {
            id: FrontId(1),
            name: "vpn".to_owned(),
            networks: Vec::new(),
            resource: "VPN".to_owned(),
            first_factor: FirstFactor::Password,
            push: true,
            client_address,
            message_authenticator: MessageAuthenticatorPolicy::Required,
            created_ms: 0,
        }
    }

    fn login(station: Option<&str>, nas: Option<&str>) -> RadiusLogin {
        RadiusLogin {
            client: FrontId(1),
            from: IpAddr::from([192, 0, 2, 1]),
            user: "ada".to_owned(),
            typed: SecretText::default(),
            state: None,
            calling_station: station.map(str::to_owned),
            nas_identifier: nas.map(str::to_owned),
            packet: (0, [0; 16]),
        }
    }

    #[test]
    fn a_clients_word_for_the_users_place_is_shown_only_where_it_is_trusted() {
        let said = |caller, station| client_address(&client(caller), &login(station, None));
        assert_eq!(
            said(Caller::Nas, Some("198.51.100.4")),
            "unknown, through 192.0.2.1"
        );
        let trusted = |station| said(Caller::CallingStationId, Some(station));
        assert_eq!(trusted("198.51.100.4"), "198.51.100.4");
        assert_eq!(trusted("::ffff:198.51.100.4"), "198.51.100.4");
        assert_eq!(trusted("00-11-22-33-44-55"), "00-11-22-33-44-55");
        for nothing in [None, Some(""), Some(" \n")] {
            assert_eq!(
                said(Caller::CallingStationId, nothing),
                "unknown, through 192.0.2.1"
            );
        }
    }

    #[test]
    fn what_a_client_says_cannot_disguise_itself() {
        let hostile = "10.0.0.1\n\u{202E}<b>x\u{1B}[2J";
        let shown = client_address(
            &client(Caller::CallingStationId),
            &login(Some(hostile), None),
        );
        assert_eq!(shown, "10.0.0.1 \u{FFFD}<b>x\u{FFFD}[2J");
        let long = "x".repeat(253);
        assert!(program(&login(None, Some(&long))).chars().count() < 80);
        assert_eq!(
            program(&login(None, Some("fw\u{200B}1"))),
            "RADIUS, fw\u{FFFD}1"
        );
        assert_eq!(program(&login(None, None)), "RADIUS");
    }
}
