//! The same answer, in the words of the service that asked.

use countersign_core::{
    ids::ServiceId,
    login_request::{LoginRequest, Phase},
    token::TokenSecrets,
};
use countersign_proto::push::v1 as push;

use super::AnswerError;
use crate::{
    agent::{
        Agent,
        ports::{Delivery, Outgoing},
        sudo_approval::{sudo_approval, sudo_denial},
        verification::Verified,
    },
    vault::{RequestRow, ServiceKind},
};

/// Who says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::agent) enum Denial {
    /// The user.
    User,
    /// The user, who will report it: "It wasn't me!"
    NotMe,
    /// The user, whose login it was.
    Cancelled,
    /// A rule of the user's: autosend is off, login requests are muted, the resource or address is blocked.
    Rule,
}

impl Agent {
    /// The service hears that the request has come, and whether it is shown.
    pub(super) async fn acknowledge(&self, request: &LoginRequest, phase: Phase) {
        match self.kind(request.service).await {
            ServiceKind::Gateway => self.acknowledge_to_gateway(request, phase).await,
            // privacyIDEA is not told: it has no word for it. The PAM module is told by its story.
            ServiceKind::PrivacyIdea(_) | ServiceKind::Sudo => {}
        }
    }

    pub(super) async fn approval(
        &self,
        request: &LoginRequest,
        number: String,
        secrets: &TokenSecrets,
        verified: &Verified,
    ) -> Result<Outgoing, AnswerError> {
        match self.kind(request.service).await {
            ServiceKind::Gateway => {
                self.gateway_approval(request, number, secrets, verified)
                    .await
            }
            ServiceKind::PrivacyIdea(_) => self.privacyidea_approval(request, number).await,
            ServiceKind::Sudo => sudo_approval(request, number, verified),
        }
    }

    pub(super) async fn denial(
        &self,
        request: &LoginRequest,
        denial: Denial,
    ) -> Result<Outgoing, AnswerError> {
        match self.kind(request.service).await {
            ServiceKind::Gateway => {}
            ServiceKind::PrivacyIdea(_) => return self.privacyidea_denial(request, denial).await,
            ServiceKind::Sudo => return Ok(sudo_denial(request.id, denial)),
        }
        let verdict = match denial {
            Denial::User | Denial::NotMe | Denial::Cancelled => push::Verdict::Deny,
            Denial::Rule => push::Verdict::DenyByRule,
        };
        self.gateway_denial(request, verdict).await
    }

    /// A second message after the denial, which never waits for it; nothing for a service that has no place for it.
    pub(super) async fn report_of(
        &self,
        row: &RequestRow,
    ) -> Result<Option<Outgoing>, AnswerError> {
        match self.kind(row.service).await {
            ServiceKind::Gateway => self.gateway_report(row).await.map(Some),
            ServiceKind::PrivacyIdea(_) | ServiceKind::Sudo => Ok(None),
        }
    }

    async fn kind(&self, service: ServiceId) -> ServiceKind {
        let row = self.service(service).await;
        row.map(|row| row.kind).unwrap_or_default()
    }

    /// Hands a message to the adapter of its protocol.
    pub(in crate::agent) async fn deliver(
        &self,
        service: ServiceId,
        message: Outgoing,
    ) -> Delivery {
        match message {
            Outgoing::Gateway(frame) => self.ports.push.send(service, frame).await,
            Outgoing::PrivacyIdea(answer) => self.ports.polls.send(service, answer).await,
            Outgoing::Sudo(reply) => self.tell_sudo(reply),
        }
    }
}
