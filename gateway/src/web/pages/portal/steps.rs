//! The steps of a login at the sample resource, in the order in which a user takes them.

use std::net::SocketAddr;

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse as _, Redirect, Response},
};
use countersign_core::secret::SecretText;
use http::HeaderMap;
use serde::Deserialize;

use super::{
    HOME, Portal, RESOURCE,
    ending::{Ending, Standing},
    outcomes,
    session::{Changed, Notice, Proof, Push, Session, Stage, Waiting},
    views::{self, LoginFormNotice},
    visitor::{Cookie, Form, Visitor},
};
use crate::{
    push::Availability,
    service::{
        LoginError, OpenLogin, OpenLoginError, OpenedLogin, PasscodeAttempt, PasscodeVerdict,
        PasswordVerdict, ServiceError, Subject, Way,
    },
    web::{client, pages::frame::guard},
};

/// Which of two pages about an open login.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Shown {
    /// `passcode`: type, instead of waiting for the desktop.
    #[serde(default)]
    way: String,
}

/// Without the slash.
pub(super) async fn home() -> Response {
    go_home()
}

/// The page for how far the visitor is. An approval is taken here, once.
pub(super) async fn show(
    State(portal): State<Portal>,
    visitor: Visitor,
    Query(shown): Query<Shown>,
) -> Response {
    let Some(session) = visitor.session.clone() else {
        return login_form(&portal, &visitor, "", None);
    };
    let form_secret = visitor.cookie.form_secret();
    match &session.stage {
        Stage::Choosing => {
            let pin = match portal.service.typed_pin(&session.user).await {
                Ok(pin) => pin,
                Err(ServiceError(error)) => return failed(&portal, &error),
            };
            let notice = portal.sessions.take_notice(&visitor.cookie.key());
            views::choose(&portal, &session.user, pin, notice, &form_secret).into()
        }
        Stage::Waiting(waiting) => {
            let service = &portal.service;
            let front = service.settings().sample_front;
            let login = service.login(front, &waiting.transaction_id).await;
            let (standing, left_ms, reach) = match login {
                Ok(login) => (login.state.into(), login.left_ms, login.reach),
                Err(LoginError::Unknown | LoginError::State { .. }) => {
                    (Standing::Ended(Ending::Expired), 0, None)
                }
                Err(LoginError::Storage(error)) => return failed(&portal, &error),
            };
            match standing {
                Standing::Open => {
                    let pin = match service.typed_pin(&session.user).await {
                        Ok(pin) => pin,
                        Err(ServiceError(error)) => return failed(&portal, &error),
                    };
                    let notice = portal.sessions.take_notice(&visitor.cookie.key());
                    let mut waiting = waiting.clone();
                    if let (Some(push), Some(reach)) = (&mut waiting.push, reach) {
                        push.availability = reach;
                    }
                    // The desktop takes no requests any more: typing is left.
                    let off = |push: &mut Push| push.availability == Availability::Off;
                    let turned_off = waiting.push.take_if(off);
                    let notice = notice.or_else(|| turned_off.map(|_off| Notice::AutosendOff));
                    let waiting = &waiting;
                    if waiting.push.is_none() || shown.way == "passcode" {
                        views::type_passcode(&portal, waiting, left_ms, pin, notice, &form_secret)
                            .into()
                    } else {
                        views::waiting(&portal, waiting, left_ms, &form_secret).into()
                    }
                }
                Standing::Approved => take_approval(&portal, &visitor, &session, waiting).await,
                Standing::Ended(ending) => {
                    end(&portal, &visitor, &session, waiting, ending);
                    outcomes::ended(&portal, ending, &form_secret).into()
                }
            }
        }
        Stage::Ended { ending, .. } => outcomes::ended(&portal, *ending, &form_secret).into(),
        Stage::LoggedIn(proof) => {
            outcomes::logged_in(&portal, &session.user, *proof, &form_secret).into()
        }
    }
}

async fn take_approval(
    portal: &Portal,
    visitor: &Visitor,
    session: &Session,
    waiting: &Waiting,
) -> Response {
    let service = &portal.service;
    let front = service.settings().sample_front;
    match service.consume_login(front, &waiting.transaction_id).await {
        Ok(consumed) if consumed.user != session.user => {
            tracing::error!("an approval was for another user than the session's");
            end(portal, visitor, session, waiting, Ending::Used);
            outcomes::ended(portal, Ending::Used, &visitor.cookie.form_secret()).into()
        }
        Ok(consumed) => {
            let (cookie, session) = let_in(portal, visitor, consumed.user, Proof::Approval);
            let form_secret = cookie.form_secret();
            let mut response: Response =
                outcomes::logged_in(portal, &session.user, Proof::Approval, &form_secret).into();
            cookie.set(&mut response);
            response
        }
        Err(LoginError::State { state }) => {
            let ending = match state.into() {
                Standing::Ended(ending) => ending,
                Standing::Open | Standing::Approved => return go_home(),
            };
            end(portal, visitor, session, waiting, ending);
            outcomes::ended(portal, ending, &visitor.cookie.form_secret()).into()
        }
        Err(LoginError::Unknown) => go_home(),
        Err(LoginError::Storage(error)) => failed(portal, &error),
    }
}

fn end(portal: &Portal, visitor: &Visitor, session: &Session, waiting: &Waiting, ending: Ending) {
    let key = visitor.cookie.key();
    let changed = portal.sessions.change(&key, session, |session| {
        session.stage = Stage::Ended {
            transaction_id: waiting.transaction_id.clone(),
            ending,
        };
    });
    if changed == Changed::No {
        tracing::debug!("another window has gone on with this login");
    }
}

/// Name and password.
pub(super) async fn password(State(portal): State<Portal>, form: Form) -> Response {
    let user = form.text("user").trim().to_owned();
    let verdict = portal
        .service
        .check_password(&user, form.secret("password"))
        .await;
    let visitor = &form.visitor;
    match verdict {
        Ok(PasswordVerdict::Right) => {
            leave(&portal, visitor).await;
            let now = portal.service.now();
            let cookie = Cookie::random();
            portal
                .sessions
                .begin(cookie.key(), Session::new(user, now), now);
            let mut response = go_home();
            cookie.set(&mut response);
            response
        }
        Ok(PasswordVerdict::Wrong) => {
            login_form(&portal, visitor, &user, Some(LoginFormNotice::Wrong))
        }
        Ok(PasswordVerdict::Throttled { retry_after }) => {
            let notice = LoginFormNotice::Throttled {
                seconds: retry_after.as_millis().div_ceil(1000),
            };
            login_form(&portal, visitor, &user, Some(notice))
        }
        Err(ServiceError(error)) => failed(&portal, &error),
    }
}

/// "Send a login request to my desktop", or the challenge of a challenge-response token.
pub(super) async fn push(
    State(portal): State<Portal>,
    Extension(peer): Extension<SocketAddr>,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let Some(session) = &form.visitor.session else {
        return go_home();
    };
    match &session.stage {
        Stage::Choosing | Stage::Ended { .. } => {}
        Stage::Waiting(_) | Stage::LoggedIn(_) => return go_home(),
    }
    let settings = portal.service.settings();
    let behind_proxy = settings.config.push.behind_proxy;
    let login = OpenLogin {
        front: settings.sample_front,
        user: session.user.clone(),
        resource: RESOURCE.to_owned(),
        client_address: client::address(&headers, peer, behind_proxy),
        program: client::program(&headers),
        // A form that is sent twice opens one login, and only its own session's.
        idempotency_key: Some(form.text("attempt"))
            .filter(|attempt| !attempt.is_empty())
            .map(|attempt| form.visitor.cookie.attempt(attempt)),
    };
    let (stage, notice) = match portal.service.open_login(login).await {
        Ok(opened) => (Stage::Waiting(waiting_for(opened)), None),
        Err(OpenLoginError::Storage(error)) => return failed(&portal, &error),
        Err(refused) => (Stage::Choosing, Some(notice_of(&refused))),
    };
    let key = form.visitor.cookie.key();
    let changed = portal.sessions.change(&key, session, |session| {
        session.stage = stage;
        session.notice = notice;
    });
    if changed == Changed::No {
        tracing::debug!("another window has gone on with this login");
    }
    go_home()
}

fn waiting_for(opened: OpenedLogin) -> Waiting {
    let mut waiting = Waiting {
        transaction_id: opened.transaction_id,
        push: None,
        challenge: None,
    };
    for way in opened.ways {
        match way {
            Way::Push {
                number,
                availability,
            } => {
                waiting.push = Some(Push {
                    number,
                    availability,
                });
            }
            Way::Challenge { challenge, .. } => waiting.challenge = Some(challenge),
        }
    }
    waiting
}

fn notice_of(refused: &OpenLoginError) -> Notice {
    match refused {
        OpenLoginError::AutosendOff => Notice::AutosendOff,
        OpenLoginError::SessionLocked => Notice::SessionLocked,
        OpenLoginError::NotConnected => Notice::NotConnected,
        OpenLoginError::AlreadyOpen { .. } => Notice::AlreadyOpen,
        OpenLoginError::Throttled => Notice::PushRests,
        OpenLoginError::UnknownUser
        | OpenLoginError::NoPush
        | OpenLoginError::Invalid(_)
        | OpenLoginError::Storage(_) => Notice::NoPush,
    }
}

/// A typed passcode.
pub(super) async fn passcode(
    State(portal): State<Portal>,
    Extension(peer): Extension<SocketAddr>,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let visitor = &form.visitor;
    let Some(session) = &visitor.session else {
        return go_home();
    };
    if matches!(session.stage, Stage::LoggedIn(_)) {
        return go_home();
    }
    // People read a passcode in groups, and type it so.
    let typed: String = form
        .text("passcode")
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let service = &portal.service;
    let settings = service.settings();
    let attempt = PasscodeAttempt {
        front: settings.sample_front,
        subject: Subject::User(session.user.clone()),
        passcode: SecretText::new(typed),
        transaction_id: session.transaction_id().map(str::to_owned),
        client_address: client::address(&headers, peer, settings.config.push.behind_proxy),
    };
    let verdict = service.check_passcode(attempt).await;
    let notice = match verdict {
        Ok(PasscodeVerdict::Accepted { .. }) => {
            let (cookie, _) = let_in(&portal, visitor, session.user.clone(), Proof::Passcode);
            let mut response = go_home();
            cookie.set(&mut response);
            return response;
        }
        Ok(PasscodeVerdict::Wrong) => Notice::WrongPasscode,
        Ok(PasscodeVerdict::UsedBefore) => Notice::UsedPasscode,
        Ok(PasscodeVerdict::Locked { until }) => {
            let left = until.since_ms(service.now()).max(0);
            Notice::TypingLocked {
                minutes: u32::try_from(left.saturating_add(59_999).saturating_div(60_000))
                    .unwrap_or(u32::MAX),
            }
        }
        Ok(PasscodeVerdict::NoToken) => Notice::NoToken,
        Ok(PasscodeVerdict::Suspended) => Notice::Suspended,
        Err(ServiceError(error)) => return failed(&portal, &error),
    };
    let key = visitor.cookie.key();
    let changed = portal.sessions.change(&key, session, |session| {
        session.notice = Some(notice);
        if matches!(session.stage, Stage::Ended { .. }) {
            session.stage = Stage::Choosing;
        }
    });
    match (changed, &session.stage) {
        (Changed::Yes, Stage::Waiting(_)) => redirect("/example/?way=passcode"),
        _ => go_home(),
    }
}

/// Back to the choice; a login that is still open is taken back.
pub(super) async fn again(State(portal): State<Portal>, form: Form) -> Response {
    let visitor = &form.visitor;
    if let Some(session) = &visitor.session {
        cancel(&portal, session).await;
        let key = visitor.cookie.key();
        let changed = portal.sessions.change(&key, session, |session| {
            if !matches!(session.stage, Stage::LoggedIn(_)) {
                session.stage = Stage::Choosing;
            }
        });
        if changed == Changed::No {
            tracing::debug!("another window has gone on with this login");
        }
    }
    go_home()
}

/// Log out, or start over as somebody else.
pub(super) async fn sign_out(State(portal): State<Portal>, form: Form) -> Response {
    leave(&portal, &form.visitor).await;
    let mut response = go_home();
    Cookie::clear(&mut response);
    response
}

/// Ends the visitor's session, and its login if one is open.
async fn leave(portal: &Portal, visitor: &Visitor) {
    if let Some(session) = portal.sessions.end(&visitor.cookie.key()) {
        cancel(portal, &session).await;
    }
}

async fn cancel(portal: &Portal, session: &Session) {
    let Stage::Waiting(waiting) = &session.stage else {
        return;
    };
    let service = &portal.service;
    let front = service.settings().sample_front;
    match service.cancel_login(front, &waiting.transaction_id).await {
        // It has ended by itself.
        Ok(()) | Err(LoginError::Unknown | LoginError::State { .. }) => {}
        Err(LoginError::Storage(error)) => tracing::error!(%error, "a login stays open"),
    }
}

/// The service has let the user in: a new cookie, and the old session ends.
fn let_in(portal: &Portal, visitor: &Visitor, user: String, proof: Proof) -> (Cookie, Session) {
    let now = portal.service.now();
    portal.sessions.end(&visitor.cookie.key());
    let cookie = Cookie::random();
    let session = Session::logged_in(user, proof, now);
    portal.sessions.begin(cookie.key(), session.clone(), now);
    (cookie, session)
}

fn login_form(
    portal: &Portal,
    visitor: &Visitor,
    user: &str,
    notice: Option<LoginFormNotice>,
) -> Response {
    let form_secret = visitor.cookie.form_secret();
    let mut response: Response = views::login_form(portal, user, notice, &form_secret).into();
    visitor.greet(&mut response);
    response
}

fn failed(portal: &Portal, error: &dyn core::error::Error) -> Response {
    tracing::error!(%error, "a page of the sample resource failed");
    outcomes::failed(portal).into()
}

fn go_home() -> Response {
    redirect(HOME)
}

fn redirect(to: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    guard(&mut response);
    response
}
