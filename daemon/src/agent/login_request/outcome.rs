//! How a login request ends: the service's word, its taking back, or time.

use countersign_core::{
    ids::{LoginRequestId, ServiceId},
    login_request::{Closing, LoginRequest, Phase, Subject, Verdict},
};
use tracing::{info, warn};

use super::{arrival::summary, view::state_of};
use crate::{
    agent::{
        Agent,
        caller::Caller,
        explain::sentence,
        ports::{NoticeChoice, NoticedOutcome, OutcomeNotice},
        state::{Asked, Reported},
    },
    vault::{EventKind, Vault},
};

/// How long an ended request stays at hand before only the history has it.
const KEPT_ENDED: usize = 64;

/// A request, as its end found it.
struct Settled {
    before: Phase,
    after: Phase,
    request: LoginRequest,
    reported: Reported,
    asked: Asked,
    /// Had it a notification?
    on_screen: bool,
    detail: String,
}

/// What it was about, in a word: the resource, or the command.
fn named(request: &LoginRequest) -> String {
    match request.subject {
        Subject::Login => request.resource.clone(),
        Subject::Account => request.program.clone(),
    }
}

/// The service's last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Word {
    /// How the request ended, and why where that needs saying.
    Ended(Closing, &'static str),
    /// A report was taken.
    Reported,
}

impl Agent {
    /// The service says what became of an answer or report.
    pub(in crate::agent) async fn on_outcome(
        &self,
        service: ServiceId,
        id: LoginRequestId,
        word: Word,
    ) {
        if !self.asked_by(service, id).await {
            warn!(%service, %id, "an outcome for another service's login request was dropped");
            return;
        }
        match word {
            Word::Reported => self.close_report(id).await,
            Word::Ended(closing, detail) => {
                info!(%service, %id, ?closing, "a login request ended");
                self.close(id, closing, detail).await;
            }
        }
    }

    /// The service takes a request back, or somebody answered on another device.
    pub(in crate::agent) async fn on_cancel(
        &self,
        service: ServiceId,
        id: LoginRequestId,
        closing: Closing,
        detail: &str,
    ) {
        if !self.asked_by(service, id).await {
            warn!(%service, %id, "a cancel of another service's login request was dropped");
            return;
        }
        // A decision under way gets an outcome of its own.
        if self.phase(id).is_some_and(Phase::is_pending) {
            self.close(id, closing, detail).await;
        }
    }

    /// Is this request one of `service`'s? A service has a word in its own requests only.
    async fn asked_by(&self, service: ServiceId, id: LoginRequestId) -> bool {
        let asker = self
            .state
            .facts()
            .requests
            .get(&id)
            .map(|tracked| tracked.request.service);
        match asker {
            Some(asker) => asker == service,
            None => self
                .stored_request(id)
                .await
                .is_ok_and(|row| row.service == service),
        }
    }

    /// Ends what nobody answered in time.
    pub(in crate::agent) async fn expire_login_requests(&self) {
        let now = self.ports.clock.boot();
        let late: Vec<_> = {
            let facts = self.state.facts();
            let late = facts
                .requests
                .values()
                .filter(|tracked| tracked.phase.is_pending() && tracked.deadline <= now);
            late.map(|tracked| tracked.request.id).collect()
        };
        for id in late {
            self.close(id, Closing::Expired, "nobody answered in time")
                .await;
        }
    }

    async fn close(&self, id: LoginRequestId, closing: Closing, detail: &str) {
        let Some(Settled {
            before,
            after,
            request,
            reported,
            asked,
            on_screen,
            detail,
        }) = self.settle(id, closing, detail)
        else {
            self.close_stored(id, closing, detail).await;
            return;
        };
        let detail = detail.as_str();
        if before == after {
            return;
        }
        let kind = match (after, before) {
            (Phase::Closed(Closing::Approved), _) => EventKind::RequestApproved,
            (Phase::Closed(Closing::Denied), _) => EventKind::RequestDenied,
            (Phase::Closed(Closing::Refused), _) => EventKind::RequestRefused,
            _ => EventKind::RequestClosed,
        };
        let name = self.token_name(Some(request.token)).await;
        let line = match closing {
            Closing::LoggedIn => format!("logged in: {}", summary(&request)),
            Closing::Approved | Closing::Denied if detail.is_empty() => summary(&request),
            Closing::Approved
            | Closing::Denied
            | Closing::Expired
            | Closing::Cancelled
            | Closing::Refused => {
                format!("{detail}: {}", summary(&request))
            }
        };
        let event = self.event(kind, &name, &line);
        let kept = detail.to_owned();
        let close =
            move |vault: &mut Vault| vault.close_decision(id, state_of(after), &kept, Some(&event));
        if let Err(error) = self.vault.call(close).await {
            warn!(%id, %error, "how a login request ended could not be recorded");
        }
        if request.subject == Subject::Account {
            self.end_sudo(id, closing);
        }
        self.changed(id);
        // What nobody saw and nobody answered ends without a word.
        let unseen = before.is_pending() && !on_screen;
        if asked == Asked::Yes && !unseen {
            self.tell(&request, before, closing, detail, reported).await;
        }
        self.arrange_notifications().await;
    }

    /// The end of a request that was answered before a restart: only the history knows it.
    async fn close_stored(&self, id: LoginRequestId, closing: Closing, detail: &str) {
        let state = state_of(Phase::Closed(closing));
        let detail = detail.to_owned();
        let close = move |vault: &mut Vault| vault.close_decision(id, state, &detail, None);
        if let Err(error) = self.vault.call(close).await {
            warn!(%id, %error, "how a login request ended could not be recorded");
        }
    }

    fn settle(&self, id: LoginRequestId, closing: Closing, detail: &str) -> Option<Settled> {
        let mut facts = self.state.facts();
        let on_screen = facts.on_screen.contains(&id);
        let tracked = facts.requests.get_mut(&id)?;
        let before = tracked.phase;
        tracked.phase = before.close(closing);
        if tracked.phase != before && !detail.is_empty() {
            detail.clone_into(&mut tracked.detail);
        }
        let settled = Settled {
            before,
            after: tracked.phase,
            request: tracked.request.clone(),
            reported: tracked.reported,
            asked: tracked.asked,
            on_screen,
            detail: tracked.detail.clone(),
        };
        while facts.requests.len() > KEPT_ENDED {
            let oldest = facts
                .requests
                .values()
                .filter(|t| !t.phase.is_pending())
                .min_by_key(|t| t.received);
            let Some(oldest) = oldest
                .map(|tracked| tracked.request.id)
                .filter(|old| *old != id)
            else {
                break;
            };
            facts.requests.remove(&oldest);
        }
        drop(facts);
        Some(settled)
    }

    pub(super) async fn tell(
        &self,
        request: &LoginRequest,
        before: Phase,
        closing: Closing,
        detail: &str,
        reported: Reported,
    ) {
        // Whoever waits in the terminal sees what became of it.
        if request.subject == Subject::Account
            && matches!(closing, Closing::Approved | Closing::Cancelled)
        {
            return self.ports.notifications.withdraw(request.id).await;
        }
        let outcome = match (closing, reported) {
            (Closing::Approved, _) if self.code_waits(request.id) => NoticedOutcome::CodeWaits,
            (Closing::Approved, _) => NoticedOutcome::Approved,
            (Closing::LoggedIn, _) => NoticedOutcome::LoggedIn,
            (Closing::Denied, Reported::Yes) => NoticedOutcome::Reported,
            (Closing::Denied, Reported::OnlyHere) => NoticedOutcome::ReportKept,
            (Closing::Denied, Reported::No) => NoticedOutcome::Denied,
            (Closing::Expired, _) if before == Phase::Decided(Verdict::Approve) => {
                NoticedOutcome::Refused(sentence(detail))
            }
            (Closing::Expired, _) => NoticedOutcome::Expired,
            (Closing::Cancelled, _) => NoticedOutcome::Cancelled,
            (Closing::Refused, _) => NoticedOutcome::Refused(sentence(detail)),
        };
        let notice = OutcomeNotice {
            id: request.id,
            subject: request.subject,
            resource: named(request),
            user: request.user.clone(),
            outcome,
        };
        if let Err(error) = self.ports.notifications.tell(&notice).await {
            info!(%error, "an outcome could not be shown");
        }
    }

    /// Is something to be typed on the login page?
    fn code_waits(&self, id: LoginRequestId) -> bool {
        let facts = self.state.facts();
        let tracked = facts.requests.get(&id);
        tracked.is_some_and(|tracked| !tracked.display_code.is_empty())
    }

    async fn close_report(&self, id: LoginRequestId) {
        if let Err(error) = self.vault.call(move |vault| vault.close_report(id)).await {
            warn!(%id, %error, "an answered report could not be taken from the outbox");
        }
        let tracked = self
            .state
            .facts()
            .requests
            .get(&id)
            .map(|tracked| tracked.request.clone());
        if let Some(request) = tracked {
            self.tell(
                &request,
                Phase::Closed(Closing::Denied),
                Closing::Denied,
                "",
                Reported::Yes,
            )
            .await;
        }
    }

    /// The user chose something in a notification: intent only; the story asks for the factor where one is due.
    pub(in crate::agent) async fn on_notice(&self, id: LoginRequestId, choice: NoticeChoice) {
        use super::{AnswerWish, RequestSelector};
        let wish = match choice {
            NoticeChoice::Approve => AnswerWish::Approve { number: None },
            NoticeChoice::Deny => AnswerWish::Deny,
            NoticeChoice::Report => AnswerWish::Report,
            NoticeChoice::Details => return self.show_details(id).await,
            NoticeChoice::Dismissed => return,
        };
        let caller = Caller::default();
        let answered = self
            .answer(RequestSelector::Id(id.to_string()), wish, &caller)
            .await;
        let Err(error) = answered else {
            return;
        };
        info!(%id, %error, "an answer from a notification was not taken");
        // What the service said has been told already, and what is asked anew is on the screen.
        let asked_anew = matches!(error, super::AnswerError::NotTaken);
        if asked_anew || matches!(self.phase(id), Some(Phase::Closed(_))) {
            return;
        }
        self.tell_refusal(id, crate::agent::explain::sentences(&error))
            .await;
    }

    /// Says why an answer was not taken; the request stays open for another one.
    async fn tell_refusal(&self, id: LoginRequestId, sentence: String) {
        let tracked = self
            .state
            .facts()
            .requests
            .get(&id)
            .map(|tracked| tracked.request.clone());
        let Some(request) = tracked else { return };
        let notice = OutcomeNotice {
            id,
            subject: request.subject,
            resource: named(&request),
            user: request.user,
            outcome: NoticedOutcome::Refused(sentence),
        };
        drop(self.ports.notifications.tell(&notice).await);
    }
}
