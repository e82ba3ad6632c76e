//! What can be typed about the vault: what opens it, and opening it.

use clap::{Args, Subcommand, ValueEnum};

/// `vault`.
#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// The ways in which the vault opens
    #[command(subcommand)]
    Slot(Slot),
}

/// `vault slot`.
#[derive(Debug, Subcommand)]
pub(crate) enum Slot {
    /// List the ways in which the vault opens
    List,
    /// Add a way in which the vault opens
    Add(SlotAdd),
    /// Take a way away; the last one stays
    Remove(SlotRemove),
}

/// `vault slot add`.
#[derive(Debug, Args)]
#[command(
    after_help = "A vault that opens with your session takes no proof. A recovery code is shown once, \
                        to be printed."
)]
pub(crate) struct SlotAdd {
    /// What shall open the vault as well
    #[arg(value_name = "KIND")]
    pub(crate) kind: SlotKind,
    #[command(flatten)]
    pub(crate) proof: Proof,
}

/// `vault slot remove`.
#[derive(Debug, Args)]
pub(crate) struct SlotRemove {
    /// Which one, as `countersign vault slot list` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) proof: Proof,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// How a change of the vault's slots is proved.
#[derive(Debug, Args)]
pub(crate) struct Proof {
    /// Read what opens it now, then a new passphrase, from standard input, a line each
    #[arg(long)]
    pub(crate) passphrase_stdin: bool,
    /// Prove it with the printed recovery code instead
    #[arg(long)]
    pub(crate) recovery: bool,
}

/// What can open the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SlotKind {
    /// A key in the session's keyring
    SecretService,
    /// A passphrase that you type
    Passphrase,
    /// A code that you print and keep elsewhere
    RecoveryCode,
    /// A systemd credential of this machine
    Credential,
    /// The TPM of this machine
    Tpm,
}

/// `setup`.
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// What opens the vault; without it as config.toml says
    #[arg(long, value_name = "KIND")]
    pub(crate) vault_key: Option<VaultKeyKind>,
    /// Whether unlocking asks for something
    #[arg(long, value_name = "MODE")]
    pub(crate) unlock: Option<UnlockKind>,
    /// Read the passphrase, or the PIN beside the key, from standard input, one line
    #[arg(long)]
    pub(crate) passphrase_stdin: bool,
    /// Make a recovery code as well; it is shown once, to be printed
    #[arg(long)]
    pub(crate) recovery_code: bool,
}

/// What opens the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VaultKeyKind {
    /// A key in the session's keyring
    SecretService,
    /// A passphrase that you type
    Passphrase,
    /// A systemd credential of this machine
    Credential,
    /// The TPM of this machine
    Tpm,
}

/// Whether unlocking asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnlockKind {
    /// A PIN or passphrase is asked for
    Pin,
    /// It opens with your session; nothing is asked
    Session,
}

/// `unlock`.
#[derive(Debug, Args)]
pub(crate) struct Unlock {
    /// Read the PIN, passphrase or recovery code from standard input, one line
    #[arg(long)]
    pub(crate) passphrase_stdin: bool,
    /// Unlock with the printed recovery code
    #[arg(long)]
    pub(crate) recovery: bool,
}
