//! Personal links to the self-enrollment page.
//!
//! A link shows the token's activation string to whoever has it: it is as good as that string. It is random, kept as a
//! hash, and good until its time is over or the token is active. Looking at it uses nothing up: mail scanners look.

use core::fmt;

use countersign_core::{activation_string::ActivationString, secret::SecretText, time::UnixMillis};
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    NewTokenError, Operator, PinInfo, Service, ServiceError,
    enrollment::{FAILURES, Standing, standing},
    issue::ACTIVATION_MS,
    token_info,
};
use crate::{
    random::SystemRandom,
    store::{AuditEvent, Rows, StoreError, TokenRow, TokenState},
};

/// Before the secret, in a link.
pub(crate) const PATH: &str = "/enroll/link/";
/// Random bytes of a link.
const SECRET: usize = 32;
/// The same as text.
const SECRET_TEXT: usize = 43;
/// A new link is asked for once in this time, in milliseconds.
const ASK_AGAIN_MS: i64 = 86_400_000;

/// A link, to be handed to its user.
pub struct EnrollmentLink {
    /// The whole URL; it is as good as the activation string.
    pub url: SecretText,
    /// The token that it enrolls.
    pub serial: String,
    /// Whose.
    pub user: String,
    /// Good until then.
    pub expires: UnixMillis,
}

impl fmt::Debug for EnrollmentLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrollmentLink")
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum EnrollmentLinkError {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// There is no such token.
    #[error("there is no token with this serial")]
    UnknownToken,
    /// No token of the user waits for its enrollment.
    #[error("no token of this user waits for its enrollment; `token add` issues one")]
    NothingToEnroll,
    /// Several do.
    #[error("several tokens of this user wait for their enrollment: {0}; name one with --token")]
    Several(String),
    /// The token is on a device already, or ended.
    #[error("the token is {0}; it cannot be enrolled again. `token add` issues another one")]
    State(TokenState),
    /// The activation string cannot be made.
    #[error(transparent)]
    Activation(#[from] NewTokenError),
    /// The database failed.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// What the holder of a link is shown.
#[derive(Clone, Debug)]
pub enum EnrollmentView {
    /// The token can be enrolled.
    Open {
        /// Whose it is.
        user: String,
        /// What enrolls it.
        activation: Box<ActivationString>,
        /// How its PIN is checked.
        pin: PinInfo,
        /// Good until then.
        expires: UnixMillis,
    },
    /// It has been.
    Enrolled {
        /// Whose it is.
        user: String,
        /// Its serial.
        serial: String,
        /// What the device calls itself.
        device: Option<String>,
        /// What it generates, in words.
        mode: String,
    },
    /// The link is good for nothing any more.
    Over(Over),
}

/// Why a link is good for nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Its time is over, or too much was tried with it.
    Expired,
    /// There is a newer one.
    Replaced,
    /// The token was ended.
    Ended,
}

/// What a wish for a new link comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The administrator finds it.
    Recorded,
    /// It was recorded before, less than a day ago.
    Before,
    /// No such link is known.
    Unknown,
    /// The link that was shown still works.
    NotNeeded,
}

/// A token that waits for its enrollment, as the administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnrollmentInfo {
    /// Its serial.
    pub serial: String,
    /// Whose.
    pub user: String,
    /// Where it stands.
    pub state: TokenState,
    /// Until when its activation string is good, Unix milliseconds; none: it is over.
    pub activation_until_ms: Option<i64>,
    /// Until when its link is good, Unix milliseconds; none: it has none, or it is over.
    pub link_until_ms: Option<i64>,
    /// When its user last asked for a new link, Unix milliseconds.
    pub asked_ms: Option<i64>,
}

impl Operator {
    /// Makes a link for a token that waits for its enrollment: the user's only one, or the one of this serial. Its
    /// activation string is made anew as well, and the link and string before are good for nothing any more.
    ///
    /// # Errors
    ///
    /// Every variant of [`EnrollmentLinkError`].
    pub async fn make_enrollment_link(
        &self,
        user: &str,
        serial: Option<&str>,
    ) -> Result<EnrollmentLink, EnrollmentLinkError> {
        let service = self.service();
        let (now, operator) = (service.now(), self.name().to_owned());
        let expires = now.plus_ms(ACTIVATION_MS);
        let (kept, _activation) = service.new_activation(user)?;
        let secret = SecretText::new(BASE64URL_NOPAD.encode(&SystemRandom::bytes::<SECRET>()));
        let hash = hash(&secret);
        let (name, serial) = (user.to_owned(), serial.map(str::to_owned));
        let serial = service
            .store()
            .write(move |rows| {
                let token = match waiting(rows, &name, serial.as_deref())? {
                    Ok(token) => token,
                    Err(refused) => return Ok(Err(refused)),
                };
                rows.put_activation(&kept.of(&token.serial, expires))?;
                rows.put_enrollment_link(&hash, &token.serial, now, expires)?;
                rows.forget_asking(&token.serial)?;
                let event = AuditEvent::EnrollmentLinkMade;
                let detail = format!("for {name}");
                rows.audit_by(&operator, now, event, &token.serial, &detail)?;
                Ok(Ok(token.serial))
            })
            .await
            .map_err(ServiceError)??;
        let origin = service.settings().config.origin();
        Ok(EnrollmentLink {
            url: SecretText::new(format!("{origin}{PATH}{}", secret.expose())),
            serial,
            user: user.to_owned(),
            expires,
        })
    }
}

impl Service {
    /// What the holder of a link is shown; `None`: no such link is known. Changes nothing.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn enrollment_by_link(
        &self,
        secret: &SecretText,
    ) -> Result<Option<EnrollmentView>, ServiceError> {
        if secret.expose().len() != SECRET_TEXT {
            return Ok(None);
        }
        let (hash, now) = (hash(secret), self.now());
        let found = self
            .store()
            .read(move |rows| found(rows, &hash, now))
            .await?;
        Ok(match found {
            None => None,
            Some(Found::Shown(view)) => Some(view),
            Some(Found::Open {
                user,
                code,
                passphrase,
                pin,
                expires,
            }) => {
                let activation =
                    self.activation_string(&user, &code, passphrase)
                        .map_err(|_unmakeable| {
                            ServiceError(StoreError::Unreadable("activation that makes no string"))
                        })?;
                Some(EnrollmentView::Open {
                    user,
                    activation: Box::new(activation),
                    pin,
                    expires,
                })
            }
        })
    }

    /// The holder of a link that is over asks for a new one. Recorded for the administrator, once a day for a token.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn ask_for_enrollment_link(
        &self,
        secret: &SecretText,
    ) -> Result<Asked, ServiceError> {
        if secret.expose().len() != SECRET_TEXT {
            return Ok(Asked::Unknown);
        }
        let (hash, now) = (hash(secret), self.now());
        let asked = self
            .store()
            .write(move |rows| {
                let (Some(link), Some(found)) =
                    (rows.enrollment_link(&hash)?, found(rows, &hash, now)?)
                else {
                    return Ok(Asked::Unknown);
                };
                if matches!(found, Found::Open { .. }) {
                    return Ok(Asked::NotNeeded);
                }
                let lately = rows
                    .link_asked(&link.serial)?
                    .is_some_and(|asked| now.since_ms(asked) < ASK_AGAIN_MS);
                if lately {
                    return Ok(Asked::Before);
                }
                rows.ask_for_link(&hash, now)?;
                let user = match rows.token(&link.serial)? {
                    Some(token) => rows.user_name(token.user)?,
                    None => return Ok(Asked::Unknown),
                };
                let event = AuditEvent::EnrollmentLinkAsked;
                rows.audit(now, event, &user, &link.serial)?;
                Ok(Asked::Recorded)
            })
            .await?;
        Ok(asked)
    }

    /// Every token that waits for its enrollment or whose user asks for another link, oldest first.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn enrollments(&self) -> Result<Vec<EnrollmentInfo>, ServiceError> {
        let now = self.now();
        let infos = self
            .store()
            .read(move |rows| {
                let mut infos = Vec::new();
                for token in rows.all_tokens()? {
                    let waits = waits(&token);
                    let asked = rows.link_asked(&token.serial)?;
                    if !waits && asked.is_none() {
                        continue;
                    }
                    let activation = rows.activation_of(&token.serial)?.filter(|activation| {
                        activation.failures < FAILURES
                            && standing(activation, &token, now) == Standing::Open
                    });
                    let open = |until: &UnixMillis| waits && now < *until;
                    let link = rows.link_expiry(&token.serial)?.filter(open);
                    infos.push(EnrollmentInfo {
                        user: rows.user_name(token.user)?,
                        state: token.state,
                        activation_until_ms: activation.map(|activation| activation.expires.0),
                        link_until_ms: link.map(|until| until.0),
                        asked_ms: asked.map(|at| at.0),
                        serial: token.serial,
                    });
                }
                Ok(infos)
            })
            .await?;
        Ok(infos)
    }
}

/// A link that is known.
enum Found {
    Open {
        user: String,
        code: String,
        passphrase: SecretText,
        pin: PinInfo,
        expires: UnixMillis,
    },
    Shown(EnrollmentView),
}

fn found(rows: Rows<'_>, hash: &[u8; 32], now: UnixMillis) -> Result<Option<Found>, StoreError> {
    let Some(link) = rows.enrollment_link(hash)? else {
        return Ok(None);
    };
    let Some(token) = rows.token(&link.serial)? else {
        return Ok(None);
    };
    let over = |why| Ok(Some(Found::Shown(EnrollmentView::Over(why))));
    let user = rows.user_name(token.user)?;
    match token.state {
        TokenState::Active | TokenState::Suspended if now < link.expires => {
            let device = match token.device {
                Some(id) => rows.device(id)?.map(|device| device.name),
                None => None,
            };
            Ok(Some(Found::Shown(EnrollmentView::Enrolled {
                user,
                serial: token.serial,
                device,
                mode: token.mode.to_string(),
            })))
        }
        TokenState::Active | TokenState::Suspended => over(Over::Expired),
        TokenState::Revoked => over(Over::Ended),
        TokenState::Issued | TokenState::Provisioned if link.replaced.is_some() => {
            over(Over::Replaced)
        }
        TokenState::Issued | TokenState::Provisioned => {
            let activation = rows.activation_of(&token.serial)?.filter(|activation| {
                now < link.expires
                    && activation.failures < FAILURES
                    && standing(activation, &token, now) == Standing::Open
            });
            let Some(activation) = activation else {
                return over(Over::Expired);
            };
            let passphrase = activation
                .passphrase
                .as_text()
                .map(SecretText::from)
                .ok_or(StoreError::Unreadable("passphrase"))?;
            Ok(Some(Found::Open {
                user,
                code: activation.code,
                passphrase,
                pin: token_info::pin_of(token.pin),
                expires: link.expires.min(activation.expires),
            }))
        }
    }
}

/// The token that a link is to be made for.
fn waiting(
    rows: Rows<'_>,
    user: &str,
    serial: Option<&str>,
) -> Result<Result<TokenRow, EnrollmentLinkError>, StoreError> {
    let Some(owner) = rows.user_id(user)? else {
        return Ok(Err(EnrollmentLinkError::UnknownUser));
    };
    let tokens = rows.tokens_of_user(owner)?;
    if let Some(serial) = serial {
        let named = tokens.into_iter().find(|token| token.serial == serial);
        return Ok(match named {
            None => Err(EnrollmentLinkError::UnknownToken),
            Some(token) if waits(&token) => Ok(token),
            Some(token) => Err(EnrollmentLinkError::State(token.state)),
        });
    }
    let mut waiting: Vec<_> = tokens.into_iter().filter(waits).collect();
    Ok(match (waiting.pop(), waiting.as_slice()) {
        (None, _) => Err(EnrollmentLinkError::NothingToEnroll),
        (Some(only), []) => Ok(only),
        (Some(last), others) => {
            let serials: Vec<&str> = others
                .iter()
                .chain([&last])
                .map(|token| token.serial.as_str())
                .collect();
            Err(EnrollmentLinkError::Several(serials.join(", ")))
        }
    })
}

fn waits(token: &TokenRow) -> bool {
    matches!(token.state, TokenState::Issued | TokenState::Provisioned)
}

/// Links have 256 random bits: a plain hash keeps them, and finding a row by it leaks nothing.
fn hash(secret: &SecretText) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}
