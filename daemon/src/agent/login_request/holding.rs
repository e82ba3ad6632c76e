//! While the session is locked, away or asleep, no login request shows its text and none can be approved: they are
//! held, and shown when the user is back.

use countersign_core::login_request::Phase;

use crate::agent::{Agent, Change, state::Hold};

impl Agent {
    /// Is a request held if it comes now?
    pub(in crate::agent) fn holds(&self) -> bool {
        !self.state.facts().holds.is_empty()
    }

    /// The user has gone: what is shown loses its text, what is being verified is no more.
    pub(in crate::agent) async fn hold_login_requests(&self, why: Hold) {
        let (first, held) = {
            let mut facts = self.state.facts();
            let first = facts.holds.is_empty();
            facts.holds.insert(why);
            let mut held = Vec::new();
            for tracked in facts.requests.values_mut() {
                let before = tracked.phase;
                tracked.phase = before.hold();
                if tracked.phase != before {
                    held.push((tracked.request.id, tracked.request.token));
                }
            }
            (first, held)
        };
        // A reader that waits for a finger is let go: the next finger is the screen lock's.
        self.tell_watchers(Change::Session);
        for (id, token) in held {
            self.changed(id);
            self.show_again(id, token).await;
        }
        if first {
            self.announce_availability().await;
        }
    }

    /// The user is back in one respect; in all of them: what was held is shown.
    pub(in crate::agent) async fn release_login_requests(&self, why: Hold) {
        let released = {
            let mut facts = self.state.facts();
            let held_before = facts.holds.remove(&why);
            if !held_before || !facts.holds.is_empty() {
                return;
            }
            let mut released = Vec::new();
            for tracked in facts.requests.values_mut() {
                let before = tracked.phase;
                tracked.phase = before.release();
                if tracked.phase != before {
                    released.push(tracked.request.clone());
                }
            }
            released
        };
        self.reopen_with_session().await;
        for request in released {
            self.changed(request.id);
            self.show_again(request.id, request.token).await;
            self.acknowledge(&request, Phase::Shown).await;
        }
        self.announce_availability().await;
    }

    /// The vault was opened: questions that said otherwise are put anew.
    pub(in crate::agent) async fn ask_again(&self) {
        let shown: Vec<_> = {
            let facts = self.state.facts();
            let pending = facts.pending();
            let shown = pending
                .into_iter()
                .filter(|tracked| tracked.phase == Phase::Shown);
            shown
                .map(|tracked| (tracked.request.id, tracked.request.token))
                .collect()
        };
        for (id, token) in shown {
            self.show_again(id, token).await;
        }
    }
}
