//! A login request as answers show it.

use countersign_proto::agent::v1::{self as api, LoginOrigin, LoginRequestState};
use serde::Serialize;

use super::{
    Paint, Style,
    table::{Cell, pairs, tabbed},
    words::{self, Word as _},
};
use crate::clock;

/// How much of an id people see; any unique beginning of at least 4 digits is taken.
const SHORT_ID: usize = 8;

/// A login request.
#[derive(Debug, Serialize)]
pub(crate) struct LoginRequest {
    pub(crate) id: String,
    pub(crate) token: String,
    pub(crate) service: String,
    pub(crate) resource: String,
    pub(crate) user: String,
    pub(crate) client_address: String,
    pub(crate) place: String,
    pub(crate) program: String,
    pub(crate) created_ms: i64,
    pub(crate) left_ms: u32,
    pub(crate) state: Option<String>,
    pub(crate) detail: String,
    pub(crate) reported: bool,
    pub(crate) number_required: bool,
    pub(crate) origin: Option<String>,
    pub(crate) question: String,
    pub(crate) choices: Vec<String>,
    pub(crate) display_code: String,
    #[serde(skip)]
    pub(crate) place_beside: LoginOrigin,
    #[serde(skip)]
    pub(crate) kind: LoginRequestState,
}

impl From<api::LoginRequest> for LoginRequest {
    fn from(request: api::LoginRequest) -> Self {
        let kind = request.state();
        let place_beside = request.origin();
        Self {
            id: request.id,
            token: request.token,
            service: request.service,
            resource: request.resource,
            user: request.user,
            client_address: request.client_address,
            place: request.place,
            program: request.program,
            created_ms: request.created_ms,
            left_ms: request.left_ms,
            state: kind.word(),
            detail: request.detail,
            reported: request.reported,
            number_required: request.number_required,
            origin: place_beside.word(),
            question: request.question,
            choices: request.choices,
            display_code: request.display_code,
            place_beside,
            kind,
        }
    }
}

/// The heading of [`LoginRequest::row`].
pub(crate) const HEADING: [&str; 7] = ["ID", "WHEN", "RESOURCE", "USER", "FROM", "STATE", "LEFT"];

impl LoginRequest {
    /// The id as people see it.
    pub(crate) fn short_id(&self) -> String {
        self.id.chars().take(SHORT_ID).collect()
    }

    /// Where the login comes from, beside this computer, with address and place.
    pub(crate) fn coming_from(&self) -> String {
        let there = self.there();
        match self.place_beside {
            LoginOrigin::ThisComputer => "this computer".to_owned(),
            LoginOrigin::SameNetwork => format!("your network, {there}"),
            LoginOrigin::OtherAddress => format!("another address, {there}"),
            LoginOrigin::Unknown | LoginOrigin::Unspecified => there,
        }
    }

    /// Address and place.
    fn there(&self) -> String {
        match (self.client_address.is_empty(), self.place.is_empty()) {
            (false, false) => format!("{} ({})", self.client_address, self.place),
            (false, true) => self.client_address.clone(),
            (true, _) => self.place.clone(),
        }
    }

    /// When it was asked.
    pub(crate) fn when(&self) -> String {
        clock::from_millis(self.created_ms)
            .map(|at| clock::local(at, clock::now()))
            .unwrap_or_default()
    }

    /// A row of a table.
    pub(crate) fn row(&self) -> Vec<Cell> {
        let (word, paint) = words::request_state(self.kind);
        let state = match (self.reported, self.detail.is_empty()) {
            (true, _) => format!("{word}, reported"),
            (false, false) => format!("{word}: {}", self.detail),
            (false, true) => word.to_owned(),
        };
        let left = if self.kind == LoginRequestState::Pending {
            Cell::new(paint, &clock::span(u64::from(self.left_ms).div_ceil(1_000)))
        } else {
            Cell::default()
        };
        vec![
            Cell::new(Paint::Name, &self.short_id()),
            Cell::new(Paint::Faint, &self.when()),
            Cell::plain(&self.resource),
            Cell::plain(&self.user),
            Cell::plain(&self.coming_from()),
            Cell::new(paint, &state),
            left,
        ]
    }

    /// A line for scripts: id, state, resource, user, address, milliseconds left, token.
    pub(crate) fn line(&self) -> String {
        tabbed(&[
            &self.id,
            self.state.as_deref().unwrap_or_default(),
            &self.resource,
            &self.user,
            &self.client_address,
            &self.left_ms.to_string(),
            &self.token,
        ])
    }

    /// Who asks, in full, before it is answered.
    pub(crate) fn card(&self, style: &Style) -> String {
        let mut rows = vec![("  Resource", Cell::new(Paint::Answer, &self.resource))];
        for (label, words) in [
            ("  Question", self.question.clone()),
            ("  User", self.user.clone()),
            ("  From", self.coming_from()),
            ("  With", self.program.clone()),
            ("  Asked", self.asked()),
            ("  Service", self.service.clone()),
        ] {
            if !words.is_empty() {
                rows.push((label, Cell::plain(&words)));
            }
        }
        pairs(&rows, style)
    }

    fn asked(&self) -> String {
        clock::from_millis(self.created_ms)
            .map(|at| {
                let now = clock::now();
                format!("{} ({})", clock::local(at, now), clock::ago(at, now))
            })
            .unwrap_or_default()
    }
}
