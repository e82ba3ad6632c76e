//! What privacyIDEA says and what is said to it: its challenges are believed here, answers signed, its replies
//! understood. No other file of the stories about login requests knows its words.

use core::time::Duration;
use std::collections::BTreeSet;

use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    login_request::{Closing, LoginRequest, NumberMatching, Phase, Subject, Verdict},
    privacyidea::{
        self, Answer, AnswerReply, Challenge, DeclineReason, Demand, Disbelief as Unbelieved,
        ReceivedChallenge, ReplyError, ServerUrl,
    },
    secret::SecretText,
};
use sha2::{Digest as _, Sha256};
use tracing::{info, warn};

use super::{AnswerError, outcome::Word, words::Denial};
use crate::{
    agent::{
        Agent,
        ports::{HttpReply, Outgoing, PushAnswer},
        rsa,
        state::{NotTaken, OpenChallenge},
    },
    vault::{PushToken, RequestState, ServiceKind, ServiceRow, Vault, VaultError},
};

/// How long a challenge lives where nobody has changed the server's default. It is not told.
const USUAL_LIFE: Duration = Duration::from_mins(2);
/// How long one that the server still lists lives at least: until the next poll, however calm.
const STILL_OPEN: Duration = Duration::from_secs(45);
/// Gone this much before its usual end, a challenge was answered or given up elsewhere.
const EARLY_MS: i64 = 5_000;
/// The server knows no such token.
const UNKNOWN_TOKEN: i64 = 601;

impl Agent {
    /// What the server lists: new challenges are shown, those that are gone are over.
    pub(in crate::agent) async fn on_challenges(
        &self,
        row: &ServiceRow,
        token: &PushToken,
        received: Vec<Result<ReceivedChallenge, Unbelieved>>,
    ) {
        let Ok(url) = ServerUrl::parse(&row.url) else {
            return;
        };
        let service = row.service;
        let (mut open, mut dropped) = (Vec::new(), Vec::new());
        for challenge in received {
            let believed = challenge.and_then(|challenge| {
                challenge.believed(&token.serial, &url, |message, signature| {
                    rsa::verifies(&row.identity_key, message, signature)
                })
            });
            match believed {
                Ok(challenge) => open.push(challenge),
                Err(why) => dropped.push(why),
            }
        }
        self.note_dropped(service, &dropped);
        let listed: BTreeSet<_> = open
            .iter()
            .map(|challenge| privacyidea::request_id(service, &challenge.nonce))
            .collect();
        self.settle_not_taken(service, &listed).await;
        for challenge in open {
            self.on_challenge(row, challenge).await;
        }
        self.close_unlisted(service, &listed).await;
    }

    /// A forged challenge comes again with every poll; it is told once.
    fn note_dropped(&self, service: ServiceId, dropped: &[Unbelieved]) {
        let before = self
            .state
            .facts()
            .dropped
            .insert(service, dropped.to_vec())
            .unwrap_or_default();
        if before != dropped {
            for why in dropped {
                warn!(%service, %why, "dropped a login request");
            }
        }
    }

    async fn on_challenge(&self, row: &ServiceRow, challenge: Challenge) {
        let service = row.service;
        let id = privacyidea::request_id(service, &challenge.nonce);
        let now = self.ports.clock.boot();
        let known = {
            let mut facts = self.state.facts();
            facts.challenges.entry(id).or_insert_with(|| OpenChallenge {
                service,
                challenge: challenge.clone(),
            });
            let tracked = facts.requests.get_mut(&id);
            tracked.map(|tracked| {
                // Some servers let one live longer than usual.
                if tracked.phase.is_pending() {
                    tracked.deadline = tracked.deadline.max(now.plus(STILL_OPEN));
                }
            })
        };
        if known.is_some() {
            self.deadlines.notify_one();
            return;
        }
        let Some(token) = self.token_of(row, &challenge.serial).await else {
            warn!(%service, "dropped a login request: no active token has its serial");
            return;
        };
        let offset = self.clock_offset_ms(service).unwrap_or(0);
        let resource = if challenge.title.trim().is_empty() {
            row.name.clone()
        } else {
            challenge.title
        };
        let request = LoginRequest {
            id,
            subject: Subject::Login,
            service,
            token: token.id,
            // Texts, addresses and choices may be written anew at each poll: the nonce alone is what is answered.
            hash: Sha256::digest(format!("{}|{}", challenge.nonce, challenge.serial)).into(),
            serial: challenge.serial,
            challenge: String::new(),
            question: challenge.question,
            resource,
            user: String::new(),
            client_address: String::new(),
            place: String::new(),
            program: String::new(),
            matching: if challenge.choices.is_empty() {
                NumberMatching::Off
            } else {
                NumberMatching::Chosen(challenge.choices)
            },
            created: self.ports.clock.wall().plus_ms(offset),
            ttl: USUAL_LIFE,
        };
        if let Err(why) = self.admit(&token, request).await {
            warn!(%service, %why, "dropped a login request");
        }
    }

    /// What the server does not list any more was answered elsewhere, given up, or is too old.
    async fn close_unlisted(&self, service: ServiceId, listed: &BTreeSet<LoginRequestId>) {
        let now = self.ports.clock.wall();
        let gone: Vec<_> = {
            let mut facts = self.state.facts();
            facts
                .challenges
                .retain(|id, open| open.service != service || listed.contains(id));
            facts
                .requests
                .values()
                .filter(|tracked| {
                    tracked.request.service == service
                        && tracked.phase.is_pending()
                        && !listed.contains(&tracked.request.id)
                })
                .map(|tracked| (tracked.request.id, now.since_ms(tracked.received)))
                .collect()
        };
        let usual_ms = i64::try_from(USUAL_LIFE.as_millis()).unwrap_or(i64::MAX);
        for (id, age_ms) in gone {
            let (closing, detail) = if age_ms.saturating_add(EARLY_MS) >= usual_ms {
                (Closing::Expired, "nobody answered in time")
            } else {
                (
                    Closing::Cancelled,
                    "it was answered on another device or given up, or its time is over",
                )
            };
            self.on_cancel(service, id, closing, detail).await;
        }
    }

    /// Answers that the server did not take: what it still lists is asked again, the rest is over.
    async fn settle_not_taken(&self, service: ServiceId, listed: &BTreeSet<LoginRequestId>) {
        let waiting: Vec<_> = {
            let mut facts = self.state.facts();
            let (of_this, others) = core::mem::take(&mut facts.not_taken)
                .into_iter()
                .partition(|(_, not_taken)| not_taken.service == service);
            facts.not_taken = others;
            of_this
        }
        .into_iter()
        .collect();
        for (id, not_taken) in waiting {
            if listed.contains(&id) {
                self.ask_once_more(id).await;
            } else {
                let word = Word::Ended(not_taken.closing, not_taken.detail);
                self.on_outcome(service, id, word).await;
            }
        }
    }

    /// The kept answer is erased, and the request is pending again.
    async fn ask_once_more(&self, id: LoginRequestId) {
        let erase =
            move |vault: &mut Vault| vault.close_decision(id, RequestState::Pending, "", None);
        if let Err(error) = self.vault.call(erase).await {
            warn!(%id, %error, "an answer that was not taken could not be erased");
            return;
        }
        let token = {
            let mut facts = self.state.facts();
            facts.requests.get_mut(&id).map(|tracked| {
                tracked.phase = tracked.phase.not_taken();
                tracked.request.token
            })
        };
        info!(%id, "the service did not take the answer; the request is open again");
        if let Some(token) = token {
            self.changed(id);
            self.show_again(id, token).await;
        }
    }

    /// What the server thinks of an answer.
    pub(in crate::agent) async fn on_answered(
        &self,
        service: ServiceId,
        id: LoginRequestId,
        verdict: Verdict,
        reply: &HttpReply,
    ) {
        let not_taken = match privacyidea::read_answer_reply(&reply.body) {
            Ok(AnswerReply::Taken { display_code }) if reply.status == 200 => {
                if let (Some(code), Some(tracked)) =
                    (display_code, self.state.facts().requests.get_mut(&id))
                {
                    tracked.display_code = code;
                }
                let closing = match verdict {
                    Verdict::Approve => Closing::Approved,
                    Verdict::Deny => Closing::Denied,
                };
                self.on_outcome(service, id, Word::Ended(closing, "")).await;
                return;
            }
            Err(ReplyError::Refused(fault)) if fault.code == UNKNOWN_TOKEN => {
                let detail = "the service does not know this token any more";
                let word = Word::Ended(Closing::Refused, detail);
                self.on_outcome(service, id, word).await;
                return;
            }
            Ok(AnswerReply::NotTaken) => NotTaken {
                service,
                closing: Closing::Expired,
                detail: "the service did not take the answer: it came too late, or was taken before the connection broke",
            },
            Ok(AnswerReply::Taken { .. }) | Err(_) => NotTaken {
                service,
                closing: Closing::Refused,
                detail: "the service failed to read the answer",
            },
        };
        // A second copy of an answer that was taken says nothing new.
        if self.waits_for_word(id).await {
            warn!(%service, %id, status = reply.status, "the service did not take an answer");
            self.state.facts().not_taken.insert(id, not_taken);
            self.ports.polls.now();
        }
    }

    async fn waits_for_word(&self, id: LoginRequestId) -> bool {
        match self.phase(id) {
            Some(phase) => matches!(phase, Phase::Decided(_)),
            None => self
                .stored_request(id)
                .await
                .is_ok_and(|row| row.state == RequestState::Sending),
        }
    }

    /// An approval in privacyIDEA's words, with what was picked where the login page shows something.
    pub(super) async fn privacyidea_approval(
        &self,
        request: &LoginRequest,
        choice: String,
    ) -> Result<Outgoing, AnswerError> {
        let challenge = self.open_challenge(request.id)?;
        let answer = if challenge.choices.is_empty() {
            Answer::Accept
        } else {
            Answer::Presence(choice)
        };
        self.signed_answer(request, &challenge, &answer).await
    }

    /// A denial in privacyIDEA's words; that it was not the user, or that it was, is said where the server takes a reason.
    pub(super) async fn privacyidea_denial(
        &self,
        request: &LoginRequest,
        denial: Denial,
    ) -> Result<Outgoing, AnswerError> {
        let challenge = self.open_challenge(request.id)?;
        let answer = match denial {
            Denial::NotMe => challenge.decline_for(DeclineReason::UnknownTrigger),
            Denial::Cancelled => challenge.decline_for(DeclineReason::Cancelled),
            Denial::User | Denial::Rule => Answer::Decline,
        };
        self.signed_answer(request, &challenge, &answer).await
    }

    async fn signed_answer(
        &self,
        request: &LoginRequest,
        challenge: &Challenge,
        answer: &Answer,
    ) -> Result<Outgoing, AnswerError> {
        let service = request.service;
        let row = self.service(service).await;
        let Some(ServiceKind::PrivacyIdea(token)) = row.map(|row| row.kind) else {
            return Err(AnswerError::Refused(
                "the service of this request is not known any more".to_owned(),
            ));
        };
        // The issuer wants that nothing is answered while the vault is locked, not even with a no.
        if token.demand != Demand::None && !self.is_unlocked().await {
            return Err(VaultError::Locked.into());
        }
        let key = self
            .vault
            .call(move |vault| vault.device_key(service))
            .await?;
        let signed = answer.signed_string(&challenge.nonce, &challenge.serial);
        let signature = rsa::sign(&key, signed.as_bytes())
            .map_err(|error| AnswerError::Refused(error.to_string()))?;
        let form = answer.form(&challenge.nonce, &challenge.serial, &signature);
        Ok(Outgoing::PrivacyIdea(PushAnswer {
            request: request.id,
            verdict: if answer.accepts() {
                Verdict::Approve
            } else {
                Verdict::Deny
            },
            url: challenge.url.as_str().to_owned(),
            form: SecretText::new(form),
        }))
    }

    fn open_challenge(&self, id: LoginRequestId) -> Result<Challenge, AnswerError> {
        let facts = self.state.facts();
        let open = facts.challenges.get(&id);
        open.map(|open| open.challenge.clone()).ok_or_else(|| {
            AnswerError::Refused("the service does not list this request any more".to_owned())
        })
    }

    /// Was the service told with the denial that it was not the user? Reports it does not take.
    pub(super) fn told_with_the_denial(&self, id: LoginRequestId) -> bool {
        let facts = self.state.facts();
        facts
            .challenges
            .get(&id)
            .is_some_and(|open| open.challenge.takes_reason())
    }
}

/// What the history says of a report, at a service that takes none.
pub(super) const fn report_words(told: bool) -> &'static str {
    if told {
        "the service was told with the denial that it was not you"
    } else {
        "this service takes no reports: it stays in this computer's history"
    }
}
