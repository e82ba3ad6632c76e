//! Text that may be painted.

use crate::text;

/// Text from elsewhere that was made safe to show: no control, bidirectional or invisible character is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shown(String);

impl Shown {
    /// A name or another short text.
    pub(crate) fn name(text: &str) -> Self {
        Self(text::short(text))
    }

    /// A longer text, letter by letter as it was said: it may begin with a name.
    pub(crate) fn words(text: &str) -> Self {
        Self(text::sentence(text))
    }

    /// A sentence, with a large first letter and a full stop.
    pub(crate) fn sentence(text: &str) -> Self {
        Self(text::polished(text))
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to show.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text unless there is none.
    pub(crate) fn some(&self) -> Option<&str> {
        (!self.is_empty()).then_some(self.as_str())
    }
}

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}
