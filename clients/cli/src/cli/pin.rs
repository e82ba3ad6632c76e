//! What can be typed about PINs and fingers.

use clap::{Args, Subcommand, ValueEnum};

use super::{PinInput, Switch, TokenName};

/// `pin`.
#[derive(Debug, Subcommand)]
pub(crate) enum Pin {
    /// Change the PIN of a token, or the one that unlocks the vault
    Change(PinChange),
    /// Say how often the PIN of a token is asked for
    Ask(PinAsk),
}

/// `pin change`.
#[derive(Debug, Args)]
#[command(
    after_help = "The agent asks for the PINs in a dialog, or this program on the terminal where no \
                        dialog can be shown."
)]
pub(crate) struct PinChange {
    /// Name, serial or id; without it what unlocks the vault, set where there is none
    #[arg(value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Read the current one, if there is one, and the new one from standard input, a line each
    #[arg(long)]
    pub(crate) pin_stdin: bool,
}

/// `pin ask`.
#[derive(Debug, Args)]
#[command(after_help = "To ask less often needs the PIN; to ask more often does not.")]
pub(crate) struct PinAsk {
    #[command(flatten)]
    pub(crate) token: TokenName,
    /// How often
    #[arg(value_name = "every-time|once-per-unlock", hide_possible_values = true)]
    pub(crate) asking: Asking,
    #[command(flatten)]
    pub(crate) pin: PinInput,
}

/// How often a PIN is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asking {
    /// For each passcode and approval.
    EveryTime,
    /// Once after each unlocking of the vault.
    OncePerUnlock,
}

/// `biometric`.
#[derive(Debug, Args)]
#[command(
    after_help = "Switching it on needs the PIN. Whether a finger is allowed at all is a matter of the \
                        token's policy."
)]
pub(crate) struct Biometric {
    /// Whether a finger may stand for the PIN
    #[arg(value_name = "on|off", hide_possible_values = true)]
    pub(crate) switch: Switch,
    /// Name, serial or id; without it for unlocking and approvals
    #[arg(value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    #[command(flatten)]
    pub(crate) pin: PinInput,
}
