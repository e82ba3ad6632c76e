//! What a front may know and do about a login that it opened.

use countersign_core::{
    login_transition::{Event, State, TransitionError},
    time::UnixMillis,
};
use countersign_proto::push::v1 as push;

pub use countersign_core::login_transition::{DenyReason, FailReason, State as LoginState};

use super::Service;
use crate::{
    push::Availability,
    store::{FrontId, LoginRow, RequestRow, Rows, StoreError},
};

/// How a login stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginView {
    /// Where it stands.
    pub state: LoginState,
    /// Pending: until it expires. Approved: until it lapses. Milliseconds; else 0.
    pub left_ms: u32,
    /// What the user logs in to.
    pub resource: String,
    /// Who.
    pub user: String,
    /// "It wasn't me!" was said: nobody is let in by it any more.
    pub reported: bool,
    /// Pending: how the user's desktop can be reached; none: it cannot, or was not asked.
    pub reach: Option<Availability>,
}

/// The login was consumed: let the user in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Who.
    pub user: String,
}

/// Why a front gets no answer about a login.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no such login, or another front opened it.
    #[error("this login is not known")]
    Unknown,
    /// It is not in a state in which this can be done.
    #[error("this login is {state}")]
    State {
        /// Where it stands.
        state: LoginState,
    },
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StoreError),
}

impl Service {
    /// How a login stands.
    ///
    /// # Errors
    ///
    /// [`LoginError::Unknown`] and [`LoginError::Storage`].
    pub async fn login(
        &self,
        front: FrontId,
        transaction_id: &str,
    ) -> Result<LoginView, LoginError> {
        let now = self.now();
        let id = transaction_id.to_owned();
        let (mut view, requests) = self
            .store()
            .read(move |rows| {
                let Some(login) = own(rows, front, &id)? else {
                    return Ok(None);
                };
                let user = rows.user_name(login.user)?;
                let view = view(login, user, now);
                let requests = if view.state == State::Pending {
                    rows.requests_of(&id)?
                } else {
                    Vec::new()
                };
                Ok(Some((view, requests)))
            })
            .await?
            .ok_or(LoginError::Unknown)?;
        view.reach = self.reach(&requests, now);
        Ok(view)
    }

    /// How the agents can be reached that were asked: the best of them.
    pub(super) fn reach(&self, requests: &[RequestRow], now: UnixMillis) -> Option<Availability> {
        requests
            .iter()
            .filter(|request| request.signed.is_some())
            .filter_map(|request| {
                let device = request.device?;
                self.streams().availability(device, &request.serial, now)
            })
            .min()
    }

    /// Waits until a pending login changes, or what the user's desktop says about itself does, or until `until`, or
    /// until the gateway stops; returns how it stands then.
    ///
    /// # Errors
    ///
    /// As [`Service::login`].
    pub async fn wait_login(
        &self,
        front: FrontId,
        transaction_id: &str,
        until: UnixMillis,
    ) -> Result<LoginView, LoginError> {
        // First the watch, then the row: a change in between is not missed.
        let mut watch = self.0.watchers.watch(transaction_id);
        let mut view = self.login(front, transaction_id).await?;
        let reach = view.reach;
        while view.state == State::Pending && view.reach == reach && self.now() < until {
            tokio::select! {
                () = watch.changed() => {}
                () = self.clock().sleep_until(until) => {}
                () = self.stopped() => return Ok(view),
            }
            view = self.login(front, transaction_id).await?;
        }
        Ok(view)
    }

    /// Takes an approval, once: the front lets the user in.
    ///
    /// # Errors
    ///
    /// Every variant of [`LoginError`].
    pub async fn consume_login(
        &self,
        front: FrontId,
        transaction_id: &str,
    ) -> Result<Consumed, LoginError> {
        let now = self.now();
        let id = transaction_id.to_owned();
        let (user, requests) = self
            .store()
            .write(move |rows| {
                let Some(login) = own(rows, front, &id)? else {
                    return Ok(Err(LoginError::Unknown));
                };
                if login.reported {
                    let state = State::Denied(DenyReason::User);
                    return Ok(Err(LoginError::State { state }));
                }
                let event = if login.state == State::Approved && now >= login.deadline {
                    Event::Lapse
                } else {
                    Event::Consume
                };
                Ok(match rows.change_login(&login, event, "", now)? {
                    Ok(State::Consumed) => {
                        if !login.source.as_str().is_empty() {
                            rows.know_source(login.user, &login.source, now)?;
                        }
                        Ok((rows.user_name(login.user)?, rows.requests_of(&id)?))
                    }
                    Ok(state) | Err(TransitionError { state }) => Err(LoginError::State { state }),
                })
            })
            .await??;
        self.login_changed(transaction_id);
        for request in requests {
            if request.outcome == Some(push::Result::Approved)
                && let Some(device) = request.device
            {
                let outcome = push::Outcome {
                    request_id: request.id.as_bytes().to_vec(),
                    result: push::Result::LoggedIn.into(),
                };
                self.streams()
                    .send(device, push::gateway_frame::Frame::Outcome(outcome));
            }
        }
        Ok(Consumed { user })
    }

    /// Takes a pending login back.
    ///
    /// # Errors
    ///
    /// Every variant of [`LoginError`].
    pub async fn cancel_login(
        &self,
        front: FrontId,
        transaction_id: &str,
    ) -> Result<(), LoginError> {
        let now = self.now();
        let id = transaction_id.to_owned();
        let requests = self
            .store()
            .write(move |rows| {
                let Some(login) = own(rows, front, &id)? else {
                    return Ok(Err(LoginError::Unknown));
                };
                Ok(
                    match rows.change_login(&login, Event::Cancel, "by the resource", now)? {
                        Ok(_cancelled) => Ok(rows.requests_of(&id)?),
                        Err(TransitionError { state }) => Err(LoginError::State { state }),
                    },
                )
            })
            .await??;
        self.login_ended(
            transaction_id,
            &requests,
            None,
            push::CancelReason::ByResource,
        );
        Ok(())
    }
}

/// The login, if this front opened it.
pub(super) fn own(
    rows: Rows<'_>,
    front: FrontId,
    transaction_id: &str,
) -> Result<Option<LoginRow>, StoreError> {
    Ok(rows
        .login(transaction_id)?
        .filter(|login| login.front == front))
}

/// What the front sees. Time is over when it is over, also before the timer has written so.
fn view(login: LoginRow, user: String, now: UnixMillis) -> LoginView {
    let open = matches!(login.state, State::Pending | State::Approved);
    let left = login.deadline.since_ms(now).max(0);
    let state = if open && login.reported {
        State::Denied(DenyReason::User)
    } else if left > 0 {
        login.state
    } else if login.state == State::Pending {
        State::Expired
    } else if login.state == State::Approved {
        State::Lapsed
    } else {
        login.state
    };
    LoginView {
        state,
        left_ms: if open {
            u32::try_from(left).unwrap_or(u32::MAX)
        } else {
            0
        },
        resource: login.resource,
        user,
        reported: login.reported,
        reach: None,
    }
}
