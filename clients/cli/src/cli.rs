//! What can be typed.

mod browser;
mod container;
mod files;
mod pin;
mod rules;
mod sudo;
mod vault;

use std::{path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::styling::{AnsiColor, Styles},
};
use countersign_proto::agent::v1::TokenPlace;

pub(crate) use self::{
    browser::{Browser, BrowserInstall, BrowserKind, BrowserUnbind},
    container::{Container, ContainerUnregister},
    files::{Export, FileFormat, Import},
    pin::{Asking, Biometric, Pin, PinAsk, PinChange},
    rules::{Block, Mute, MuteSpan},
    sudo::{Sudo, SudoEnroll, SudoRevoke},
    vault::{
        Proof, Setup, Slot, SlotAdd, SlotKind, SlotRemove, Unlock, UnlockKind, Vault, VaultKeyKind,
    },
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// The second factor of the Linux desktop.
///
/// Passcodes and login requests of the tokens that the Countersign agent holds. On a terminal answers are
/// for people; piped, standard output carries the bare answer and nothing else.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    styles = STYLES,
    disable_help_subcommand = false,
    after_help = "Exit code 0 is success, 2 a usage error; every other one has one meaning, listed in docs/cli.md."
)]
pub(crate) struct Cli {
    /// Print one JSON object, for scripts; errors too, on standard error
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,

    /// Give up when the agent has not answered after this many seconds
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        value_parser = seconds,
        display_order = 901
    )]
    pub(crate) timeout: Option<Duration>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order that help shows.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a passcode
    Code(Code),
    /// Generate the next passcode of an event-based token
    Next(Next),
    /// List the tokens
    List(List),
    /// Show all there is to know about a token
    Info(TokenName),

    /// List the login requests
    Requests(Requests),
    /// Approve a login request
    Approve(Approve),
    /// Deny a login request
    Deny(Deny),
    /// Let login requests come, or keep them away
    Autosend(Autosend),
    /// Let no login requests come for a time
    Mute(Mute),
    /// Decline login requests by rule: a resource, an address
    #[command(subcommand)]
    Block(Block),

    /// Add a token: activation string, enrollment link or otpauth URI
    Enroll(Enroll),
    /// Add the tokens that another authenticator exported
    Import(Import),
    /// Write tokens as a file
    Export(Export),
    /// Give a token another name
    Rename(Rename),
    /// Give a token another place in the list
    Move(Move),
    /// Delete a token and its secrets
    Delete(Delete),

    /// Show and synchronise the containers of privacyIDEA
    #[command(subcommand)]
    Container(Container),

    /// Change a PIN, or how often it is asked for
    #[command(subcommand)]
    Pin(Pin),
    /// Let a finger stand for the PIN, or not
    Biometric(Biometric),
    /// Let sudo ask the agent
    #[command(subcommand)]
    Sudo(Sudo),

    /// Browsers: paired ones, pages that are filled, the way to the extension
    #[command(subcommand)]
    Browser(Browser),

    /// A screen of login requests, tokens and what happened
    Tui(Tui),
    /// Show what the agent is doing
    Status,
    /// Make the vault that holds the tokens
    Setup(Setup),
    /// Unlock the vault
    Unlock(Unlock),
    /// Lock the vault
    Lock,
    /// Show and change what opens the vault
    #[command(subcommand)]
    Vault(Vault),
    /// Show what happened
    Log(Log),
    /// Look for what keeps it from working, or from being safe
    Doctor,
    /// Print a completion script for a shell
    Completions(Completions),
}

/// A token as an argument.
#[derive(Debug, Args)]
pub(crate) struct TokenName {
    /// Name, serial or id of the token
    #[arg(value_name = "TOKEN")]
    pub(crate) token: String,
}

/// `code`.
#[derive(Debug, Args)]
pub(crate) struct Code {
    #[command(flatten)]
    pub(crate) token: TokenName,
    /// The challenge, for a challenge-response token
    #[arg(long, value_name = "CHALLENGE", allow_hyphen_values = true)]
    pub(crate) challenge: Option<String>,
    #[command(flatten)]
    pub(crate) pin: PinInput,
}

/// `next`.
#[derive(Debug, Args)]
pub(crate) struct Next {
    #[command(flatten)]
    pub(crate) token: TokenName,
    #[command(flatten)]
    pub(crate) pin: PinInput,
}

/// Where a PIN comes from.
#[derive(Debug, Args)]
pub(crate) struct PinInput {
    /// Read the PIN from standard input, one line
    #[arg(long)]
    pub(crate) pin_stdin: bool,
}

/// `requests`.
#[derive(Debug, Args)]
pub(crate) struct Requests {
    /// Ask the services now
    #[arg(long)]
    pub(crate) check: bool,
    /// Also those that are over
    #[arg(long)]
    pub(crate) history: bool,
    /// Stay, and show each change as it happens; `countersign tui` is a screen of them
    #[arg(long, conflicts_with_all = ["check", "history"])]
    pub(crate) watch: bool,
}

/// `approve`.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The request's id or its first digits; without it the pending one, with several you choose
    #[arg(value_name = "ID", value_parser = request_id)]
    pub(crate) id: Option<String>,
    /// The number that the resource shows
    #[arg(long, value_name = "NUMBER")]
    pub(crate) number: Option<String>,
    #[command(flatten)]
    pub(crate) pin: PinInput,
}

/// `deny`.
#[derive(Debug, Args)]
pub(crate) struct Deny {
    /// The request's id or its first digits; without it the pending one, with several you choose
    #[arg(value_name = "ID", value_parser = request_id)]
    pub(crate) id: Option<String>,
    /// It wasn't me! Tell the service's administrators as well
    #[arg(long)]
    pub(crate) report: bool,
    /// It was me, and I do not want it any more; services that take reasons hear it
    #[arg(long, conflicts_with = "report")]
    pub(crate) mine: bool,
}

/// `tui`.
#[derive(Debug, Args)]
pub(crate) struct Tui {
    /// Plain lines instead of a screen, for screen readers: the same as `requests --watch`
    #[arg(long)]
    pub(crate) plain: bool,
}

/// `autosend`.
#[derive(Debug, Args)]
pub(crate) struct Autosend {
    /// Whether login requests may come
    #[arg(value_name = "on|off", hide_possible_values = true)]
    pub(crate) switch: Switch,
    /// Only this token: name, serial or id
    #[arg(value_name = "TOKEN")]
    pub(crate) token: Option<String>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// It may happen.
    On,
    /// It may not.
    Off,
}

/// `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those with this in their name, user, issuer, service or serial
    #[arg(value_name = "WORD")]
    pub(crate) word: Option<String>,
}

/// `enroll`.
#[derive(Debug, Args)]
pub(crate) struct Enroll {
    /// Activation string, countersign:// link, otpauth:// URI or pia:// link (also of a container); `-` reads standard input.
    /// Better left out: other users can see arguments
    #[arg(value_name = "STRING|-", group = "brought")]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) code: QrCode,
    /// A link that was clicked: asks in dialogs, tells the end in a notification, needs no terminal
    #[arg(
        long,
        value_name = "URL|-",
        group = "brought",
        conflicts_with_all = ["name", "yes", "allow_insecure", "pin_stdin"]
    )]
    pub(crate) link: Option<String>,
    /// Name of the token; without it the one that the service offers
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Accept the host that would be shown, and the offered name
    #[arg(long)]
    pub(crate) yes: bool,
    /// Accept a service without TLS, or one whose certificate nobody checks, where the link asks for that
    #[arg(long)]
    pub(crate) allow_insecure: bool,
    /// Read the new token's PIN, or the passphrase of a container's link, from standard input, its last line
    #[arg(long)]
    pub(crate) pin_stdin: bool,
}

/// Where a QR code is looked for.
#[derive(Debug, Args)]
pub(crate) struct QrCode {
    /// Read the QR code of a PNG or JPEG picture; `-` reads the picture from standard input
    #[arg(long, value_name = "FILE|-", group = "brought")]
    pub(crate) image: Option<PathBuf>,
    /// Take the string, or the picture of a QR code, from the clipboard
    #[arg(long, group = "brought")]
    pub(crate) clipboard: bool,
    /// Read a QR code from the screen; the desktop asks which part
    #[arg(long, group = "brought")]
    pub(crate) screen: bool,
    /// Read a QR code that is held before the camera
    #[arg(long, group = "brought")]
    pub(crate) camera: bool,
}

/// `rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    #[command(flatten)]
    pub(crate) token: TokenName,
    /// The new name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `move`.
#[derive(Debug, Args)]
#[group(id = "place", required = true, multiple = false, args = ["first", "last", "before", "after"])]
pub(crate) struct Move {
    #[command(flatten)]
    pub(crate) token: TokenName,
    /// Before all others
    #[arg(long)]
    first: bool,
    /// Behind all others
    #[arg(long)]
    last: bool,
    /// Before this one: name, serial or id
    #[arg(long, value_name = "TOKEN")]
    before: Option<String>,
    /// Behind this one: name, serial or id
    #[arg(long, value_name = "TOKEN")]
    after: Option<String>,
}

impl Move {
    /// Where it goes, and beside which token.
    pub(crate) fn place(&self) -> (TokenPlace, String) {
        match (&self.before, &self.after) {
            (Some(before), _) => (TokenPlace::Before, before.clone()),
            (None, Some(after)) => (TokenPlace::After, after.clone()),
            (None, None) if self.last => (TokenPlace::Last, String::new()),
            (None, None) => (TokenPlace::First, String::new()),
        }
    }
}

/// `delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    pub(crate) token: TokenName,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

/// `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// How many events, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Write events, tokens, requests and status into a ZIP file for whoever helps, after a look at them; nothing secret
    #[arg(long, value_name = "FILE.zip", conflicts_with = "limit")]
    pub(crate) share: Option<PathBuf>,
    /// Write it without a look
    #[arg(long, requires = "share")]
    pub(crate) yes: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|limit| !limit.is_zero() && *limit <= Duration::from_hours(24))
        .ok_or_else(|| "a number of seconds above 0, at most 86400".to_owned())
}

fn request_id(text: &str) -> Result<String, String> {
    let is_id = (4..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("an id is 32 hexadecimal digits, or at least the first 4 of them".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_lines_that_scripts_rely_on_parse() {
        for line in [
            "countersign enroll --yes --name Work -",
            "countersign enroll --image code.png --yes",
            "countersign enroll --image - --name Work",
            "countersign enroll --clipboard",
            "countersign enroll --screen --json",
            "countersign enroll --camera",
            "countersign enroll --link countersign://enroll",
            "countersign list --json",
            "countersign --json status",
            "countersign requests --check",
            "countersign log",
            "countersign log --share log.zip --yes",
            "countersign list work",
            "countersign info Work --json",
            "countersign code Work --challenge 123456 --pin-stdin",
            "countersign next Work --pin-stdin",
            "countersign approve --number 42 --pin-stdin",
            "countersign approve 00ff00ff",
            "countersign deny 00ff00ff --report",
            "countersign deny 00ff00ff --mine",
            "countersign deny",
            "countersign setup --vault-key passphrase --passphrase-stdin",
            "countersign setup --unlock session",
            "countersign unlock --passphrase-stdin",
            "countersign unlock --recovery --passphrase-stdin",
            "countersign setup --vault-key tpm --unlock pin --passphrase-stdin --recovery-code",
            "countersign setup --vault-key credential",
            "countersign enroll --yes --pin-stdin -",
            "countersign pin change",
            "countersign pin change Work --pin-stdin --json",
            "countersign pin ask Work every-time",
            "countersign pin ask Work once-per-unlock --pin-stdin",
            "countersign biometric on",
            "countersign biometric off Work",
            "countersign biometric on Work --pin-stdin",
            "countersign vault slot list --json",
            "countersign vault slot add recovery-code --recovery",
            "countersign vault slot add secret-service",
            "countersign vault slot add passphrase --passphrase-stdin",
            "countersign vault slot add credential",
            "countersign vault slot add tpm",
            "countersign vault slot remove 3 --passphrase-stdin --yes",
            "countersign browser list --json",
            "countersign browser revoke Work",
            "countersign browser origins",
            "countersign browser unbind Work https://login.example.com",
            "countersign browser install --browser all --system",
            "countersign browser uninstall",
            "countersign doctor --json",
            "countersign lock",
            "countersign tui",
            "countersign tui --plain --json",
            "countersign autosend on",
            "countersign autosend off Work",
            "countersign mute 30m",
            "countersign mute off --json",
            "countersign block list",
            "countersign block resource Portal",
            "countersign block address 203.0.113.0/24",
            "countersign block remove 3",
            "countersign container list --json",
            "countersign container sync",
            "countersign container sync Example",
            "countersign container renew Example",
            "countersign container unregister Example --delete-tokens --yes",
            "countersign container unregister Example --only-here",
            "countersign rename Work Office",
            "countersign move Work --first",
            "countersign move Work --before Home",
            "countersign move Work --after Home --json",
            "countersign delete Work --yes",
            "countersign import aegis.json --dry-run",
            "countersign import one.txt two.txt --yes --passphrase-stdin --json",
            "countersign import - --yes --keep-both",
            "countersign export tokens.json",
            "countersign export tokens.json Work Home --passphrase-stdin --pin-stdin",
            "countersign export tokens.xml --format pskc --passphrase-stdin",
            "countersign export links.txt --format uri-list --yes",
            "countersign completions bash",
        ] {
            let parsed = Cli::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "countersign",
            "countersign code",
            "countersign approve xyz",
            "countersign approve 123",
            "countersign move Work",
            "countersign log --yes",
            "countersign enroll --image code.png --clipboard",
            "countersign enroll --screen string",
            "countersign enroll --link countersign://x --yes",
            "countersign enroll --link countersign://x --allow-insecure",
            "countersign enroll --link --yes",
            "countersign move Work --first --last",
            "countersign autosend maybe",
            "countersign mute",
            "countersign mute 8d",
            "countersign block",
            "countersign block resource",
            "countersign log --limit 0",
            "countersign log --limit 1001",
            "countersign requests --watch --check",
            "countersign list --timeout 0",
            "countersign list --timeout -1",
            "countersign list --timeout NaN",
            "countersign setup --passphrase secret",
            "countersign code Work --pin 1234",
            "countersign pin",
            "countersign pin change Work --pin 1234",
            "countersign pin ask Work",
            "countersign pin ask Work sometimes",
            "countersign biometric",
            "countersign biometric maybe",
            "countersign container",
            "countersign container unregister",
            "countersign import",
            "countersign export",
            "countersign export tokens.json --format plain",
            "countersign vault",
            "countersign vault slot",
            "countersign vault slot add",
            "countersign vault slot add floppy",
            "countersign vault slot remove",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
