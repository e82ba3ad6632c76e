//! What the user reads on the terminal.

use countersign_core::{secret::SecretText, sudo::MatchNumber};
use pam::{
    constants::{PAM_PROMPT_ECHO_OFF, PAM_TEXT_INFO},
    conv::Conv,
    module::PamHandle,
};

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

    /// Asks for a passcode; none if the application cannot ask, or nobody answers.
    pub(crate) fn passcode(&self, challenge: Option<&str>) -> Option<SecretText> {
        // In one message: sshd shows a message of its own only after the answer.
        let prompt = match challenge {
            Some(challenge) => format!("Challenge: {challenge}\nPasscode: "),
            None => "Passcode: ".to_owned(),
        };
        self.ask(&prompt)
    }

    /// Asks for a passcode, or for nothing: then the desktop is asked.
    pub(crate) fn passcode_or_desktop(&self) -> Option<SecretText> {
        self.ask("Passcode (or nothing, to be asked on your desktop): ")
    }

    /// The gateway has put the login on the desktop.
    pub(crate) fn shown_by_the_gateway(&self, number: Option<&str>) {
        match (number, self.words) {
            (Some(number), _) => self.say(&format!(
                "Countersign: to approve, type {number} on your desktop."
            )),
            (None, Words::Some) => self.say("Countersign: approve on your desktop."),
            (None, Words::Quiet) => {}
        }
    }

    fn ask(&self, prompt: &str) -> Option<SecretText> {
        let answer = self.conv.as_ref()?.send(PAM_PROMPT_ECHO_OFF, prompt);
        let answer = answer.ok().flatten()?;
        core::str::from_utf8(answer.as_bytes())
            .ok()
            .map(SecretText::from)
    }

    /// Why a passcode did not help, where the user can do something about it.
    pub(crate) fn not_right(&self, words: &str) {
        if self.words == Words::Some {
            self.say(words);
        }
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
