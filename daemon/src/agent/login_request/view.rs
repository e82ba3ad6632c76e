//! Login requests as clients see them: display-safe, with the time left.

use core::time::Duration;

use countersign_core::{
    ids::LoginRequestId,
    login_origin::LoginOrigin,
    login_request::{Closing, NumberMatching, Phase},
    text,
    time::UnixMillis,
};
use tokio::sync::broadcast;

use super::AnswerError;
use crate::{
    agent::{
        Agent, Change,
        state::{Reported, Tracked},
    },
    vault::{RequestRow, RequestState, VaultError},
};

/// How many ended requests are shown.
pub(super) const HISTORY: usize = 20;
/// The longest text of a view, in characters.
const SHOWN: usize = 128;

/// One login request, every text display-safe.
#[derive(Clone, Debug)]
pub struct RequestView {
    /// Which request.
    pub id: LoginRequestId,
    /// The token's name; empty once it is gone.
    pub token: String,
    /// The service's name.
    pub service: String,
    /// The protected resource.
    pub resource: String,
    /// The user's name there.
    pub user: String,
    /// Where the login comes from; may be empty.
    pub client_address: String,
    /// Where that is; may be empty.
    pub place: String,
    /// What logs in; may be empty.
    pub program: String,
    /// When it was made, the service's clock.
    pub created: UnixMillis,
    /// Time left; zero once it is no longer pending.
    pub left: Duration,
    /// Where it stands.
    pub standing: Standing,
    /// Why it was refused or taken back.
    pub detail: String,
    /// "It wasn't me!" was said.
    pub reported: bool,
    /// What is given with the approval; choices are display-safe.
    pub matching: NumberMatching,
    /// The login's address beside this computer's.
    pub origin: LoginOrigin,
    /// The service's own words about it; may be empty.
    pub question: String,
    /// What is typed on the login page after the approval; may be empty.
    pub display_code: String,
}

/// Where a login request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Waits for an answer.
    Pending,
    /// Answered; the service has not spoken yet.
    Sending,
    /// Over.
    Ended(Closing),
}

impl Standing {
    /// One word of the closed list that D-Bus and `--json` use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Ended(Closing::Approved) => "approved",
            Self::Ended(Closing::LoggedIn) => "logged_in",
            Self::Ended(Closing::Denied) => "denied",
            Self::Ended(Closing::Expired) => "expired",
            Self::Ended(Closing::Cancelled) => "cancelled",
            Self::Ended(Closing::Refused) => "refused",
        }
    }
}

impl RequestView {
    /// Must the user give what the resource shows?
    #[must_use]
    pub const fn number_required(&self) -> bool {
        !matches!(self.matching, NumberMatching::Off)
    }

    /// What the user picks from; empty where nothing is picked.
    #[must_use]
    pub fn choices(&self) -> &[String] {
        match &self.matching {
            NumberMatching::Chosen(choices) => choices,
            NumberMatching::Off | NumberMatching::Typed => &[],
        }
    }
}

impl Agent {
    /// Pending login requests, newest first.
    pub fn pending_login_requests(&self) -> Vec<RequestView> {
        let facts = self.state.facts();
        let names = facts.names();
        facts
            .pending()
            .into_iter()
            .map(|tracked| self.view(tracked, &names))
            .collect()
    }

    /// Pending ones and the last that ended, newest first.
    ///
    /// # Errors
    ///
    /// The vault's.
    pub async fn login_request_history(&self) -> Result<Vec<RequestView>, VaultError> {
        let rows = self.vault.call(|vault| vault.requests(HISTORY)).await?;
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            let view = match self.login_request_view(row.id) {
                Some(view) => view,
                None => self.view_of_row(row).await,
            };
            views.push(view);
        }
        Ok(views)
    }

    /// One that is pending or ended a short while ago.
    pub fn login_request_view(&self, id: LoginRequestId) -> Option<RequestView> {
        let facts = self.state.facts();
        let names = facts.names();
        facts
            .requests
            .get(&id)
            .map(|tracked| self.view(tracked, &names))
    }

    /// What changes, from now on.
    pub fn watch_changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    pub(super) async fn stored_view(&self, id: LoginRequestId) -> Result<RequestView, AnswerError> {
        if let Some(view) = self.login_request_view(id) {
            return Ok(view);
        }
        Ok(self.view_of_row(self.stored_request(id).await?).await)
    }

    pub(super) fn view(
        &self,
        tracked: &Tracked,
        names: &super::super::state::Names,
    ) -> RequestView {
        let request = &tracked.request;
        let left = if tracked.phase.is_pending() {
            tracked.deadline.since(self.ports.clock.boot())
        } else {
            Duration::ZERO
        };
        RequestView {
            id: request.id,
            token: names.token(request.token),
            service: names.service(request.service),
            resource: text::display(&request.resource, SHOWN),
            user: text::display(&request.user, SHOWN),
            client_address: text::display(&request.client_address, SHOWN),
            place: text::display(&request.place, SHOWN),
            program: text::display(&request.program, SHOWN),
            created: request.created,
            left,
            standing: standing(tracked.phase),
            detail: tracked.detail.clone(),
            reported: tracked.reported != Reported::No,
            matching: shown_matching(&request.matching),
            origin: tracked.origin,
            question: text::display(&request.question, SHOWN),
            display_code: tracked.display_code.clone(),
        }
    }

    async fn view_of_row(&self, row: RequestRow) -> RequestView {
        RequestView {
            id: row.id,
            token: self.token_name(row.token).await,
            service: self
                .service(row.service)
                .await
                .map(|record| record.name)
                .unwrap_or_default(),
            resource: row.resource,
            user: row.user,
            client_address: row.address,
            place: row.place,
            program: row.program,
            created: row.created,
            left: Duration::ZERO,
            standing: match row.state {
                RequestState::Sending => Standing::Sending,
                RequestState::Approved => Standing::Ended(Closing::Approved),
                RequestState::LoggedIn => Standing::Ended(Closing::LoggedIn),
                RequestState::Denied => Standing::Ended(Closing::Denied),
                // Pending at a restart: the gateway sends it again if it is still open.
                RequestState::Pending | RequestState::Expired => Standing::Ended(Closing::Expired),
                RequestState::Cancelled => Standing::Ended(Closing::Cancelled),
                RequestState::Refused => Standing::Ended(Closing::Refused),
            },
            detail: row.detail,
            reported: row.reported,
            matching: NumberMatching::Off,
            origin: LoginOrigin::Unknown,
            question: String::new(),
            display_code: String::new(),
        }
    }
}

fn shown_matching(matching: &NumberMatching) -> NumberMatching {
    match matching {
        NumberMatching::Off => NumberMatching::Off,
        NumberMatching::Typed => NumberMatching::Typed,
        NumberMatching::Chosen(choices) => {
            let shown = choices.iter().map(|choice| text::display(choice, SHOWN));
            NumberMatching::Chosen(shown.collect())
        }
    }
}

const fn standing(phase: Phase) -> Standing {
    match phase {
        Phase::Held | Phase::Shown | Phase::Verifying => Standing::Pending,
        Phase::Decided(_) => Standing::Sending,
        Phase::Closed(closing) => Standing::Ended(closing),
    }
}

/// What the history keeps of a phase.
pub(super) const fn state_of(phase: Phase) -> RequestState {
    match phase {
        Phase::Held | Phase::Shown | Phase::Verifying => RequestState::Pending,
        Phase::Decided(_) => RequestState::Sending,
        Phase::Closed(Closing::Approved) => RequestState::Approved,
        Phase::Closed(Closing::LoggedIn) => RequestState::LoggedIn,
        Phase::Closed(Closing::Denied) => RequestState::Denied,
        Phase::Closed(Closing::Expired) => RequestState::Expired,
        Phase::Closed(Closing::Cancelled) => RequestState::Cancelled,
        Phase::Closed(Closing::Refused) => RequestState::Refused,
    }
}
