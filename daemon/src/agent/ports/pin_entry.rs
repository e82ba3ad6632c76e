//! Asking for a PIN or passphrase on the user's screen or terminal.

use core::time::Duration;

use async_trait::async_trait;
use countersign_core::secret::SecretBytes;

/// The dialog program (pinentry).
#[async_trait]
pub trait PinEntry: Send + Sync {
    /// Shows the dialog and waits for what is typed. Dropping the future withdraws the dialog at once.
    ///
    /// # Errors
    ///
    /// Every variant of [`PinEntryError`].
    async fn ask(
        &self,
        dialog: &PinDialog,
        screen: &CallerScreen,
    ) -> Result<SecretBytes, PinEntryError>;
    /// Shows a question and waits for a yes. Dropping the future withdraws the dialog at once.
    ///
    /// # Errors
    ///
    /// Every variant of [`PinEntryError`]; [`PinEntryError::Cancelled`] is a no.
    async fn confirm(
        &self,
        question: &Confirmation,
        screen: &CallerScreen,
    ) -> Result<(), PinEntryError>;
    /// The program that would be started, for `countersign status`: its path, or nothing if there is none.
    fn program(&self) -> Option<String>;
}

/// What the dialog says. Texts may hold foreign words: the adapter makes them display-safe, clips and escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinDialog {
    /// The window's title.
    pub title: String,
    /// What it is about; lines are separated by `\n`.
    pub description: String,
    /// The label of the field, e.g. `PIN:`.
    pub prompt: String,
    /// What was wrong with the last answer, if anything was.
    pub error: Option<String>,
    /// The label of a second field: the secret is new and typed twice.
    pub repeat: Option<String>,
    /// The label of the button that sends it.
    pub ok: String,
    /// The longest that it stays.
    pub within: Duration,
}

/// A question that is answered with yes or no. Texts as in [`PinDialog`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// The window's title.
    pub title: String,
    /// What it is about; lines are separated by `\n`.
    pub description: String,
    /// The label of the button that says yes.
    pub ok: String,
    /// The label of the button that says no.
    pub cancel: String,
    /// The longest that it stays.
    pub within: Duration,
}

/// The screen and terminal of whoever asked, as gpg forwards them. Empty: the session's own.
///
/// Every field is checked before use: bounded, no control characters; the terminal is a character device
/// of this user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerScreen {
    /// Path of the terminal, e.g. `/dev/pts/3`.
    pub tty: String,
    /// Its type, as in `TERM`.
    pub tty_type: String,
    /// `DISPLAY`.
    pub display: String,
    /// `WAYLAND_DISPLAY`.
    pub wayland_display: String,
    /// `XAUTHORITY`.
    pub xauthority: String,
    /// `LC_CTYPE` (or what stands for it).
    pub lc_ctype: String,
    /// `LC_MESSAGES` (or what stands for it).
    pub lc_messages: String,
}

/// Why nothing was typed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PinEntryError {
    /// No pinentry program is installed, or the one that config.toml names is not there.
    #[error("no pinentry program is installed")]
    Missing,
    /// Neither a terminal nor a display that a dialog could be shown on.
    #[error("there is neither a screen nor a terminal to ask on")]
    NoScreen,
    /// The user said no. `pinentry-tty` says the same without a usable terminal.
    #[error("the dialog was cancelled")]
    Cancelled,
    /// Nobody answered in time.
    #[error("nobody answered the dialog in time")]
    TimedOut,
    /// It broke off or spoke another protocol; the words are display-safe and hold no secret.
    #[error("the dialog program failed ({0})")]
    Failed(String),
}
