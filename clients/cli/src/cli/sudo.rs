//! What can be typed about sudo.

use clap::{Args, Subcommand, ValueEnum};

use super::PinInput;

/// `sudo`.
#[derive(Debug, Subcommand)]
pub(crate) enum Sudo {
    /// Make a key that approves sudo in your name, and let root accept it
    Enroll(SudoEnroll),
    /// List your keys, and whether root accepts them
    List,
    /// End your key, here and at root's
    Revoke(SudoRevoke),
    /// Ask once, as `sudo` does
    Test,
    /// Show what stands between you and an approval
    Status,
}

/// How sure the agent must be; root's choice, beside the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verify {
    /// A click, after a PIN since the vault was unlocked
    Presence,
    /// A PIN, or a finger that the agent asks for
    User,
    /// The PIN, each time
    Pin,
}

impl Verify {
    /// The word of the key file.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::User => "user",
            Self::Pin => "pin",
        }
    }
}

/// `sudo enroll`.
#[derive(Debug, Args)]
pub(crate) struct SudoEnroll {
    /// What root asks for with each approval
    #[arg(long, value_enum, default_value_t = Verify::User)]
    pub(crate) verify: Verify,
    /// Root asks for a finger as well, itself
    #[arg(long)]
    pub(crate) finger: bool,
    #[command(flatten)]
    pub(crate) pin: PinInput,
    /// Take the fingerprint as it is: do not ask for it in the terminal
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `sudo revoke`.
#[derive(Debug, Args)]
pub(crate) struct SudoRevoke {
    /// Only here: root's file stays as it is
    #[arg(long)]
    pub(crate) only_here: bool,
}
