//! Services that are asked: what each poll says, how often one is due, and what the answers tell of the service.

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::{
    ids::ServiceId,
    privacyidea::{self, CLOCK_TOLERANCE_MS, Demand, ReplyError, ServerUrl, Transport},
    time::UnixMillis,
};
use tracing::{info, warn};

use super::{
    Agent, Change,
    ports::{HttpReply, Pace, PollInput, PollProfile, PollSigner, PollWish, Trust},
    rsa,
    state::{Connection, Hold},
};
use crate::vault::{PushToken, ServiceKind, ServiceRow};

/// How long after the user's last doing a login is likely.
const ACTIVE: Duration = Duration::from_mins(1);
/// Clocks this close count as the same: the server tells its own to the second.
const SAME_CLOCK_MS: i64 = 1_500;

impl Agent {
    /// The user is doing something: whoever is polled is asked now, and often for a while.
    pub(super) fn user_is_active(&self) {
        let now = self.ports.clock.boot();
        let was_active = {
            let mut facts = self.state.facts();
            let before = facts.active_at.replace(now);
            before.is_some_and(|before| now.since(before) < ACTIVE)
        };
        if !was_active {
            self.ports.polls.now();
        }
    }

    /// Its one token was deleted: the service is asked no more, and its key is erased.
    pub(super) async fn forget_polled(&self, service: ServiceId) {
        let row = self.service(service).await;
        if !row.is_some_and(|row| matches!(row.kind, ServiceKind::PrivacyIdea(_))) {
            return;
        }
        self.ports.polls.close(service).await;
        if let Err(error) = self
            .vault
            .call(move |vault| vault.remove_service(service))
            .await
        {
            warn!(%service, %error, "the key of a deleted token could not be erased");
        }
        {
            let mut facts = self.state.facts();
            facts.services.remove(&service);
            facts.dropped.remove(&service);
            facts.names.services.remove(&service);
            facts.challenges.retain(|_, open| open.service != service);
        }
        self.tell_watchers(Change::Services);
    }

    fn pace(&self) -> Pace {
        let now = self.ports.clock.boot();
        let active = self.state.facts().active_at;
        match active {
            Some(active) if now.since(active) < ACTIVE => Pace::Quick,
            Some(_) | None => Pace::Calm,
        }
    }

    /// The poll of `row`, signed, or why none is made now.
    async fn signed_poll(&self, row: &ServiceRow, token: &PushToken) -> Result<String, String> {
        // The machine is on its way to sleep.
        if self.state.facts().holds.contains(&Hold::Sleep) {
            return Err("the computer is asleep".to_owned());
        }
        if token.demand != Demand::None && !self.is_unlocked().await {
            return Err(
                "its login requests wait until the vault is unlocked: the service wants that"
                    .to_owned(),
            );
        }
        let url = ServerUrl::parse(&row.url).map_err(|error| error.to_string())?;
        let service = row.service;
        let key = self
            .vault
            .call(move |vault| vault.device_key(service))
            .await
            .map_err(|_locked| "the vault has not been unlocked yet".to_owned())?;
        let timestamp = self.timestamp(service);
        let signed = privacyidea::poll_string(&token.serial, &timestamp);
        let signature = rsa::sign(&key, signed.as_bytes()).map_err(|error| error.to_string())?;
        Ok(privacyidea::poll_address(
            &url,
            &token.serial,
            &timestamp,
            &signature,
        ))
    }

    /// Now by the service's clock, as far as it is known: a laptop's clock may be hours off.
    fn timestamp(&self, service: ServiceId) -> String {
        let offset = self.clock_offset_ms(service).unwrap_or(0);
        let now = self.ports.clock.wall().plus_ms(offset);
        jiff::Timestamp::from_millisecond(now.0)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .to_string()
    }

    /// Something happened at a service that is polled.
    pub(super) async fn on_poll(&self, service: ServiceId, input: PollInput) {
        match input {
            PollInput::Away { why, retry_in } => self.service_is_down(service, why, retry_in),
            PollInput::Polled { reply, next_in } => self.on_polled(service, reply, next_in).await,
            PollInput::Answered {
                request,
                verdict,
                reply,
            } => self.on_answered(service, request, verdict, &reply).await,
        }
    }

    async fn on_polled(&self, service: ServiceId, reply: HttpReply, next_in: Duration) {
        let Some(row) = self.service(service).await else {
            return;
        };
        let ServiceKind::PrivacyIdea(token) = &row.kind else {
            return;
        };
        let before = self.clock_offset_ms(service);
        let offset_ms = reply.date.map(|date| self.offset_to(date)).or(before);
        let challenges = privacyidea::read_poll_reply(&reply.body);
        let challenges = match (reply.status, challenges) {
            (200, Ok(challenges)) => challenges,
            (status, read) => {
                let why = refusal(status, read.err());
                self.service_is_down(service, why, next_in);
                let learnt = self.learn_clock(service, offset_ms);
                // The time stamp was wrong by our clock; now the server's is known.
                if learnt {
                    info!(%service, offset_ms, "the clock of the service is another one");
                    self.ports.polls.now();
                }
                return;
            }
        };
        let came_up = self.service_is_up(service, offset_ms.unwrap_or(0));
        if came_up {
            info!(%service, offset_ms, "the service answers polls");
            self.send_again(service).await;
        }
        self.on_challenges(&row, token, challenges).await;
    }

    fn offset_to(&self, date: UnixMillis) -> i64 {
        let offset = date.since_ms(self.ports.clock.wall());
        if offset.abs() <= SAME_CLOCK_MS {
            0
        } else {
            offset
        }
    }

    /// Keeps the service's clock; tells whether that makes a difference to a time stamp.
    fn learn_clock(&self, service: ServiceId, learnt: Option<i64>) -> bool {
        let Some(learnt) = learnt else { return false };
        let mut facts = self.state.facts();
        let Some(Connection::Down { offset_ms, .. }) = facts.services.get_mut(&service) else {
            return false;
        };
        let former = offset_ms.replace(learnt).unwrap_or(0);
        former.saturating_sub(learnt).abs() > CLOCK_TOLERANCE_MS / 2
    }

    /// Notes that the service answers; tells whether it did not before.
    fn service_is_up(&self, service: ServiceId, offset_ms: i64) -> bool {
        let now = self.ports.clock.wall();
        let came_up = {
            let mut facts = self.state.facts();
            facts.checked.insert(service);
            let since = match facts.services.get(&service) {
                Some(Connection::Up { since, .. }) => Some(*since),
                Some(Connection::Down { .. }) | None => None,
            };
            let up = Connection::Up {
                since: since.unwrap_or(now),
                last_contact: now,
                offset_ms,
                seen: None,
            };
            facts.services.insert(service, up);
            since.is_none()
        };
        self.tell_watchers(Change::Services);
        came_up
    }
}

/// What the server's refusal of a poll means for the user.
fn refusal(status: u16, error: Option<ReplyError>) -> String {
    match error {
        Some(ReplyError::Refused(fault)) if fault.code == 303 => {
            "its policy does not let this token ask for login requests".to_owned()
        }
        Some(ReplyError::Refused(fault)) if fault.code == 10 => format!(
            "it does not accept this token's polls: the token was deleted there, a policy is missing, or a clock is wrong ({})",
            fault.message
        ),
        Some(ReplyError::Refused(fault)) => format!("it refused the poll ({})", fault.message),
        Some(ReplyError::Malformed) | None => {
            format!("it did not answer as privacyIDEA does (HTTP status {status})")
        }
    }
}

/// How a service that is polled is reached.
pub(super) fn poll_profile(row: &ServiceRow, token: &PushToken) -> PollProfile {
    let trust = match (token.transport, row.pins.as_slice()) {
        (Transport::Verified, _) => Trust::Authorities,
        (Transport::UnverifiedTls, [key, ..]) => Trust::Key(*key),
        // Never taken on trust a second time.
        (Transport::UnverifiedTls, []) => {
            warn!(service = %row.service, "the key of the service is not known any more");
            Trust::Authorities
        }
        (Transport::PlainHttp, _) => Trust::Nothing,
    };
    PollProfile {
        service: row.service,
        trust,
    }
}

#[async_trait]
impl PollSigner for Agent {
    async fn next_poll(&self, service: ServiceId) -> PollWish {
        let Some(row) = self.service(service).await else {
            let why = "the vault does not know it any more".to_owned();
            return PollWish::NotNow { why };
        };
        let ServiceKind::PrivacyIdea(token) = &row.kind else {
            let why = "it is not one that is asked".to_owned();
            return PollWish::NotNow { why };
        };
        match self.signed_poll(&row, token).await {
            Ok(address) => PollWish::Ask {
                address,
                pace: self.pace(),
            },
            Err(why) => PollWish::NotNow { why },
        }
    }
}
