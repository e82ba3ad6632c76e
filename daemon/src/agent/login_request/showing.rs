//! Which login requests are on the screen, and what their notifications say.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::{
    ids::{LoginRequestId, TokenId},
    login_origin::LoginOrigin,
    login_request::{NumberMatching, Phase},
    token::{PushPolicy, VerificationLevel},
};
use tracing::info;

use crate::{
    agent::{
        Agent,
        ports::{Approval, Extent, LoginRequestNotice, ShownThere},
    },
    vault::{TokenRow, UnlockMode},
};

/// How many notifications of login requests are on the screen at once: more would only hide each other. The others
/// follow as these end.
const AT_ONCE: usize = 5;

impl Agent {
    /// The newest requests are on the screen, each in a notification of its own; the newest says how many wait in all.
    /// Called when one has come or ended.
    pub(in crate::agent) async fn arrange_notifications(&self) {
        let (gone, due) = {
            let mut facts = self.state.facts();
            let newest: BTreeMap<_, _> = facts
                .pending()
                .into_iter()
                .take(AT_ONCE)
                .map(|tracked| (tracked.request.id, tracked.request.token))
                .collect();
            let wanted: BTreeSet<_> = newest.keys().copied().collect();
            let before = core::mem::replace(&mut facts.on_screen, wanted.clone());
            // What has ended was told in its place, or has vanished with its story.
            let gone: Vec<_> = before
                .difference(&wanted)
                .copied()
                .filter(|id| facts.is_pending(*id))
                .collect();
            let due: Vec<_> = newest
                .into_iter()
                .filter(|(id, _)| !before.contains(id))
                .collect();
            (gone, due)
        };
        for id in gone {
            self.ports.notifications.withdraw(id).await;
        }
        for (id, token) in due {
            self.show(id, token, Extent::Short).await;
        }
    }

    /// Asks again with what has changed, if it is on the screen.
    pub(super) async fn show_again(&self, id: LoginRequestId, token: TokenId) {
        let on_screen = self.state.facts().on_screen.contains(&id);
        if on_screen {
            self.show(id, token, Extent::Short).await;
        }
    }

    /// The user wants to read all of it.
    pub(super) async fn show_details(&self, id: LoginRequestId) {
        let token = {
            let facts = self.state.facts();
            facts.requests.get(&id).map(|tracked| tracked.request.token)
        };
        if let Some(token) = token {
            self.show(id, token, Extent::Full).await;
        }
    }

    /// Without a notification server the other ways remain.
    async fn show(&self, id: LoginRequestId, token: TokenId, extent: Extent) {
        let Ok(token) = self.row(token).await else {
            return;
        };
        let cost = self.approval_cost(id, &token).await;
        let service = match token.service {
            Some(service) => self.service(service).await.map(|record| record.name),
            None => None,
        };
        let names = (service.unwrap_or_default(), token.name.clone());
        let Some(notice) = self.notice(id, names, cost, extent) else {
            return;
        };
        if let Err(error) = self.ports.notifications.ask(&notice).await {
            info!(%error, token = %token.name, "the login request could not be shown as a notification");
        }
    }

    /// What approving costs, as far as it is known before.
    async fn approval_cost(&self, id: LoginRequestId, token: &TokenRow) -> Approval {
        if !self.is_unlocked().await {
            let mode = self.vault.call(|vault| vault.unlock_mode()).await;
            return if mode == Ok(UnlockMode::Pin) && self.ports.pin_entry.program().is_some() {
                Approval::Unlocked
            } else {
                Approval::VaultLocked
            };
        }
        if self.is_sudo_by_click(id, token.id) {
            return Approval::Click;
        }
        match token.secrets.as_ref().map(|secrets| secrets.push) {
            Some(PushPolicy::Allowed(VerificationLevel::Click)) | None => Approval::Click,
            Some(PushPolicy::Allowed(_) | PushPolicy::Off) => Approval::Verified,
        }
    }

    fn notice(
        &self,
        id: LoginRequestId,
        (service, token): (String, String),
        cost: Approval,
        extent: Extent,
    ) -> Option<LoginRequestNotice> {
        let asks = self.ports.pin_entry.program().is_some();
        let facts = self.state.facts();
        let others = facts.pending().len().saturating_sub(1);
        let tracked = facts
            .requests
            .get(&id)
            .filter(|tracked| tracked.phase.is_pending())?;
        let request = &tracked.request;
        let mut notice = LoginRequestNotice {
            id,
            subject: request.subject,
            service,
            token,
            question: request.question.clone(),
            resource: request.resource.clone(),
            user: request.user.clone(),
            client_address: request.client_address.clone(),
            place: request.place.clone(),
            program: request.program.clone(),
            origin: tracked.origin,
            at: tracked.received,
            left: tracked.deadline.since(self.ports.clock.boot()),
            approval: match (cost, &request.matching) {
                (Approval::VaultLocked, _) => Approval::VaultLocked,
                (cost, NumberMatching::Off) => cost,
                (_, NumberMatching::Typed | NumberMatching::Chosen(_)) if asks => Approval::Number,
                (_, NumberMatching::Typed | NumberMatching::Chosen(_)) => Approval::NumberTyped,
            },
            shown_there: match &request.matching {
                NumberMatching::Off => ShownThere::Nothing,
                NumberMatching::Typed => ShownThere::Number,
                NumberMatching::Chosen(_) => ShownThere::Choice,
            },
            others,
            extent,
        };
        if tracked.phase == Phase::Held {
            // Who stands before a locked screen reads nothing of it.
            notice.approval = Approval::SessionLocked;
            notice.origin = LoginOrigin::Unknown;
            for text in [
                &mut notice.service,
                &mut notice.token,
                &mut notice.question,
                &mut notice.resource,
                &mut notice.user,
                &mut notice.client_address,
                &mut notice.place,
                &mut notice.program,
            ] {
                text.clear();
            }
        }
        Some(notice)
    }
}
