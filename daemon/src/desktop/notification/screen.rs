//! What is on the screen, by the server's ids and by ours.

use std::collections::HashMap;

use countersign_core::{ids::LoginRequestId, time::UnixMillis};

use super::words::Action;
use crate::agent::ports::LoginRequestNotice;

/// The bookkeeping of one session.
#[derive(Debug, Default)]
pub(super) struct Screen {
    shown: HashMap<u32, Shown>,
    questions: HashMap<LoginRequestId, Question>,
    /// The server's id of what the fingerprint reader wants.
    pub(super) hint: Option<u32>,
    /// Asked once per server.
    pub(super) server: Option<Server>,
}

/// Who shows it, and what they can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Name and version, display-safe.
    pub(super) name: String,
    /// Its unique name on the bus: another one is another server, which knows none of the ids.
    pub(super) owner: String,
    pub(super) features: Features,
}

/// What the words depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    /// Bodies are markup: what comes from outside is escaped.
    pub(super) markup: bool,
    /// Actions can be offered.
    pub(super) actions: bool,
}

/// A question as it was asked: shown again when another server takes over.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) notice: LoginRequestNotice,
    /// The end of its time, wall clock.
    pub(super) until: UnixMillis,
}

#[derive(Debug)]
struct Shown {
    request: LoginRequestId,
    offered: Vec<Action>,
}

impl Screen {
    /// A question is to be on the screen until it is answered, told or withdrawn.
    pub(super) fn ask(&mut self, question: Question) {
        self.questions.insert(question.notice.id, question);
    }

    /// The questions that should be on the screen.
    pub(super) fn questions(&self) -> Vec<Question> {
        self.questions.values().cloned().collect()
    }

    /// The question is no longer one.
    pub(super) fn settle(&mut self, request: LoginRequestId) {
        self.questions.remove(&request);
    }

    /// The server's id of what is shown about `request`.
    pub(super) fn id_of(&self, request: LoginRequestId) -> Option<u32> {
        let mut shown = self.shown.iter();
        shown.find_map(|(id, shown)| (shown.request == request).then_some(*id))
    }

    /// The server shows it under `id`, in place of what it showed about `request` before.
    pub(super) fn show(&mut self, id: u32, request: LoginRequestId, offered: Vec<Action>) {
        self.shown.retain(|_, shown| shown.request != request);
        self.shown.insert(id, Shown { request, offered });
    }

    /// Whether `id` is ours.
    pub(super) fn knows(&self, id: u32) -> bool {
        self.shown.contains_key(&id)
    }

    /// The first answer, if this is one: an action that was offered. A second one finds nothing any more.
    pub(super) fn answer(&mut self, id: u32, key: &str) -> Option<(LoginRequestId, Action)> {
        let offered = &self.shown.get(&id)?.offered;
        let action = *offered.iter().find(|action| action.key() == key)?;
        self.forget(id).map(|request| (request, action))
    }

    /// Forgets what was shown under `id`: it is closed, or answered.
    pub(super) fn forget(&mut self, id: u32) -> Option<LoginRequestId> {
        let request = self.shown.remove(&id)?.request;
        self.questions.remove(&request);
        Some(request)
    }

    /// The server is gone, and with it all that it showed.
    pub(super) fn forget_server(&mut self) {
        self.shown.clear();
        self.hint = None;
        self.server = None;
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use countersign_core::{login_origin::LoginOrigin, login_request::Subject};

    use super::*;
    use crate::agent::ports::{Approval, Extent, ShownThere};

    const REQUEST: LoginRequestId = LoginRequestId([1; 16]);

    fn question() -> Question {
        Question {
            notice: LoginRequestNotice {
                id: REQUEST,
                subject: Subject::Login,
                service: String::new(),
                token: String::new(),
                question: String::new(),
                resource: String::new(),
                user: String::new(),
                client_address: String::new(),
                place: String::new(),
                program: String::new(),
                origin: LoginOrigin::Unknown,
                at: UnixMillis(0),
                left: Duration::ZERO,
                approval: Approval::Click,
                shown_there: ShownThere::Nothing,
                others: 0,
                extent: Extent::Short,
            },
            until: UnixMillis(0),
        }
    }

    fn asked() -> Screen {
        let mut screen = Screen::default();
        screen.ask(question());
        screen.show(7, REQUEST, vec![Action::Deny, Action::Approve]);
        screen
    }

    #[test]
    fn the_first_answer_counts() {
        let mut screen = asked();
        assert_eq!(screen.answer(7, "deny"), Some((REQUEST, Action::Deny)));
        assert_eq!(screen.answer(7, "approve"), None);
        assert!(screen.questions().is_empty());
    }

    #[test]
    fn what_was_not_offered_is_no_answer_and_spoils_none() {
        let mut screen = asked();
        for (id, key) in [
            (7, "report"),
            (7, "default"),
            (7, ""),
            (8, "approve"),
            (0, "deny"),
        ] {
            assert_eq!(screen.answer(id, key), None, "{id} {key}");
        }
        assert!(screen.answer(7, "approve").is_some());
    }

    #[test]
    fn a_request_is_shown_once_and_its_last_words_count() {
        let mut screen = asked();
        screen.show(9, REQUEST, vec![Action::Report, Action::Own]);
        assert_eq!(screen.id_of(REQUEST), Some(9));
        assert!(!screen.knows(7));
        assert_eq!(screen.answer(9, "approve"), None);
        assert_eq!(screen.answer(9, "report"), Some((REQUEST, Action::Report)));
    }

    #[test]
    fn questions_outlive_their_server() {
        let mut screen = asked();
        screen.forget_server();
        assert_eq!(screen.answer(7, "approve"), None);
        assert_eq!(screen.id_of(REQUEST), None);
        assert_eq!(screen.questions().len(), 1);
        screen.settle(REQUEST);
        assert!(screen.questions().is_empty());
    }
}
