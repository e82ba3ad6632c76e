//! The user's answer: approve, deny, report. From a notification, the command line, the browser or D-Bus,
//! it joins here.

use core::time::Duration;

use countersign_core::{
    ids::{LoginRequestId, ServiceId, TokenId},
    login_origin::LoginOrigin,
    login_request::{Closing, LoginRequest, MatchError, NumberMatching, Phase, Subject, Verdict},
    text,
    token::TokenSecrets,
};
use countersign_proto::limits;
use p256::ecdsa::SigningKey;
use tokio::sync::broadcast::{self, error::RecvError};
use tracing::{info, warn};

use super::{
    AnswerError, AnswerWish, RequestSelector, RequestView, UnknownRequest,
    privacyidea::report_words, words::Denial,
};
use crate::{
    agent::{
        Agent, Change,
        caller::{About, Caller},
        explain::sentence,
        login_rules::Rule,
        passcode::PasscodeError,
        ports::{Outgoing, PinDialog},
        state::{Asked, Reported},
        verification::{JustShown, Verified},
    },
    vault::{EventKind, RequestRow, Vault, VaultError},
};

/// The longest choice that a dialog shows, in characters.
const CHOICE: usize = 40;
/// The shortest beginning of an id that names a request, in hex digits.
const SHORTEST_ID: usize = 4;

impl Agent {
    /// Answers a login request and waits, for a bounded time, until the service has said what became of it.
    ///
    /// # Errors
    ///
    /// Every variant of [`AnswerError`].
    pub async fn answer(
        &self,
        selector: RequestSelector,
        wish: AnswerWish,
        caller: &Caller,
    ) -> Result<RequestView, AnswerError> {
        let id = self.select(&selector, &wish).await?;
        let changes = self.changes.subscribe();
        match wish {
            AnswerWish::Approve { number } => {
                self.approve(id, number, caller).await?;
                self.outcome(id, changes).await
            }
            AnswerWish::Deny => {
                self.deny(id, Denial::User).await?;
                self.outcome(id, changes).await
            }
            AnswerWish::Cancel => {
                self.deny(id, Denial::Cancelled).await?;
                self.outcome(id, changes).await
            }
            AnswerWish::Report => self.report(id, changes).await,
        }
    }

    async fn approve(
        &self,
        id: LoginRequestId,
        number: Option<String>,
        caller: &Caller,
    ) -> Result<(), AnswerError> {
        let request = self.tracked_request(id)?;
        let given = match request.matching.answer(number.as_deref()) {
            // It is asked for in a dialog, if there is one.
            Err(MatchError::Missing) => None,
            answer => Some(answer?),
        };
        let changes = self.changes.subscribe();
        self.advance(id, |phase, now, deadline| {
            phase.answer(Verdict::Approve, now, deadline)
        })?;
        // A denial, the end of its time or a locked session ends the question: dialog and reader are withdrawn.
        let verified = tokio::select! {
            biased;
            ended = self.no_longer_verifying(id, changes) => Err(ended),
            verified = self.asked(&request, given, caller) => verified,
        };
        let approved = match verified {
            Ok((number, secrets, verified)) => {
                self.decide(&request, number, &secrets, &verified).await
            }
            Err(error) => Err(error),
        };
        if approved.is_err() {
            self.retreat(id);
        }
        approved
    }

    /// Ready when the request is not being verified any more, with the reason.
    async fn no_longer_verifying(
        &self,
        id: LoginRequestId,
        mut changes: broadcast::Receiver<Change>,
    ) -> AnswerError {
        loop {
            let now = self.ports.clock.boot();
            let ended = {
                let facts = self.state.facts();
                match facts.requests.get(&id) {
                    None => Some(AnswerError::Unknown(UnknownRequest::NoSuchId)),
                    Some(tracked) => tracked
                        .phase
                        .verified(now, tracked.deadline)
                        .err()
                        .map(AnswerError::from),
                }
            };
            if let Some(ended) = ended {
                return ended;
            }
            if let Err(RecvError::Closed) = changes.recv().await {
                return crate::agent::asking::never().await;
            }
        }
    }

    /// What the resource shows, then the user, verified.
    async fn asked(
        &self,
        request: &LoginRequest,
        given: Option<String>,
        caller: &Caller,
    ) -> Result<(String, TokenSecrets, Verified), AnswerError> {
        let number = match given {
            Some(number) => number,
            None => self.ask_number(request, caller).await?,
        };
        let (secrets, verified) = self.verified(request, caller).await?;
        Ok((number, secrets, verified))
    }

    /// What the login is, in the words of a dialog.
    fn about(&self, request: &LoginRequest) -> About {
        if request.subject == Subject::Account {
            return About::new(&request.question).within(self.time_left(request.id));
        }
        let who = if request.user.is_empty() {
            format!("Log in to {}?", request.resource)
        } else {
            format!("Log in to {} as {}?", request.resource, request.user)
        };
        let facts = self.state.facts();
        let origin = facts
            .requests
            .get(&request.id)
            .map_or(LoginOrigin::Unknown, |tracked| tracked.origin);
        drop(facts);
        let from = origin.sentence(&request.client_address, &request.place);
        About::new(&who)
            .and(&from)
            .within(self.time_left(request.id))
    }

    /// Asks for what the resource shows. What cannot be it is asked for again.
    async fn ask_number(
        &self,
        request: &LoginRequest,
        caller: &Caller,
    ) -> Result<String, AnswerError> {
        let (what, prompt) = match &request.matching {
            NumberMatching::Off => return Ok(String::new()),
            NumberMatching::Typed => (
                match request.subject {
                    Subject::Login => "Type the number that the login page shows.",
                    Subject::Account => "Type the number that the terminal shows.",
                }
                .to_owned(),
                "Number:",
            ),
            NumberMatching::Chosen(choices) => {
                let shown: Vec<_> = choices
                    .iter()
                    .map(|choice| text::display(choice, CHOICE))
                    .collect();
                (
                    format!(
                        "Type the one that the login page shows: {}",
                        shown.join("   ")
                    ),
                    "Your choice:",
                )
            }
        };
        let about = self.about(request);
        let mut dialog = PinDialog {
            title: match request.subject {
                Subject::Login => "Countersign: approve a login",
                Subject::Account => "Countersign: approve a command",
            }
            .to_owned(),
            description: about.description(&what),
            prompt: prompt.to_owned(),
            error: None,
            repeat: None,
            ok: "Approve".to_owned(),
            within: about.within,
        };
        loop {
            let typed = match self.ask_typed(&dialog, caller).await {
                Ok(typed) => typed,
                // The command line and the browser can ask themselves.
                Err(unasked) if unasked.nobody_asked().is_some() => {
                    return Err(MatchError::Missing.into());
                }
                Err(_given_up) => return Err(AnswerError::NotApproved),
            };
            let typed = core::str::from_utf8(typed.expose()).unwrap_or_default();
            match request.matching.answer(Some(typed)) {
                Ok(number) => return Ok(number),
                Err(why) => dialog.error = Some(sentence(&why.to_string())),
            }
        }
    }

    /// The user, verified as the token asks; a locked vault is opened on the way.
    async fn verified(
        &self,
        request: &LoginRequest,
        caller: &Caller,
    ) -> Result<(TokenSecrets, Verified), AnswerError> {
        self.started().await;
        let about = self.about(request);
        let (opening, caller) = self.unlock_first(caller, about.clone()).await?;
        let row = self.row(request.token).await.map_err(PasscodeError::from)?;
        let token = request.token;
        let secrets = self
            .vault
            .call(move |vault| vault.token_secrets(token))
            .await?;
        let verified = match request.subject {
            Subject::Login => {
                self.verify_for_push(&row, &secrets, JustShown::from(opening), about, &caller)
                    .await?
            }
            Subject::Account => {
                let least = self.least_for_sudo(request.id)?;
                self.verify_for_sudo(&row, &secrets, least, about, &caller)
                    .await?
            }
        };
        Ok((secrets, verified))
    }

    fn time_left(&self, id: LoginRequestId) -> Duration {
        let now = self.ports.clock.boot();
        let facts = self.state.facts();
        let tracked = facts.requests.get(&id);
        tracked.map_or(Duration::ZERO, |tracked| tracked.deadline.since(now))
    }

    async fn decide(
        &self,
        request: &LoginRequest,
        number: String,
        secrets: &TokenSecrets,
        verified: &Verified,
    ) -> Result<(), AnswerError> {
        let approval = self.approval(request, number, secrets, verified).await?;
        // A denial that came meanwhile wins: from here on the answer is settled.
        self.advance(request.id, Phase::verified)?;
        self.send_durably(request, approval).await?;
        self.touch();
        Ok(())
    }

    /// Denies at once: waits for no factor, works while the vault is locked.
    pub(in crate::agent) async fn deny(
        &self,
        id: LoginRequestId,
        denial: Denial,
    ) -> Result<(), AnswerError> {
        let request = self.tracked_request(id)?;
        self.advance(id, |phase, now, deadline| {
            phase.answer(Verdict::Deny, now, deadline)
        })?;
        match self.denial(&request, denial).await {
            Ok(denial) => self.send_durably(&request, denial).await,
            Err(error) => {
                self.reopen(id);
                Err(error)
            }
        }
    }

    /// The service is told that a rule of the user's said no.
    pub(in crate::agent) async fn deny_by_rule(&self, id: LoginRequestId, rule: &Rule) {
        info!(%id, rule = %rule.detail(), "a login request is declined by rule");
        if let Some(tracked) = self.state.facts().requests.get_mut(&id) {
            tracked.asked = Asked::DeclinedByRule;
            tracked.detail = rule.detail();
        }
        if let Err(error) = self.deny(id, Denial::Rule).await {
            warn!(%id, %error, "a login request could not be declined by rule");
        }
    }

    /// "It wasn't me!": a denial first if there was none, then the report, durable like a decision.
    async fn report(
        &self,
        id: LoginRequestId,
        changes: broadcast::Receiver<Change>,
    ) -> Result<RequestView, AnswerError> {
        let pending = self
            .state
            .facts()
            .requests
            .get(&id)
            .is_some_and(|t| t.phase.is_pending());
        if pending {
            self.deny(id, Denial::NotMe).await?;
        }
        let row = self.stored_request(id).await?;
        let report = self.report_of(&row).await?;
        // A denial of before was a plain one.
        let told = report.is_some() || (pending && self.told_with_the_denial(id));
        let name = self.token_name(row.token).await;
        let line = match (&report, row.user.as_str()) {
            (Some(_), user) => format!("{user} at {}", row.resource),
            (None, _) => format!("{}: {}", row.resource, report_words(told)),
        };
        let event = self.event(EventKind::RequestReported, &name, &line);
        let (service, now) = (row.service, event.at);
        match report.as_ref().and_then(Outgoing::kept) {
            Some(bytes) => {
                let save = move |vault: &mut Vault| {
                    vault.save_report(id, service, &bytes, now, Some(&event))
                };
                self.vault.call(save).await?;
            }
            None => {
                self.vault
                    .call(move |vault| vault.note_report(id, &event))
                    .await?;
            }
        }
        if let Some(tracked) = self.state.facts().requests.get_mut(&id) {
            tracked.reported = if told {
                Reported::Yes
            } else {
                Reported::OnlyHere
            };
            if report.is_none() {
                report_words(told).clone_into(&mut tracked.detail);
            }
        }
        match report {
            Some(report) => {
                self.deliver(row.service, report).await;
            }
            None if !pending => {
                if let Ok(request) = self.tracked_request(id) {
                    let before = Phase::Closed(Closing::Denied);
                    self.tell(&request, before, Closing::Denied, "", Reported::OnlyHere)
                        .await;
                }
            }
            // The denial's outcome says it.
            None => {}
        }
        self.changed(id);
        if pending {
            self.outcome(id, changes).await
        } else {
            self.stored_view(id).await
        }
    }

    /// Durable first, then sent; if the stream is down it goes out at the next welcome.
    async fn send_durably(
        &self,
        request: &LoginRequest,
        answer: Outgoing,
    ) -> Result<(), AnswerError> {
        let (id, service, now) = (request.id, request.service, self.ports.clock.wall());
        if let Some(bytes) = answer.kept() {
            let save = move |vault: &mut Vault| vault.save_decision(id, service, &bytes, now, None);
            if let Err(error) = self.vault.call(save).await {
                self.reopen(request.id);
                return Err(error.into());
            }
        }
        self.deliver(request.service, answer).await;
        self.changed(request.id);
        Ok(())
    }

    /// Waits until the service has said how it ended, or for a bounded time.
    async fn outcome(
        &self,
        id: LoginRequestId,
        mut changes: broadcast::Receiver<Change>,
    ) -> Result<RequestView, AnswerError> {
        let closed = async {
            loop {
                match self.phase(id) {
                    Some(Phase::Closed(closing)) => return Ok(Some(closing)),
                    // The answer was not taken, and the question is put again.
                    Some(Phase::Shown | Phase::Held) => return Err(AnswerError::NotTaken),
                    Some(Phase::Verifying | Phase::Decided(_)) | None => {}
                }
                match changes.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(None),
                }
            }
        };
        let wait = Duration::from_millis(limits::OUTCOME_WAIT_MS);
        let closing = match tokio::time::timeout(wait, closed).await {
            Ok(closed) => closed?,
            Err(_late) => None,
        };
        let closing = closing.ok_or(AnswerError::OutcomeUnknown)?;
        let view = self
            .login_request_view(id)
            .ok_or(AnswerError::OutcomeUnknown)?;
        match closing {
            Closing::Approved | Closing::LoggedIn | Closing::Denied => Ok(view),
            Closing::Expired => Err(countersign_core::login_request::AnswerError::Expired.into()),
            Closing::Cancelled => {
                Err(countersign_core::login_request::AnswerError::Cancelled.into())
            }
            Closing::Refused => Err(AnswerError::Refused(view.detail)),
        }
    }

    pub(super) async fn device(
        &self,
        service: ServiceId,
    ) -> Result<countersign_core::ids::DeviceId, AnswerError> {
        let record = self.service(service).await;
        record.map(|record| record.device).ok_or_else(|| {
            AnswerError::Refused("the service of this request is not known any more".to_owned())
        })
    }

    /// Which request the caller means.
    async fn select(
        &self,
        selector: &RequestSelector,
        wish: &AnswerWish,
    ) -> Result<LoginRequestId, AnswerError> {
        let RequestSelector::Id(text) = selector else {
            let facts = self.state.facts();
            let pending = facts.pending();
            return match (pending.as_slice(), selector) {
                ([], _) => Err(AnswerError::Unknown(UnknownRequest::NonePending)),
                ([only], _) => Ok(only.request.id),
                ([newest, ..], RequestSelector::Newest) => Ok(newest.request.id),
                (_, RequestSelector::Only | RequestSelector::Id(_)) => Err(AnswerError::Ambiguous),
            };
        };
        let wanted = text.to_ascii_lowercase();
        let fits = |id: &LoginRequestId| {
            wanted.len() >= SHORTEST_ID && id.to_string().starts_with(&wanted)
        };
        let mut known: Vec<_> = self
            .state
            .facts()
            .requests
            .keys()
            .copied()
            .filter(fits)
            .collect();
        if known.is_empty() && matches!(wish, AnswerWish::Report) {
            let rows = self
                .vault
                .call(|vault| vault.requests(super::view::HISTORY))
                .await?;
            known = rows.into_iter().map(|row| row.id).filter(fits).collect();
        }
        match known.as_slice() {
            [] => Err(AnswerError::Unknown(UnknownRequest::NoSuchId)),
            [one] => Ok(*one),
            _ => Err(AnswerError::Ambiguous),
        }
    }

    fn tracked_request(&self, id: LoginRequestId) -> Result<LoginRequest, AnswerError> {
        let facts = self.state.facts();
        let tracked = facts.requests.get(&id);
        tracked
            .map(|tracked| tracked.request.clone())
            .ok_or(AnswerError::Unknown(UnknownRequest::NoSuchId))
    }

    pub(super) fn phase(&self, id: LoginRequestId) -> Option<Phase> {
        self.state
            .facts()
            .requests
            .get(&id)
            .map(|tracked| tracked.phase)
    }

    /// One step of core's state machine, under the lock.
    fn advance(
        &self,
        id: LoginRequestId,
        step: impl FnOnce(
            Phase,
            countersign_core::time::BootTime,
            countersign_core::time::BootTime,
        ) -> Result<Phase, countersign_core::login_request::AnswerError>,
    ) -> Result<(), AnswerError> {
        let now = self.ports.clock.boot();
        let mut facts = self.state.facts();
        let tracked = facts
            .requests
            .get_mut(&id)
            .ok_or(AnswerError::Unknown(UnknownRequest::NoSuchId))?;
        tracked.phase = step(tracked.phase, now, tracked.deadline)?;
        Ok(())
    }

    fn retreat(&self, id: LoginRequestId) {
        if let Some(tracked) = self.state.facts().requests.get_mut(&id) {
            tracked.phase = tracked.phase.verification_failed();
        }
    }

    /// The decision could not be made durable: nothing was sent, so it is not decided.
    fn reopen(&self, id: LoginRequestId) {
        if let Some(tracked) = self.state.facts().requests.get_mut(&id)
            && matches!(tracked.phase, Phase::Decided(_))
        {
            tracked.phase = Phase::Shown;
        }
    }

    /// The name of a token for the event log; empty once it is gone.
    pub(in crate::agent) async fn token_name(&self, id: Option<TokenId>) -> String {
        let tokens = self.rows().await.unwrap_or_default();
        let token = tokens.into_iter().find(|token| Some(token.id) == id);
        token.map(|token| token.name).unwrap_or_default()
    }

    pub(super) async fn stored_request(
        &self,
        id: LoginRequestId,
    ) -> Result<RequestRow, AnswerError> {
        match self.vault.call(move |vault| vault.request(id)).await {
            Err(VaultError::RequestUnknown) => Err(AnswerError::Unknown(UnknownRequest::NoSuchId)),
            found => Ok(found?),
        }
    }

    pub(super) async fn channel_key(&self, service: ServiceId) -> Result<SigningKey, VaultError> {
        self.vault
            .call(move |vault| vault.channel_key(service))
            .await
    }
}
