//! The same answer, in the words of the service that asked.

use countersign_core::{
    login_request::{LoginRequest, Phase},
    token::TokenSecrets,
};
use countersign_proto::push::v1 as push;

use super::AnswerError;
use crate::{
    agent::{Agent, ports::Outgoing, verification::Verified},
    vault::RequestRow,
};

/// Who says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Denial {
    /// The user.
    User,
    /// The user, who will report it: "It wasn't me!"
    NotMe,
    /// A rule of the user's: autosend is off, login requests are muted, the resource or address is blocked.
    Rule,
}

impl Agent {
    /// The service hears that the request has come, and whether it is shown.
    pub(super) async fn acknowledge(&self, request: &LoginRequest, phase: Phase) {
        self.acknowledge_to_gateway(request, phase).await;
    }

    pub(super) async fn approval(
        &self,
        request: &LoginRequest,
        number: String,
        secrets: &TokenSecrets,
        verified: &Verified,
    ) -> Result<Outgoing, AnswerError> {
        self.gateway_approval(request, number, secrets, verified)
            .await
    }

    pub(super) async fn denial(
        &self,
        request: &LoginRequest,
        denial: Denial,
    ) -> Result<Outgoing, AnswerError> {
        let verdict = match denial {
            Denial::User | Denial::NotMe => push::Verdict::Deny,
            Denial::Rule => push::Verdict::DenyByRule,
        };
        self.gateway_denial(request, verdict).await
    }

    /// A second message after the denial, which never waits for it.
    pub(super) async fn report_of(&self, row: &RequestRow) -> Result<Outgoing, AnswerError> {
        self.gateway_report(row).await
    }
}
