//! Import and export.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `import`.
///
/// What the files are, the agent sees by their content.
#[derive(Debug, Args)]
#[command(
    after_help = "Known: Aegis, 2FAS, andOTP, FreeOTP+, Stratum, Proton Authenticator and Bitwarden, plain or encrypted; Google Authenticator's QR codes as pictures or as otpauth-migration links, one a line; lists of otpauth links; PSKC; Countersign's own export."
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub(crate) struct Import {
    /// The files; `-` reads standard input. The parts of one export are given together
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Store what is new without asking
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Store also what looks like a token that is there and differs from it, beside that one
    #[arg(long)]
    pub(crate) keep_both: bool,
    /// Read the passphrase of the files from standard input, one line
    #[arg(long)]
    pub(crate) passphrase_stdin: bool,
}

/// `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Where to; a file that is there is not overwritten
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Which tokens: names, serials or ids; without any, all that may leave
    #[arg(value_name = "TOKEN")]
    pub(crate) tokens: Vec<String>,
    /// What the file is
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = FileFormat::Encrypted)]
    pub(crate) format: FileFormat,
    /// Read the passphrase of the file from standard input, one line
    #[arg(long)]
    pub(crate) passphrase_stdin: bool,
    /// Read the PIN or passphrase of the vault from standard input, one line, behind the file's passphrase
    #[arg(long)]
    pub(crate) pin_stdin: bool,
    /// Write secrets in plain text without asking
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// Countersign's own, under a passphrase
    Encrypted,
    /// PSKC (RFC 6030) under a passphrase, for enterprise software
    Pskc,
    /// otpauth links in plain text, one a line: whoever reads the file has the tokens
    UriList,
}
