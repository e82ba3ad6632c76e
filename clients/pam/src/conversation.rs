//! What the user reads on the terminal.

use countersign_core::sudo::MatchNumber;
use pam::{constants::PAM_TEXT_INFO, conv::Conv, module::PamHandle};

use crate::{options::Words, verdict::Unavailable};

/// The application's way to the user.
pub(crate) struct Conversation<'a> {
    conv: Option<Conv<'a>>,
    words: Words,
}

impl<'a> Conversation<'a> {
    /// sudo always sets `PAM_SILENT` and shows these lines all the same, as its users expect of every module; `quiet` is
    /// what turns them off.
    pub(crate) fn new(pamh: &'a PamHandle, words: Words) -> Self {
        Self {
            conv: pamh.get_item::<Conv<'_>>().ok().flatten(),
            words,
        }
    }

    /// The question is on the desktop.
    pub(crate) fn shown(&self, number: Option<&MatchNumber>) {
        match (number, self.words) {
            // Without it nobody can approve.
            (Some(number), _) => self.say(&format!(
                "Countersign: to approve, type {} on your desktop.",
                number.shown()
            )),
            (None, Words::Some) => self.say("Countersign: approve on your desktop."),
            (None, Words::Quiet) => {}
        }
    }

    /// Root asks for a finger now.
    pub(crate) fn finger(&self) {
        self.say("Countersign: touch the fingerprint reader.");
    }

    /// Nobody was asked, or nobody answered.
    pub(crate) fn unavailable(&self, why: Unavailable) {
        if let (Words::Some, Some(words)) = (self.words, why.words()) {
            self.say(words);
        }
    }

    /// A message that cannot be shown is no failure.
    fn say(&self, text: &str) {
        if let Some(conv) = &self.conv {
            drop(conv.send(PAM_TEXT_INFO, text));
        }
    }
}
