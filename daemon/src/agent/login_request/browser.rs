//! Login requests in a browser's window. Those of services only: a browser has no say in what this computer asks about its
//! own accounts (sudo).

use countersign_core::{ids::LoginRequestId, login_request::Subject, text};

use super::{AnswerError, AnswerWish, RequestSelector, RequestView, UnknownRequest};
use crate::{
    agent::{Agent, caller::Caller},
    vault::{EventKind, PairingRow},
};

/// The longest name of a resource in an event, in characters.
const SHOWN: usize = 64;

impl Agent {
    /// Those that wait, newest first; none while the session is locked, for their texts are not shown then.
    pub fn login_requests_for_browsers(&self) -> Vec<RequestView> {
        if self.holds() {
            return Vec::new();
        }
        let facts = self.state.facts();
        let names = facts.names();
        facts
            .pending()
            .into_iter()
            .filter(|tracked| tracked.request.subject == Subject::Login)
            .map(|tracked| self.view(tracked, &names))
            .collect()
    }

    /// Answers one, by its whole id, as [`Agent::answer`]. The history says which browser it was.
    ///
    /// # Errors
    ///
    /// Every variant of [`AnswerError`].
    pub async fn answer_for_browser(
        &self,
        id: &str,
        wish: AnswerWish,
        pairing: &PairingRow,
        caller: &Caller,
    ) -> Result<RequestView, AnswerError> {
        let unknown = || AnswerError::Unknown(UnknownRequest::NoSuchId);
        let id: LoginRequestId = id.parse().map_err(|_malformed| unknown())?;
        let before = {
            let facts = self.state.facts();
            let names = facts.names();
            let tracked = facts.requests.get(&id);
            tracked.map(|tracked| (tracked.request.subject, self.view(tracked, &names)))
        };
        if let Some((Subject::Account, _)) = before {
            return Err(unknown());
        }
        let word = match &wish {
            AnswerWish::Approve { .. } => "approved",
            AnswerWish::Deny | AnswerWish::Cancel => "denied",
            AnswerWish::Report => "reported",
        };
        let answered = self
            .answer(RequestSelector::Id(id.to_string()), wish, caller)
            .await;
        // What was sent is an answer, whatever the service makes of it.
        let (view, end) = match (&answered, &before) {
            (Ok(view), _) => (view, ""),
            (Err(AnswerError::Refused(_)), Some((_, view))) => (view, ", which was not accepted"),
            (Err(AnswerError::OutcomeUnknown), Some((_, view))) => (view, ", not confirmed yet"),
            (Err(_), _) => return answered,
        };
        let resource = text::display(&view.resource, SHOWN);
        let detail = format!("{word}{end}: {resource}, for {}", pairing.name);
        self.record_event(EventKind::BrowserAnswered, &view.token, &detail)
            .await;
        answered
    }
}
