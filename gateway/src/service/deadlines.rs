//! The one timer: expires logins that nobody answered, lapses approvals that nobody consumed.

use std::sync::{Mutex, PoisonError};

use countersign_core::{
    fatigue::Limits,
    login_transition::{Event, State},
    time::UnixMillis,
};
use countersign_proto::push::v1 as push;
use tokio::sync::Notify;

use super::{
    Service,
    push_limits::{limits, note_refusal},
    typing::KNOWN_MS,
};
use crate::store::{LoginRow, RequestRow, StoreError};

/// Rows of logins are kept so long: a report may come within 24 hours.
const KEEP_MS: i64 = 48 * 3_600_000;
/// After a failed try the timer looks again after this time, in milliseconds.
const RETRY_MS: i64 = 1000;

/// What the timer waits for.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    armed: Mutex<Option<UnixMillis>>,
    earlier: Notify,
}

impl Deadlines {
    /// There is a deadline at `at`: wakes the timer if it would sleep longer.
    pub(super) fn arm(&self, at: UnixMillis) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.is_none_or(|armed| at < armed) {
            *armed = Some(at);
            self.earlier.notify_one();
        }
    }

    fn set(&self, at: Option<UnixMillis>) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

impl Service {
    /// Runs the timer; never returns. `serve` runs it beside the listener.
    pub async fn keep_deadlines(&self) {
        loop {
            let next = match self.end_overdue().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "overdue logins could not be ended; trying again");
                    Some(self.now().plus_ms(RETRY_MS))
                }
            };
            match next {
                Some(at) => tokio::select! {
                    () = self.clock().sleep_until(at) => {}
                    () = self.0.deadlines.earlier.notified() => {}
                },
                None => self.0.deadlines.earlier.notified().await,
            }
        }
    }

    /// Ends what is overdue now; when to look again.
    async fn end_overdue(&self) -> Result<Option<UnixMillis>, StoreError> {
        let now = self.now();
        // Forgotten first: what is opened while the database works arms anew.
        self.0.deadlines.set(None);
        let next = self.store().read(|rows| rows.next_deadline()).await?;
        let limits = limits(&self.settings().config.push);
        let next = if next.is_some_and(|at| at <= now) {
            let (ended, next) = self
                .store()
                .write(move |rows| {
                    let mut ended = Vec::new();
                    for login in rows.overdue_logins(now)? {
                        ended.extend(end(rows, login, limits, now)?);
                    }
                    rows.prune_logins(now.plus_ms(-KEEP_MS))?;
                    rows.prune_helpdesk_codes(now.plus_ms(-KEEP_MS))?;
                    rows.prune_enrollment_links(now.plus_ms(-KNOWN_MS))?;
                    rows.prune_sources(now.plus_ms(-KNOWN_MS), now.plus_ms(-KEEP_MS))?;
                    Ok((ended, rows.next_deadline()?))
                })
                .await?;
            for (login, requests) in ended {
                self.login_ended(
                    &login.transaction_id,
                    &requests,
                    None,
                    push::CancelReason::Expired,
                );
            }
            next
        } else {
            next
        };
        if let Some(at) = next {
            self.0.deadlines.arm_quietly(at);
        }
        Ok(next)
    }

    /// Tells everybody that a login has ended: who waits for it, and the agents that still ask.
    pub(crate) fn login_ended(
        &self,
        transaction_id: &str,
        requests: &[RequestRow],
        answered: Option<&RequestRow>,
        reason: push::CancelReason,
    ) {
        self.0.watchers.tell(transaction_id);
        for request in requests {
            if answered.is_some_and(|answered| answered.id == request.id)
                || request.signed.is_none()
            {
                continue;
            }
            if let Some(device) = request.device {
                self.streams().send(
                    device,
                    push::gateway_frame::Frame::Cancel(push::Cancel {
                        request_id: request.id.as_bytes().to_vec(),
                        reason: reason.into(),
                    }),
                );
            }
        }
    }

    /// Wakes who waits for a login.
    pub(crate) fn login_changed(&self, transaction_id: &str) {
        self.0.watchers.tell(transaction_id);
    }

    /// A login can now expire at `at`.
    pub(crate) fn arm_deadline(&self, at: UnixMillis) {
        self.0.deadlines.arm(at);
    }
}

impl Deadlines {
    /// As [`Deadlines::arm`], by the timer itself.
    fn arm_quietly(&self, at: UnixMillis) {
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if armed.is_none_or(|armed| at < armed) {
            *armed = Some(at);
        }
    }
}

/// Ends one overdue login; nothing if somebody was faster.
pub(super) fn end(
    rows: crate::store::Rows<'_>,
    login: LoginRow,
    limits: Limits,
    now: UnixMillis,
) -> Result<Option<(LoginRow, Vec<RequestRow>)>, StoreError> {
    let event = if login.state == State::Approved {
        Event::Lapse
    } else {
        Event::Expire
    };
    match rows.change_login(&login, event, "", now)? {
        Ok(_state) => {
            let requests = if event == Event::Expire {
                note_refusal(rows, &login, limits, now)?;
                rows.requests_of(&login.transaction_id)?
            } else {
                Vec::new()
            };
            Ok(Some((login, requests)))
        }
        Err(_faster) => Ok(None),
    }
}
