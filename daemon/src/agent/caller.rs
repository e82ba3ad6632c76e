//! Who asks, what came along with the wish, and what the user is told that it is about.

use core::time::Duration;

use countersign_core::{secret::SecretBytes, text};
use tokio_util::sync::CancellationToken;

use super::ports::CallerScreen;

/// Who asks, and what came along.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// A PIN or passphrase that was given with the wish; nobody is asked then.
    pub secret: Option<SecretBytes>,
    /// Where a dialog is shown; empty: the session's own screen.
    pub screen: CallerScreen,
    /// Is cancelled when the caller no longer waits: a dialog that is open for it goes.
    pub gone: CancellationToken,
    /// Has what came along been used for something else already? Nobody is asked for a PIN then, either.
    pub used_up: UsedUp,
}

/// Has the secret that came along been used?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsedUp {
    /// No, or none came.
    #[default]
    No,
    /// It opened the vault.
    ByTheVault,
}

impl Caller {
    /// With a PIN or passphrase that came along.
    #[must_use]
    pub fn with(self, secret: Option<SecretBytes>) -> Self {
        Self { secret, ..self }
    }

    /// After what came along has opened the vault: there is nothing left for the token.
    #[must_use]
    pub(super) fn used_by_the_vault(&self) -> Self {
        Self {
            secret: None,
            used_up: UsedUp::ByTheVault,
            ..self.clone()
        }
    }
}

/// What a PIN or finger is asked for: a dialog says it.
#[derive(Clone, Debug)]
pub(super) struct About {
    /// Display-safe lines, the most telling first.
    lines: Vec<String>,
    /// How long the question makes sense.
    pub(super) within: Duration,
}

/// The longest line of a dialog, in characters.
const LINE: usize = 100;
/// How long a dialog stays where nothing else ends it.
const USUAL: Duration = Duration::from_mins(2);

impl About {
    /// About one thing. Foreign words in it are made safe.
    pub(super) fn new(line: &str) -> Self {
        Self {
            lines: vec![text::display(line, LINE)],
            within: USUAL,
        }
    }

    /// With a line more, unless it is empty.
    #[must_use]
    pub(super) fn and(mut self, line: &str) -> Self {
        if !line.is_empty() {
            self.lines.push(text::display(line, LINE));
        }
        self
    }

    /// With a line more that is as long as it takes: what one decides by is not clipped.
    #[must_use]
    pub(super) fn and_long(mut self, line: &str, most: usize) -> Self {
        self.lines
            .push(text::display(line, most.saturating_add(LINE)));
        self
    }

    /// For no longer than this.
    #[must_use]
    pub(super) const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// The lines, and what is to be done about it.
    pub(super) fn description(&self, what: &str) -> String {
        let mut text = self.lines.join("\n");
        text.push_str("\n\n");
        text.push_str(what);
        text
    }
}
